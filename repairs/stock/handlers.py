"""What stock does when orders go on: charge what was confirmed, give back what is disputed, cancelled or part of another one."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from kernel.events import Event, StoredEvent
from kernel.ids import parse_public_id
from repairs.orders.events import WorkOrderChanged
from repairs.orders.queries import PREFIX as ORDER
from repairs.stock import charging

FOLLOWED: Final[tuple[type[Event], ...]] = (WorkOrderChanged,)
_CHARGES: Final = frozenset({"confirm", "auto_confirm"})
_GIVES_BACK: Final = frozenset({"dispute", "cancel", "merge"})


async def follow_orders(session: AsyncSession, events: list[StoredEvent]) -> None:
    """Each step once; said twice, a charge or its return is the same."""
    for stored in events:
        event = stored.event
        if not isinstance(event, WorkOrderChanged):
            continue
        order_id = parse_public_id(ORDER, event.order)
        if event.trigger in _CHARGES:
            await charging.charge_or_note(session, order_id)
        elif event.trigger in _GIVES_BACK:
            await charging.refund_order(session, order_id, actor="system")
