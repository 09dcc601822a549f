"""SELECTs of subsidies. Functions named `lock_*` take row locks."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import payers_of
from kernel.errors import NotFound
from kernel.ids import first_id_at, public_id
from payments.models import FundingTerms, Holder, HolderDirectory, SubsidyLot, UnitPrefund, UnitReceivable
from payments.subsidies.forecast import LUNCH
from payments.subsidies.models import AttendanceMonth, SubsidyBatch, SubsidyBatchRow, SubsidyRule


async def get_rule(session: AsyncSession, rule_id: UUID) -> SubsidyRule:
    """A rule by its id."""
    rule = await session.get(SubsidyRule, rule_id)
    if rule is None:
        raise NotFound(what="sru", id=public_id("sru", rule_id))
    return rule


async def lock_rule(session: AsyncSession, rule_id: UUID) -> SubsidyRule | None:
    """A rule, locked: so that it is run once at a time."""
    return await session.scalar(
        select(SubsidyRule).where(SubsidyRule.id == rule_id).with_for_update().execution_options(populate_existing=True)
    )


async def list_rules(session: AsyncSession, unit_id: UUID) -> Sequence[SubsidyRule]:
    """A unit's rules, newest first."""
    query = select(SubsidyRule).where(SubsidyRule.unit_id == unit_id).order_by(SubsidyRule.id.desc())
    return (await session.scalars(query)).all()


async def last_months(session: AsyncSession, rule_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The last month for which each rule has a batch."""
    rows = await session.execute(
        select(SubsidyBatch.rule_id, func.max(SubsidyBatch.month))
        .where(SubsidyBatch.rule_id.in_(rule_ids), SubsidyBatch.state.in_(("prepared", "posted")))
        .group_by(SubsidyBatch.rule_id)
    )
    return {rule_id: month for rule_id, month in rows if rule_id is not None and month is not None}


async def batch_of_month(session: AsyncSession, rule: SubsidyRule, month: str) -> SubsidyBatch | None:
    """The one batch of a rule for a month that counts."""
    return await session.scalar(
        select(SubsidyBatch).where(
            SubsidyBatch.unit_id == rule.unit_id,
            SubsidyBatch.rule_id == rule.id,
            SubsidyBatch.month == month,
            SubsidyBatch.state.in_(("prepared", "posted")),
        )
    )


async def get_batch(session: AsyncSession, batch_id: UUID) -> SubsidyBatch:
    """A batch by its id."""
    batch = await session.get(SubsidyBatch, batch_id)
    if batch is None:
        raise NotFound(what="sbt", id=public_id("sbt", batch_id))
    return batch


async def lock_batch(session: AsyncSession, batch_id: UUID) -> SubsidyBatch:
    """A batch, locked: it is posted, reversed or discarded once."""
    batch = await session.scalar(
        select(SubsidyBatch)
        .where(SubsidyBatch.id == batch_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if batch is None:
        raise NotFound(what="sbt", id=public_id("sbt", batch_id))
    return batch


async def list_batches(
    session: AsyncSession, unit_id: UUID, *, limit: int, before: UUID | None
) -> Sequence[SubsidyBatch]:
    """A unit's batches, newest first, one more than the limit."""
    query = select(SubsidyBatch).where(SubsidyBatch.unit_id == unit_id)
    if before is not None:
        query = query.where(SubsidyBatch.id < before)
    return (await session.scalars(query.order_by(SubsidyBatch.id.desc()).limit(limit + 1))).all()


async def rows_of(
    session: AsyncSession, batch_id: UUID, *, after: int = 0, limit: int | None = None
) -> Sequence[SubsidyBatchRow]:
    """A batch's rows in their order."""
    query = (
        select(SubsidyBatchRow)
        .where(SubsidyBatchRow.batch_id == batch_id, SubsidyBatchRow.ordinal > after)
        .order_by(SubsidyBatchRow.ordinal)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(query if limit is None else query.limit(limit))).all()


async def attendance_of(session: AsyncSession, unit_id: UUID, month: str) -> dict[UUID, AttendanceMonth]:
    """A month's list by person."""
    rows = await session.scalars(
        select(AttendanceMonth).where(AttendanceMonth.unit_id == unit_id, AttendanceMonth.month == month)
    )
    return {row.person_id: row for row in rows}


async def list_attendance(session: AsyncSession, unit_id: UUID) -> Sequence[Row[str, int, int, int, int, datetime]]:
    """The months of which there is a list, the last one first, with their sums."""
    rows = await session.execute(
        select(
            AttendanceMonth.month,
            func.count().label("people"),
            func.sum(AttendanceMonth.attended_halves).label("attended_halves"),
            func.sum(AttendanceMonth.leave_halves).label("leave_halves"),
            func.sum(AttendanceMonth.field_halves).label("field_halves"),
            func.max(AttendanceMonth.recorded_at).label("recorded_at"),
        )
        .where(AttendanceMonth.unit_id == unit_id)
        .group_by(AttendanceMonth.month)
        .order_by(AttendanceMonth.month.desc())
        .limit(36)
    )
    return rows.all()


async def accounts_of(session: AsyncSession, people: Sequence[UUID]) -> dict[UUID, Holder]:
    """The accounts of these people, unlocked: who has none is absent."""
    rows = await session.scalars(
        select(Holder)
        .join(HolderDirectory, (HolderDirectory.bucket == Holder.bucket) & (HolderDirectory.holder_id == Holder.id))
        .where(HolderDirectory.person_id.in_(people))
    )
    return {holder.person_id: holder for holder in rows}


async def lots_of_grant(session: AsyncSession, grant_id: UUID, holders: Sequence[Holder]) -> Sequence[SubsidyLot]:
    """All lots that came from a grant, carried over and opened again ones too; the caller holds the holders' locks."""
    keys = [(holder.bucket, holder.id) for holder in holders]
    rows = await session.scalars(
        select(SubsidyLot)
        .where(tuple_(SubsidyLot.bucket, SubsidyLot.holder_id).in_(keys), SubsidyLot.grant_id == grant_id)
        .order_by(SubsidyLot.bucket, SubsidyLot.id)
        .execution_options(populate_existing=True)
    )
    return rows.all()


_SPENT: Final = text("""
    WITH lots AS (
        SELECT l.bucket, l.holder_id, l.id FROM subsidy_batch_rows r
          JOIN holder_directory d ON d.person_id = r.person_id
          JOIN subsidy_lots l ON l.bucket = d.bucket AND l.holder_id = d.holder_id AND l.grant_id = r.batch_id
         WHERE r.batch_id = :batch
    ), payers AS (SELECT DISTINCT bucket, holder_id FROM lots
    ), paid AS (
        SELECT p.bucket, p.id, p.person_id, (leg ->> 'lot')::uuid AS lot_id, (leg ->> 'amount_fen')::bigint AS fen
          FROM payers y JOIN payments p ON p.bucket = y.bucket AND p.holder_id = y.holder_id AND p.id >= :since
         CROSS JOIN LATERAL json_array_elements(p.legs) AS leg WHERE leg ->> 'purse' = 'subsidy'
    ), given_back AS (
        SELECT DISTINCT p.person_id, r.id, (leg ->> 'lot')::uuid AS lot_id, (leg ->> 'amount_fen')::bigint AS fen
          FROM paid p JOIN reversals r ON r.bucket = p.bucket AND r.payment_id = p.id
         CROSS JOIN LATERAL json_array_elements(r.legs) AS leg WHERE leg ->> 'purse' = 'subsidy'
    )
    SELECT person_id, sum(fen)::bigint AS fen FROM (
        SELECT person_id, fen FROM paid WHERE lot_id IN (SELECT id FROM lots)
        UNION ALL
        SELECT person_id, -fen FROM given_back WHERE lot_id IN (SELECT id FROM lots)
    ) AS moved GROUP BY person_id
""")


async def spent_of_batch(session: AsyncSession, batch: SubsidyBatch) -> dict[UUID, int]:
    """What each person has eaten of a batch that was posted, less what was given back to them."""
    if batch.posted_at is None:
        return {}
    rows = await session.execute(_SPENT, {"batch": batch.id, "since": first_id_at(batch.posted_at)})
    return {row.person_id: row.fen for row in rows}


_EXPIRING: Final = text("""
    SELECT expires_on, sum(balance_fen)::bigint AS amount_fen, count(DISTINCT holder_id) AS people
      FROM subsidy_lots
     WHERE unit_id = :unit AND expired_at IS NULL AND balance_fen > 0 AND expires_on BETWEEN :first AND :last
     GROUP BY expires_on ORDER BY expires_on
""")


async def expiring_of_unit(session: AsyncSession, unit_id: UUID, today: date, days: int) -> Sequence[Row[Any]]:
    """What ends on which of the next days."""
    span = {"unit": unit_id, "first": today, "last": today + timedelta(days=days)}
    return (await session.execute(_EXPIRING, span)).all()


async def left_of_unit(session: AsyncSession, unit_id: UUID, today: date) -> int:
    """What a unit's people can still spend."""
    left = await session.scalar(
        select(func.coalesce(func.sum(SubsidyLot.balance_fen), 0)).where(
            SubsidyLot.unit_id == unit_id, SubsidyLot.expired_at.is_(None), SubsidyLot.expires_on >= today
        )
    )
    return int(left or 0)


async def list_terms(session: AsyncSession, unit_id: UUID) -> Sequence[FundingTerms]:
    """How a unit has paid, the latest first."""
    rows = await session.scalars(
        select(FundingTerms).where(FundingTerms.unit_id == unit_id).order_by(FundingTerms.id.desc()).limit(100)
    )
    return rows.all()


async def balances_of(session: AsyncSession, unit_id: UUID) -> tuple[int, int]:
    """(what is left of what was paid in ahead, what is owed), unlocked: for showing."""
    prefund = await session.get(UnitPrefund, unit_id, populate_existing=True)
    owed = await session.get(UnitReceivable, unit_id, populate_existing=True)
    return prefund.balance_fen if prefund else 0, owed.balance_fen if owed else 0


_LUNCHES: Final = text("""
    SELECT p.business_date,
           (SELECT sum((leg ->> 'amount_fen')::bigint) FROM json_array_elements(p.legs) AS leg
             WHERE leg ->> 'purse' = 'subsidy')::bigint AS share_fen
      FROM payments p
     WHERE p.bucket = :bucket AND p.holder_id = :holder AND p.id >= :since AND p.context ->> 'meal' = :lunch
       AND p.status NOT IN ('voided', 'refunded')
     ORDER BY p.id DESC LIMIT 40
""")


async def lunches_of(session: AsyncSession, bucket: int, holder_id: UUID, since: datetime) -> list[tuple[date, int]]:
    """Somebody's lunches of late: the day, and what the subsidy paid of it."""
    rows = await session.execute(
        _LUNCHES, {"bucket": bucket, "holder": holder_id, "since": first_id_at(since), "lunch": LUNCH}
    )
    return [(row.business_date, row.share_fen or 0) for row in rows]


async def region_of_unit(session: AsyncSession, unit_id: UUID) -> UUID:
    """The region whose book a unit's money stands in; NotFound for what is no unit."""
    payers = await payers_of(session, [unit_id])
    if unit_id not in payers or payers[unit_id].unit_id != unit_id:
        raise NotFound(what="org", id=public_id("org", unit_id))
    return payers[unit_id].region_id
