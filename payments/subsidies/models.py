"""Tables of subsidies: what is asked for. What became of it, lots and grants, stands in payments/models.py."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, Date, DateTime, Integer, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from payments.states import StateTable, states_of
from payments.subsidies.states import SUBSIDY_BATCH, SUBSIDY_RULE

Instant: TypeEngine[datetime] = DateTime(timezone=True)


def _state_check(machine: StateTable) -> CheckConstraint:
    names = ", ".join(f"'{state}'" for state in states_of(machine))
    return CheckConstraint(f"state IN ({names})", name="state")


class SubsidyRule(Base):
    """What a unit gives its people each month: by work days ahead or by attendance afterwards, as data."""

    __tablename__ = "subsidy_rules"
    __table_args__ = (_state_check(SUBSIDY_RULE),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    basis: Mapped[str] = mapped_column(Text)
    day_fen: Mapped[int] = mapped_column(BigInteger)
    field_day_fen: Mapped[int] = mapped_column(BigInteger)
    person_classes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    # The day of the month on which the worker prepares the batch.
    prepare_on: Mapped[int] = mapped_column(SmallInteger)
    # For how many days after the month's last day a lot can still be spent.
    lot_days: Mapped[int] = mapped_column(SmallInteger)
    scope: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    carry_over: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    first_month: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    made_by: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class AttendanceMonth(Base):
    """One person's month in a unit, in half days: attended, on leave, in the field."""

    __tablename__ = "attendance_months"

    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(Text, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    attended_halves: Mapped[int] = mapped_column(SmallInteger)
    leave_halves: Mapped[int] = mapped_column(SmallInteger)
    field_halves: Mapped[int] = mapped_column(SmallInteger)
    recorded_by: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class SubsidyBatch(Base):
    """Subsidies for many people, from a file or a rule's month: looked at, approved by a second person, then posted."""

    __tablename__ = "subsidy_batches"
    __table_args__ = (_state_check(SUBSIDY_BATCH),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID]
    region_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    rule_id: Mapped[UUID | None]
    month: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    row_count: Mapped[int] = mapped_column(Integer)
    expires_on: Mapped[date] = mapped_column(Date)
    scope: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    carry_over: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    # Who would have been in it and is not, each with the reason.
    skipped: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    prepared_by: Mapped[str] = mapped_column(Text)
    prepared_at: Mapped[datetime] = mapped_column(Instant)
    posted_at: Mapped[datetime | None] = mapped_column(Instant)
    reversed_at: Mapped[datetime | None] = mapped_column(Instant)


class SubsidyBatchRow(Base):
    """One person in a batch: how much, how it came about, and what was taken back of it."""

    __tablename__ = "subsidy_batch_rows"

    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    day_fen: Mapped[int] = mapped_column(BigInteger)
    day_halves: Mapped[int] = mapped_column(SmallInteger)
    field_halves: Mapped[int] = mapped_column(SmallInteger)
    leave_halves: Mapped[int] = mapped_column(SmallInteger)
    deducted_fen: Mapped[int] = mapped_column(BigInteger)
    still_to_deduct_fen: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(Text)
    lot_id: Mapped[UUID | None]
    returned_fen: Mapped[int | None] = mapped_column(BigInteger)


class SubsidyWarning(Base):
    """That somebody was told what ends on a day, once for each step: seven, three and one days ahead."""

    __tablename__ = "subsidy_warnings"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_on: Mapped[date] = mapped_column(Date, primary_key=True)
    days_ahead: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    warned_at: Mapped[datetime] = mapped_column(Instant)
