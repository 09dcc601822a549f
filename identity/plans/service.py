"""Plans hung, changed, drawn on and taken away; and the way from one place to another."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import hypot
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, or_
from sqlalchemy.ext.asyncio import AsyncSession

from identity.models import PlaceRow
from identity.place_tree import get_tree_place, place_summary
from identity.plans import queries
from identity.plans.errors import NoWay, PlanExists
from identity.plans.models import Plan, PlanEdge, PlanPoint
from identity.plans.queries import PREFIX
from identity.plans.schemas import NewGraph, NewLink, NewPlan, PlanChange
from identity.plans.ways import Step, shortest
from kernel import audit_log, clock
from kernel.errors import Malformed, NotFound, StateConflict
from kernel.files import StoredFile, use_files
from kernel.ids import parse_public_id, public_id, uuid7

_WITH_PLAN: Final = ("campus", "building", "storey")


# ---- hanging a plan


async def open_plan(session: AsyncSession, new: NewPlan, *, actor: str) -> Plan:
    """A place has a plan from now on."""
    place = await get_tree_place(session, parse_public_id("pla", new.place))
    if place.kind not in _WITH_PLAN or place.retired_at is not None:
        raise Malformed(reason="a campus, a building or a storey that is in use", field="place")
    present = await queries.plan_of(session, place.id)
    if present is not None:
        raise PlanExists(plan=public_id(PREFIX, present.id))
    plan_id = uuid7()
    file = await _picture(session, new.file, plan_id, actor)
    plan = Plan(
        id=plan_id,
        place_id=place.id,
        file_id=file.id,
        metres_wide=new.metres_wide,
        version=1,
        created_at=clock.now(),
        retired_at=None,
    )
    session.add(plan)
    await session.flush()
    await _note(session, plan, "open", {"place": new.place}, actor)
    return plan


async def _picture(session: AsyncSession, file: str, plan_id: UUID, actor: str) -> StoredFile:
    (found,) = await use_files(session, [file], owner=actor, used_by=public_id(PREFIX, plan_id))
    if found.width is None or found.height is None:
        raise Malformed(reason="a picture", field="file")
    return found


async def change_plan(session: AsyncSession, plan_id: UUID, change: PlanChange, *, actor: str) -> Plan:
    """Another picture or another scale; distances are counted anew."""
    plan = await queries.lock_plan(session, plan_id)
    if change.file is not None:
        plan.file_id = (await _picture(session, change.file, plan.id, actor)).id
    if change.metres_wide is not None:
        plan.metres_wide = change.metres_wide
    plan.version += 1
    points = {point.id: point for point in await queries.points_of(session, [plan.id])}
    metres = await _scale(session, plan)
    for edge in await queries.edges_of(session, points):
        if edge.from_id in points and edge.to_id in points:
            edge.metres = metres(points[edge.from_id], points[edge.to_id])
    await _note(session, plan, "change", change.model_dump(exclude_none=True), actor)
    return plan


async def retire_plan(session: AsyncSession, plan_id: UUID, *, actor: str) -> Plan:
    """Nobody is led over it any more; the place may have another."""
    plan = await queries.lock_plan(session, plan_id)
    if plan.retired_at is None:
        plan.retired_at = clock.now()
        await _note(session, plan, "retire", {}, actor)
    return plan


# ---- drawing on it


async def draw(session: AsyncSession, plan_id: UUID, graph: NewGraph, *, actor: str) -> Plan:
    """All points, edges and links anew, whoever drew them; a point that keeps its key stays the same one."""
    plan = await queries.lock_plan(session, plan_id)
    if plan.retired_at is not None or plan.version != graph.version:
        raise StateConflict(state="retired" if plan.retired_at else "drawn", trigger="draw", version=plan.version)
    points = await _write_points(session, plan, graph)
    await _write_edges(session, plan, graph, points)
    plan.version += 1
    await _note(session, plan, "draw", {"points": len(graph.points), "edges": len(graph.edges)}, actor)
    return plan


async def _write_points(session: AsyncSession, plan: Plan, graph: NewGraph) -> dict[str, PlanPoint]:
    keys = [point.key for point in graph.points]
    if len(set(keys)) != len(keys):
        raise Malformed(reason="each key once", field="points")
    places = await _places_on(session, plan, graph)
    present = {point.key: point for point in await queries.points_of(session, [plan.id])}
    gone = [point.id for key, point in present.items() if key not in set(keys)]
    await session.execute(delete(PlanPoint).where(PlanPoint.id.in_(gone)))
    found = {}
    for new in graph.points:
        point = present.get(new.key) or PlanPoint(id=uuid7(), plan_id=plan.id, key=new.key)
        point.x, point.y, point.kind, point.label = new.x, new.y, new.kind, new.label
        point.place_id = places[new.place] if new.place else None
        session.add(point)
        found[new.key] = point
    await session.flush()
    return found


async def _places_on(session: AsyncSession, plan: Plan, graph: NewGraph) -> Mapping[str, UUID]:
    """The places that points are of, each below the one that the plan shows."""
    wanted = {point.place: parse_public_id("pla", point.place) for point in graph.points if point.place}
    known = await place_summary(session, list(wanted.values()))
    for identifier in wanted.values():
        if identifier not in known:
            raise NotFound(what="pla", id=public_id("pla", identifier))
        if plan.place_id not in known[identifier].path:
            raise Malformed(reason="a point is of a place that the plan shows", field="points")
    return wanted


async def _write_edges(session: AsyncSession, plan: Plan, graph: NewGraph, points: Mapping[str, PlanPoint]) -> None:
    own = [point.id for point in points.values()]
    await session.execute(delete(PlanEdge).where(or_(PlanEdge.from_id.in_(own), PlanEdge.to_id.in_(own))))
    metres = await _scale(session, plan)
    rows: dict[tuple[UUID, UUID], PlanEdge] = {}
    for edge in graph.edges:
        one, other = _named(points, edge.start), _named(points, edge.end)
        _add(rows, one.id, other.id, metres(one, other), step_free=edge.step_free)
    for link in graph.links:
        one, other = _named(points, link.start), await _elsewhere(session, plan, link)
        _add(rows, one.id, other.id, link.metres, step_free=link.step_free)
    session.add_all(rows.values())
    await session.flush()


def _named(points: Mapping[str, PlanPoint], key: str) -> PlanPoint:
    if key not in points:
        raise Malformed(reason=f"no point has the key {key}", field="edges")
    return points[key]


async def _elsewhere(session: AsyncSession, plan: Plan, link: NewLink) -> PlanPoint:
    plan_id = parse_public_id(PREFIX, link.plan)
    found = {point.key: point for point in await queries.points_of(session, [plan_id])}
    if plan_id == plan.id or link.end not in found:
        raise Malformed(reason="a link ends at a point of another plan", field="links")
    return found[link.end]


def _add(rows: dict[tuple[UUID, UUID], PlanEdge], one: UUID, other: UUID, metres: float, *, step_free: bool) -> None:
    if one == other:
        raise Malformed(reason="an edge joins two points", field="edges")
    start, end = sorted((one, other))
    rows[start, end] = PlanEdge(from_id=start, to_id=end, metres=metres, step_free=step_free)


async def _scale(session: AsyncSession, plan: Plan) -> Callable[[PlanPoint, PlanPoint], float]:
    """How far it is between two points of a plan."""
    file = (await queries.files_of_plans(session, [plan]))[plan.file_id]
    assert file.width is not None, "only pictures become plans"
    assert file.height is not None, "only pictures become plans"
    high = plan.metres_wide * file.height / file.width

    def metres(one: PlanPoint, other: PlanPoint) -> float:
        return hypot((one.x - other.x) * plan.metres_wide, (one.y - other.y) * high)

    return metres


async def _note(session: AsyncSession, plan: Plan, verb: str, data: dict[str, Any], actor: str) -> None:
    await session.flush()
    subject = public_id(PREFIX, plan.id)
    await audit_log.record(session, actor=actor, action=f"plan.{verb}", subject=subject, data=data)


# ---- walking over it


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a way on one plan."""

    plan: Plan
    points: tuple[PlanPoint, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """How to walk from one place to another."""

    metres: float
    legs: tuple[Leg, ...]


async def find_way(session: AsyncSession, from_id: UUID, to_id: UUID, *, step_free: bool = False) -> Way:
    """The shortest way that is drawn; NoWay where there is none. A place that stands on no plan is looked for by the nearest
    one above it that does."""
    start, end = await get_tree_place(session, from_id), await get_tree_place(session, to_id)
    plans = {plan.id: plan for plan in await queries.plans_below(session, {start.path[0], end.path[0]})}
    points = {point.id: point for point in await queries.points_of(session, plans)}
    starts, ends = (_points_at(points.values(), place) for place in (start, end))
    if not starts or not ends:
        raise NoWay(reason="from" if not starts else "to")
    edges = await queries.edges_of(session, points)
    steps = [
        Step(edge.from_id, edge.to_id, edge.metres, edge.step_free)
        for edge in edges
        if edge.from_id in points and edge.to_id in points
    ]
    found = shortest(steps, starts, ends, step_free=step_free)
    if found is None:
        raise NoWay(reason="apart")
    walked = [points[identifier] for identifier in found.points]
    legs = groupby(walked, key=lambda point: point.plan_id)
    return Way(found.metres, tuple(Leg(plans[plan_id], tuple(part)) for plan_id, part in legs))


def _points_at(points: Iterable[PlanPoint], place: PlaceRow) -> list[UUID]:
    for identifier in reversed(place.path):
        found = [point.id for point in points if point.place_id == identifier]
        if found:
            return found
    return []


async def may_read_plan(_session: AsyncSession, _reader: object, _plan: str) -> bool:
    """A plan hangs on the wall: whoever is signed in may look at it."""
    return True
