"""Tables of disputes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Integer, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from payments.disputes import states
from payments.states import states_of

Instant: TypeEngine[datetime] = DateTime(timezone=True)
_STATES = ", ".join(f"'{state}'" for state in states_of(states.DISPUTE))


class Dispute(Base):
    """A payment of which its payer says that something is wrong, and how far the answer has come."""

    __tablename__ = "disputes"
    __table_args__ = (CheckConstraint(f"state IN ({_STATES})", name="state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID]
    person_id: Mapped[UUID]
    payer_label: Mapped[str] = mapped_column(Text)
    site_id: Mapped[UUID]
    # Of the canteen: the region that decides.
    host_region_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    claimed_fen: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    # One more with every step: who acts on what is no longer so is told.
    version: Mapped[int] = mapped_column(Integer)
    # Until when it is somebody's turn.
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    reminded_at: Mapped[datetime | None] = mapped_column(Instant)
    answered_by: Mapped[UUID | None]
    # What the canteen or the region has granted, and how it came back.
    granted_fen: Mapped[int | None] = mapped_column(BigInteger)
    refund_id: Mapped[UUID | None]
    charge_id: Mapped[UUID | None]
    voucher_id: Mapped[UUID | None]
    suspended_fen: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class DisputeStep(Base):
    """One step of a dispute: which trigger, whose, and in which words."""

    __tablename__ = "dispute_steps"

    dispute_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    trigger: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    side: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int | None] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
