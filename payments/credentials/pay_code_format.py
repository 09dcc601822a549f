"""The pay code "HZC1" as digits and bytes. Pure; the test vectors are in docs/pay-code.md.

Text = P1 (20 digits) followed by P2 (200 digits).
P1 = `70`, 3 digits of the holder's bucket, 14 random digits, 1 Luhn digit. Made and known by the server.
P2 = 82 bytes in the block code D17: 18 bytes of claims and a 64-byte signature over ASCII `HZC1` and the claims.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

P1_LENGTH: Final = 20
P2_LENGTH: Final = 200
TEXT_LENGTH: Final = P1_LENGTH + P2_LENGTH
PREFIX: Final = "70"
SECRET_DIGITS: Final = 14
SIGNED_PREFIX: Final = b"HZC1"
SUITE_ED25519: Final = 1
CLAIMS_LENGTH: Final = 18
BLOCK_LENGTH: Final = 82

_DIGITS_FOR_REST: Final = (0, 3, 5, 8, 10, 13, 15)
_REST_FOR_DIGITS: Final = {digits: rest for rest, digits in enumerate(_DIGITS_FOR_REST)}
_LIFE_STEP_S: Final = 5
_LIFE_STEPS_MAX: Final = 199
LIFE_UNTIL_MEAL_ENDS: Final = 200
LIFE_UNTIL_DAY_ENDS: Final = 201

MEAL_NUMBERS: Final = {"any": 0, "breakfast": 1, "lunch": 2, "dinner": 3, "night": 4}


def luhn_digit(digits: str) -> str:
    """The digit that makes `digits` + it pass the Luhn check."""
    total = 0
    for position, character in enumerate(reversed(digits)):
        value = int(character)
        if position % 2 == 0:
            value *= 2
            if value > 9:
                value -= 9
        total += value
    return str(-total % 10)


# Luhn over pairs: the posting path checks thousands a second. Two digits at once, the first of a pair undoubled.
_PAIR_SUM: Final = {f"{pair:02d}": (pair // 10) * 2 - (9 if pair // 10 > 4 else 0) + pair % 10 for pair in range(100)}


def passes_luhn(digits: str) -> bool:
    """Whether an even number of digits passes the Luhn check."""
    pair_sum = _PAIR_SUM
    return sum([pair_sum[digits[at : at + 2]] for at in range(0, len(digits), 2)]) % 10 == 0


def write_p1(bucket: int, secret: int) -> str:
    """P1 from the holder's bucket and 14 random digits as a number."""
    body = f"{PREFIX}{bucket:03d}{secret:014d}"
    return body + luhn_digit(body)


def read_p1(digits: str) -> tuple[int, int] | None:
    """(bucket, secret) of a P1, or None where prefix or check digit are wrong."""
    if len(digits) != P1_LENGTH or digits[:2] != PREFIX or not passes_luhn(digits):
        return None
    return int(digits[2:5]), int(digits[5:19])


def encode_d17(data: bytes) -> str:
    """Digits of bytes: each 7 bytes become 17 digits, a rest of 1-6 bytes 3, 5, 8, 10, 13 or 15."""
    parts = []
    for at in range(0, len(data), 7):
        chunk = data[at : at + 7]
        width = 17 if len(chunk) == 7 else _DIGITS_FOR_REST[len(chunk)]
        parts.append(f"{int.from_bytes(chunk, 'big'):0{width}d}")
    return "".join(parts)


def decode_d17(digits: str) -> bytes:
    """The inverse of `encode_d17`. ValueError for a length or a value that no bytes have."""
    whole, rest_digits = divmod(len(digits), 17)
    rest_length = _REST_FOR_DIGITS.get(rest_digits)
    if rest_length is None or (digits and not (digits.isascii() and digits.isdigit())):
        raise ValueError("not a D17 text")
    try:
        chunks = [int(digits[at * 17 : at * 17 + 17]).to_bytes(7, "big") for at in range(whole)]
        if rest_length:
            chunks.append(int(digits[whole * 17 :]).to_bytes(rest_length, "big"))
    except OverflowError:
        raise ValueError("a D17 value is too large") from None
    return b"".join(chunks)


@dataclass(frozen=True, slots=True)
class Claims:
    """What P2 says before its signature. `life` is 0-199 in steps of 5 s, or one of the two named ends."""

    kid: int
    alias: bytes
    not_before: int
    life: int
    meal: int
    price_class: int
    tier: int
    nonce: bytes
    suite: int = SUITE_ED25519

    def pack(self) -> bytes:
        """The 18 bytes that are signed."""
        flags = self.meal | self.price_class << 3 | self.tier << 6
        return (
            struct.pack(">BH6sIBB", 1 << 4 | self.suite, self.kid, self.alias, self.not_before, self.life, flags)
            + self.nonce
        )

    @property
    def life_s(self) -> int | None:
        """Seconds of life; None where the end is that of the meal or of the business day."""
        return self.life * _LIFE_STEP_S if self.life <= _LIFE_STEPS_MAX else None


def unpack_claims(data: bytes) -> Claims:
    """The inverse of `Claims.pack`. ValueError for another version, suite or life."""
    head, kid, alias, not_before, life, flags = struct.unpack(">BH6sIBB", data[:15])
    if head >> 4 != 1 or head & 15 not in (1, 2):
        raise ValueError("unknown version or suite")
    if life > LIFE_UNTIL_DAY_ENDS:
        raise ValueError("unknown life")
    if flags & 7 > max(MEAL_NUMBERS.values()):
        raise ValueError("unknown meal")
    return Claims(kid, alias, not_before, life, flags & 7, flags >> 3 & 7, flags >> 6, data[15:18], head & 15)


def spend_key(block: bytes) -> bytes:
    """First 8 bytes of SHA-256(P2): what an offline till remembers a block by."""
    return hashlib.sha256(block).digest()[:8]


def spend_key_number(block: bytes) -> int:
    """The spend key as the database stores it: a signed 64-bit number."""
    return int.from_bytes(spend_key(block), "big", signed=True)


def life_steps(seconds: int) -> int:
    """Seconds as the life field's steps, rounded up."""
    steps = -(-seconds // _LIFE_STEP_S)
    if not 0 <= steps <= _LIFE_STEPS_MAX:
        raise ValueError("a life has 0 to 995 seconds")
    return steps
