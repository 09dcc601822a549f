"""Tables of booking. That two bookings do not overlap stands in the migration: `bookings_no_overlap`."""

from datetime import datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Time,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from booking.states import BOOKING
from kernel.db import Base

Instant: TypeEngine[datetime] = DateTime(timezone=True)
KINDS: Final = ("venue", "hotel_room", "car")
_STATES = ", ".join(
    f"'{state}'" for state in dict.fromkeys(s for (before, _), after in BOOKING.items() for s in (before, after))
)
_KINDS = ", ".join(f"'{kind}'" for kind in KINDS)


class Bookable(Base):
    """A hall, a hotel room or a car, with its hours and rules."""

    __tablename__ = "bookables"
    __table_args__ = (CheckConstraint(f"kind IN ({_KINDS})", name="kind"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    pinyin: Mapped[str] = mapped_column(Text)
    region_id: Mapped[UUID]
    # In the tree of places; a car stands nowhere.
    place_id: Mapped[UUID | None]
    # Whose it is; with `unit_only` nobody else books it.
    unit_id: Mapped[UUID | None]
    unit_only: Mapped[bool] = mapped_column(Boolean)
    capacity: Mapped[int] = mapped_column(Integer)
    features: Mapped[list[str]] = mapped_column(ARRAY(Text))
    zone: Mapped[str] = mapped_column(Text)
    # Local wall time; none of both is round the clock.
    opens_at: Mapped[time | None] = mapped_column(Time)
    closes_at: Mapped[time | None] = mapped_column(Time)
    # Monday is 0.
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    setup_minutes: Mapped[int] = mapped_column(Integer)
    cleanup_minutes: Mapped[int] = mapped_column(Integer)
    # The office decides on each booking; until then it keeps others out, or it does not.
    needs_approval: Mapped[bool] = mapped_column(Boolean)
    pending_blocks: Mapped[bool] = mapped_column(Boolean)
    # How far ahead, how long, and how many of its kind one person may have ahead.
    window_days: Mapped[int] = mapped_column(Integer)
    minutes_max: Mapped[int] = mapped_column(Integer)
    open_max: Mapped[int | None] = mapped_column(Integer)
    # A hall: how many fit in by layout.
    layouts: Mapped[dict[str, int]] = mapped_column(JSONB)
    # A hotel room; with both times (local wall time) it is booked by nights.
    room_type: Mapped[str | None] = mapped_column(Text)
    arrive_at: Mapped[time | None] = mapped_column(Time)
    leave_at: Mapped[time | None] = mapped_column(Time)
    # A car; `with_driver`: one of its drivers goes with it, and nobody drives two at once.
    plate: Mapped[str | None] = mapped_column(Text)
    with_driver: Mapped[bool] = mapped_column(Boolean)
    # People of its own unit need no approval.
    unit_books: Mapped[bool] = mapped_column(Boolean)
    # Whoever has not come so long after the start loses it.
    no_show_minutes: Mapped[int] = mapped_column(Integer)
    rate_fen: Mapped[int | None] = mapped_column(BigInteger)
    rate_per: Mapped[str | None] = mapped_column(Text)
    # Cancelled so long before the start it costs nothing; later so many percent come back.
    free_cancel_hours: Mapped[int] = mapped_column(Integer)
    late_refund_percent: Mapped[int] = mapped_column(Integer)
    # Of its rules; raised by each change.
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)


class BookingSeries(Base):
    """A rule by which one request is made again and again; each occurrence is a booking with a life of its own."""

    __tablename__ = "booking_series"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    bookable_id: Mapped[UUID]
    organiser_id: Mapped[UUID]
    request_id: Mapped[UUID]
    # An RRULE of iCalendar, in local time of the zone.
    rule: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    first_starts_at: Mapped[datetime] = mapped_column(Instant)
    first_ends_at: Mapped[datetime] = mapped_column(Instant)
    # The rule goes on beyond what can be booked now.
    is_cut: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Booking(Base):
    """One request for one bookable, from its hold to its end; or a closure of the office."""

    __tablename__ = "bookings"
    __table_args__ = (CheckConstraint(f"state IN ({_STATES})", name="state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    bookable_id: Mapped[UUID]
    organiser_id: Mapped[UUID]
    # Who it is for, where the organiser books for somebody else.
    served_id: Mapped[UUID | None]
    # Named by the caller: the same request sent twice is one booking.
    request_id: Mapped[UUID]
    series_id: Mapped[UUID | None]
    title: Mapped[str] = mapped_column(Text)
    attendees: Mapped[int] = mapped_column(Integer)
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    # With the time to set up and to clean; this is what must not overlap.
    blocked: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    # Written together with the state: a constraint cannot ask the bookable whether its pending ones count.
    blocks: Mapped[bool] = mapped_column(Boolean)
    state: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    # The unit of who it is for, when it was made: its quota, and who pays.
    unit_id: Mapped[UUID | None]
    # A line of a meeting is charged by the meeting.
    meeting_id: Mapped[UUID | None]
    driver_id: Mapped[UUID | None]
    layout: Mapped[str | None] = mapped_column(Text)
    # When the rule of its series has it begin, wherever it was moved.
    occurrence_at: Mapped[datetime | None] = mapped_column(Instant)
    cost_fen: Mapped[int] = mapped_column(BigInteger)
    # The charge that stands; a dearer one after a move has another reference.
    charge_reference: Mapped[UUID | None]
    charged_fen: Mapped[int] = mapped_column(BigInteger)
    refunded_fen: Mapped[int] = mapped_column(BigInteger)
    # Until when the hold or the offer stands.
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class BookingStep(Base):
    """One step of a booking: which trigger, whose, and in which words."""

    __tablename__ = "booking_steps"

    booking_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    trigger: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class BookingDriver(Base):
    """Who may drive a car."""

    __tablename__ = "booking_drivers"

    bookable_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)


class BookingQuota(Base):
    """How many hours of a kind a unit, or each of its people, may have in a week or a month of the region."""

    __tablename__ = "booking_quotas"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    # None: each unit of its own.
    unit_id: Mapped[UUID | None]
    per: Mapped[str] = mapped_column(Text)
    period: Mapped[str] = mapped_column(Text)
    hours_max: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class BookingDelegate(Base):
    """Who may book and act for somebody."""

    __tablename__ = "booking_delegates"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    delegate_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class BookingInvitee(Base):
    """Who is told of a booking by mail: a colleague, or a guest from outside."""

    __tablename__ = "booking_invitees"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    booking_id: Mapped[UUID]
    person_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    removed_at: Mapped[datetime | None] = mapped_column(Instant)
    # Whether they come: accepted, tentative or declined; forgotten with each new time.
    answer: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
    mail_id: Mapped[UUID | None]


class BookingAddress(Base):
    """A secret address: the calendar of a person or a bookable, or the display at a door."""

    __tablename__ = "booking_addresses"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)
