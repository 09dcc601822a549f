"""What disputes do when identity tells something: the voucher that one waits for was approved by two, or refused."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from identity.events import ApprovalDecided
from kernel.events import StoredEvent
from kernel.ids import parse_public_id
from payments.disputes import service
from payments.settlement.adjustments import FIRST_APPROVAL, SECOND_APPROVAL


async def follow_vouchers(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """The first approval only asks for the second; the second has booked the refund in its own transaction."""
    for stored in events:
        event = stored.event
        if not isinstance(event, ApprovalDecided) or event.kind not in (FIRST_APPROVAL, SECOND_APPROVAL):
            continue
        is_approved = event.status == "approved"
        if event.kind == SECOND_APPROVAL or not is_approved:
            await service.hear_of_voucher(session, parse_public_id("adj", event.subject), is_booked=is_approved)
