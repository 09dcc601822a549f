"""Check-in codes: what a door shows changes every minute, so that a photograph of it is worth nothing; a booking's own stays.

A code is base32 of one letter of kind, the id (16 bytes), the minute (4 bytes, 0 for a booking's and for an invitation's) and the first ten bytes of
an HMAC-SHA256 over them. Only the server reads them.
"""

import base64
import hmac
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from booking.errors import CodeUnknown
from kernel import clock
from kernel.sealing import derived_key

_DOOR, _BOOKING, _INVITATION = b"D", b"B", b"I"
_TAG_LENGTH: Final = 10
_BODY_LENGTH: Final = 21
_LENGTH: Final = _BODY_LENGTH + _TAG_LENGTH
# Shown in this minute, or in one of the two before: who scans walks slowly through the letters.
_MINUTES_GOOD: Final = 3

CodeKind = Literal["door", "booking"]


def door_code(bookable_id: UUID, at: datetime) -> str:
    return _written(_DOOR + bookable_id.bytes + _minute(at).to_bytes(4))


def booking_code(booking_id: UUID) -> str:
    return _written(_BOOKING + booking_id.bytes + bytes(4))


def invitation_code(invitee_id: UUID) -> str:
    """What stands in the letter: whoever holds it answers for them."""
    return _written(_INVITATION + invitee_id.bytes + bytes(4))


def read_invitation_code(code: str) -> UUID:
    """Whose it is; CodeUnknown for any other text."""
    letter, identifier, _ = _read(code)
    if letter != _INVITATION:
        raise CodeUnknown
    return identifier


def read_code(scanned: str) -> tuple[CodeKind, UUID]:
    """What a code is of; CodeUnknown for any other text, and for what a door showed before."""
    letter, identifier, minute = _read(scanned)
    if letter == _BOOKING:
        return "booking", identifier
    if letter != _DOOR or not 0 <= _minute(clock.now()) - minute < _MINUTES_GOOD:
        raise CodeUnknown
    return "door", identifier


def _read(scanned: str) -> tuple[bytes, UUID, int]:
    letters = scanned.strip().rpartition("/")[2].upper()
    try:
        block = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError as error:
        raise CodeUnknown from error
    body, tag = block[:_BODY_LENGTH], block[_BODY_LENGTH:]
    if len(block) != _LENGTH or not hmac.compare_digest(_tag(body), tag):
        raise CodeUnknown
    return body[:1], UUID(bytes=body[1:17]), int.from_bytes(body[17:])


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def _written(body: bytes) -> str:
    return base64.b32encode(body + _tag(body)).decode().rstrip("=")


def _tag(body: bytes) -> bytes:
    return hmac.digest(derived_key("booking-code"), body, "sha256")[:_TAG_LENGTH]
