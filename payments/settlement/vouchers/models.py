"""The one table of vouchers: mappings, each change of one a new row."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, DateTime, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class VoucherMapping(Base):
    """How our accounts are called in somebody's own chart of accounts; the highest version is in force."""

    __tablename__ = "voucher_mappings"
    __table_args__ = (CheckConstraint("owner_kind IN ('unit', 'canteen', 'region')", name="owner_kind"),)

    owner_kind: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    entries: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    note: Mapped[str] = mapped_column(Text)
    changed_by: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
