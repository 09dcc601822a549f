"""Tables of reaching: channels, devices, deliveries with their tries, and what each way was last proved by."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, DateTime, Index, Integer, LargeBinary, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from realtime.reaching.kinds import SET_UP, Kind
from realtime.reaching.states import CHANNEL, DELIVERY, states_of

Instant: TypeEngine[datetime] = DateTime(timezone=True)


def _one_of(column: str, words: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


class ReachChannel(Base):
    """A robot of a group, or a gateway to telephones, as an administrator has set it up."""

    __tablename__ = "reach_channels"
    __table_args__ = (
        CheckConstraint(_one_of("kind", list(SET_UP)), name="kind"),
        CheckConstraint(_one_of("state", states_of(CHANNEL)), name="state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID] = mapped_column(index=True)
    # A robot of this team's group; none: of the whole region.
    team_id: Mapped[UUID | None] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    # The host, for people. A robot's address holds its token, so the whole of it is a secret.
    address_hint: Mapped[str] = mapped_column(Text)
    sealed_address: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text)
    # Raised with every change of address or secret: what proved the old one proves nothing of the new one.
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Instant)


class PushDevice(Base):
    """A browser that somebody allowed us to notify while no page of ours is open."""

    __tablename__ = "push_devices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(index=True)
    # SHA-256 of the address: one browser has one row, whoever signs in there.
    endpoint_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    # Address and both keys, as the browser gave them: whoever holds them can ring there.
    sealed_subscription: Mapped[bytes] = mapped_column(LargeBinary)
    label: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)


class PushKey(Base):
    """Our own key at the browsers' push services (VAPID), made at its first use. One row."""

    __tablename__ = "push_keys"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    public_key: Mapped[str] = mapped_column(Text)
    sealed_private_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Delivery(Base):
    """One message on one way."""

    __tablename__ = "reach_deliveries"
    __table_args__ = (
        CheckConstraint(_one_of("kind", list(Kind)), name="kind"),
        CheckConstraint(_one_of("state", states_of(DELIVERY)), name="state"),
        Index("reach_deliveries_ref_path_key", "ref", "path", unique=True),
        Index("reach_deliveries_due_idx", "due_at", postgresql_where=text("state = 'pending'")),
        Index("reach_deliveries_person_id_idx", "person_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # What it is about, in the words of whoever wants it said: one message on one way is said once.
    ref: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    person_id: Mapped[UUID | None]
    channel_id: Mapped[UUID | None]
    device_id: Mapped[UUID | None]
    mail_id: Mapped[UUID | None] = mapped_column(index=True)
    # A telephone number, sealed; gone with the outcome.
    sealed_number: Mapped[bytes | None] = mapped_column(LargeBinary)
    language: Mapped[str] = mapped_column(Text)
    is_urgent: Mapped[bool] = mapped_column(Boolean)
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    # A page of ours that says more: `/desk`.
    link: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant, index=True)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    # The other side's name for it.
    receipt: Mapped[str | None] = mapped_column(Text)
    # The page of the device has put it before somebody's eyes.
    shown_at: Mapped[datetime | None] = mapped_column(Instant)
    last_error: Mapped[str | None] = mapped_column(Text)


class DeliveryAttempt(Base):
    """One try, written before it is made: what a robot was asked in the last minute is counted here."""

    __tablename__ = "reach_attempts"
    __table_args__ = (Index("reach_attempts_channel_id_idx", "channel_id", "started_at"),)

    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    channel_id: Mapped[UUID | None]
    started_at: Mapped[datetime] = mapped_column(Instant)
    took_ms: Mapped[int | None] = mapped_column(Integer)
    status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)


class PathProof(Base):
    """When something last arrived on a way, and when something last did not."""

    __tablename__ = "reach_proofs"

    path: Mapped[str] = mapped_column(Text, primary_key=True)
    proved_at: Mapped[datetime | None] = mapped_column(Instant)
    failed_at: Mapped[datetime | None] = mapped_column(Instant)
    error: Mapped[str | None] = mapped_column(Text)
