"""The table of charges."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base

Instant: TypeEngine[datetime] = DateTime(timezone=True)
KINDS: Final = ("repair", "booking", "meeting")
_KINDS = ", ".join(f"'{kind}'" for kind in KINDS)


class ServiceCharge(Base):
    """What a unit was charged for one service."""

    __tablename__ = "service_charges"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_KINDS})", name="kind"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("refunded_fen BETWEEN 0 AND amount_fen", name="refunded"),
        CheckConstraint("funded_by IN ('unit_prefund', 'unit_receivable')", name="funded_by"),
    )

    # The transfer in the ledger.
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    # The work order, booking or meeting: charged once.
    reference: Mapped[UUID] = mapped_column(unique=True)
    unit_id: Mapped[UUID] = mapped_column(index=True)
    funded_by: Mapped[str] = mapped_column(Text)
    home_region_id: Mapped[UUID]
    site_id: Mapped[UUID] = mapped_column(index=True)
    host_region_id: Mapped[UUID]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    refunded_fen: Mapped[int] = mapped_column(BigInteger)
    business_date: Mapped[date] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class ChargeRefund(Base):
    """Something of a charge was given back: one transfer in the ledger."""

    __tablename__ = "charge_refunds"
    __table_args__ = (CheckConstraint("amount_fen > 0", name="amount"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    charge_id: Mapped[UUID] = mapped_column(index=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    business_date: Mapped[date] = mapped_column(Date)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
