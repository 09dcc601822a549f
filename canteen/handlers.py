"""What the canteens do when payments tells of a sale, a void or a refund: they keep the figures of the live board."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from canteen import takings
from kernel.events import StoredEvent

# Its place in the outbox is kept under this name.
TAKINGS_HANDLER: Final = "canteen.keep_takings"


async def keep_takings(session: AsyncSession, events: list[StoredEvent]) -> None:
    """Add what happened to the minutes and to the last payments of each canteen."""
    told = takings.payment_events(events)
    await takings.add_to_totals(session, takings.fold(told))
    await takings.note_last_payments(session, told)
