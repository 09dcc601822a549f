"""Tables of the door. An intent belongs to a merchant before it belongs to any holder, so the hot ones begin with `site_id`,
not with a bucket: one merchant's rows stay together where these tables are spread over servers.

The way of a confirmation does not use these classes: it reads and writes whole batches (`queries.py`).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from payments.states import StateTable, states_of
from payments.stripe_door import states

Instant: TypeEngine[datetime] = DateTime(timezone=True)


def _state_check(machine: StateTable) -> CheckConstraint:
    names = ", ".join(f"'{state}'" for state in states_of(machine))
    return CheckConstraint(f"state IN ({names})", name="state")


class SecretKey(Base):
    """A merchant's secret key (`sk_`): kept as a hash, shown once, revocable. It is a terminal of the posting queue."""

    __tablename__ = "secret_keys"
    __table_args__ = (_state_check(states.SECRET_KEY),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str] = mapped_column(Text)
    made_by: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    configuration_version: Mapped[int] = mapped_column(BigInteger)


class PaymentIntent(Base):
    """A sum that a merchant's program wants to be paid, until it is or will not be."""

    __tablename__ = "payment_intents"
    __table_args__ = (_state_check(states.INTENT),)

    site_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[str | None] = mapped_column(Text)
    # JSON as it is told.
    metadata_json: Mapped[str] = mapped_column(Text)
    method_id: Mapped[UUID | None]
    # Only until it has been tried.
    pay_code: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    attempt_seq: Mapped[int | None] = mapped_column(BigInteger)
    attempt_by: Mapped[UUID | None]
    attempted_at: Mapped[datetime | None] = mapped_column(Instant)
    payment_id: Mapped[UUID | None]
    last_error_json: Mapped[str | None] = mapped_column(Text)
    canceled_at: Mapped[datetime | None] = mapped_column(Instant)
    cancellation_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    version: Mapped[int] = mapped_column(Integer)


class DoorRequest(Base):
    """One idempotency key of one merchant, with the answer that its repetitions get."""

    __tablename__ = "door_requests"

    site_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    intent_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class DoorRefund(Base):
    """A void or refund of an intent's payment, as the merchant's program knows it. Its id is the reversal's."""

    __tablename__ = "door_refunds"

    site_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    intent_id: Mapped[UUID]
    payment_id: Mapped[UUID]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(Text)
    metadata_json: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)


class DoorEvent(Base):
    """What a merchant's program is told. `stream` is the intent: its events are delivered in the order of `ordinal`."""

    __tablename__ = "door_events"

    ordinal: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    site_id: Mapped[UUID]
    id: Mapped[UUID]
    type: Mapped[str] = mapped_column(Text)
    stream: Mapped[UUID]
    # JSON of `data` as it is told.
    data_json: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)


class WebhookEndpoint(Base):
    """Where a merchant wants to be told of events. Its signing secret is sealed; an old one counts during a rotation."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (_state_check(states.ENDPOINT),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site_id: Mapped[UUID]
    url: Mapped[str] = mapped_column(Text)
    enabled_events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    description: Mapped[str | None] = mapped_column(Text)
    metadata_json: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_old_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    old_secret_until: Mapped[datetime | None] = mapped_column(Instant)
    failing_since: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)


class WebhookDelivery(Base):
    """One event for one receiver: due at `next_at` until it is delivered or abandoned."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (_state_check(states.DELIVERY),)

    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    stream: Mapped[UUID]
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime] = mapped_column(Instant)
    first_at: Mapped[datetime] = mapped_column(Instant)
    delivered_at: Mapped[datetime | None] = mapped_column(Instant)


class WebhookAttempt(Base):
    """One try at a delivery: when, how long, and what came back."""

    __tablename__ = "webhook_attempts"

    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    started_at: Mapped[datetime] = mapped_column(Instant)
    took_ms: Mapped[int] = mapped_column(Integer)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
