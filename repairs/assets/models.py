"""The register of assets."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, DateTime, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Asset(Base):
    """A machine or a fitting: what it is, where it stands, and which issue of its label counts."""

    __tablename__ = "repair_assets"
    __table_args__ = (
        CheckConstraint("label_issue BETWEEN 1 AND 65535", name="label_issue"),
        Index("repair_assets_place_id_idx", "place_id"),
        Index("repair_assets_region_id_idx", "region_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    place_id: Mapped[UUID]
    code: Mapped[str] = mapped_column(Text, unique=True)
    name_zh: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    pinyin: Mapped[str] = mapped_column(Text)
    # What a report about it is likely to be.
    category_id: Mapped[UUID | None]
    model: Mapped[str] = mapped_column(Text)
    serial: Mapped[str] = mapped_column(Text)
    installed_on: Mapped[date | None] = mapped_column(Date)
    label_issue: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
