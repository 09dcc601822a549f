"""What the canteens do when payments tells of a sale, a void or a refund: they keep the figures of the live board."""

from sqlalchemy.ext.asyncio import AsyncSession

from canteen import takings
from kernel.events import StoredEvent
from payments.events import PaymentRefunded, PaymentSucceeded, PaymentVoided


async def keep_takings(session: AsyncSession, events: list[StoredEvent]) -> None:
    """Add what happened to the minutes and to the last payments of each canteen."""
    told = [
        stored.event
        for stored in events
        if isinstance(stored.event, PaymentSucceeded | PaymentVoided | PaymentRefunded)
    ]
    await takings.add_to_totals(session, takings.fold(told))
    await takings.note_last_payments(session, told)
