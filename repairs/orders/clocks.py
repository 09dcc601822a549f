"""Which steps of an order its clocks of service hear of."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from repairs.orders.models import WorkOrder
from repairs.sla.api import pause_sla, reach_milestone, reopen_sla, resume_sla, stop_sla

# Nobody will do it, or another order does.
_STOPS = ("rejected", "merged", "withdrawn", "cancelled")


async def follow(
    session: AsyncSession, order: WorkOrder, before: str, trigger: str, at: datetime, *, is_person: bool
) -> None:
    """After a step: a person's first word is the response, the rule's acceptance is none."""
    if order.state in _STOPS:
        await stop_sla(session, order.id)
        return
    if before == "on_hold":
        await resume_sla(session, order.id, at)
    if trigger in ("assign", "claim") or (trigger == "accept" and is_person):
        await reach_milestone(session, order.id, "response", at)
    elif trigger == "start":
        await reach_milestone(session, order.id, "arrival", at)
    elif trigger == "hold":
        assert order.hold_cause is not None, "nothing waits without a cause"
        await pause_sla(session, order.id, order.hold_cause, at)
    elif trigger == "finish":
        await reach_milestone(session, order.id, "resolution", at)
    elif trigger == "dispute":
        await reopen_sla(session, order.id, at)
