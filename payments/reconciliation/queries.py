"""Reads of reconciliation: how the levels stand, lists of differences, runs, bills, statements and personnel lists."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Cover
from kernel.errors import NotFound
from kernel.ids import public_id
from payments.banking.models import BankStatement
from payments.reconciliation.found import LEVELS
from payments.reconciliation.models import ChannelBill, Difference, HrList, ReconciliationRun


def within(cover: Cover | None) -> ColumnElement[bool]:
    """Differences of the places that a role reaches; None is everywhere, and only there stand those without a place."""
    if cover is None:
        return true()
    return or_(
        Difference.region_id.in_(cover.regions),
        Difference.unit_id.in_(cover.organisations),
        Difference.site_id.in_(cover.sites),
    )


async def list_differences(
    session: AsyncSession,
    cover: Cover | None,
    *,
    limit: int,
    before: UUID | None,
    level: int | None = None,
    state: str | None = None,
    kind: str | None = None,
    day: date | None = None,
) -> Sequence[Difference]:
    """Newest first, one more than the limit. The state `live` is whatever is not closed."""
    query = select(Difference).where(within(cover)).order_by(Difference.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Difference.id < before)
    for column, value in ((Difference.level, level), (Difference.kind, kind), (Difference.day, day)):
        if value is not None:
            query = query.where(column == value)
    if state is not None:
        query = query.where(Difference.state != "closed" if state == "live" else Difference.state == state)
    return (await session.scalars(query)).all()


async def lock_difference(session: AsyncSession, difference_id: UUID, cover: Cover | None) -> Difference:
    """One difference, locked; NotFound where there is none that the caller may see."""
    row = await session.scalar(
        select(Difference)
        .where(Difference.id == difference_id, within(cover))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound(what="rdf", id=public_id("rdf", difference_id))
    return row


async def find_difference(session: AsyncSession, difference_id: UUID, cover: Cover | None) -> Difference:
    """The same, unlocked."""
    row = await session.scalar(select(Difference).where(Difference.id == difference_id, within(cover)))
    if row is None:
        raise NotFound(what="rdf", id=public_id("rdf", difference_id))
    return row


async def open_by_level(session: AsyncSession, cover: Cover | None) -> dict[int, Any]:
    """What is not closed: count, explained of them, sum, and the oldest."""
    rows = await session.execute(
        select(
            Difference.level,
            func.count().label("open"),
            func.count().filter(Difference.state == "explained").label("explained"),
            func.coalesce(func.sum(Difference.amount_fen), 0).label("open_fen"),
            func.min(Difference.opened_at).label("oldest"),
        )
        .where(Difference.state != "closed", within(cover))
        .group_by(Difference.level)
    )
    return {row.level: row for row in rows}


async def open_ages(session: AsyncSession) -> list[tuple[int, datetime, int]]:
    """(level, opened at, fen) of everything that is not closed, for the operator's gauge."""
    rows = await session.execute(
        select(Difference.level, Difference.opened_at, Difference.amount_fen).where(Difference.state != "closed")
    )
    return [(row.level, row.opened_at, row.amount_fen) for row in rows]


async def last_runs(session: AsyncSession) -> dict[int, ReconciliationRun]:
    """The last run of each level."""
    found: dict[int, ReconciliationRun] = {}
    for level in LEVELS:
        run = await session.scalar(
            select(ReconciliationRun)
            .where(ReconciliationRun.level == level)
            .order_by(ReconciliationRun.id.desc())
            .limit(1)
        )
        if run is not None:
            found[level] = run
    return found


async def list_runs(
    session: AsyncSession, *, limit: int, before: UUID | None, level: int | None = None
) -> Sequence[ReconciliationRun]:
    """Newest first, one more than the limit."""
    query = select(ReconciliationRun).order_by(ReconciliationRun.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(ReconciliationRun.id < before)
    if level is not None:
        query = query.where(ReconciliationRun.level == level)
    return (await session.scalars(query)).all()


async def was_run_since(session: AsyncSession, level: int, day: date, since: datetime) -> bool:
    """Whether a level was compared for a day after an instant."""
    found = await session.scalar(
        select(ReconciliationRun.id)
        .where(ReconciliationRun.level == level, ReconciliationRun.day == day, ReconciliationRun.started_at >= since)
        .limit(1)
    )
    return found is not None


async def days_with_open(session: AsyncSession, level: int) -> list[date]:
    """Days on which a level still has something open."""
    rows = await session.scalars(
        select(Difference.day).where(Difference.level == level, Difference.state != "closed").distinct()
    )
    return list(rows)


async def list_bills(session: AsyncSession, *, limit: int, before: UUID | None) -> Sequence[ChannelBill]:
    """Those that count, newest first, one more than the limit."""
    query = (
        select(ChannelBill).where(ChannelBill.replaced_at.is_(None)).order_by(ChannelBill.id.desc()).limit(limit + 1)
    )
    if before is not None:
        query = query.where(ChannelBill.id < before)
    return (await session.scalars(query)).all()


async def list_statements(
    session: AsyncSession, cover: Cover | None, *, limit: int, before: UUID | None
) -> Sequence[BankStatement]:
    """Newest first, one more than the limit."""
    query = select(BankStatement).order_by(BankStatement.id.desc()).limit(limit + 1)
    if cover is not None:
        query = query.where(BankStatement.region_id.in_(cover.regions))
    if before is not None:
        query = query.where(BankStatement.id < before)
    return (await session.scalars(query)).all()


async def list_hr_lists(
    session: AsyncSession, cover: Cover | None, *, limit: int, before: UUID | None
) -> Sequence[HrList]:
    """Those that count, newest first, one more than the limit."""
    query = select(HrList).where(HrList.replaced_at.is_(None)).order_by(HrList.id.desc()).limit(limit + 1)
    if cover is not None:
        query = query.where(HrList.unit_id.in_(cover.organisations))
    if before is not None:
        query = query.where(HrList.id < before)
    return (await session.scalars(query)).all()
