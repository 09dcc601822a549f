"""SELECTs of stock and costs. `take_out` and `lock_sheet` are where two who come at once are put in order."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Row, Select, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.errors import NotFound
from kernel.ids import public_id
from repairs.stock.models import CostSheet, LabourRate, Part, PartMove, PartStore, RepairCharge

STORE: Final = "sto"
PART: Final = "prt"
MOVE: Final = "mov"
RATE: Final = "lbr"
CHARGE: Final = "rch"


async def get_store(session: AsyncSession, store_id: UUID) -> PartStore:
    """The row; NotFound where there is none."""
    row = await session.get(PartStore, store_id)
    if row is None:
        raise NotFound(what=STORE, id=public_id(STORE, store_id))
    return row


def list_stores(region_ids: Collection[UUID] | None, region_id: UUID | None) -> Select[PartStore]:
    """Of the regions that somebody may look into; None is all. Newest first."""
    query = select(PartStore).order_by(PartStore.id.desc())
    if region_ids is not None:
        query = query.where(PartStore.region_id.in_(region_ids))
    return query if region_id is None else query.where(PartStore.region_id == region_id)


async def get_part(session: AsyncSession, store_id: UUID, part_id: UUID) -> Part:
    """A part of this store; NotFound where there is none."""
    row = await session.get(Part, part_id, populate_existing=True)
    if row is None or row.store_id != store_id:
        raise NotFound(what=PART, id=public_id(PART, part_id))
    return row


async def lock_part(session: AsyncSession, store_id: UUID, part_id: UUID) -> Part:
    """The same, locked."""
    row = await session.get(Part, part_id, populate_existing=True, with_for_update=True)
    if row is None or row.store_id != store_id:
        raise NotFound(what=PART, id=public_id(PART, part_id))
    return row


def list_parts(store_id: UUID, words: str | None, *, only_low: bool) -> Select[Part]:
    """By code or name, newest first."""
    query = select(Part).where(Part.store_id == store_id).order_by(Part.id.desc())
    if words:
        query = query.where(
            or_(Part.name.contains(words, autoescape=True), func.lower(Part.code).startswith(words.casefold()))
        )
    return query.where(Part.quantity < Part.minimum) if only_low else query


async def take_out(session: AsyncSession, part_id: UUID, quantity: int) -> Row[int, int] | None:
    """(what is left, what one cost); None where there are not so many. The row's lock makes the last one somebody's."""
    found = await session.execute(
        update(Part)
        .where(Part.id == part_id, Part.quantity >= quantity)
        .values(quantity=Part.quantity - quantity)
        .returning(Part.quantity, Part.unit_cost_fen)
    )
    return found.one_or_none()


async def find_move(session: AsyncSession, actor_id: UUID, client_id: UUID) -> PartMove | None:
    """The move that was sent under this name before."""
    query = select(PartMove).where(PartMove.actor_id == actor_id, PartMove.client_id == client_id)
    return await session.scalar(query)


def list_moves(store_id: UUID, part_id: UUID | None) -> Select[PartMove, Part]:
    """Of a store, newest first."""
    query = select(PartMove, Part).join(Part, Part.id == PartMove.part_id).where(Part.store_id == store_id)
    if part_id is not None:
        query = query.where(PartMove.part_id == part_id)
    return query.order_by(PartMove.id.desc())


async def moves_of(session: AsyncSession, order_ids: Collection[UUID]) -> Sequence[Row[PartMove, Part]]:
    """What was taken for orders and came back, in order."""
    rows = await session.execute(
        select(PartMove, Part)
        .join(Part, Part.id == PartMove.part_id)
        .where(PartMove.order_id.in_(order_ids))
        .order_by(PartMove.id)
    )
    return rows.all()


# ---- money


async def lock_sheet(session: AsyncSession, order_id: UUID) -> CostSheet:
    """The sheet of an order, opened where it has none, locked."""
    fresh = {"order_id": order_id, "opened_at": clock.now()}
    await session.execute(insert(CostSheet).values(fresh).on_conflict_do_nothing())
    query = select(CostSheet).where(CostSheet.order_id == order_id).with_for_update()
    return (await session.scalars(query.execution_options(populate_existing=True))).one()


async def standing_charge(session: AsyncSession, order_id: UUID) -> RepairCharge | None:
    """The charge that was not given back."""
    query = select(RepairCharge).where(RepairCharge.order_id == order_id, RepairCharge.refunded_at.is_(None))
    return await session.scalar(query.execution_options(populate_existing=True))


async def charges_of(session: AsyncSession, order_id: UUID) -> Sequence[RepairCharge]:
    """All charges of an order, those given back too."""
    query = select(RepairCharge).where(RepairCharge.order_id == order_id).order_by(RepairCharge.id)
    return (await session.scalars(query.execution_options(populate_existing=True))).all()


def list_rates(region_id: UUID | None) -> Select[LabourRate]:
    """Newest first."""
    query = select(LabourRate).order_by(LabourRate.id.desc())
    return query if region_id is None else query.where(LabourRate.region_id == region_id)


async def rates_of(session: AsyncSession, regions: Sequence[UUID]) -> list[tuple[date, int]]:
    """The rates of the nearest of these regions that has any, in order of their first days."""
    query = select(LabourRate).where(LabourRate.region_id.in_(regions)).order_by(LabourRate.effective_from)
    rows = (await session.scalars(query)).all()
    for region in regions:
        own = [(row.effective_from, row.hour_fen) for row in rows if row.region_id == region]
        if own:
            return own
    return []
