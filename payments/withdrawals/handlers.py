"""What withdrawals do when identity tells something: a large one that nobody agreed to lets its money go."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from identity.events import ApprovalDecided
from kernel.events import StoredEvent
from kernel.ids import parse_public_id
from payments.withdrawals import service


async def follow_approvals(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Approved ones were carried out in the approval itself."""
    for stored in events:
        event = stored.event
        if isinstance(event, ApprovalDecided) and event.kind == service.APPROVAL_KIND and event.status != "approved":
            await service.decline(session, parse_public_id("wdr", event.subject))
