"""Wire forms of plans and of the ways over them."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.place_tree import place_summary
from identity.plans import queries
from identity.plans.models import Plan, PlanPoint
from identity.plans.queries import PREFIX
from identity.plans.schemas import DrawnPlan, EdgeView, LinkView, PlanView, PointView, WayLegView, WayView
from identity.plans.service import Way
from kernel.ids import public_id

# People who look for a room walk slowly.
_METRES_A_MINUTE: Final = 60


async def plan_views(session: AsyncSession, plans: Sequence[Plan]) -> list[PlanView]:
    return [PlanView.model_validate(fields) for fields in await _fields(session, plans)]


async def _fields(session: AsyncSession, plans: Sequence[Plan]) -> list[dict[str, Any]]:
    places = await place_summary(session, [plan.place_id for plan in plans])
    files = await queries.files_of_plans(session, plans)
    return [
        {
            "id": public_id(PREFIX, plan.id),
            "place": public_id("pla", plan.place_id),
            "place_name_zh": places[plan.place_id].full_name_zh,
            "place_name_en": places[plan.place_id].full_name_en,
            "file": public_id("file", plan.file_id),
            "width": files[plan.file_id].width,
            "height": files[plan.file_id].height,
            "metres_wide": plan.metres_wide,
            "version": plan.version,
            "active": plan.retired_at is None,
        }
        for plan in plans
    ]


async def drawn_view(session: AsyncSession, plan: Plan) -> DrawnPlan:
    """With all that is drawn on it, links to other plans too."""
    points = {point.id: point for point in await queries.points_of(session, [plan.id])}
    rows = await queries.edges_of(session, points)
    elsewhere = await queries.points_named(session, {i for row in rows for i in (row.from_id, row.to_id)} - set(points))
    edges, links = [], []
    for row in rows:
        here, there = (row.from_id, row.to_id) if row.from_id in points else (row.to_id, row.from_id)
        told = {"start": points[here].key, "metres": round(row.metres, 1), "step_free": row.step_free}
        if there in points:
            start, end = sorted((points[here].key, points[there].key))
            edges.append(EdgeView.model_validate(told | {"start": start, "end": end}))
        else:
            other = elsewhere[there]
            told |= {"end": other.key, "plan": public_id(PREFIX, other.plan_id)}
            links.append(LinkView.model_validate(told))
    (fields,) = await _fields(session, [plan])
    return DrawnPlan(
        **fields,
        points=[_point(point) for point in points.values()],
        edges=sorted(edges, key=lambda edge: (edge.start, edge.end)),
        links=sorted(links, key=lambda link: (link.start, link.plan, link.end)),
    )


def _point(point: PlanPoint) -> PointView:
    return PointView(
        key=point.key,
        x=point.x,
        y=point.y,
        kind=point.kind,
        place=public_id("pla", point.place_id) if point.place_id else None,
        label=point.label,
    )


async def way_view(session: AsyncSession, way: Way) -> WayView:
    """A way as it is drawn: leg by leg, each on its plan."""
    plans = await plan_views(session, list({leg.plan.id: leg.plan for leg in way.legs}.values()))
    by_id: dict[str, PlanView] = {plan.id: plan for plan in plans}

    def plan_of(plan_id: UUID) -> PlanView:
        return by_id[public_id(PREFIX, plan_id)]

    metres = round(way.metres)
    return WayView(
        metres=metres,
        minutes=max(-(-metres // _METRES_A_MINUTE), 1),
        legs=[
            WayLegView(plan=plan_of(leg.plan.id), points=[_point(point) for point in leg.points]) for leg in way.legs
        ],
    )
