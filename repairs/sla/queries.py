"""SELECTs of promises and clocks, and the few statements that touch many clocks at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import NotFound
from kernel.ids import public_id
from repairs.sla.kinds import MILESTONES
from repairs.sla.models import SlaClock, SlaHours, SlaMilestone, SlaPause, SlaTarget

ORDER: Final = "wo"
CATEGORY: Final = "rcat"
TARGET: Final = "slt"
HOURS: Final = "slh"


# ---- what is promised


async def all_targets(session: AsyncSession) -> Sequence[SlaTarget]:
    """Those of all regions and days: there are few."""
    return (await session.scalars(select(SlaTarget).order_by(SlaTarget.id))).all()


async def all_hours(session: AsyncSession) -> Sequence[SlaHours]:
    """Those that count now."""
    return (await session.scalars(select(SlaHours).where(SlaHours.retired_at.is_(None)))).all()


async def get_target(session: AsyncSession, target_id: UUID) -> SlaTarget:
    """The row; NotFound where there is none."""
    row = await session.get(SlaTarget, target_id)
    if row is None:
        raise NotFound(what=TARGET, id=public_id(TARGET, target_id))
    return row


async def get_hours(session: AsyncSession, hours_id: UUID) -> SlaHours:
    """The row; NotFound where there is none."""
    row = await session.get(SlaHours, hours_id)
    if row is None:
        raise NotFound(what=HOURS, id=public_id(HOURS, hours_id))
    return row


def list_targets(
    *, region_id: UUID | None, category_id: UUID | None, urgency: str | None, at: date | None
) -> Select[SlaTarget]:
    """Chosen ones, newest first; those that were ended before they began are left out."""
    query = select(SlaTarget).where(SlaTarget.effective_until.is_distinct_from(SlaTarget.effective_from))
    if region_id is not None:
        query = query.where(SlaTarget.region_id == region_id)
    if category_id is not None:
        query = query.where(SlaTarget.category_id == category_id)
    if urgency is not None:
        query = query.where(SlaTarget.urgency == urgency)
    if at is not None:
        query = query.where(
            SlaTarget.effective_from <= at, SlaTarget.effective_until.is_(None) | (SlaTarget.effective_until > at)
        )
    return query.order_by(SlaTarget.id.desc())


def list_hours(region_id: UUID | None, *, also_retired: bool) -> Select[SlaHours]:
    """Of a region or of all, newest first."""
    query = select(SlaHours)
    if region_id is not None:
        query = query.where(SlaHours.region_id == region_id)
    if not also_retired:
        query = query.where(SlaHours.retired_at.is_(None))
    return query.order_by(SlaHours.id.desc())


def targets_like(region_id: UUID, category_id: UUID | None, urgency: str, since: date) -> Select[SlaTarget]:
    """The targets of the same thing that still count on a day or begin later, in order."""
    return (
        select(SlaTarget)
        .where(
            SlaTarget.region_id == region_id,
            SlaTarget.category_id.is_not_distinct_from(category_id),
            SlaTarget.urgency == urgency,
            SlaTarget.effective_until.is_(None) | (SlaTarget.effective_until > since),
            # One that was ended on the day it began never counted.
            SlaTarget.effective_until.is_distinct_from(SlaTarget.effective_from),
        )
        .order_by(SlaTarget.effective_from)
    )


# ---- clocks


@dataclass
class Run:
    """One order's clock with all that belongs to it."""

    clock: SlaClock
    # By name, in the order in which they come.
    milestones: dict[str, SlaMilestone]
    pauses: list[SlaPause] = field(default_factory=list)

    @property
    def open_pause(self) -> SlaPause | None:
        return self.pauses[-1] if self.pauses and self.pauses[-1].ends_at is None else None


async def lock_run(session: AsyncSession, order_id: UUID) -> Run | None:
    """An order's clock, locked; None where it has none."""
    return (await lock_runs(session, [order_id], skip_locked=False)).get(order_id)


async def lock_runs(session: AsyncSession, order_ids: Collection[UUID], *, skip_locked: bool) -> dict[UUID, Run]:
    """These clocks, locked in order; with `skip_locked` those that somebody else holds are absent."""
    locked = await session.scalars(
        select(SlaClock)
        .where(SlaClock.order_id.in_(order_ids))
        .order_by(SlaClock.order_id)
        .with_for_update(skip_locked=skip_locked)
        .execution_options(populate_existing=True)
    )
    return await _with_parts(session, locked.all())


async def load_runs(session: AsyncSession, order_ids: Collection[UUID]) -> dict[UUID, Run]:
    """The same to look at."""
    clocks = await session.scalars(select(SlaClock).where(SlaClock.order_id.in_(order_ids)))
    return await _with_parts(session, clocks.all())


async def _with_parts(session: AsyncSession, clocks: Sequence[SlaClock]) -> dict[UUID, Run]:
    runs = {clock.order_id: Run(clock, {}) for clock in clocks}
    if not runs:
        return {}
    fresh = {"populate_existing": True}
    milestones = await session.scalars(
        select(SlaMilestone).where(SlaMilestone.order_id.in_(runs)).execution_options(**fresh)
    )
    for milestone in sorted(milestones, key=lambda row: MILESTONES.index(row.milestone)):
        runs[milestone.order_id].milestones[milestone.milestone] = milestone
    pauses = await session.scalars(
        select(SlaPause)
        .where(SlaPause.order_id.in_(runs))
        .order_by(SlaPause.order_id, SlaPause.ordinal)
        .execution_options(**fresh)
    )
    for pause in pauses:
        runs[pause.order_id].pauses.append(pause)
    return runs


async def lock_outdated(session: AsyncSession, mark: str, limit: int) -> dict[UUID, Run]:
    """Running clocks that were counted by other days than those of the calendar now, locked, as far as they are free."""
    clocks = await session.scalars(
        select(SlaClock)
        .where(SlaClock.state == "running", SlaClock.calendar_mark != mark)
        .order_by(SlaClock.order_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _with_parts(session, clocks.all())


async def reached_without_time(session: AsyncSession, limit: int) -> Sequence[UUID]:
    """Orders of whose reached promises nobody has written down how long they took."""
    query = (
        select(SlaMilestone.order_id)
        .where(SlaMilestone.reached_at.is_not(None), SlaMilestone.took_s.is_(None))
        .distinct()
        .order_by(SlaMilestone.order_id)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


# Orders are raised with one statement for all their clocks: the most frequent act of all. Columns that are not named are empty.
_START: Final = text("""
    WITH c AS (
        INSERT INTO sla_clocks (order_id, region_id, place_id, category_id, urgency, target_id, zone, hours, warn_percent, state,
                                round, calendar_mark, years_missing, started_at)
        SELECT order_id, region_id, place_id, category_id, urgency, target_id, zone, hours, warn_percent, state,
               round, calendar_mark, years_missing, started_at
          FROM json_populate_recordset(CAST(NULL AS sla_clocks), CAST(:clocks AS json))
    )
    INSERT INTO sla_milestones (order_id, milestone, target_s, due_at, warn_at)
    SELECT order_id, milestone, target_s, due_at, warn_at
      FROM json_populate_recordset(CAST(NULL AS sla_milestones), CAST(:milestones AS json))
""")


async def insert_clocks(
    session: AsyncSession, clocks: Sequence[dict[str, object]], milestones: Sequence[dict[str, object]]
) -> None:
    """Clocks and their milestones, by column."""
    written = {"clocks": msgspec.json.encode(clocks).decode(), "milestones": msgspec.json.encode(milestones).decode()}
    await session.execute(_START, written)


# ---- a board's part: no clock is counted, so that ten thousand cards cost one statement

_BRIEFS: Final = text("""
    SELECT c.order_id, c.state,
           CASE c.state WHEN 'running' THEN
               to_char(min(m.due_at) FILTER (WHERE m.reached_at IS NULL) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
           END AS due_at,
           coalesce(bool_or(m.breached_at IS NOT NULL OR m.due_at < :now) FILTER (WHERE m.reached_at IS NULL), false) AS is_late,
           coalesce(bool_or(m.breached_at IS NOT NULL) FILTER (WHERE m.reached_at IS NOT NULL), false) AS was_late,
           coalesce(bool_or(m.warn_at <= :now) FILTER (WHERE m.reached_at IS NULL), false) AS is_at_risk
      FROM sla_clocks c JOIN sla_milestones m ON m.order_id = c.order_id
     WHERE c.order_id = ANY(CAST(:orders AS uuid[]))
     GROUP BY c.order_id, c.state
""")


async def briefs_of(session: AsyncSession, order_ids: Collection[UUID], now: datetime) -> Sequence[Any]:
    """State, next due time and what is late, for many orders."""
    return (await session.execute(_BRIEFS, {"orders": list(order_ids), "now": now})).all()
