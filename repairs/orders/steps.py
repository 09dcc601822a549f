"""One step of an order's life: along the table, written down, and told."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import person_summary
from kernel import audit_log, clock, timers
from kernel.errors import StateConflict
from kernel.ids import public_id
from kernel.outbox import publish
from realtime.calls.api import end_handed_over
from repairs.orders import clocks, queries
from repairs.orders.events import WorkOrderChanged
from repairs.orders.models import WorkOrder, WorkOrderStep
from repairs.orders.parties import SYSTEM, Actor
from repairs.orders.states import WORK_ORDER, allowed_to, next_state

# Silence counts as yes when this strikes.
CONFIRM_TIMER: Final = "repairs.confirm"
# The rule looks again for whom nobody was found for.
DISPATCH_TIMER: Final = "repairs.dispatch"
DISPATCH_AGAIN: Final = timedelta(minutes=5)
# Nothing more is to be done, or it is another order's business.
_ENDS: Final = frozenset({"rejected", "merged", "withdrawn", "cancelled", "confirmed"})


def ref_of(order: WorkOrder) -> str:
    """The order's public id, as timers and the log name it."""
    return public_id(queries.PREFIX, order.id)


async def move(
    session: AsyncSession,
    order: WorkOrder,
    trigger: str,
    actor: Actor,
    words: str = "",
    *,
    data: dict[str, Any] | None = None,
    happened_at: datetime | None = None,
) -> None:
    """Along the table, under the order's lock; what the clock and others wait for is told."""
    now, before = clock.now(), order.state
    order.state = next_state(WORK_ORDER, order.state, trigger)
    order.version += 1
    if order.state != "on_hold":
        order.hold_cause = order.held_at = order.hold_until = None
    if order.state in _ENDS:
        order.ended_at = now
        await _end(session, order, actor, words)
    await write_step(session, order, trigger, actor, words, data=data, happened_at=happened_at or now)
    await clocks.follow(session, order, before, trigger, happened_at or now, is_person=actor is not SYSTEM)


async def _end(session: AsyncSession, order: WorkOrder, actor: Actor, words: str) -> None:
    await timers.cancel(session, DISPATCH_TIMER, ref_of(order))
    offer = await queries.open_offer(session, order.id)
    if offer is not None:
        offer.outcome, offer.ended_at = "ended", clock.now()
    if order.call_id is not None:
        await end_handed_over(session, order.call_id, actor=actor.key, words=words)


async def write_step(
    session: AsyncSession,
    order: WorkOrder,
    trigger: str,
    actor: Actor,
    words: str = "",
    *,
    data: dict[str, Any] | None = None,
    happened_at: datetime,
) -> None:
    """The step itself: its number is the order's version."""
    now = clock.now()
    order.changed_at = now
    session.add(
        WorkOrderStep(
            order_id=order.id,
            ordinal=order.version,
            trigger=trigger,
            state=order.state,
            round=order.round,
            actor=actor.key,
            words=words,
            data=data or {},
            happened_at=happened_at,
            recorded_at=now,
        )
    )
    await session.flush()
    await tell(session, order, trigger)
    # The log is of what people do; what the clock and the rule do stands in the steps.
    if actor is not SYSTEM:
        logged = {"state": order.state, "version": order.version, **(data or {})}
        action = f"work_order.{trigger}"
        await audit_log.record(session, actor=actor.key, action=action, subject=ref_of(order), data=logged)


async def tell(session: AsyncSession, order: WorkOrder, trigger: str) -> None:
    """The card as it is now: to the desk, and to those whom it concerns."""
    assignee = await name_of(session, order.assignee_id)
    publish_card(session, order, trigger, assignee_name=assignee, people=await people_of(session, order))


def publish_card(
    session: AsyncSession, order: WorkOrder, trigger: str, *, assignee_name: str | None, people: list[str]
) -> None:
    """The same for who knows the names already."""
    publish(
        session,
        WorkOrderChanged(
            happened_at=clock.rfc3339(order.changed_at),
            order=ref_of(order),
            region=public_id("reg", order.region_id),
            trigger=trigger,
            state=order.state,
            order_version=order.version,
            category=public_id(queries.CATEGORY, order.category_id),
            urgency=order.urgency,
            place=public_id("pla", order.place_id) if order.place_id else None,
            place_text=order.place_text,
            words=order.words[:80],
            round=order.round,
            declines=order.declines,
            assignee=public_id("per", order.assignee_id) if order.assignee_id else None,
            assignee_name=assignee_name,
            hold_cause=order.hold_cause,
            problem=public_id(queries.PROBLEM, order.problem_id) if order.problem_id else None,
            merged_into=public_id(queries.PREFIX, order.merged_into) if order.merged_into else None,
            raised_at=clock.rfc3339(order.raised_at),
            changed_at=clock.rfc3339(order.changed_at),
            people=people,
        ),
    )


async def people_of(session: AsyncSession, order: WorkOrder) -> list[str]:
    """Whom it concerns, by public id: whose it is, and who has it."""
    parties = (await queries.parties_of(session, [order.id])).get(order.id, [])
    concerned = [*(party.person_id for party in parties), order.assignee_id]
    return sorted({public_id("per", person) for person in concerned if person is not None})


async def name_of(session: AsyncSession, person_id: UUID | None) -> str | None:
    """Somebody's name."""
    if person_id is None:
        return None
    found = (await person_summary(session, [person_id])).get(person_id)
    return found.name if found is not None else None


async def conflict(session: AsyncSession, order: WorkOrder, trigger: str, sides: frozenset[str]) -> StateConflict:
    """What the state allows now, and who has it."""
    name = await name_of(session, order.assignee_id)
    taken_by = {"id": public_id("per", order.assignee_id), "name": name} if order.assignee_id is not None else None
    return StateConflict(
        state=order.state,
        trigger=trigger,
        allowed=allowed_to(order.state, sides),
        version=order.version,
        taken_by=taken_by,
    )
