"""The label on a door, a wall or a lift: a signed code that says, by a scan, where somebody is.

A label is 45 letters: base32 of the place's id (16 bytes), the issue (2) and a tag (10), the beginning of an HMAC-SHA256
over `HZL1`, id and issue. It is a keyed hash and no public signature, because only the server reads it, and a label on a
wall lives for years. One issue of a place counts; a new issue ends the labels before it.
"""

import base64
import hmac
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.errors import PlaceLabelEnded, PlaceLabelUnknown
from identity.models import PlaceRow
from identity.place_tree import PREFIX, get_tree_place
from kernel import audit_log
from kernel.ids import public_id
from kernel.sealing import derived_key

SIGNED_PREFIX: Final = b"HZL1"
TAG_LENGTH: Final = 10
LABEL_PATTERN: Final = r"^[A-Z2-7]{45}$"
_HEAD_LENGTH: Final = 18
_PADDING: Final = "==="
_LAST_ISSUE: Final = 2**16 - 1


def place_code_of(place_id: UUID, issue: int) -> str:
    """The 45 letters that are printed."""
    head = place_id.bytes + issue.to_bytes(2)
    return base64.b32encode(head + _tag(head)).decode().rstrip("=")


def _tag(head: bytes) -> bytes:
    return hmac.digest(derived_key("place-label"), SIGNED_PREFIX + head, "sha256")[:TAG_LENGTH]


def read_place_code(letters: str) -> tuple[UUID, int]:
    """(place, issue) of a label that is ours; PlaceLabelUnknown for any other text."""
    try:
        block = base64.b32decode(letters + _PADDING)
    except ValueError as error:
        raise PlaceLabelUnknown from error
    head, tag = block[:_HEAD_LENGTH], block[_HEAD_LENGTH:]
    # The last letter has three bits that say nothing: only the one way of writing them is ours.
    if not hmac.compare_digest(_tag(head), tag) or base64.b32encode(block).decode().rstrip("=") != letters:
        raise PlaceLabelUnknown
    return UUID(bytes=head[:16]), int.from_bytes(head[16:])


async def find_place_by_code(session: AsyncSession, letters: str) -> PlaceRow:
    """The place that a scanned label hangs at; PlaceLabelUnknown, or PlaceLabelEnded where it was replaced or the place is
    out of use."""
    place_id, issue = read_place_code(letters)
    place = await session.get(PlaceRow, place_id)
    if place is None:
        raise PlaceLabelUnknown
    if place.code_issue != issue or place.retired_at is not None:
        raise PlaceLabelEnded
    return place


async def replace_label(session: AsyncSession, place_id: UUID, *, actor: str) -> PlaceRow:
    """A new issue: labels that were photographed or moved elsewhere say nothing any more."""
    place = await get_tree_place(session, place_id)
    place.code_issue = min(place.code_issue + 1, _LAST_ISSUE)
    subject = public_id(PREFIX, place.id)
    await audit_log.record(
        session, actor=actor, action="place.replace_label", subject=subject, data={"issue": place.code_issue}
    )
    return place
