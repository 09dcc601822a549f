"""SELECTs of plans."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.models import PlaceRow
from identity.plans.models import Plan, PlanEdge, PlanPoint
from kernel.errors import NotFound
from kernel.files import StoredFile
from kernel.ids import public_id

PREFIX = "plan"


async def get_plan(session: AsyncSession, plan_id: UUID) -> Plan:
    found = await session.get(Plan, plan_id)
    if found is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, plan_id))
    return found


async def lock_plan(session: AsyncSession, plan_id: UUID) -> Plan:
    found = await session.get(Plan, plan_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, plan_id))
    return found


async def plan_of(session: AsyncSession, place_id: UUID) -> Plan | None:
    """The one that counts for a place."""
    return await session.scalar(select(Plan).where(Plan.place_id == place_id, Plan.retired_at.is_(None)))


async def plans_below(session: AsyncSession, places: Collection[UUID]) -> Sequence[Plan]:
    """Those of some places and of all below them."""
    rows = await session.scalars(
        select(Plan)
        .join(PlaceRow, PlaceRow.id == Plan.place_id)
        .where(or_(*(PlaceRow.path.contains([place]) for place in places)), Plan.retired_at.is_(None))
        .order_by(PlaceRow.path)
    )
    return rows.all()


async def files_of_plans(session: AsyncSession, plans: Collection[Plan]) -> dict[UUID, StoredFile]:
    rows = await session.scalars(select(StoredFile).where(StoredFile.id.in_([plan.file_id for plan in plans])))
    return {row.id: row for row in rows}


async def points_of(session: AsyncSession, plans: Collection[UUID]) -> Sequence[PlanPoint]:
    rows = await session.scalars(
        select(PlanPoint).where(PlanPoint.plan_id.in_(plans)).order_by(PlanPoint.plan_id, PlanPoint.key)
    )
    return rows.all()


async def edges_of(session: AsyncSession, points: Collection[UUID]) -> Sequence[PlanEdge]:
    """All that begin or end at one of these points."""
    rows = await session.scalars(select(PlanEdge).where(or_(PlanEdge.from_id.in_(points), PlanEdge.to_id.in_(points))))
    return rows.all()


async def points_named(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, PlanPoint]:
    rows = await session.scalars(select(PlanPoint).where(PlanPoint.id.in_(ids)))
    return {row.id: row for row in rows}
