"""Tables of calls: the call, its steps, whom it rang, what their devices showed, what was said; policies, buttons, presence."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from realtime.calls.states import CALL, OPEN, TIMED, states_of

Instant: TypeEngine[datetime] = DateTime(timezone=True)
KINDS = ("lift", "medical", "security", "lost_property", "other")


def _listed(words: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


class Call(Base):
    """Somebody pressed the button: what for, where, how far help has come, and when the clock strikes next."""

    __tablename__ = "calls"
    __table_args__ = (
        CheckConstraint(f"state IN ({_listed(states_of(CALL))})", name="state"),
        CheckConstraint(f"kind IN ({_listed(KINDS)})", name="kind"),
        CheckConstraint("num_nonnulls(caller_id, button_id) = 1", name="one_caller"),
        CheckConstraint("rating BETWEEN 1 AND 5 AND (state = 'rated') = (rating IS NOT NULL)", name="rating"),
        CheckConstraint("missed_at IS NULL OR state NOT IN ('resolved', 'rated') OR cause <> ''", name="missed_cause"),
        CheckConstraint(f"(state IN ({_listed(TIMED)})) = (due_at IS NOT NULL)", name="due_at"),
        CheckConstraint("(state IN ('acknowledged', 'connected', 'on_site')) <= (acker_id IS NOT NULL)", name="acker"),
        UniqueConstraint("caller_key", "client_id", name="calls_client_id_key"),
        Index(
            "calls_open_key",
            "caller_key",
            unique=True,
            # What another trade goes on with keeps nobody from calling again.
            postgresql_where=text(f"state IN ({_listed(OPEN)}) AND handed_to IS NULL"),
        ),
        Index("calls_region_id_idx", "region_id", "id"),
        Index("calls_timed_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    # `per_...` or `btn_...`: who has one open call at a time.
    caller_key: Mapped[str] = mapped_column(Text)
    caller_id: Mapped[UUID | None]
    button_id: Mapped[UUID | None]
    # The press's own name: the same press twice is one call.
    client_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    # Of the tree of places; the text is what it was called when the call was placed.
    place_id: Mapped[UUID | None]
    place_text: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    # One more with every step: who acts on what is no longer so is told.
    version: Mapped[int] = mapped_column(Integer)
    urgency: Mapped[int] = mapped_column(Integer)
    # The policy as it was when the call was placed.
    policy: Mapped[dict[str, Any]] = mapped_column(JSONB)
    step: Mapped[int] = mapped_column(SmallInteger)
    loop: Mapped[int] = mapped_column(SmallInteger)
    # Counts every ring of every step, for good.
    ring_round: Mapped[int] = mapped_column(Integer)
    # Nobody was on duty when it was placed.
    is_flagged: Mapped[bool] = mapped_column(Boolean)
    acker_id: Mapped[UUID | None]
    # Who else has said that they come.
    joined: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    eta_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    way: Mapped[str | None] = mapped_column(Text)
    # "Still on it?" has been asked and not answered.
    asked_at: Mapped[datetime | None] = mapped_column(Instant)
    handed_team_id: Mapped[UUID | None]
    # What it has become elsewhere: a work order, a booking.
    handed_to: Mapped[str | None] = mapped_column(Text)
    cause: Mapped[str] = mapped_column(Text)
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    rating_words: Mapped[str] = mapped_column(Text)
    # When the clock strikes, and how long that was from when it was set.
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    wait_s: Mapped[int] = mapped_column(Integer)
    placed_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    acknowledged_at: Mapped[datetime | None] = mapped_column(Instant)
    missed_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


def _after_its_call() -> Any:
    """Never read: it tells the session to write a call before what belongs to it, when both are new."""
    return relationship(Call, lazy="raise")


class CallStep(Base):
    """One step of a call's life: which trigger, whose, and in which words."""

    __tablename__ = "call_steps"
    __table_args__ = (Index("call_steps_presses_idx", "actor", "recorded_at", postgresql_where=text("is_press")),)

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    trigger: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    # Step and loop of the policy as this step left them.
    step: Mapped[int] = mapped_column(SmallInteger)
    loop: Mapped[int] = mapped_column(SmallInteger)
    actor: Mapped[str] = mapped_column(Text)
    is_press: Mapped[bool] = mapped_column(Boolean)
    words: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
    call: Mapped[Call] = _after_its_call()


class CallRing(Base):
    """That a round of a call rang for somebody."""

    __tablename__ = "call_rings"
    __table_args__ = (Index("call_rings_person_id_idx", "person_id", "call_id"),)

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    ring_round: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    # The team in whose rota they stood; None for whom the policy names.
    team_id: Mapped[UUID | None]
    step: Mapped[int] = mapped_column(SmallInteger)
    rung_at: Mapped[datetime] = mapped_column(Instant)
    # Nobody's page was open: told through realtime/reaching on so many ways.
    ways: Mapped[int] = mapped_column(SmallInteger)
    call: Mapped[Call] = _after_its_call()


class CallReceipt(Base):
    """One device's part in a round: the ring was sent to it, its page showed it, its person took the call."""

    __tablename__ = "call_receipts"
    __table_args__ = (
        CheckConstraint("acked_at IS NULL OR shown_at IS NOT NULL", name="acked_is_shown"),
        Index("call_receipts_sent_at_idx", "sent_at"),
    )

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    ring_round: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(Text, primary_key=True)
    sent_at: Mapped[datetime] = mapped_column(Instant)
    shown_at: Mapped[datetime | None] = mapped_column(Instant)
    acked_at: Mapped[datetime | None] = mapped_column(Instant)
    call: Mapped[Call] = _after_its_call()


class CallMessage(Base):
    """What caller and helpers write to each other."""

    __tablename__ = "call_messages"
    __table_args__ = (
        CheckConstraint("side IN ('caller', 'staff')", name="side"),
        UniqueConstraint("call_id", "author_id", "client_id", name="call_messages_client_id_key"),
        Index("call_messages_call_id_idx", "call_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"))
    author_id: Mapped[UUID]
    side: Mapped[str] = mapped_column(Text)
    client_id: Mapped[UUID]
    words: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime] = mapped_column(Instant)


class CallPolicy(Base):
    """Who rings first, who next, and after how many seconds: for a region, perhaps one place, kind and hours of it."""

    __tablename__ = "call_policies"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_listed(KINDS)})", name="kind"),
        CheckConstraint("loops BETWEEN 0 AND 20", name="loops"),
        CheckConstraint("from_minute BETWEEN 0 AND 1439 AND until_minute BETWEEN 0 AND 1439", name="minutes"),
        Index("call_policies_region_id_idx", "region_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    place_id: Mapped[UUID | None]
    kind: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    # 1 is Monday; local time of the place; the same minute twice is round the clock.
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    from_minute: Mapped[int] = mapped_column(SmallInteger)
    until_minute: Mapped[int] = mapped_column(SmallInteger)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    fallback: Mapped[dict[str, Any]] = mapped_column(JSONB)
    loops: Mapped[int] = mapped_column(SmallInteger)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)


class CallButton(Base):
    """A button on a wall: a device with a token of its own that may do one thing, place a call. Here is its SHA-256."""

    __tablename__ = "call_buttons"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_listed(KINDS)})", name="kind"),
        Index("call_buttons_region_id_idx", "region_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    place_id: Mapped[UUID | None]
    place_text: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_pressed_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class DeskPresence(Base):
    """That a page of somebody's is open at a desk: a lease, renewed while it is."""

    __tablename__ = "desk_presences"
    __table_args__ = (Index("desk_presences_region_id_idx", "region_id", "until"),)

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(Text, primary_key=True)
    region_id: Mapped[UUID]
    since: Mapped[datetime] = mapped_column(Instant)
    until: Mapped[datetime] = mapped_column(Instant)
