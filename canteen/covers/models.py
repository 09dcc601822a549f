"""Tables of covers. `cover_days.taken` is kept by a trigger of `covers`, and checked against the capacity."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base

_Moment = DateTime(timezone=True)


class CoverCapacity(Base):
    """How many covers a kitchen makes for meetings at a meal, on any day that is opened from now on."""

    __tablename__ = "cover_capacities"

    canteen_id: Mapped[UUID] = mapped_column(primary_key=True)
    meal: Mapped[str] = mapped_column(Text, primary_key=True)
    covers_max: Mapped[int] = mapped_column(Integer)
    changed_by: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(_Moment)


class CoverDay(Base):
    """One meal of one business date: how many there are, and how many are taken."""

    __tablename__ = "cover_days"
    __table_args__ = (CheckConstraint("taken BETWEEN 0 AND capacity", name="capacity"),)

    canteen_id: Mapped[UUID] = mapped_column(primary_key=True)
    business_date: Mapped[date] = mapped_column(primary_key=True)
    meal: Mapped[str] = mapped_column(Text, primary_key=True)
    capacity: Mapped[int] = mapped_column(Integer)
    taken: Mapped[int] = mapped_column(Integer)


class Covers(Base):
    """Some covers of a meal, for one meeting. `needs` counts what its guests cannot or will not eat."""

    __tablename__ = "covers"
    __table_args__ = (CheckConstraint("state IN ('held', 'confirmed', 'released')", name="state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    canteen_id: Mapped[UUID]
    business_date: Mapped[date]
    meal: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    covers: Mapped[int] = mapped_column(Integer)
    price_fen: Mapped[int] = mapped_column(BigInteger)
    needs: Mapped[dict[str, int]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_Moment)
    changed_at: Mapped[datetime] = mapped_column(_Moment)
