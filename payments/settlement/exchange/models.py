"""Tables of the exchange between installations."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base

Instant: TypeEngine[datetime] = DateTime(timezone=True)


class PartnerRegion(Base):
    """A region whose own books are kept by another installation, and the root key that we know that one by."""

    __tablename__ = "partner_regions"

    region_id: Mapped[UUID] = mapped_column(primary_key=True)
    root_key: Mapped[bytes] = mapped_column(LargeBinary)
    pinned_by: Mapped[str] = mapped_column(Text)
    pinned_at: Mapped[datetime] = mapped_column(Instant)


class PartnerStatement(Base):
    """A line file that another installation has sent: what it said, what we booked of it, and where we differ."""

    __tablename__ = "partner_statements"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    partner_id: Mapped[UUID]
    period: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    # Whether their period was cut off, and whether ours was as we compared.
    final: Mapped[bool] = mapped_column(Boolean)
    ours_final: Mapped[bool] = mapped_column(Boolean)
    line_count: Mapped[int] = mapped_column(BigInteger)
    booked_count: Mapped[int] = mapped_column(BigInteger)
    booked_fen: Mapped[int] = mapped_column(BigInteger)
    # What they owe us (+) for the month, by our book and by their file.
    ours_fen: Mapped[int] = mapped_column(BigInteger)
    theirs_fen: Mapped[int] = mapped_column(BigInteger)
    difference_count: Mapped[int] = mapped_column(Integer)
    # The first of them.
    differences: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    received_by: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(Instant)
