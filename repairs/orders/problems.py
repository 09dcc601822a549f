"""From one matter to a class of matters: many orders of one kind in one house, within two weeks, open a problem that links them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, place_summary
from kernel import audit_log, clock
from kernel.errors import NotFound, StateConflict
from kernel.events import StoredEvent
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.outbox import publish, savepoint
from repairs.orders import queries
from repairs.orders.events import ProblemChanged, WorkOrderChanged
from repairs.orders.models import RepairProblem, WorkOrder
from repairs.orders.states import PROBLEM, next_state

WINDOW: Final = timedelta(days=14)


async def follow_orders(session: AsyncSession, events: list[StoredEvent]) -> None:
    """The worker's handler: each new order is looked at once."""
    for stored in events:
        if isinstance(stored.event, WorkOrderChanged) and stored.event.trigger == "raise":
            await look_for_problem(session, parse_public_id(queries.PREFIX, stored.event.order))


async def look_for_problem(session: AsyncSession, order_id: UUID) -> RepairProblem | None:
    """The problem that an order belongs to: one that is open, or one that this order is one too many for."""
    order = await queries.lock_order(session, order_id)
    if order.problem_id is not None:
        return None
    scope_id, scope = _scope_of(order)
    problem = await queries.open_problem_of(session, order.category_id, scope_id)
    if problem is not None:
        await _link(session, problem, [order])
        return problem
    alike = await queries.alike_since(session, order.category_id, scope, clock.now() - WINDOW)
    category = await queries.get_category(session, order.category_id)
    if len(alike) < category.problem_threshold:
        return None
    return await _open(session, order, scope_id, alike)


async def open_by_lead(session: AsyncSession, actor: Principal, order_id: UUID) -> RepairProblem:
    """Before the rule has counted enough of them: the lead sees what is behind it. One that is open there takes the order in."""
    order = await queries.lock_order(session, order_id)
    actor.require(*queries.LEAD_ROLES, region_id=order.region_id)
    scope_id, _ = _scope_of(order)
    problem = await queries.open_problem_of(session, order.category_id, scope_id)
    if problem is None:
        try:
            async with savepoint(session):
                problem = await _open(session, order, scope_id, [])
        except IntegrityError:
            # The rule was as fast.
            problem = await queries.open_problem_of(session, order.category_id, scope_id)
    assert problem is not None, "there is one, or it has just been opened"
    await _link(session, problem, [order])
    await _note(session, actor, problem, "open", {"order": public_id(queries.PREFIX, order.id)})
    return problem


async def link_order(session: AsyncSession, actor: Principal, problem_id: UUID, order_id: UUID) -> RepairProblem:
    """By hand: the rule looks at one kind and one house only."""
    order = await queries.lock_order(session, order_id)
    problem = await _lock_open(session, actor, problem_id, "link")
    if order.region_id != problem.region_id:
        raise NotFound(what=queries.PREFIX, id=public_id(queries.PREFIX, order_id))
    if order.problem_id != problem.id:
        await _link(session, problem, [order])
        await _note(session, actor, problem, "link", {"order": public_id(queries.PREFIX, order.id)})
    return problem


async def unlink_order(session: AsyncSession, actor: Principal, problem_id: UUID, order_id: UUID) -> RepairProblem:
    """It was something else."""
    order = await queries.lock_order(session, order_id)
    problem = await _lock_open(session, actor, problem_id, "unlink")
    if order.problem_id == problem.id:
        order.problem_id, problem.changed_at = None, clock.now()
        await session.flush()
        await _tell(session, problem)
        await _note(session, actor, problem, "unlink", {"order": public_id(queries.PREFIX, order.id)})
    return problem


async def _lock_open(session: AsyncSession, actor: Principal, problem_id: UUID, trigger: str) -> RepairProblem:
    problem = await queries.lock_problem(session, problem_id)
    actor.require(*queries.LEAD_ROLES, region_id=problem.region_id)
    if problem.closed_at is not None:
        raise StateConflict(state=problem.state, trigger=trigger, allowed=[])
    return problem


def _scope_of(order: WorkOrder) -> tuple[UUID, ColumnElement[bool]]:
    """The house that it stands in, which is the second of the way down; the grounds, or the region, where there is none."""
    if not order.place_path:
        return order.region_id, (WorkOrder.region_id == order.region_id) & (WorkOrder.place_id.is_(None))
    scope_id = order.place_path[min(1, len(order.place_path) - 1)]
    return scope_id, WorkOrder.place_path.contains([scope_id])


async def _open(session: AsyncSession, order: WorkOrder, scope_id: UUID, alike: Sequence[WorkOrder]) -> RepairProblem:
    place = (await place_summary(session, [scope_id])).get(scope_id)
    now = clock.now()
    problem = RepairProblem(
        id=uuid7(),
        region_id=order.region_id,
        category_id=order.category_id,
        scope_id=scope_id,
        place_text=place.full_name_zh if place is not None else "",
        state="open",
        cause="",
        words="",
        opened_at=now,
        changed_at=now,
    )
    session.add(problem)
    await session.flush()
    await _link(session, problem, alike)
    return problem


async def _link(session: AsyncSession, problem: RepairProblem, orders: Sequence[WorkOrder]) -> None:
    for order in orders:
        order.problem_id = problem.id
    problem.changed_at = clock.now()
    await session.flush()
    await _tell(session, problem)


async def turn_problem(
    session: AsyncSession, actor: Principal, problem_id: UUID, trigger: str, words: str
) -> RepairProblem:
    """The lead has found the cause, has solved it, or says that it is none."""
    problem = await queries.lock_problem(session, problem_id)
    actor.require(*queries.LEAD_ROLES, region_id=problem.region_id)
    problem.state = next_state(PROBLEM, problem.state, trigger)
    now = clock.now()
    if trigger == "identify":
        problem.cause = words
    else:
        problem.words, problem.closed_at = words, now
    problem.changed_at = now
    await session.flush()
    await _note(session, actor, problem, trigger, {"words": words})
    await _tell(session, problem)
    return problem


async def _note(
    session: AsyncSession, actor: Principal, problem: RepairProblem, verb: str, data: dict[str, Any]
) -> None:
    subject = public_id(queries.PROBLEM, problem.id)
    await audit_log.record(session, actor=actor.actor, action=f"repair_problem.{verb}", subject=subject, data=data)


async def _tell(session: AsyncSession, problem: RepairProblem) -> None:
    count = (await queries.counts_of_problems(session, [problem.id])).get(problem.id, 0)
    publish(
        session,
        ProblemChanged(
            happened_at=clock.rfc3339(problem.changed_at),
            problem=public_id(queries.PROBLEM, problem.id),
            region=public_id("reg", problem.region_id),
            category=public_id(queries.CATEGORY, problem.category_id),
            place_text=problem.place_text,
            state=problem.state,
            orders=count,
        ),
    )
