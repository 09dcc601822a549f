"""Tables of payments. What each is for stands in migrations/versions/0003_payments.py and in docs/data.md.

The posting path does not use these classes: it writes whole batches with the statements of `hot_statements.py`.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, Date, DateTime, Integer, LargeBinary, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from kernel.ids import uuid7
from payments import states
from payments.settlement.states import SETTLEMENT

Instant: TypeEngine[datetime] = DateTime(timezone=True)


def _state_check(table: str) -> CheckConstraint:
    names = ", ".join(f"'{state}'" for state in states.states_of(states.TABLES[table]))
    return CheckConstraint(f"state IN ({names})", name="state")


class Holder(Base):
    """A person's account: the row whose lock guards everything below."""

    __tablename__ = "holders"
    __table_args__ = (_state_check("holder"),)

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    region_id: Mapped[UUID]
    person_class: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    # Frozen because its person is suspended, and so to be unfrozen when they come back.
    frozen_for_suspension: Mapped[bool] = mapped_column(default=False)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class HolderDirectory(Base):
    """Which holder a person is."""

    __tablename__ = "holder_directory"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(SmallInteger)
    holder_id: Mapped[UUID] = mapped_column(unique=True)


class Purse(Base):
    """A balance that is one number: cash, official."""

    __tablename__ = "purses"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    balance_fen: Mapped[int] = mapped_column(BigInteger)
    held_fen: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)


class SubsidyLot(Base):
    """A grant to one person: what is left of it, until when, and where it may be spent."""

    __tablename__ = "subsidy_lots"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    region_id: Mapped[UUID]
    granted_fen: Mapped[int] = mapped_column(BigInteger)
    balance_fen: Mapped[int] = mapped_column(BigInteger)
    held_fen: Mapped[int] = mapped_column(BigInteger)
    granted_on: Mapped[date] = mapped_column(Date)
    expires_on: Mapped[date] = mapped_column(Date)
    scope: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    version: Mapped[int] = mapped_column(BigInteger)
    expired_at: Mapped[datetime | None] = mapped_column(Instant)
    # The account of its unit that what is left goes back to.
    funded_by: Mapped[str] = mapped_column(Text, server_default="unit_prefund")
    grant_id: Mapped[UUID | None]
    # The lot whose rest this one is, and the one that its own rest became.
    carried_from: Mapped[UUID | None]
    carried_to: Mapped[UUID | None]


class UsageCounter(Base):
    """How often and how much, by a plain key that the posting rule chose."""

    __tablename__ = "usage_counters"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    amount_fen: Mapped[int] = mapped_column(BigInteger)


class Hold(Base):
    """Money set aside in the purses until it is captured, released, or its time is up."""

    __tablename__ = "holds"
    __table_args__ = (_state_check("hold"),)

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(Text)
    legs: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)


class Card(Base):
    """A plastic card; its number is kept as an HMAC only."""

    __tablename__ = "cards"
    __table_args__ = (_state_check("card"),)

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    number_hash: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text)
    issued_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class CardDirectory(Base):
    """Which card a number is, and whose: unique over all buckets, and read before a payment is queued."""

    __tablename__ = "card_directory"

    number_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    bucket: Mapped[int] = mapped_column(SmallInteger)
    card_id: Mapped[UUID]
    holder_id: Mapped[UUID]


class PaymentPin(Base):
    """The PIN with which somebody pays by staff number; its hash only, as a password's."""

    __tablename__ = "payment_pins"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    pin_hash: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class PlaceCode(Base):
    """A printed code of a canteen or of one of its tills; a new issue replaces the one before it."""

    __tablename__ = "place_codes"
    __table_args__ = (_state_check("place_code"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site_id: Mapped[UUID]
    # None: the code of the whole canteen.
    terminal_id: Mapped[UUID | None]
    issue: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text)
    issued_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class SigningKey(Base):
    """A region's key for pay codes; the private half is sealed with the secret key."""

    __tablename__ = "signing_keys"

    kid: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    region_id: Mapped[UUID]
    suite: Mapped[int] = mapped_column(SmallInteger)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_private_key: Mapped[bytes] = mapped_column(LargeBinary)
    not_before: Mapped[datetime] = mapped_column(Instant)
    not_after: Mapped[datetime] = mapped_column(Instant)


class RootKey(Base):
    """The key that signs the trust list: a table of one row."""

    __tablename__ = "root_key"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_private_key: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime] = mapped_column(Instant)


class PayCode(Base):
    """A one-time code: P1 and P2 share this row, so using one kills both."""

    __tablename__ = "pay_codes"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    secret: Mapped[int] = mapped_column(BigInteger)
    spend_key: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    block_expires_at: Mapped[datetime] = mapped_column(Instant)
    used_by: Mapped[UUID | None]


class TerminalRequest(Base):
    """One number of one terminal, and the key and body that took it."""

    __tablename__ = "terminal_requests"

    terminal_id: Mapped[UUID] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(Text)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    payment_id: Mapped[UUID]
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class Payment(Base):
    """A sale that was paid."""

    __tablename__ = "payments"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    person_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    home_region_id: Mapped[UUID]
    host_region_id: Mapped[UUID]
    site_id: Mapped[UUID]
    terminal_id: Mapped[UUID | None]
    epoch: Mapped[int | None] = mapped_column(Integer)
    seq: Mapped[int | None] = mapped_column(BigInteger)
    code_id: Mapped[UUID | None]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    refunded_fen: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    legs: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    counters: Mapped[list[str]] = mapped_column(JSON)
    context: Mapped[dict[str, Any]] = mapped_column(JSON)
    trace: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    business_date: Mapped[date] = mapped_column(Date)
    accounting_period: Mapped[str] = mapped_column(Text)
    happened_at: Mapped[datetime] = mapped_column(Instant)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
    lane: Mapped[int] = mapped_column(SmallInteger)
    n: Mapped[int] = mapped_column(BigInteger)


class Reversal(Base):
    """A void or a refund: a new object, never an edit of the payment."""

    __tablename__ = "reversals"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    legs: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    business_date: Mapped[date] = mapped_column(Date)
    accounting_period: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class LedgerLine(Base):
    """One amount from a credited to a debited account of one region's book."""

    __tablename__ = "ledger_lines"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    transfer_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(Text)
    region_id: Mapped[UUID]
    debit_kind: Mapped[str] = mapped_column(Text)
    debit_owner: Mapped[UUID]
    credit_kind: Mapped[str] = mapped_column(Text)
    credit_owner: Mapped[UUID]
    lot_id: Mapped[UUID | None]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    business_date: Mapped[date] = mapped_column(Date)
    accounting_period: Mapped[str] = mapped_column(Text)
    lane: Mapped[int] = mapped_column(SmallInteger)
    n: Mapped[int] = mapped_column(BigInteger)


class LedgerBatch(Base):
    """A link of a lane's hash chain: one commit."""

    __tablename__ = "ledger_batches"

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    line_count: Mapped[int] = mapped_column(Integer)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class AccountDelta(Base):
    """What one commit did to one house account."""

    __tablename__ = "account_deltas"

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    region_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    owner: Mapped[UUID] = mapped_column(primary_key=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    entry_count: Mapped[int] = mapped_column(Integer)


class UnitPrefund(Base):
    """What a unit has paid in ahead; locked where it is spent from."""

    __tablename__ = "unit_prefunds"

    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    balance_fen: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)


class AccountingPeriod(Base):
    """A month of one region's book, and how far its settlement has come (payments/settlement). Without a row it is open."""

    __tablename__ = "accounting_periods"
    __table_args__ = (
        CheckConstraint(
            "state IN (" + ", ".join(f"'{state}'" for state in states.states_of(SETTLEMENT)) + ")", name="state"
        ),
    )

    region_id: Mapped[UUID] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    id: Mapped[UUID] = mapped_column(unique=True, default=uuid7)
    # When the period before it was cut off before its month was over: from then on this one was booked in.
    opened_early_at: Mapped[datetime | None] = mapped_column(Instant)
    cut_off_at: Mapped[datetime | None] = mapped_column(Instant)
    # The journal's position at the cut-off: {lane: n}, and the hash of each lane's chain there.
    vector: Mapped[dict[str, int] | None] = mapped_column(JSON(none_as_null=True))
    chain_heads: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    aggregates_hash: Mapped[str | None] = mapped_column(Text)
    line_count: Mapped[int | None] = mapped_column(BigInteger)
    silence_ends_at: Mapped[datetime | None] = mapped_column(Instant)
    clearing_id: Mapped[UUID | None]
    changed_at: Mapped[datetime | None] = mapped_column(Instant)


class TopUp(Base):
    """Money put in by its holder."""

    __tablename__ = "top_ups"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    channel: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class Grant(Base):
    """A batch of subsidy lots from one unit."""

    __tablename__ = "grants"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID]
    region_id: Mapped[UUID]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    lot_count: Mapped[int] = mapped_column(Integer)
    expires_on: Mapped[date] = mapped_column(Date)
    actor: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
    funded_by: Mapped[str] = mapped_column(Text, server_default="unit_prefund")
    scope: Mapped[dict[str, list[str]]] = mapped_column(JSON, default=dict)
    carry_over: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    reversed_at: Mapped[datetime | None] = mapped_column(Instant)


class UnitReceivable(Base):
    """What a unit that is billed owes for what it granted; locked where it is raised."""

    __tablename__ = "unit_receivables"

    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    balance_fen: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)


class FundingTerms(Base):
    """How a unit pays for its subsidies from an approval on: prefund or bill, and up to what."""

    __tablename__ = "funding_terms"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID]
    funded_by: Mapped[str] = mapped_column(Text)
    limit_fen: Mapped[int] = mapped_column(BigInteger)
    asked_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class ChannelOrder(Base):
    """What was asked of somebody else's gateway, written before it was asked, and what is known of it since."""

    __tablename__ = "channel_orders"
    __table_args__ = (_state_check("channel_order"),)

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    holder_id: Mapped[UUID | None]
    region_id: Mapped[UUID]
    caller: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    step_count: Mapped[int] = mapped_column(SmallInteger)
    trade_no: Mapped[str | None] = mapped_column(Text)
    qr_text: Mapped[str | None] = mapped_column(Text)
    confirmed_fen: Mapped[int | None] = mapped_column(BigInteger)
    # Of what was confirmed: given back, or on its way back.
    refunded_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    refusal: Mapped[str | None] = mapped_column(Text)
    asking_until: Mapped[datetime | None] = mapped_column(Instant)
    looks: Mapped[int] = mapped_column(SmallInteger)
    look_due_at: Mapped[datetime | None] = mapped_column(Instant)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class ChannelStep(Base):
    """One state of a channel's order, with the word that led to it and who brought the word."""

    __tablename__ = "channel_steps"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    word: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    rank: Mapped[int] = mapped_column(SmallInteger)
    source: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class ChannelNotice(Base):
    """A notice of a gateway whose signature was good; each is taken once."""

    __tablename__ = "channel_notices"

    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    notice_id: Mapped[str] = mapped_column(Text, primary_key=True)
    order_name: Mapped[str] = mapped_column(Text)
    word: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int | None] = mapped_column(BigInteger)
    order_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class DifferenceCase(Base):
    """What a gateway and our books say differently, or what nobody can tell us: a person looks into it."""

    __tablename__ = "difference_cases"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(Text)
    order_name: Mapped[str] = mapped_column(Text)
    order_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(Text)
    expected_fen: Mapped[int | None] = mapped_column(BigInteger)
    confirmed_fen: Mapped[int | None] = mapped_column(BigInteger)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    resolved_at: Mapped[datetime | None] = mapped_column(Instant)
    # heard: the gateway has said after all; closed, refunded: two people have decided, for this reason.
    resolution: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    resolved_by: Mapped[str | None] = mapped_column(Text)


class ChannelRefund(Base):
    """Money that goes back through the gateway it came by; its own order of the same id says what the gateway knows."""

    __tablename__ = "channel_refunds"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    # The order whose money it is.
    order_id: Mapped[UUID]
    # What was booked when it was asked for: out of a purse, a canteen's account, or the clearing account itself.
    region_id: Mapped[UUID]
    debit_kind: Mapped[str] = mapped_column(Text)
    debit_owner: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    case_id: Mapped[UUID | None]
    business_date: Mapped[date] = mapped_column(Date)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class GuestPayment(Base):
    """A meal that somebody without an account paid at a till with a channel's own code."""

    __tablename__ = "guest_payments"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    site_id: Mapped[UUID]
    terminal_id: Mapped[UUID]
    epoch: Mapped[int] = mapped_column(Integer)
    seq: Mapped[int] = mapped_column(BigInteger)
    channel: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    business_date: Mapped[date] = mapped_column(Date)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
