"""Wire forms of booking. Times are RFC 3339; opening hours are local wall time of the bookable's place."""

from datetime import date, datetime, time
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Kind = Literal["venue", "hotel_room", "car"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00]*$")]
# A mail address as far as we look at it; the mail server knows better.
Address = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=254, pattern=r"^[^@\s\x00-\x1f<>\",;:]+@[^@\s\x00-\x1f<>\",;:]+$"
    ),
]
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


LayoutName = Literal["theatre", "classroom", "u_shape", "board", "banquet", "cocktail"]
HowMany = Annotated[int, Field(ge=1, le=100_000)]
RoomType = Literal["single", "twin", "double", "suite", "accessible"]
RatePer = Literal["hour", "night", "booking"]
InvitationAnswer = Literal["accepted", "tentative", "declined"]
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
    layouts: dict[LayoutName, HowMany] = Field(
        default_factory=dict, max_length=10, description="A hall: how many fit in by layout."
    )
    room_type: RoomType | None = None
    arrive_at: WallTime | None = Field(default=None, description="With leave_at: a room that is booked by nights.")
    leave_at: WallTime | None = None
    plate: Name | None = None
    with_driver: bool = Field(default=False, description="One of its drivers goes with it.")
    unit_books: bool = Field(default=False, description="People of its unit need no approval.")
    no_show_minutes: int = Field(default=15, ge=5, le=1440, description="Given up so long after the start.")
    rate_fen: int | None = Field(default=None, ge=1, le=100_000_000)
    rate_per: RatePer | None = None
    free_cancel_hours: int = Field(default=24, ge=0, le=8760, description="So long before the start it costs nothing.")
    late_refund_percent: int = Field(default=0, ge=0, le=100)


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
    layouts: dict[LayoutName, HowMany] = Field(
        default_factory=dict, max_length=10, description="A hall: how many fit in by layout."
    )
    room_type: RoomType | None = None
    arrive_at: WallTime | None = Field(default=None, description="With leave_at: a room that is booked by nights.")
    leave_at: WallTime | None = None
    plate: Name | None = None
    with_driver: bool = Field(default=False, description="One of its drivers goes with it.")
    unit_books: bool = Field(default=False, description="People of its unit need no approval.")
    no_show_minutes: int = Field(default=15, ge=5, le=1440, description="Given up so long after the start.")
    rate_fen: int | None = Field(default=None, ge=1, le=100_000_000)
    rate_per: RatePer | None = None
    free_cancel_hours: int = Field(default=24, ge=0, le=8760, description="So long before the start it costs nothing.")
    late_refund_percent: int = Field(default=0, ge=0, le=100)


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
    layouts: dict[str, int]
    room_type: str | None
    arrive_at: str | None
    leave_at: str | None
    plate: str | None
    with_driver: bool
    drivers: list["BookingPersonView"]
    unit_books: bool
    no_show_minutes: int
    rate_fen: int | None
    rate_per: str | None
    free_cancel_hours: int
    late_refund_percent: int
    version: int
    has_door: bool | None = Field(description="Whether a display hangs at its door; told to the office.")
    has_feed: bool | None = Field(description="Whether its calendar has an address; told to the office.")
    active: bool


class BookingPersonView(BaseModel):
    """Somebody by name."""

    id: str
    name: str


class People(_Wire):
    """Several at once; whoever is not named is left out."""

    people: list[PublicId] = Field(max_length=200)


class OnePerson(_Wire):
    person: PublicId


class PeopleView(BaseModel):
    data: list[BookingPersonView]


class FoundPersonView(BookingPersonView):
    """Somebody who may be named, and where they work, which tells two of one name apart."""

    organisation_name_zh: str | None
    organisation_name_en: str | None


class FoundPeople(BaseModel):
    data: list[FoundPersonView]


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
    starts_at: Instant | None = Field(default=None, description="With ends_at; or else first_night and nights.")
    ends_at: Instant | None = None
    first_night: date | None = Field(default=None, description="For a room that is booked by nights.")
    nights: int | None = Field(default=None, ge=1, le=90)
    title: Name
    attendees: int = Field(default=1, ge=0, le=100_000)
    layout: LayoutName | None = None
    served: PublicId | None = Field(default=None, description="Who it is for, where that is somebody else.")
    request_id: UUID
    waitlist: bool = Field(default=False, description="Where it is taken: wait for it.")
    override: bool = Field(default=False, description="The office: into a closure, or outside of the opening hours.")


class NewSeries(NewBooking):
    """The same again and again, by a rule of iCalendar in the place's local time. All or nothing, unless clashes are skipped."""

    starts_at: Instant
    ends_at: Instant
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
    kind: str
    place: str | None
    place_name_zh: str | None
    place_name_en: str | None
    layout: str | None
    driver: str | None
    driver_name: str | None
    plate: str | None
    unit: str | None
    meeting: str | None
    cost_fen: int
    charged_fen: int
    refunded_fen: int
    refund_if_cancelled_fen: int = Field(description="What would come back if its organiser cancelled it now.")
    invitees: list["InviteeView"]
    due_at: str | None = Field(description="Until when a hold or an offer stands.")
    allowed: list[str]
    steps: list[BookingStepView]
    created_at: str


class BookingQuoteView(BaseModel):
    """What a booking would cost; nothing is held."""

    starts_at: str
    ends_at: str
    cost_fen: int
    rate_fen: int | None
    rate_per: str | None
    needs_approval: bool
    free_cancel_until: str


class Guest(_Wire):
    """Somebody from outside."""

    name: Name
    address: Address


class NewInvitees(_Wire):
    """All who are invited; whoever was before and is not named is told that it is off for them."""

    people: list[PublicId] = Field(default_factory=list, max_length=200)
    guests: list[Guest] = Field(default_factory=list, max_length=200)


class InviteeView(BaseModel):
    """Somebody who is invited. Of an address only the beginning and the host are told."""

    id: str
    name: str
    person: str | None
    address: str
    answer: InvitationAnswer | None
    answered_at: str | None
    letter: Literal["none", "waiting", "retrying", "sent", "failed"] = Field(
        description="How far the last letter has come; none: there is no address, or nothing to tell yet."
    )


class OneInvitee(_Wire):
    """One more who is invited: a colleague, or a guest."""

    person: PublicId | None = None
    guest: Guest | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.person is None) == (self.guest is None):
            raise ValueError("a person or a guest")
        return self


class NewInvitationAnswer(_Wire):
    answer: InvitationAnswer


class InvitationView(BaseModel):
    """An invitation as the invited see it; `code` is theirs to answer with."""

    code: str
    name: str
    title: str
    organiser_name: str
    bookable_name_zh: str
    bookable_name_en: str
    place_name_zh: str | None
    place_name_en: str | None
    starts_at: str
    ends_at: str
    zone: str
    state: str
    answer: InvitationAnswer | None
    answered_at: str | None


class InvitationsView(BaseModel):
    data: list[InvitationView]


class DoorCodeView(BaseModel):
    """A signed code, and the same as a picture."""

    code: str
    svg: str


class ScannedCode(_Wire):
    code: str = Field(
        max_length=300, description="What the scanner read: the letters, or the address that ends in them."
    )


class SeriesEnd(_Wire):
    """Occurrences that begin from then on; absent: all that are still to come."""

    starts_from: Instant | None = None
    words: Words = ""


class NewQuota(_Wire):
    """So many hours of a kind in each week or month, for a unit or each of its people. Without a unit: for every unit."""

    region: PublicId
    kind: Kind
    unit: PublicId | None = None
    per: Literal["unit", "person"]
    period: Literal["week", "month"]
    hours_max: int = Field(ge=1, le=100_000)


class QuotaChange(_Wire):
    hours_max: int = Field(ge=1, le=100_000)


class QuotaView(BaseModel):
    """A quota."""

    id: str
    region: str
    kind: str
    unit: str | None
    unit_name_zh: str | None
    unit_name_en: str | None
    per: str
    period: str
    hours_max: int
    version: int
    active: bool
    created_at: str


class QuotaLeftView(QuotaView):
    """With what is used and left of it from `starts_at` until before `ends_at`."""

    used_minutes: int
    left_minutes: int
    starts_at: str
    ends_at: str


class QuotasLeft(BaseModel):
    data: list[QuotaLeftView]


class ManyBusy(BaseModel):
    data: list[BusyView]


class CalendarEntry(BaseModel):
    """A time that is taken. Somebody else's has no title and no name."""

    booking: str | None
    bookable: str
    bookable_name_zh: str
    bookable_name_en: str
    starts_at: str
    ends_at: str
    state: str
    title: str | None
    organiser_name: str | None
    is_mine: bool


class CalendarView(BaseModel):
    """In order of time."""

    data: list[CalendarEntry]


class SecretAddressView(BaseModel):
    """Told once; whoever has it may read."""

    url: str


class DoorEntry(BaseModel):
    """A booking as its door tells it."""

    title: str
    organiser_name: str
    starts_at: str
    ends_at: str
    state: str


class DoorView(BaseModel):
    """What hangs at a door: who is in, who is next, until when it is free, and the code by which one checks in."""

    id: str
    name_zh: str
    name_en: str
    place_name_zh: str | None
    place_name_en: str | None
    capacity: int
    zone: str
    now: DoorEntry | None
    next: DoorEntry | None
    free_until: str | None = Field(description="Where nobody is in: when the next one begins, today.")
    today: list[DoorEntry]
    code: str
    code_svg: str
    server_time: str


class HistoryEntry(BaseModel):
    """A change of what is booked or by which rules: for each name what it was and what it is."""

    at: str
    actor: str
    actor_name: str | None
    action: str
    data: dict[str, object]


class HistoryView(BaseModel):
    """Newest first."""

    data: list[HistoryEntry]


class BookingsView(BaseModel):
    data: list[BookingView]
