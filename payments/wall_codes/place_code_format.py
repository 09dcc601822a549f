"""The wall code "HZW1" as digits. Pure; docs/wall-code.md has the test vectors.

Text = `71`, the version `1`, 66 digits and a Luhn digit: 70 digits. The 66 digits are 27 bytes in the block code D17: the
code's id (16 bytes) and a tag (11 bytes), the beginning of an HMAC-SHA256 over `HZW1`, the id, the site and the till.

The tag is a keyed hash and no public signature, because a printed code lives for years and our signing keys for 90 days:
a code is good for as long as the server knows it, and only the server can say so.
"""

import hmac
from typing import Final
from uuid import UUID

from payments.credentials.pay_code_format import decode_d17, encode_d17, luhn_digit, passes_luhn

PLACE_CODE_LENGTH: Final = 70
# No prefix of Alipay (25-30), WeChat Pay (10-15), UnionPay (62), nor of our own pay code (70).
PREFIX: Final = "71"
VERSION: Final = "1"
TAG_LENGTH: Final = 11
SIGNED_PREFIX: Final = b"HZW1"
_ID_LENGTH: Final = 16
_HEAD: Final = PREFIX + VERSION


def place_tag(key: bytes, code_id: UUID, site_id: UUID, terminal_id: UUID | None) -> bytes:
    """What proves a code, its site and its till to be ours; a row that was bent to another site fails it too."""
    till = terminal_id.bytes if terminal_id is not None else bytes(_ID_LENGTH)
    return hmac.digest(key, SIGNED_PREFIX + code_id.bytes + site_id.bytes + till, "sha256")[:TAG_LENGTH]


def write_place_code(code_id: UUID, tag: bytes) -> str:
    """The 70 digits of a code."""
    body = _HEAD + encode_d17(code_id.bytes + tag)
    return body + luhn_digit(body)


def looks_like_place_code(text: str) -> bool:
    """Whether it has the shape: 70 digits. Whether it is one of ours, `read_place_code` and the tag say."""
    return len(text) == PLACE_CODE_LENGTH and text.isascii() and text.isdigit()


def read_place_code(text: str) -> tuple[UUID, bytes] | None:
    """(id, tag) of 70 digits, or None where prefix, version, check digit or block cannot be ours."""
    if not looks_like_place_code(text) or not text.startswith(_HEAD) or not passes_luhn(text):
        return None
    try:
        block = decode_d17(text[len(_HEAD) : -1])
    except ValueError:
        return None
    return UUID(bytes=block[:_ID_LENGTH]), block[_ID_LENGTH:]
