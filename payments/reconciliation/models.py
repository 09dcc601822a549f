"""Tables of reconciliation: runs, what they found, the bills of gateways, and the lists of the units' personnel offices."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from payments.reconciliation import states
from payments.states import states_of

Instant: TypeEngine[datetime] = DateTime(timezone=True)
_STATES = ", ".join(f"'{state}'" for state in states_of(states.DIFFERENCE))


class ReconciliationRun(Base):
    """One level was compared for one day: how much was looked at, and what came of it."""

    __tablename__ = "reconciliation_runs"
    __table_args__ = (Index("reconciliation_runs_level_day_idx", "level", "day", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    day: Mapped[date] = mapped_column(Date)
    actor: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(Instant)
    finished_at: Mapped[datetime] = mapped_column(Instant)
    compared: Mapped[int] = mapped_column(BigInteger)
    found: Mapped[int] = mapped_column(Integer)
    opened: Mapped[int] = mapped_column(Integer)
    vanished: Mapped[int] = mapped_column(Integer)
    figures: Mapped[dict[str, int]] = mapped_column(JSONB)


class Difference(Base):
    """What two sides say differently: one row from the run that found it until somebody closes it or it is gone."""

    __tablename__ = "reconciliation_differences"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("level BETWEEN 0 AND 6", name="level"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_at"),
        CheckConstraint("closed_by <> owner_id", name="two_people"),
        CheckConstraint("closed_by IS NULL OR closed_reason IS NOT NULL", name="reason"),
        Index(
            "reconciliation_differences_live_key",
            "level",
            "key",
            unique=True,
            postgresql_where=text("state <> 'closed'"),
        ),
        Index("reconciliation_differences_level_day_idx", "level", "day"),
        Index("reconciliation_differences_level_key_idx", "level", "key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    day: Mapped[date] = mapped_column(Date)
    # What differs, named so that the next run finds the same name.
    key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    expected_fen: Mapped[int | None] = mapped_column(BigInteger)
    found_fen: Mapped[int | None] = mapped_column(BigInteger)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # Whose business it is: a role at a place, and the person who took it on.
    owner_role: Mapped[str] = mapped_column(Text)
    region_id: Mapped[UUID | None]
    site_id: Mapped[UUID | None]
    unit_id: Mapped[UUID | None]
    owner_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(Text)
    explanation: Mapped[str | None] = mapped_column(Text)
    explained_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_by: Mapped[UUID | None]
    closed_reason: Mapped[str | None] = mapped_column(Text)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    opened_by_run: Mapped[UUID]
    closed_by_run: Mapped[UUID | None]


class ChannelBill(Base):
    """A gateway's bill of one day, as it was fetched; a corrected one replaces it, and the first is kept."""

    __tablename__ = "channel_bills"
    __table_args__ = (
        CheckConstraint("num_nonnulls(paid_at, paid_line_id, transfer_id) IN (0, 3)", name="paid"),
        Index(
            "channel_bills_day_key",
            "channel",
            "bill_date",
            unique=True,
            postgresql_where=text("replaced_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(Text)
    bill_date: Mapped[date] = mapped_column(Date)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    trade_count: Mapped[int] = mapped_column(Integer)
    trade_fen: Mapped[int] = mapped_column(BigInteger)
    refund_count: Mapped[int] = mapped_column(Integer)
    refund_fen: Mapped[int] = mapped_column(BigInteger)
    fee_fen: Mapped[int] = mapped_column(BigInteger)
    fetched_at: Mapped[datetime] = mapped_column(Instant)
    replaced_at: Mapped[datetime | None] = mapped_column(Instant)
    # The bank has confirmed the payout: by which line, and as which transfer it is booked (E3').
    paid_at: Mapped[datetime | None] = mapped_column(Instant)
    paid_line_id: Mapped[UUID | None]
    transfer_id: Mapped[UUID | None]

    @property
    def net_fen(self) -> int:
        """What the gateway pays out for the day; below 0 it takes."""
        return self.trade_fen - self.refund_fen - self.fee_fen


class ChannelBillRow(Base):
    """One line of a bill: a trade or a refund."""

    __tablename__ = "channel_bill_rows"
    __table_args__ = (
        CheckConstraint("kind IN ('trade', 'refund')", name="kind"),
        Index("channel_bill_rows_order_name_idx", "order_name"),
    )

    bill_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(Text)
    trade_no: Mapped[str] = mapped_column(Text)
    order_name: Mapped[str] = mapped_column(Text)
    refund_name: Mapped[str | None] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    fee_fen: Mapped[int] = mapped_column(BigInteger)
    completed_at: Mapped[datetime] = mapped_column(Instant)


class BillFetch(Base):
    """A bill that is wanted: when it is asked for next, and what came of the last time."""

    __tablename__ = "bill_fetches"

    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    bill_date: Mapped[date] = mapped_column(Date, primary_key=True)
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    attempts: Mapped[int] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(Text)
    tried_at: Mapped[datetime | None] = mapped_column(Instant)
    fetched_at: Mapped[datetime | None] = mapped_column(Instant)


class HrList(Base):
    """Who belongs to a unit in a month, as its personnel office says; a newer list of the month replaces it."""

    __tablename__ = "hr_lists"
    __table_args__ = (
        Index("hr_lists_unit_month_key", "unit_id", "month", unique=True, postgresql_where=text("replaced_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID]
    month: Mapped[date] = mapped_column(Date)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    row_count: Mapped[int] = mapped_column(Integer)
    taken_by: Mapped[str] = mapped_column(Text)
    taken_at: Mapped[datetime] = mapped_column(Instant)
    replaced_at: Mapped[datetime | None] = mapped_column(Instant)


class HrListRow(Base):
    """One person of such a list; `subsidy_fen` is what they should have been granted, where the list says so."""

    __tablename__ = "hr_list_rows"

    list_id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_number: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    subsidy_fen: Mapped[int | None] = mapped_column(BigInteger)
