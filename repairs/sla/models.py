"""The tables of the promise: what is promised, in which hours, and each order's clock with its milestones and pauses."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from repairs.sla.kinds import CLOCK_STATES, DONE, MILESTONES, PAUSE_CAUSES, URGENCIES

Instant: TypeEngine[datetime] = DateTime(timezone=True)


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


class SlaTarget(Base):
    """What a region promises for a category (or all) and an urgency, from a day on. Never edited: the next one follows it."""

    __tablename__ = "sla_targets"
    __table_args__ = (
        CheckConstraint(f"urgency IN ({_listed(URGENCIES)})", name="urgency"),
        CheckConstraint("0 < response_s AND response_s <= arrival_s AND arrival_s <= resolution_s", name="in_order"),
        CheckConstraint("warn_percent BETWEEN 50 AND 95", name="warn_percent"),
        CheckConstraint("hours IN ('place', 'always')", name="hours"),
        CheckConstraint("effective_until >= effective_from", name="effective"),
        Index("sla_targets_region_id_idx", "region_id", "urgency"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    category_id: Mapped[UUID | None]
    urgency: Mapped[str] = mapped_column(Text)
    response_s: Mapped[int] = mapped_column(Integer)
    arrival_s: Mapped[int] = mapped_column(Integer)
    resolution_s: Mapped[int] = mapped_column(Integer)
    # After so much of the time somebody is warned.
    warn_percent: Mapped[int] = mapped_column(SmallInteger)
    hours: Mapped[str] = mapped_column(Text)
    # Days of the place; the last one does not count any more.
    effective_from: Mapped[date] = mapped_column(Date)
    effective_until: Mapped[date | None] = mapped_column(Date)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)


class SlaHours(Base):
    """When a region or one place of it works, where that is not the usual office day."""

    __tablename__ = "sla_hours"
    __table_args__ = (
        CheckConstraint("cardinality(days) > 0", name="days"),
        Index(
            "sla_hours_live_key",
            "region_id",
            "place_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("retired_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    place_id: Mapped[UUID | None]
    # Types of day: workday, weekend, holiday.
    days: Mapped[list[str]] = mapped_column(ARRAY(Text))
    # [["08:30", "12:00"], ...]: local wall time.
    shifts: Mapped[list[list[str]]] = mapped_column(JSONB)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)


class SlaClock(Base):
    """One order's clock: from when it counts, in whose hours, and whether it runs."""

    __tablename__ = "sla_clocks"
    __table_args__ = (
        CheckConstraint(f"urgency IN ({_listed(URGENCIES)})", name="urgency"),
        CheckConstraint(f"state IN ({_listed(CLOCK_STATES)})", name="state"),
        Index("sla_clocks_calendar_mark_idx", "calendar_mark", postgresql_where=text("state = 'running'")),
    )

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    place_id: Mapped[UUID | None]
    category_id: Mapped[UUID | None]
    urgency: Mapped[str] = mapped_column(Text)
    # None: nobody has written one, the house's own counts.
    target_id: Mapped[UUID | None]
    zone: Mapped[str] = mapped_column(Text)
    # As they were when the order was raised: {"kind", "days", "shifts"}.
    hours: Mapped[dict[str, Any]] = mapped_column(JSONB)
    warn_percent: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(Text)
    # 2 and more: reopened.
    round: Mapped[int] = mapped_column(SmallInteger)
    # By which days of the calendar it was counted, and which years of it nobody had entered.
    calendar_mark: Mapped[str] = mapped_column(Text)
    years_missing: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    started_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class SlaMilestone(Base):
    """One of the three promises of an order: when it is due, was warned of, breached, and reached."""

    __tablename__ = "sla_milestones"
    __table_args__ = (
        CheckConstraint(f"milestone IN ({_listed(MILESTONES)})", name="milestone"),
        CheckConstraint("target_s > 0", name="target_s"),
        CheckConstraint("warn_at <= due_at", name="warn_at"),
        CheckConstraint("took_s IS NULL OR (took_s >= 0 AND reached_at IS NOT NULL)", name="took_s"),
        Index(
            "sla_milestones_took_s_idx",
            "order_id",
            postgresql_where=text("reached_at IS NOT NULL AND took_s IS NULL"),
        ),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("sla_clocks.order_id"), primary_key=True)
    milestone: Mapped[str] = mapped_column(Text, primary_key=True)
    target_s: Mapped[int] = mapped_column(Integer)
    # None while the clock stands still before it.
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    warn_at: Mapped[datetime | None] = mapped_column(Instant)
    warned_at: Mapped[datetime | None] = mapped_column(Instant)
    breached_at: Mapped[datetime | None] = mapped_column(Instant)
    reached_at: Mapped[datetime | None] = mapped_column(Instant)
    # What had counted until then, in the hours of the place and without the pauses: figures are made of it.
    took_s: Mapped[int | None] = mapped_column(Integer)
    # Of the first round: what a reopening does not undo.
    first_reached_at: Mapped[datetime | None] = mapped_column(Instant)


class SlaPause(Base):
    """A time that did not count, and why."""

    __tablename__ = "sla_pauses"
    __table_args__ = (
        CheckConstraint(f"cause IN ({_listed((*PAUSE_CAUSES, DONE))})", name="cause"),
        CheckConstraint("ends_at >= starts_at", name="in_order"),
        Index("sla_pauses_open_key", "order_id", unique=True, postgresql_where=text("ends_at IS NULL")),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("sla_clocks.order_id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    cause: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)
