"""Use cases of work orders once they are raised: the triggers, each under the order's row lock, and what the clock does.

Who comes second of two at once is told what the state is now and who has it. A trigger that is sent twice under one
`client_id` is one; so is a claim by whoever has it already.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.calendar import OFFICE_HOURS, load_calendar
from kernel.errors import Forbidden, Malformed
from kernel.ids import parse_public_id, public_id
from repairs.orders import merging, queries, rating
from repairs.orders.dispatching import best_for, dispatch, give, require_fit, take_away, zone_of
from repairs.orders.errors import ChecklistOpen, RaterInvolved, SkillMissing, WordsRequired
from repairs.orders.models import WorkOrder, WorkOrderChange
from repairs.orders.notes import add_note
from repairs.orders.parties import SYSTEM, Actor, Standing, standing_of
from repairs.orders.schemas import OrderTriggerBody
from repairs.orders.states import BEFORE_START, TAKEN, WORK_ORDER, sides_of_trigger
from repairs.orders.steps import CONFIRM_TIMER, conflict, move, ref_of

# So many days of office hours, and silence counts as yes.
CONFIRM_WITHIN_S: Final = 3 * 7 * 3600
_SAY_WHY: Final = frozenset({"reject", "decline", "dispute", "answer", "cancel"})


@dataclass(frozen=True, slots=True)
class Pull:
    """One trigger of somebody, with all that its work needs."""

    session: AsyncSession
    order: WorkOrder
    actor: Actor
    body: OrderTriggerBody
    # Earlier than now where a phone brings it along.
    happened_at: datetime


async def pull(
    session: AsyncSession,
    actor: Actor,
    order_id: UUID,
    trigger: str,
    body: OrderTriggerBody,
    *,
    happened_at: datetime | None = None,
) -> WorkOrder:
    """Somebody's trigger, by the version that they have looked at where they name one."""
    order = await _lock(session, order_id, body)
    standing = await standing_of(session, order, actor)
    if body.client_id is not None:
        known = await queries.find_change(session, order.id, actor.key, body.client_id)
        if known is not None and known.outcome["status"] == "done":
            return order
    if trigger == "claim" and order.state in TAKEN and order.assignee_id == actor.person_id:
        return order
    await _require_allowed(session, order, actor, standing, trigger, body)
    _require_words(order, standing.sides, trigger, body)
    await _PULLS[trigger](Pull(session, order, actor, body, happened_at or clock.now()))
    if body.client_id is not None:
        note_change(session, order, actor, body.client_id, {"status": "done"})
    return order


async def _lock(session: AsyncSession, order_id: UUID, body: OrderTriggerBody) -> WorkOrder:
    """A merge takes two orders: both are locked in the order of their ids."""
    wanted = [order_id]
    if body.into is not None:
        wanted = sorted({order_id, parse_public_id(queries.PREFIX, body.into)})
    locked = {identifier: await queries.lock_order(session, identifier) for identifier in wanted}
    return locked[order_id]


async def _require_allowed(
    session: AsyncSession, order: WorkOrder, actor: Actor, standing: Standing, trigger: str, body: OrderTriggerBody
) -> None:
    is_stale = body.version is not None and body.version != order.version
    if is_stale or (order.state, trigger) not in WORK_ORDER:
        raise await conflict(session, order, trigger, standing.sides)
    if sides_of_trigger(order.state, trigger) & standing.sides:
        return
    own = next((party for party in standing.parties if party.party_key == actor.key), None)
    if trigger == "rate" and own is not None and own.is_served:
        raise RaterInvolved
    raise Forbidden


def _require_words(order: WorkOrder, sides: frozenset[str], trigger: str, body: OrderTriggerBody) -> None:
    is_own = trigger == "cancel" and "raiser" in sides and order.state in BEFORE_START
    if not body.words and not is_own and trigger in _SAY_WHY:
        raise WordsRequired(reason="say why", field="words")


def note_change(
    session: AsyncSession, order: WorkOrder, actor: Actor, client_id: UUID, outcome: dict[str, object]
) -> None:
    """What became of it, for whoever sends it again."""
    session.add(
        WorkOrderChange(
            order_id=order.id, actor=actor.key, client_id=client_id, outcome=outcome, recorded_at=clock.now()
        )
    )


# ---- the triggers


async def _accept(p: Pull) -> None:
    await accept(p.session, p.order, p.actor, p.body.words)


async def accept(session: AsyncSession, order: WorkOrder, actor: Actor, words: str = "") -> None:
    """The office has it; where the rule sends, it goes on to somebody at once."""
    order.accepted_at = clock.now()
    await move(session, order, "accept", actor, words)
    category = await queries.get_category(session, order.category_id)
    if category.dispatch == "automatic":
        await dispatch(session, order, category)


async def _assign(p: Pull) -> None:
    category = await queries.get_category(p.session, p.order.category_id)
    if p.body.assignee is not None:
        person_id = parse_public_id("per", p.body.assignee)
        await require_fit(p.session, p.order, category, person_id, is_claim=False)
    else:
        best = await best_for(p.session, p.order, category)
        if best is None:
            raise SkillMissing(reasons=["nobody"])
        person_id = best
    if p.order.state == "disputed":
        p.order.round += 1
    await give(p.session, p.order, person_id, "assigned")
    await move(p.session, p.order, "assign", p.actor, p.body.words, data={"assignee": public_id("per", person_id)})


async def _claim(p: Pull) -> None:
    assert p.actor.person_id is not None, "the table lets only staff claim"
    category = await queries.get_category(p.session, p.order.category_id)
    await require_fit(p.session, p.order, category, p.actor.person_id, is_claim=True)
    await give(p.session, p.order, p.actor.person_id, "claimed")
    await move(p.session, p.order, "claim", p.actor, p.body.words)


async def _decline(p: Pull) -> None:
    await take_away(p.session, p.order, "declined", p.body.words)
    p.order.declines += 1
    await move(p.session, p.order, "decline", p.actor, p.body.words, happened_at=p.happened_at)
    category = await queries.get_category(p.session, p.order.category_id)
    if category.dispatch == "automatic":
        await dispatch(p.session, p.order, category)


async def _start(p: Pull) -> None:
    if p.order.state == "disputed":
        p.order.round += 1
    p.order.started_at = p.order.started_at or p.happened_at
    await move(p.session, p.order, "start", p.actor, p.body.words, happened_at=p.happened_at)
    await _attach(p, "before")


async def _hold(p: Pull) -> None:
    if p.body.cause is None:
        raise Malformed(reason="a cause is needed", field="cause")
    p.order.hold_cause, p.order.held_at, p.order.hold_until = p.body.cause, p.happened_at, p.body.until
    data = {"cause": p.body.cause, "until": clock.rfc3339(p.body.until) if p.body.until else None}
    await move(p.session, p.order, "hold", p.actor, p.body.words, data=data, happened_at=p.happened_at)


async def _finish(p: Pull) -> None:
    missing = [
        check.ordinal
        for check in await queries.checks_of(p.session, p.order.id)
        if check.is_required and check.ticked_at is None
    ]
    if missing:
        raise ChecklistOpen(
            state=p.order.state, trigger="finish", allowed=["hold"], missing=missing, version=p.order.version
        )
    p.order.finished_at = p.happened_at
    offer = await queries.open_offer(p.session, p.order.id)
    if offer is not None:
        offer.outcome, offer.ended_at = "finished", clock.now()
    calendar = await load_calendar(p.session, await zone_of(p.session, p.order), OFFICE_HOURS)
    p.order.confirm_due_at = calendar.add(clock.now(), CONFIRM_WITHIN_S)
    await timers.schedule(p.session, CONFIRM_TIMER, ref_of(p.order), p.order.confirm_due_at)
    await move(p.session, p.order, "finish", p.actor, p.body.words, happened_at=p.happened_at)
    await _attach(p, "after")


async def _confirm(p: Pull) -> None:
    await timers.cancel(p.session, CONFIRM_TIMER, ref_of(p.order))
    _note_confirmed(p.order, "person")
    await move(p.session, p.order, "confirm", p.actor, p.body.words)


def _note_confirmed(order: WorkOrder, by: str) -> None:
    """Right before the step that follows."""
    order.confirmed_at, order.confirmed_by, order.confirm_due_at = clock.now(), by, None


async def _dispute(p: Pull) -> None:
    p.order.confirm_due_at = None
    await timers.cancel(p.session, CONFIRM_TIMER, ref_of(p.order))
    await move(p.session, p.order, "dispute", p.actor, p.body.words)
    await _attach(p, "note")


async def _merge(p: Pull) -> None:
    if p.body.into is None:
        raise Malformed(reason="the order that it becomes part of is needed", field="into")
    target = await queries.get_order(p.session, parse_public_id(queries.PREFIX, p.body.into))
    await merging.merge(p.session, p.actor, p.order, target, p.body.words)


async def _rate(p: Pull) -> None:
    await rating.rate(p.session, p.order, p.actor, p.body)


async def _answer(p: Pull) -> None:
    await rating.answer(p.session, p.order, p.actor, p.body)


def _plain(trigger: str) -> Callable[[Pull], Awaitable[None]]:
    """A trigger that does nothing but its step."""

    async def pulled(p: Pull) -> None:
        await move(p.session, p.order, trigger, p.actor, p.body.words, happened_at=p.happened_at)

    return pulled


async def _attach(p: Pull, kind: str) -> None:
    """Pictures that came with a trigger."""
    if p.body.files:
        await add_note(p.session, p.actor, p.order, kind=kind, words="", files=p.body.files, happened_at=p.happened_at)


_PULLS: Final[Mapping[str, Callable[[Pull], Awaitable[None]]]] = {
    "accept": _accept,
    "reject": _plain("reject"),
    "merge": _merge,
    "withdraw": _plain("withdraw"),
    "cancel": _plain("cancel"),
    "assign": _assign,
    "claim": _claim,
    "set_out": _plain("set_out"),
    "start": _start,
    "decline": _decline,
    "hold": _hold,
    "resume": _plain("resume"),
    "finish": _finish,
    "confirm": _confirm,
    "dispute": _dispute,
    "rate": _rate,
    "answer": _answer,
}


# ---- the clock


async def confirm_by_silence(session: AsyncSession, timer: timers.Timer) -> None:
    """Nobody has said no: recorded as the system's, and never counted as satisfaction."""
    order = await queries.lock_order(session, parse_public_id(queries.PREFIX, timer.ref))
    if order.state != "done" or order.confirm_due_at is None:
        return
    if clock.now() < order.confirm_due_at:
        await timers.schedule(session, timer.kind, timer.ref, order.confirm_due_at)
        return
    _note_confirmed(order, "system")
    await move(session, order, "auto_confirm", SYSTEM)


async def dispatch_again(session: AsyncSession, timer: timers.Timer) -> None:
    """Whoever was faster has taken it, and then this was not meant."""
    order = await queries.lock_order(session, parse_public_id(queries.PREFIX, timer.ref))
    if order.state == "accepted":
        await dispatch(session, order, await queries.get_category(session, order.category_id))
