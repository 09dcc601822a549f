"""The table of withdrawals."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, LargeBinary, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from payments.states import states_of
from payments.withdrawals.states import WITHDRAWAL

Instant: TypeEngine[datetime] = DateTime(timezone=True)
_STATES = ", ".join(f"'{state}'" for state in states_of(WITHDRAWAL))


class Withdrawal(Base):
    """Cash on its way to its owner's account elsewhere; its channel order has the same id."""

    __tablename__ = "withdrawals"
    __table_args__ = (CheckConstraint(f"state IN ({_STATES})", name="state"),)

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    person_id: Mapped[UUID]
    region_id: Mapped[UUID]
    channel: Mapped[str] = mapped_column(Text)
    # Account and name, sealed; of the account only as much is kept in the open as its owner knows it by.
    sealed_payee: Mapped[bytes] = mapped_column(LargeBinary)
    payee_hint: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    hold_id: Mapped[UUID]
    approval_id: Mapped[UUID | None]
    started_by: Mapped[UUID]
    refusal: Mapped[str | None] = mapped_column(Text)
    # What went back to units when the account was closed behind it.
    returned_fen: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
