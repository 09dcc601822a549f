"""What settlement does when identity tells something: an adjustment that was not approved is not booked."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from identity.events import ApprovalDecided
from kernel.events import StoredEvent
from kernel.ids import parse_public_id
from payments.settlement import adjustments

_KINDS: Final = (adjustments.FIRST_APPROVAL, adjustments.SECOND_APPROVAL)


async def follow_approvals(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Approved ones were carried out in the approval itself."""
    for stored in events:
        event = stored.event
        if isinstance(event, ApprovalDecided) and event.kind in _KINDS and event.status != "approved":
            await adjustments.reject_voucher(session, parse_public_id("adj", event.subject))
