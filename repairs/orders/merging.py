"""Two reports of one thing become one order: words and pictures stay, and whoever raised either is a party of it."""

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import timers
from repairs.orders import queries
from repairs.orders.errors import AlreadyMerged
from repairs.orders.models import URGENCIES, WorkOrder, WorkOrderParty
from repairs.orders.parties import Actor
from repairs.orders.states import UNREPAIRED
from repairs.orders.steps import DISPATCH_TIMER, move, ref_of, tell
from repairs.sla.api import change_sla


def may_absorb(target: WorkOrder, order: WorkOrder) -> bool:
    """Whether one can become part of the other."""
    return target.id != order.id and target.state in UNREPAIRED and target.region_id == order.region_id


async def merge(session: AsyncSession, actor: Actor, order: WorkOrder, target: WorkOrder, words: str = "") -> None:
    """Both rows are locked by the caller, in order of their ids. Both sides are told: the parties of the one are parties of the
    other from here on, may confirm it, and hear what becomes of it."""
    if not may_absorb(target, order):
        raise AlreadyMerged(into=ref_of(target), state=target.state)
    await timers.cancel(session, DISPATCH_TIMER, ref_of(order))
    order.merged_into = target.id
    await move(session, order, "merge", actor, words, data={"into": ref_of(target)})
    await _bring_along(session, order, target)
    urgency = max(order.urgency, target.urgency, key=URGENCIES.index)
    if urgency != target.urgency:
        target.urgency = urgency
        await change_sla(session, target.id, category_id=target.category_id, urgency=urgency, at=order.changed_at)
    # No step of the other's own: a phone that works on it without network still has the right version.
    await tell(session, target, "absorb")


async def _bring_along(session: AsyncSession, order: WorkOrder, target: WorkOrder) -> None:
    parties = await queries.parties_of(session, [order.id, target.id])
    known = {party.party_key: party for party in parties.get(target.id, [])}
    for party in parties.get(order.id, []):
        same = known.get(party.party_key)
        if same is not None:
            same.is_raiser, same.is_served = same.is_raiser or party.is_raiser, same.is_served or party.is_served
            continue
        session.add(
            WorkOrderParty(
                order_id=target.id,
                party_key=party.party_key,
                person_id=party.person_id,
                guest_id=party.guest_id,
                is_raiser=party.is_raiser,
                is_served=party.is_served,
                came_from=order.id,
            )
        )
    await session.flush()
