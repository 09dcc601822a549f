"""Wire forms of meetings. A line is open on the wire: its fields are read by its kind."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints, model_validator

from booking.schemas import BookingPersonView, Instant, Name, PublicId, Words
from identity.api import BadCell
from kernel import clock

RoomType = Literal["single", "twin", "double", "suite", "accessible"]
ScanRule = Literal["once", "daily", "always"]
Language = Literal["zh", "en"]
DIETS = (
    "halal",
    "vegetarian",
    "vegan",
    "low_salt",
    "mild",
    "gluten_free",
    "no_peanuts",
    "no_seafood",
)
Diet = Literal["halal", "vegetarian", "vegan", "low_salt", "mild", "gluten_free", "no_peanuts", "no_seafood"]
ShortWords = Annotated[str, StringConstraints(strip_whitespace=True, max_length=120, pattern=r"^[^\x00]*$")]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, max_length=32, pattern=r"^[0-9+() -]*$")]
# The one of identity's people; an address that cannot be one is a mistyped cell, not a letter that comes back.
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^([^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+)?$")
]


def _in_our_time(day: date) -> date:
    if not 2000 <= day.year <= 2200:
        raise ValueError("a day between 2000 and 2200")
    return day


Day = Annotated[date, AfterValidator(_in_our_time)]
WireInstant = Annotated[Instant, PlainSerializer(clock.rfc3339)]


class _Wire(BaseModel):
    """What is sent to us: unknown fields are a mistake that is told, not dropped."""

    model_config = ConfigDict(extra="forbid")


# ---- lines, as their kinds read them


class LineWish(_Wire):
    """What every kind of line is read as."""


class Times(LineWish):
    """From `starts_at` until before `ends_at`."""

    starts_at: WireInstant
    ends_at: WireInstant

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.starts_at < self.ends_at:
            raise ValueError("ends_at comes after starts_at")
        return self


class VenueWish(Times):
    """A hall for a time."""

    bookable: PublicId


class CarWish(Times):
    """A way by car; without `bookable` any car that is large enough."""

    seats: int = Field(default=1, ge=1, le=100)
    from_text: ShortWords = ""
    to_text: ShortWords = ""
    with_driver: bool = True
    bookable: PublicId | None = None


class RoomsWish(LineWish):
    """So many rooms of a type; `place` is a house or a part of one."""

    room_type: RoomType
    count: int = Field(ge=1, le=300)
    first_night: Day
    nights: int = Field(default=1, ge=1, le=30)
    place: PublicId | None = None


class BadgesWish(LineWish):
    """So many badges."""

    count: int = Field(ge=1, le=5000)


# ---- requests


class LineRequest(BaseModel):
    """One line: `kind` and the fields of that kind (venue: bookable, starts_at, ends_at; rooms: room_type, count,
    first_night, nights, place; car: seats, starts_at, ends_at, from_text, to_text, with_driver, bookable; meals: canteen,
    business_date, meal, covers; badges: count)."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(max_length=20)
    title: ShortWords = ""
    scan_rule: ScanRule = Field(default="once", description="How often a guest counts at this step.")

    def own_fields(self) -> dict[str, Any]:
        """Those that its kind reads."""
        return dict(self.model_extra or {})


class AgendaItem(_Wire):
    """One point of the agenda. `line` is where: an index of the request's lines, or a line's id."""

    starts_at: WireInstant
    ends_at: WireInstant
    title: Name
    speaker: ShortWords = ""
    line: PublicId | int | None = None


class Contact(_Wire):
    """Whom guests may call."""

    name: Name
    phone: Phone = ""
    role: ShortWords = ""


def _in_time(items: list[AgendaItem]) -> list[AgendaItem]:
    return sorted(items, key=lambda item: (item.starts_at, item.ends_at))


Agenda = Annotated[list[AgendaItem], Field(max_length=200), AfterValidator(_in_time)]
Contacts = Annotated[list[Contact], Field(max_length=20)]
Lines = Annotated[list[LineRequest], Field(min_length=1, max_length=40)]


class NewMeeting(_Wire):
    """A meeting as one request. `request_id` is the caller's own: sent twice it is one meeting."""

    request_id: UUID
    title: Name
    attendees: int = Field(default=1, ge=1, le=100_000)
    region: PublicId | None = Field(default=None, description="The organiser's own where it is absent.")
    words: Words = ""
    lines: Lines
    agenda: Agenda = Field(default_factory=list)
    contacts: Contacts = Field(default_factory=list)


class MeetingCopy(_Wire):
    """The same on another day. `lines`, where they are sent, are held instead of the old ones moved."""

    request_id: UUID
    starts_on: Day = Field(description="The local day on which it begins.")
    title: Name | None = None
    lines: Lines | None = None


class MeetingChange(_Wire):
    """Only what is named changes; `version` is the one that was looked at."""

    version: int | None = Field(default=None, ge=1)
    title: Name | None = None
    attendees: int | None = Field(default=None, ge=1, le=100_000)
    words: Words | None = None
    agenda: Agenda | None = None
    contacts: Contacts | None = None
    helpers: list[PublicId] | None = Field(default=None, max_length=50, description="Who may scan at the doors.")


class MeetingAnswer(_Wire):
    """Words to a trigger; `version` is the one that was looked at. `had` is for `settle`."""

    words: Words = ""
    version: int | None = Field(default=None, ge=1)
    had: list["HadQuantity"] = Field(default_factory=list, max_length=40)


class HadQuantity(_Wire):
    """How much of a line was had, where that is known better than by the scans."""

    line: PublicId
    quantity: int = Field(ge=0, le=1_000_000)


class LineChange(_Wire):
    """A line as it is to be from now on."""

    version: int | None = Field(default=None, ge=1)
    line: LineRequest


class NewMeetingPolicy(_Wire):
    """A region's rules for meetings."""

    badge_fen: int = Field(default=0, ge=0, le=1_000_000)
    free_cancel_hours: int = Field(default=24, ge=0, le=8760)
    late_fee_percent: int = Field(default=0, ge=0, le=100)
    approval_above_fen: int | None = Field(default=None, ge=0, le=10**12)


# ---- answers


class LinePlaceView(BaseModel):
    """One thing that a line holds: where it is, and who drives it."""

    id: str
    name_zh: str
    name_en: str
    place: str | None
    place_name_zh: str | None
    place_name_en: str | None
    plate: str | None
    driver_name: str | None
    driver_phone: str | None


class MeetingLineView(BaseModel):
    """A line of a meeting. `state` lost: the office has taken away what it held; choose something else."""

    id: str
    ordinal: int
    kind: str
    title: str
    wanted: dict[str, Any]
    state: Literal["held", "confirmed", "released", "lost"]
    starts_at: str | None
    ends_at: str | None
    places: list[LinePlaceView]
    quantity: int
    estimate_fen: int
    had_quantity: int | None
    had_fen: int | None
    scan_rule: str
    scans: int


class MeetingStepView(BaseModel):
    """One step, in order."""

    trigger: str
    state: str
    actor_name: str | None
    words: str
    at: str


class AgendaView(BaseModel):
    """A point of the agenda; `line` is a line's id."""

    starts_at: str
    ends_at: str
    title: str
    speaker: str
    line: str | None


class MeetingView(BaseModel):
    """A meeting as its organiser, a helper or the office sees it."""

    id: str
    title: str
    state: str
    version: int
    region: str
    organiser: str
    organiser_name: str
    unit: str | None
    unit_name_zh: str | None
    unit_name_en: str | None
    attendees: int
    words: str
    zone: str
    starts_at: str
    ends_at: str
    due_at: str | None = Field(description="Until when the hold stands.")
    needs_approval: bool
    allowed: list[str]
    lines: list[MeetingLineView]
    agenda: list[AgendaView]
    contacts: list[Contact]
    helpers: list[str]
    helper_people: list[BookingPersonView] = Field(description="The same with their names.")
    guests: int
    needs: dict[str, int]
    estimate_fen: int
    fee_fen: int
    charged_fen: int
    refunded_fen: int
    cancel_fee_fen: int = Field(description="What cancelling it would cost now.")
    changes_waiting: int = Field(description="Changes that guests were not told of yet.")
    guide_code: str
    copied_from: str | None
    steps: list[MeetingStepView]
    created_at: str


class QuotedLine(BaseModel):
    """What a line would cost, or why it cannot be had."""

    line: int
    kind: str
    quantity: int | None
    estimate_fen: int | None
    clash: dict[str, Any] | None


class MeetingQuoteView(BaseModel):
    """What a meeting would cost; nothing was held."""

    lines: list[QuotedLine]
    estimate_fen: int
    needs_approval: bool


class CostLine(BaseModel):
    """A line of the cost sheet. `charged` false: nobody else is to be paid for it."""

    line: str
    kind: str
    title: str
    quantity: int
    estimate_fen: int
    had_quantity: int | None
    had_fen: int | None


class MeetingChargeView(BaseModel):
    """What the unit was charged, by who was paid."""

    payee: str
    payee_name_zh: str | None
    payee_name_en: str | None
    amount_fen: int
    refunded_fen: int


class CostSheet(BaseModel):
    """What a meeting was estimated at, what was had, and what was charged."""

    lines: list[CostLine]
    estimate_fen: int
    had_fen: int | None
    fee_fen: int
    charges: list[MeetingChargeView]
    charged_fen: int
    refunded_fen: int


class MeetingPolicyView(BaseModel):
    """A region's rules for meetings."""

    badge_fen: int
    free_cancel_hours: int
    late_fee_percent: int
    approval_above_fen: int | None
    version: int


# ---- guests


class NewGuest(_Wire):
    """Somebody who is invited; a name stands on a list once."""

    name: Name
    unit_name: ShortWords = ""
    phone: Phone = ""
    email: Email = ""
    language: Language = "zh"
    diet: list[Diet] = Field(default_factory=list, max_length=8)
    diet_words: ShortWords = ""


class GuestChange(_Wire):
    """Only what is named changes."""

    name: Name | None = None
    unit_name: ShortWords | None = None
    phone: Phone | None = None
    email: Email | None = None
    language: Language | None = None
    diet: list[Diet] | None = Field(default=None, max_length=8)
    diet_words: ShortWords | None = None


class ArrivalView(BaseModel):
    """A step at which a guest was counted."""

    line: str
    at: str


class GuestView(BaseModel):
    """A guest, with the code to show."""

    id: str
    ordinal: int
    name: str
    unit_name: str
    phone: str
    email: str
    language: str
    diet: list[str]
    diet_words: str
    code: str
    arrived: list[ArrivalView]
    told_at: str | None


class GuestList(BaseModel):
    """All guests of a meeting, in order."""

    data: Sequence[GuestView]


class GuestRow(BaseModel):
    """A row of a sheet, and what taking it would do."""

    row: int
    change: Literal["new", "changed", "same"]
    guest: NewGuest


class GuestImport(BaseModel):
    """What a sheet holds; `imported` false: nothing was taken yet."""

    rows: list[GuestRow]
    bad_cells: list[BadCell]
    imported: bool


class AttendeeCodeView(BaseModel):
    """A guest's code, as text and as a picture."""

    code: str
    svg: str


# ---- scans


class NewScan(_Wire):
    """One scan. `nonce` is the scanner's own: uploaded twice it is one scan."""

    code: str = Field(min_length=1, max_length=400)
    line: PublicId
    nonce: UUID
    happened_at: Instant


class ScanBatch(_Wire):
    """Scans as they were made, online one at a time, or all of an hour without a network."""

    scans: list[NewScan] = Field(min_length=1, max_length=500)


class ScanResult(BaseModel):
    """counted; repeated: had counted before; refused: with the reason."""

    nonce: UUID
    outcome: Literal["counted", "repeated", "refused"]
    reason: Literal["unknown_code", "other_meeting", "removed", "old_issue", "not_a_step", "not_yet_or_over"] | None
    guest: str | None
    guest_name: str | None
    counted_at: str | None


class ScanResults(BaseModel):
    """In the order of the scans."""

    results: list[ScanResult]


class ScanLine(BaseModel):
    """A step at which codes are scanned."""

    line: str
    kind: str
    title: str
    scan_rule: str
    starts_at: str | None
    ends_at: str | None


class ScanGuest(BaseModel):
    """Whose code is good, by which issue of it."""

    id: str
    issue: int
    name: str


class ScanPack(BaseModel):
    """What a scanner needs to work without a network: the key that codes are signed with, the steps, and who is invited.

    A code is base32 of 83 bytes: 0x11, the guest's id (16), the issue (2, big-endian) and an Ed25519 signature (64) over
    ASCII `HZM1` and the 19 bytes before it."""

    meeting: str
    public_key: str = Field(description="Base64 of the raw 32 bytes.")
    prefix: str
    lines: list[ScanLine]
    guests: list[ScanGuest]
    server_time: str


class ArrivalsOfLine(BaseModel):
    """How many have come to a step."""

    line: str
    kind: str
    title: str
    expected: int
    counted: int


class LastArrival(BaseModel):
    """Somebody who came."""

    guest: str
    guest_name: str
    line: str
    at: str


class Arrivals(BaseModel):
    """Who has come so far; carried on by the channel `meeting:<id>` after `position`."""

    position: int
    lines: list[ArrivalsOfLine]
    last: list[LastArrival]


class Letters(BaseModel):
    """How many letters go out."""

    letters: int


# ---- the guide


class GuideDishView(BaseModel):
    """A dish of a menu."""

    name_zh: str
    name_en: str


class GuideLine(BaseModel):
    """A hall, rooms, a way or a meal, as a guest looks for it."""

    id: str
    kind: str
    title: str
    starts_at: str | None
    ends_at: str | None
    places: list[LinePlaceView]
    menu: list[GuideDishView]
    meal: str | None
    from_text: str
    to_text: str


class GuideGuest(BaseModel):
    """Whose code led here."""

    name: str
    code: str
    code_svg: str


class Guide(BaseModel):
    """All that a guest needs to know; the address is the secret."""

    meeting: str
    title: str
    state: str
    words: str
    zone: str
    starts_at: str
    ends_at: str
    agenda: list[AgendaView]
    contacts: list[Contact]
    lines: list[GuideLine]
    guest: GuideGuest | None


class GuidePoint(BaseModel):
    """A point of a way; x and y are parts of the picture's width and height."""

    x: float
    y: float
    kind: str
    label: str


class GuideLeg(BaseModel):
    """A part of a way on one plan; `picture` is an address that needs no sign-in."""

    plan: str
    picture: str
    width: int
    height: int
    place_name_zh: str
    place_name_en: str
    points: list[GuidePoint]


class GuideWay(BaseModel):
    """How to walk there."""

    metres: int
    minutes: int
    legs: list[GuideLeg]
