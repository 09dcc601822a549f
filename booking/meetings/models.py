"""Tables of meetings. What a line holds stands in its kind's own tables, under that kind's own constraints."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, DateTime, Integer, SmallInteger, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from booking.meetings.states import LINE_STATES, MEETING, states_of
from kernel.db import Base

Instant: TypeEngine[datetime] = DateTime(timezone=True)
SCAN_RULES: Final = ("once", "daily", "always")


def _one_of(column: str, values: list[str] | tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Meeting(Base):
    """One request for all that a meeting needs, from its hold to its bill."""

    __tablename__ = "meetings"
    __table_args__ = (CheckConstraint(_one_of("state", states_of(MEETING)), name="state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    organiser_id: Mapped[UUID]
    # Who pays: the organiser's unit when it was made.
    unit_id: Mapped[UUID | None]
    # Named by the caller: the same request sent twice is one meeting.
    request_id: Mapped[UUID]
    copied_from_id: Mapped[UUID | None]
    title: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    attendees: Mapped[int] = mapped_column(Integer)
    zone: Mapped[str] = mapped_column(Text)
    # From the first line's begin to the last one's end.
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant)
    # In order of time: starts_at, ends_at, title, speaker, line.
    agenda: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    # name, phone, role.
    contacts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    # Who may scan codes at the door besides the organiser.
    helper_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    needs_approval: Mapped[bool]
    state: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    # Until when the hold stands.
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    estimate_fen: Mapped[int] = mapped_column(BigInteger)
    # Of what was charged, for a cancellation that came late.
    fee_fen: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class MeetingLineRow(Base):
    """One thing that a meeting holds: a hall, rooms for some nights, a way by car, a meal, badges."""

    __tablename__ = "meeting_lines"
    __table_args__ = (
        CheckConstraint(_one_of("state", LINE_STATES), name="state"),
        CheckConstraint(_one_of("scan_rule", SCAN_RULES), name="scan_rule"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    meeting_id: Mapped[UUID]
    ordinal: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    # What was asked for, as its kind reads it.
    wanted: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # Rows of its kind's own table: bookings, covers.
    refs: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    state: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime | None] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)
    quantity: Mapped[int] = mapped_column(Integer)
    estimate_fen: Mapped[int] = mapped_column(BigInteger)
    needs_approval: Mapped[bool]
    scan_rule: Mapped[str] = mapped_column(Text)
    # What it came to in the end.
    had_quantity: Mapped[int | None] = mapped_column(Integer)
    had_fen: Mapped[int | None] = mapped_column(BigInteger)


class MeetingStep(Base):
    """One step of a meeting: which trigger, whose, and in which words."""

    __tablename__ = "meeting_steps"

    meeting_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    trigger: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class MeetingGuest(Base):
    """Somebody who is invited. A guest need not be known to this installation."""

    __tablename__ = "meeting_guests"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    meeting_id: Mapped[UUID]
    ordinal: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    unit_name: Mapped[str] = mapped_column(Text)
    phone: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    diet: Mapped[list[str]] = mapped_column(ARRAY(Text))
    diet_words: Mapped[str] = mapped_column(Text)
    # A code of an earlier issue says nothing any more.
    code_issue: Mapped[int] = mapped_column(SmallInteger)
    # When they were last written to.
    told_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    removed_at: Mapped[datetime | None] = mapped_column(Instant)


class MeetingScan(Base):
    """A guest's code scanned at a step, here or somewhere without a network; the nonce is the scanner's own."""

    __tablename__ = "meeting_scans"
    __table_args__ = (CheckConstraint("outcome IN ('counted', 'repeated')", name="outcome"),)

    meeting_id: Mapped[UUID] = mapped_column(primary_key=True)
    nonce: Mapped[UUID] = mapped_column(primary_key=True)
    guest_id: Mapped[UUID]
    line_id: Mapped[UUID]
    outcome: Mapped[str] = mapped_column(Text)
    # What counts once: empty for once, a local day for daily, the nonce where each time counts.
    counted_for: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    happened_at: Mapped[datetime] = mapped_column(Instant)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class MeetingNotice(Base):
    """A change that guests are still to be told of, or were: all that wait go out in one letter each."""

    __tablename__ = "meeting_notices"

    meeting_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    words_zh: Mapped[str] = mapped_column(Text)
    words_en: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
    told_at: Mapped[datetime | None] = mapped_column(Instant)


class MeetingCharge(Base):
    """What the unit was charged for a meeting, by who is paid; `reference` names the charge in payments."""

    __tablename__ = "meeting_charges"

    meeting_id: Mapped[UUID] = mapped_column(primary_key=True)
    payee_id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[UUID]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    refunded_fen: Mapped[int] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class MeetingPolicy(Base):
    """A region's rules for meetings: what a badge costs, when cancelling costs something, what the office decides on."""

    __tablename__ = "meeting_policies"

    region_id: Mapped[UUID] = mapped_column(primary_key=True)
    badge_fen: Mapped[int] = mapped_column(BigInteger)
    free_cancel_hours: Mapped[int] = mapped_column(Integer)
    late_fee_percent: Mapped[int] = mapped_column(Integer)
    # A meeting that is estimated above this asks the office; null: none because of its sum.
    approval_above_fen: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(Integer)
    changed_at: Mapped[datetime] = mapped_column(Instant)
