"""Tables of settlement. The period itself is `accounting_periods` (payments/models.py), because posting reads it.

What is counted at a close is kept by account and day, persons merged: everything that is shown, netted and hashed is made
from these two sets of totals, and none of it writes a row for a payment.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Date, DateTime, Integer, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from payments.settlement import states
from payments.states import StateTable, states_of

Instant: TypeEngine[datetime] = DateTime(timezone=True)


def _state_check(machine: StateTable) -> CheckConstraint:
    names = ", ".join(f"'{state}'" for state in states_of(machine))
    return CheckConstraint(f"state IN ({names})", name="state")


class SettlementTotal(Base):
    """What a period's lines of one day and kind did to one account. The owner of a person's account is zero."""

    __tablename__ = "settlement_totals"

    settlement_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_kind: Mapped[str] = mapped_column(Text, primary_key=True)
    account_owner: Mapped[UUID] = mapped_column(primary_key=True)
    business_date: Mapped[date] = mapped_column(Date, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    debit_fen: Mapped[int] = mapped_column(BigInteger)
    credit_fen: Mapped[int] = mapped_column(BigInteger)
    line_count: Mapped[int] = mapped_column(BigInteger)


class UnitTotal(Base):
    """What a unit's subsidies paid on one day, returns taken off."""

    __tablename__ = "settlement_unit_totals"

    settlement_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    business_date: Mapped[date] = mapped_column(Date, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    line_count: Mapped[int] = mapped_column(BigInteger)


class SettlementStatement(Base):
    """What one party is told of a period: a canteen, a unit, another region, an operator.

    `net_fen` is what the region owes the party for the period (+), or is owed (-); `due_fen` is the part of it that a bank
    will move, what is disputed taken off. The region confirms by sending, the party by confirming, or by its silence.
    """

    __tablename__ = "settlement_statements"
    __table_args__ = (_state_check(states.STATEMENT),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    settlement_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    party_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(Text)
    in_fen: Mapped[int] = mapped_column(BigInteger)
    out_fen: Mapped[int] = mapped_column(BigInteger)
    net_fen: Mapped[int] = mapped_column(BigInteger)
    due_fen: Mapped[int] = mapped_column(BigInteger)
    disputed_fen: Mapped[int] = mapped_column(BigInteger)
    # For a unit: what its people's subsidies paid. For an operator: what its share was counted from.
    base_fen: Mapped[int] = mapped_column(BigInteger)
    line_count: Mapped[int] = mapped_column(BigInteger)
    sent_by: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    confirmed_by: Mapped[str | None] = mapped_column(Text)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)


class CanteenShare(Base):
    """How a canteen's takings are shared from a month on; weights in order, the rest of a fen by largest remainder.

    Without rows the whole goes to the canteen. The organisation of the canteen's own part is named like the others.
    """

    __tablename__ = "canteen_shares"

    site_id: Mapped[UUID] = mapped_column(primary_key=True)
    from_period: Mapped[str] = mapped_column(Text, primary_key=True)
    ordinal: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    organisation_id: Mapped[UUID]
    weight: Mapped[int] = mapped_column(Integer)
    # `canteen` keeps its part in the canteen's own account; `operator` gets it in an account of its own.
    role: Mapped[str] = mapped_column(Text)


class SettlementShare(Base):
    """One part of one canteen's takings of a period, as the close has split it."""

    __tablename__ = "settlement_shares"

    settlement_id: Mapped[UUID] = mapped_column(primary_key=True)
    site_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    organisation_id: Mapped[UUID]
    role: Mapped[str] = mapped_column(Text)
    weight: Mapped[int] = mapped_column(Integer)
    base_fen: Mapped[int] = mapped_column(BigInteger)
    amount_fen: Mapped[int] = mapped_column(BigInteger)


class LineDispute(Base):
    """A line of a statement that is not agreed: its sum waits in `suspense:<dispute>`, the rest settles."""

    __tablename__ = "line_disputes"
    __table_args__ = (_state_check(states.LINE_DISPUTE),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    settlement_id: Mapped[UUID]
    statement_id: Mapped[UUID]
    business_date: Mapped[date] = mapped_column(Date)
    line_kind: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    opened_by: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    # When the sum went into suspense: as the period was netted.
    suspended_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by: Mapped[str | None] = mapped_column(Text)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    note: Mapped[str | None] = mapped_column(Text)


class Clearing(Base):
    """One netting run: the regions that owe each other for a period, what they owed, and what is left to move."""

    __tablename__ = "clearings"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(Text)
    region_ids: Mapped[list[str]] = mapped_column(JSON)
    # [{debtor, creditor, amount_fen}], before netting.
    obligations: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    # {region: fen}, + receives.
    positions: Mapped[dict[str, int]] = mapped_column(JSON)
    gross_fen: Mapped[int] = mapped_column(BigInteger)
    moved_fen: Mapped[int] = mapped_column(BigInteger)
    netted_by: Mapped[str] = mapped_column(Text)
    netted_at: Mapped[datetime] = mapped_column(Instant)


class BankInstructionRow(Base):
    """One sum that a bank is to move. `end_to_end_id` comes back on the bank's statement."""

    __tablename__ = "bank_instructions"
    __table_args__ = (_state_check(states.BANK_INSTRUCTION),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # The period of the debtor's or, where a unit or canteen pays, of the creditor's book.
    settlement_id: Mapped[UUID]
    clearing_id: Mapped[UUID | None]
    # region_net, canteen_payout, operator_commission, unit_bill, canteen_return
    kind: Mapped[str] = mapped_column(Text)
    debtor_kind: Mapped[str] = mapped_column(Text)
    debtor_id: Mapped[UUID]
    creditor_kind: Mapped[str] = mapped_column(Text)
    creditor_id: Mapped[UUID]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str] = mapped_column(Text)
    end_to_end_id: Mapped[str] = mapped_column(Text, unique=True)
    state: Mapped[str] = mapped_column(Text)
    issued_at: Mapped[datetime] = mapped_column(Instant)
    paid_at: Mapped[datetime | None] = mapped_column(Instant)
    paid_by: Mapped[str | None] = mapped_column(Text)
    bank_reference: Mapped[str | None] = mapped_column(Text)
    failure: Mapped[str | None] = mapped_column(Text)


class BankAccount(Base):
    """Where a party's money is: region, canteen, organisation."""

    __tablename__ = "bank_accounts"

    party_id: Mapped[UUID] = mapped_column(primary_key=True)
    party_kind: Mapped[str] = mapped_column(Text)
    account_name: Mapped[str] = mapped_column(Text)
    account_number: Mapped[str] = mapped_column(Text)
    # The bank's number in the interbank directory (12 digits), as its clearing system's member id.
    bank_number: Mapped[str] = mapped_column(Text)
    bank_name: Mapped[str] = mapped_column(Text)
    changed_by: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class AdjustmentVoucher(Base):
    """What corrects a locked period: names the original, is approved by two, and is booked in an open period."""

    __tablename__ = "adjustment_vouchers"
    __table_args__ = (_state_check(states.ADJUSTMENT),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    settlement_id: Mapped[UUID]
    # The id of what it corrects: a payment, a refund, a statement.
    original: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    debit_kind: Mapped[str] = mapped_column(Text)
    debit_owner: Mapped[UUID]
    credit_kind: Mapped[str] = mapped_column(Text)
    credit_owner: Mapped[UUID]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(Instant)
    first_approver: Mapped[str | None] = mapped_column(Text)
    second_approver: Mapped[str | None] = mapped_column(Text)
    booked_in: Mapped[str | None] = mapped_column(Text)
    # Its ledger lines; for a payment's refund, the refund.
    transfer_id: Mapped[UUID | None]
    booked_at: Mapped[datetime | None] = mapped_column(Instant)


class LateCase(Base):
    """A sale that was booked more than seven days after its business date: a person says whether that is right."""

    __tablename__ = "late_cases"
    __table_args__ = (_state_check(states.LATE_CASE),)

    transfer_id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    # The period that it was booked in.
    period: Mapped[str] = mapped_column(Text)
    site_id: Mapped[UUID]
    business_date: Mapped[date] = mapped_column(Date)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    resolved_by: Mapped[str | None] = mapped_column(Text)
    resolved_at: Mapped[datetime | None] = mapped_column(Instant)
    note: Mapped[str | None] = mapped_column(Text)


class SettlementStep(Base):
    """One state that a period came to: which, by whom, when."""

    __tablename__ = "settlement_steps"

    settlement_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    trigger: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    by_silence: Mapped[bool] = mapped_column(Boolean)
    happened_at: Mapped[datetime] = mapped_column(Instant)
