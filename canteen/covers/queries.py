"""SELECTs of covers; `lock_days` takes the days' row locks, in order."""

from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from canteen.covers.models import CoverCapacity, CoverDay, Covers
from canteen.models import Canteen

# (canteen, business date, meal)
DayKey = tuple[UUID, date, str]


async def days_of(session: AsyncSession, keys: Collection[DayKey]) -> dict[DayKey, CoverDay]:
    """Those of them that were opened, as they stand now."""
    chosen = select(CoverDay).where(tuple_(CoverDay.canteen_id, CoverDay.business_date, CoverDay.meal).in_(keys))
    rows = await session.scalars(chosen.execution_options(populate_existing=True))
    return {(row.canteen_id, row.business_date, row.meal): row for row in rows}


async def lock_days(session: AsyncSession, keys: Collection[DayKey]) -> dict[DayKey, CoverDay]:
    """The same, and nobody else's until this transaction ends."""
    rows = await session.scalars(
        select(CoverDay)
        .where(tuple_(CoverDay.canteen_id, CoverDay.business_date, CoverDay.meal).in_(keys))
        .order_by(CoverDay.canteen_id, CoverDay.business_date, CoverDay.meal)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {(row.canteen_id, row.business_date, row.meal): row for row in rows}


async def capacities_of(session: AsyncSession, canteens: Collection[UUID]) -> dict[tuple[UUID, str], int]:
    """What kitchens have said they make, by canteen and meal."""
    rows = await session.execute(
        select(CoverCapacity.canteen_id, CoverCapacity.meal, CoverCapacity.covers_max).where(
            CoverCapacity.canteen_id.in_(canteens)
        )
    )
    return {(row.canteen_id, row.meal): row.covers_max for row in rows}


async def seats_of(session: AsyncSession, canteens: Collection[UUID]) -> dict[UUID, int]:
    """How many can sit there at once; 0 where nobody has said."""
    rows = await session.execute(select(Canteen.id, Canteen.seats).where(Canteen.id.in_(canteens)))
    return {row.id: row.seats or 0 for row in rows}


async def covers_by_id(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Covers]:
    rows = await session.scalars(select(Covers).where(Covers.id.in_(ids)))
    return {row.id: row for row in rows}


async def covers_between(session: AsyncSession, canteen_id: UUID, first: date, last: date) -> Sequence[Covers]:
    """What a kitchen has to cook, in order of time."""
    rows = await session.scalars(
        select(Covers)
        .where(
            Covers.canteen_id == canteen_id,
            Covers.business_date.between(first, last),
            Covers.state != "released",
        )
        .order_by(Covers.business_date, Covers.meal, Covers.id)
    )
    return rows.all()


async def days_between(session: AsyncSession, canteen_id: UUID, first: date, last: date) -> Sequence[CoverDay]:
    rows = await session.scalars(
        select(CoverDay)
        .where(CoverDay.canteen_id == canteen_id, CoverDay.business_date.between(first, last))
        .order_by(CoverDay.business_date, CoverDay.meal)
    )
    return rows.all()
