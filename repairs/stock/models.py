"""The tables of stock and costs. That a store never holds less than nothing stands here too."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base

Instant: TypeEngine[datetime] = DateTime(timezone=True)


class PartStore(Base):
    """A cupboard of parts in a region."""

    __tablename__ = "part_stores"
    __table_args__ = (Index("part_stores_region_id_idx", "region_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    place_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)


class Part(Base):
    """A kind of part in one store: how many there are, and what the next one costs."""

    __tablename__ = "parts"
    __table_args__ = (
        CheckConstraint("quantity >= 0", name="quantity"),
        CheckConstraint("minimum >= 0", name="minimum"),
        CheckConstraint("unit_cost_fen >= 0", name="unit_cost"),
        UniqueConstraint("store_id", "code", name="parts_code_key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    store_id: Mapped[UUID] = mapped_column(ForeignKey("part_stores.id"))
    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    # What it is counted in: 个, 米, 包.
    unit: Mapped[str] = mapped_column(Text)
    unit_cost_fen: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(Integer)
    # Below it more should be bought.
    minimum: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Instant)


class PartMove(Base):
    """Parts came in, were taken for an order, came back, or were counted."""

    __tablename__ = "part_moves"
    __table_args__ = (
        CheckConstraint("kind IN ('received', 'taken', 'returned', 'counted')", name="kind"),
        CheckConstraint(
            "CASE kind WHEN 'taken' THEN quantity < 0 WHEN 'counted' THEN true ELSE quantity > 0 END", name="quantity"
        ),
        CheckConstraint("after >= 0", name="after"),
        CheckConstraint("(kind IN ('taken', 'returned')) = (order_id IS NOT NULL)", name="order_id"),
        UniqueConstraint("actor_id", "client_id", name="part_moves_client_id_key"),
        Index("part_moves_part_id_idx", "part_id", "id"),
        Index("part_moves_order_id_idx", "order_id", postgresql_where=text("order_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"))
    kind: Mapped[str] = mapped_column(Text)
    # With its sign; and what the store held after it.
    quantity: Mapped[int] = mapped_column(Integer)
    after: Mapped[int] = mapped_column(Integer)
    unit_cost_fen: Mapped[int] = mapped_column(BigInteger)
    order_id: Mapped[UUID | None]
    actor_id: Mapped[UUID]
    # The move's own name: sent twice, it is one.
    client_id: Mapped[UUID]
    note: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class LabourRate(Base):
    """What an hour of work costs in a region, from a day on; the next one follows it."""

    __tablename__ = "labour_rates"
    __table_args__ = (
        CheckConstraint("hour_fen >= 0", name="hour"),
        UniqueConstraint("region_id", "effective_from", name="labour_rates_effective_from_key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    hour_fen: Mapped[int] = mapped_column(BigInteger)
    effective_from: Mapped[date] = mapped_column(Date)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)


class CostSheet(Base):
    """What stands between an order and its money: whoever changes what it cost, or charges it, locks this row."""

    __tablename__ = "cost_sheets"

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    # Why the last try to charge it came to nothing: an error's code.
    refused_code: Mapped[str | None] = mapped_column(Text)
    refused_at: Mapped[datetime | None] = mapped_column(Instant)
    opened_at: Mapped[datetime] = mapped_column(Instant)


class RepairCharge(Base):
    """An order's cost as it was charged to a unit; one of an order stands at a time."""

    __tablename__ = "repair_charges"
    __table_args__ = (
        CheckConstraint("parts_fen >= 0 AND labour_fen >= 0 AND amount_fen = parts_fen + labour_fen", name="sum"),
        CheckConstraint("amount_fen > 0", name="amount"),
        Index("repair_charges_standing_key", "order_id", unique=True, postgresql_where=text("refunded_at IS NULL")),
    )

    # The act by which payments knows it.
    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("cost_sheets.order_id"))
    parts_fen: Mapped[int] = mapped_column(BigInteger)
    labour_fen: Mapped[int] = mapped_column(BigInteger)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    payer_id: Mapped[UUID]
    payee_id: Mapped[UUID]
    charge_id: Mapped[UUID]
    charged_by: Mapped[str] = mapped_column(Text)
    charged_at: Mapped[datetime] = mapped_column(Instant)
    refunded_at: Mapped[datetime | None] = mapped_column(Instant)
