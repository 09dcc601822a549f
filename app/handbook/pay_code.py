"""docs/pay-code.md: the format HZC1 with vectors that another implementation can be tried on.

The keys are fixed and public: they sign nothing but this page. Ed25519 has no randomness, so the vectors never change.
"""

import base64
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.handbook.markdown import fenced, page, table
from payments.credentials.pay_code_format import (
    BLOCK_LENGTH,
    CLAIMS_LENGTH,
    LIFE_UNTIL_MEAL_ENDS,
    MEAL_NUMBERS,
    SIGNED_PREFIX,
    Claims,
    encode_d17,
    luhn_digit,
    spend_key,
    spend_key_number,
    write_p1,
)
from payments.credentials.pay_codes import CODE_LIFE, PRICE_CLASSES
from payments.credentials.trust import ACCEPTED_AFTER, KEY_LIFE, PUBLISHED_AHEAD, public_bytes
from payments.credentials.trust import SIGNED_PREFIX as TRUST_PREFIX
from payments.credentials.vouchers import VOUCHERS_A_DAY

# RFC 8032 has the same habit: keys that everybody knows, for vectors only.
SEED: Final = bytes(range(32))
ROOT_SEED: Final = bytes(range(32, 64))
BUCKET: Final = 327
SECRET: Final = 12_345_678_901_234
NOT_BEFORE: Final = datetime(2026, 11, 23, 4, 5, 0, tzinfo=UTC)
CLAIMS: Final = Claims(
    kid=1,
    alias=bytes.fromhex("a1b2c3d4e5f6"),
    not_before=int(NOT_BEFORE.timestamp()),
    life=12,
    meal=MEAL_NUMBERS["lunch"],
    price_class=PRICE_CLASSES["staff"],
    tier=0,
    nonce=bytes.fromhex("0a0b0c"),
)

_D17_SAMPLES: Final = ("00", "ff", "ffff", "010203", "deadbeef", "0102030405", "ffffffffffff", "00000000000000",
                       "ffffffffffffff", "0001020304050607")  # fmt: skip  # one sample for each length, and the edges


def pay_code_page() -> str:
    """The whole page."""
    return page("The pay code HZC1", _LEAD, _first_part(), _second_part(), _d17(), _vector(), _trust(), _REFUSED)


_LEAD: Final = f"""A pay code is digits only: a QR code packs them as tightly as anything, and scanners that type like a keyboard cannot mangle them.
The text is P1 (20 digits) followed by P2 (200 digits): 220 digits, a QR code of version 6, level M, numeric mode. A till with a
network may send P1 alone, or all 220. Both parts are one row on the server, so using one spends both. A code lives
{CODE_LIFE.total_seconds():.0f} seconds and pays once. `payments/credentials/pay_code_format.py` is the implementation; this page is made by it."""


def _first_part() -> str:
    body = f"70{BUCKET:03d}{SECRET:014d}"
    rows = [
        ("1-2", "2", "`70`: not a prefix of Alipay (25-30), WeChat Pay (10-15) or UnionPay (62)"),
        ("3-5", "3", "the holder's bucket, 000-999"),
        ("6-19", "14", "random digits"),
        ("20", "1", "Luhn digit over the 19 before it"),
    ]
    return (
        "## P1\n\n"
        + table(("digits", "length", "what"), rows)
        + f"\n\nThe Luhn digit of `{body}` is `{luhn_digit(body)}`."
    )


def _second_part() -> str:
    rows = [
        ("0", "1", "high 4 bits: version, 1; low 4 bits: suite, 1 = Ed25519 (2 is kept for SM2 with SM3)"),
        ("1", "2", "kid: the number of the region's signing key, in the trust list"),
        ("3", "6", "alias: a person on one business day, and nobody the day after"),
        ("9", "4", "not_before, unix seconds"),
        (
            "13",
            "1",
            "life: 0-199 in steps of 5 s; 200 until the meal ends, 201 until the business day ends; others are refused",
        ),
        (
            "14",
            "1",
            f"bits 0-2 (0 is the least significant) meal: {_numbers(MEAL_NUMBERS)}; bits 3-5 price class: {_numbers(PRICE_CLASSES)}; bits 6-7 offline tier",
        ),
        ("15", "3", "nonce, random"),
        ("18", "64", f"signature over ASCII `{SIGNED_PREFIX.decode()}` and the bytes 0-17"),
    ]
    return (
        f"## P2\n\n{BLOCK_LENGTH} bytes, big-endian, of which {CLAIMS_LENGTH} are signed, written in the block code D17.\n\n"
        + table(("offset", "bytes", "field"), rows)
        + "\n\n`spend_key` is the first 8 bytes of SHA-256 over the 82 bytes. The server keeps it as a signed big-endian number."
        + "\n\nThe offline tier is 0 today: no till takes payments without a network yet. The format already has the room."
        + f"\n\nA **voucher** is a code that a phone fetches for the moment when it has no network itself (`POST /v1/me/vouchers`, at most {VOUCHERS_A_DAY} "
        f"a business day). Its P1 lives {int(CODE_LIFE.total_seconds())} seconds like any other; its P2 has life {LIFE_UNTIL_MEAL_ENDS} and names the meal that is on, or comes next. A till "
        "with a network takes all 220 digits of it until the meal ends, once."
    )


def _d17() -> str:
    rows = [(f"`{sample}`", str(len(sample) // 2), f"`{encode_d17(bytes.fromhex(sample))}`") for sample in _D17_SAMPLES]
    return (
        "## D17\n\nEach 7 bytes become 17 digits, zero-padded; a rest of 1 to 6 bytes becomes 3, 5, 8, 10, 13 or 15. "
        "Digits whose value does not fit the bytes are refused (`256`, `72057594037927936`), and so is every other length (`1`, `12`).\n\n"
        + table(("bytes", "length", "digits"), rows)
    )


def vector() -> dict[str, Any]:
    """One code with everything in it."""
    claims = CLAIMS.pack()
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(SIGNED_PREFIX + claims)
    block = claims + signature
    code, offline_block = write_p1(BUCKET, SECRET), encode_d17(block)
    return {
        "private key (seed)": SEED.hex(),
        "public key": public_bytes(Ed25519PrivateKey.from_private_bytes(SEED)).hex(),
        "kid": CLAIMS.kid,
        "alias": CLAIMS.alias.hex(),
        "not_before": CLAIMS.not_before,
        "life": CLAIMS.life,
        "meal": CLAIMS.meal,
        "price class": CLAIMS.price_class,
        "tier": CLAIMS.tier,
        "nonce": CLAIMS.nonce.hex(),
        "claims (bytes 0-17)": claims.hex(),
        "signed": (SIGNED_PREFIX + claims).hex(),
        "signature": signature.hex(),
        "bucket": BUCKET,
        "random digits": f"{SECRET:014d}",
        "P1": code,
        "P2": offline_block,
        "text": code + offline_block,
        "spend_key": spend_key(block).hex(),
        "spend_key as a number": spend_key_number(block),
    }


def _vector() -> str:
    found = vector()
    width = max(map(len, found))
    lines = "\n".join(f"{name:<{width}}  {value}" for name, value in found.items())
    return (
        f"## A vector\n\nThe key is known to everybody and signs nothing but this. The code begins at {NOT_BEFORE:%Y-%m-%d %H:%M:%S} UTC "
        f"and lives {CLAIMS.life_s} seconds.\n\n{fenced(lines)}"
    )


def trust_vector() -> dict[str, Any]:
    """A trust list with one key, and what is signed of it."""
    region = "reg_" + "0" * 31 + "1"
    key: dict[str, int | str] = {
        "kid": 1,
        "suite": 1,
        "public_key": base64.b64encode(public_bytes(Ed25519PrivateKey.from_private_bytes(SEED))).decode(),
        "region": region,
        "not_before": CLAIMS.not_before,
        "not_after": CLAIMS.not_before + int(KEY_LIFE.total_seconds()),
    }
    listed: dict[str, Any] = {"keys": [key], "version": 1}
    signed = TRUST_PREFIX + rfc8785.dumps(listed)
    root = Ed25519PrivateKey.from_private_bytes(ROOT_SEED)
    return {
        "root seed": ROOT_SEED.hex(),
        "root public key": base64.b64encode(public_bytes(root)).decode(),
        "signed": signed.decode(),
        "signature": base64.b64encode(root.sign(signed)).decode(),
    }


def _trust() -> str:
    found = trust_vector()
    width = max(map(len, found))
    lines = "\n".join(f"{name:<{width}}  {value}" for name, value in found.items())
    return (
        f"## The trust list\n\n`GET /v1/trust_list` names the public keys. A key lives {KEY_LIFE.days} days; the next one is published "
        f"{PUBLISHED_AHEAD.days} days ahead; the old one is accepted {ACCEPTED_AFTER.total_seconds() / 3600:.0f} hours after. The list is signed by the root key "
        f"with Ed25519 over ASCII `{TRUST_PREFIX.decode()}` and the RFC 8785 JSON of `keys` and `version`. Keys and signature are standard base64.\n\n"
        + fenced(lines)
    )


_REFUSED: Final = """## What a till is told

| sent | answer |
| --- | --- |
| not 20 or 220 digits | 422 `MALFORMED` |
| another prefix, a wrong Luhn digit, a P2 that does not belong to its P1, or digits that nobody was given | 402 `DENY_CODE_UNKNOWN`; after ten in a minute 429 with Retry-After |
| a code whose time is over | 402 `DENY_CODE_EXPIRED` |
| a code that has paid | 402 `DENY_CODE_USED` |"""


def _numbers(names: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in names.items())
