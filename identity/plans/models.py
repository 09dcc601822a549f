"""Tables of plans."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, DateTime, Double, ForeignKey, Integer, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base

POINT_KINDS: Final = ("way", "door", "stairs", "lift")


class Plan(Base):
    """A picture of a place from above; one counts for each place."""

    __tablename__ = "plans"
    __table_args__ = (CheckConstraint("metres_wide BETWEEN 1 AND 10000", name="metres_wide"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    place_id: Mapped[UUID] = mapped_column(ForeignKey("places.id"))
    file_id: Mapped[UUID]
    # How far it is from the left edge of the picture to the right one.
    metres_wide: Mapped[float] = mapped_column(Double)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class PlanPoint(Base):
    """Where one walks, turns, or goes in. 0 is the left and the upper edge of the picture, 1 the right and the lower one."""

    __tablename__ = "plan_points"
    __table_args__ = (
        CheckConstraint("x BETWEEN 0 AND 1", name="x"),
        CheckConstraint("y BETWEEN 0 AND 1", name="y"),
        CheckConstraint("kind IN ('way', 'door', 'stairs', 'lift')", name="kind"),
        UniqueConstraint("plan_id", "key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    # As whoever draws names it; it stays the same point as long as it keeps its key.
    key: Mapped[str] = mapped_column(Text)
    x: Mapped[float] = mapped_column(Double)
    y: Mapped[float] = mapped_column(Double)
    kind: Mapped[str] = mapped_column(Text)
    place_id: Mapped[UUID | None] = mapped_column(ForeignKey("places.id"))
    label: Mapped[str] = mapped_column(Text)


class PlanEdge(Base):
    """From one point to another, walked both ways; of two plans where stairs, a lift or a door joins them."""

    __tablename__ = "plan_edges"
    __table_args__ = (
        CheckConstraint("metres BETWEEN 0 AND 100000", name="metres"),
        CheckConstraint("from_id < to_id", name="order"),
    )

    from_id: Mapped[UUID] = mapped_column(ForeignKey("plan_points.id", ondelete="CASCADE"), primary_key=True)
    to_id: Mapped[UUID] = mapped_column(ForeignKey("plan_points.id", ondelete="CASCADE"), primary_key=True)
    metres: Mapped[float] = mapped_column(Double)
    # Without a step, as a wheelchair goes.
    step_free: Mapped[bool] = mapped_column(Boolean)
