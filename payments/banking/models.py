"""Tables of the bank: its statements as they were brought in, and their lines."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, Index, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base

Instant: TypeEngine[datetime] = DateTime(timezone=True)


class BankStatement(Base):
    """What the bank says of an account for some days. Its opening balance is the closing one of the statement before."""

    __tablename__ = "bank_statements"
    __table_args__ = (
        CheckConstraint("form IN ('camt.053', 'csv')", name="form"),
        CheckConstraint("first_day <= last_day", name="days"),
        Index("bank_statements_reference_key", "account", "reference", unique=True),
        Index("bank_statements_sha256_key", "sha256", unique=True),
        Index("bank_statements_days_key", "account", "last_day", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(Text)
    region_id: Mapped[UUID]
    reference: Mapped[str] = mapped_column(Text)
    form: Mapped[str] = mapped_column(Text)
    first_day: Mapped[date] = mapped_column(Date)
    last_day: Mapped[date] = mapped_column(Date)
    opening_fen: Mapped[int] = mapped_column(BigInteger)
    closing_fen: Mapped[int] = mapped_column(BigInteger)
    line_count: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    taken_by: Mapped[str] = mapped_column(Text)
    taken_at: Mapped[datetime] = mapped_column(Instant)


class BankLine(Base):
    """One movement of a statement: + came in, - went out. `matched_to` names what it was found to be."""

    __tablename__ = "bank_lines"
    __table_args__ = (
        CheckConstraint("amount_fen <> 0", name="amount_fen"),
        Index("bank_lines_statement_key", "statement_id", "ordinal", unique=True),
        Index("bank_lines_booked_on_idx", "booked_on"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    statement_id: Mapped[UUID]
    ordinal: Mapped[int] = mapped_column(Integer)
    region_id: Mapped[UUID]
    booked_on: Mapped[date] = mapped_column(Date)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    counterparty: Mapped[str] = mapped_column(Text)
    end_to_end_id: Mapped[str] = mapped_column(Text)
    remittance: Mapped[str] = mapped_column(Text)
    bank_reference: Mapped[str] = mapped_column(Text)
    matched_to: Mapped[str | None] = mapped_column(Text)
