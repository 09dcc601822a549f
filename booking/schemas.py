"""Wire forms of booking. Times are RFC 3339; opening hours are local wall time of the bookable's place."""

from datetime import date, datetime, time
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Kind = Literal["venue", "hotel_room", "car"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00]*$")]
PublicId = Annotated[str, StringConstraints(max_length=80)]
Weekday = Annotated[int, Field(ge=0, le=6)]
EVERY_DAY = [0, 1, 2, 3, 4, 5, 6]


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a time with its zone: 2026-11-24T01:00:00Z")
    if not 2000 <= at.year <= 2200:
        raise ValueError("a time between 2000 and 2200")
    return at


def _wall(at: time) -> time:
    if at.tzinfo is not None:
        raise ValueError("local wall time, without a zone")
    return at


Instant = Annotated[datetime, AfterValidator(_aware)]
WallTime = Annotated[time, AfterValidator(_wall)]


def _each_once(values: list[int]) -> list[int]:
    return sorted(set(values))


Weekdays = Annotated[list[Weekday], Field(min_length=1, max_length=7), AfterValidator(_each_once)]


class _Wire(BaseModel):
    """What is sent to us: unknown fields are a mistake that is told, not dropped."""

    model_config = ConfigDict(extra="forbid")


class NewBookable(_Wire):
    """Something that can be booked. It stands at a place of the tree, or (a car) only in a region."""

    kind: Kind
    name_zh: Name
    name_en: Name | None = None
    region: PublicId | None = Field(default=None, description="Where it has no place.")
    place: PublicId | None = None
    unit: PublicId | None = Field(default=None, description="Whose it is.")
    unit_only: bool = Field(default=False, description="Only people of that unit book it.")
    capacity: int = Field(ge=1, le=100_000)
    features: list[Name] = Field(default_factory=list, max_length=30)
    opens_at: WallTime | None = Field(default=None, description="With closes_at absent: round the clock.")
    closes_at: WallTime | None = None
    weekdays: Weekdays = Field(default_factory=EVERY_DAY.copy, description="Monday is 0.")
    setup_minutes: int = Field(default=0, ge=0, le=1440)
    cleanup_minutes: int = Field(default=0, ge=0, le=1440)
    needs_approval: bool = False
    pending_blocks: bool = Field(default=True, description="A request keeps others out until the office has decided.")
    window_days: int = Field(default=90, ge=1, le=730, description="How far ahead it can be booked.")
    minutes_max: int = Field(default=1440, ge=15, le=44_640)
    open_max: int | None = Field(default=None, ge=1, description="How many of its kind one person may have ahead.")


class BookableChange(_Wire):
    """Only what is named changes."""

    name_zh: Name = ""
    name_en: Name = ""
    unit_only: bool = False
    capacity: int = Field(default=1, ge=1, le=100_000)
    features: list[Name] = Field(default_factory=list, max_length=30)
    opens_at: WallTime | None = None
    closes_at: WallTime | None = None
    weekdays: Weekdays = Field(default_factory=EVERY_DAY.copy)
    setup_minutes: int = Field(default=0, ge=0, le=1440)
    cleanup_minutes: int = Field(default=0, ge=0, le=1440)
    needs_approval: bool = False
    pending_blocks: bool = True
    window_days: int = Field(default=90, ge=1, le=730)
    minutes_max: int = Field(default=1440, ge=15, le=44_640)
    open_max: int | None = Field(default=None, ge=1)


class BookableView(BaseModel):
    """A bookable as everybody may see it."""

    id: str
    kind: str
    name_zh: str
    name_en: str
    region: str
    place: str | None
    place_name_zh: str | None
    place_name_en: str | None
    unit: str | None
    unit_only: bool
    capacity: int
    features: list[str]
    zone: str
    opens_at: str | None
    closes_at: str | None
    weekdays: list[int]
    setup_minutes: int
    cleanup_minutes: int
    needs_approval: bool
    pending_blocks: bool
    window_days: int
    minutes_max: int
    open_max: int | None
    active: bool


class SpanView(BaseModel):
    """From `starts_at` until before `ends_at`."""

    starts_at: str
    ends_at: str


class BusyView(BaseModel):
    """When a bookable is taken, without saying by whom; the time to set up and to clean counts."""

    bookable: str
    busy: list[SpanView]


class NewBooking(_Wire):
    """A hold of ten minutes. `request_id` is the caller's own: sent twice it is one booking."""

    bookable: PublicId
    starts_at: Instant
    ends_at: Instant
    title: Name
    attendees: int = Field(default=1, ge=0, le=100_000)
    served: PublicId | None = Field(default=None, description="Who it is for, where that is somebody else.")
    request_id: UUID
    waitlist: bool = Field(default=False, description="Where it is taken: wait for it.")


class NewSeries(NewBooking):
    """The same again and again, by a rule of iCalendar in the place's local time. All or nothing, unless clashes are skipped."""

    rule: str = Field(min_length=1, max_length=200, description="FREQ=WEEKLY;BYDAY=MO;COUNT=10")
    excluded: list[date] = Field(default_factory=list, max_length=200, description="Local days that are left out.")
    on_clash: Literal["fail", "skip"] = "fail"


class NewClosure(_Wire):
    """The office closes a bookable. `override` cancels what stands in the way, and tells its people."""

    starts_at: Instant
    ends_at: Instant
    reason: Name
    override: bool = False
    request_id: UUID


class BookingAnswer(_Wire):
    """Words to a trigger; `version` is the one that was looked at; times are those of a move."""

    words: Words = ""
    version: int | None = Field(default=None, ge=1)
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class SuggestionView(SpanView):
    """Could be had when it was made. near: another time of the day; similar: another one; day: another day."""

    kind: Literal["near", "similar", "day"]
    bookable: str


class SkippedView(SpanView):
    """An occurrence that could not be held, and what could be had instead."""

    code: str
    suggestions: list[SuggestionView]


class SeriesView(BaseModel):
    """A series with its bookings. `is_cut`: the rule goes on beyond what can be booked now."""

    id: str
    rule: str
    zone: str
    is_cut: bool
    bookings: list["BookingView"]
    skipped: list[SkippedView]


class BookingStepView(BaseModel):
    """One step, in order."""

    trigger: str
    state: str
    words: str
    at: str


class BookingView(BaseModel):
    """A booking as one of its people or the office sees it."""

    id: str
    bookable: str
    bookable_name_zh: str
    bookable_name_en: str
    series: str | None
    organiser: str
    organiser_name: str
    served: str | None
    served_name: str | None
    title: str
    attendees: int
    starts_at: str
    ends_at: str
    state: str
    version: int
    due_at: str | None = Field(description="Until when a hold or an offer stands.")
    allowed: list[str]
    steps: list[BookingStepView]
    created_at: str
