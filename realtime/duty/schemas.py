"""Wire forms of the rota."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from realtime.reaching.api import PathState

PersonId = Annotated[str, Field(max_length=80)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f]*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
ShortWords = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=r"^[^\x00]*$")]
WallTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Weekday = Annotated[int, Field(ge=1, le=7)]
Weekdays = Annotated[list[Weekday], Field(min_length=1, max_length=7)]
Zone = Annotated[str, StringConstraints(max_length=60)]
DutyRole = Literal["duty_staff", "technician", "dispatcher", "canteen_manager"]
EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]


class DutyMemberRequest(BaseModel):
    """Somebody of a team."""

    person: PersonId
    is_lead: bool = False


class DutyTeamRequest(BaseModel):
    """A team. Without places it serves its whole region; the same time twice means that it is needed round the clock."""

    name_zh: Name
    name_en: Name
    region: str = Field(max_length=80)
    role: DutyRole
    places: list[Annotated[str, Field(max_length=80)]] = Field(default=[], max_length=100)
    # The region's, where none is named.
    zone: Zone | None = None
    needed_weekdays: Weekdays = EVERY_DAY
    needed_from: WallTime = "00:00"
    needed_until: WallTime = "00:00"
    members: list[DutyMemberRequest] = Field(default=[], max_length=200)


class DutyTeamChange(BaseModel):
    """What is given is changed; `members` replaces all of them."""

    name_zh: Name | None = None
    name_en: Name | None = None
    role: DutyRole | None = None
    places: list[Annotated[str, Field(max_length=80)]] | None = Field(default=None, max_length=100)
    needed_weekdays: Weekdays | None = None
    needed_from: WallTime | None = None
    needed_until: WallTime | None = None
    members: list[DutyMemberRequest] | None = Field(default=None, max_length=200)


class DutySlotRequest(BaseModel):
    """From `starts` to the next slot; the first one's is the hand-off."""

    starts: WallTime
    name: ShortWords = ""
    weekdays: Weekdays = EVERY_DAY
    is_staffed: bool = True


class RotationRequest(BaseModel):
    """Who takes which slot: each `turn_days` the order moves on by `advance` (the staffed slots' seats, unless named).

    With `replaces`, that rotation ends where this one begins.
    """

    name: Name
    starts_on: date
    ends_on: date | None = None
    slots: list[DutySlotRequest] = Field(min_length=1, max_length=24)
    people: list[PersonId] = Field(min_length=1, max_length=100)
    turn_days: int = Field(default=1, ge=1, le=366)
    advance: int | None = Field(default=None, ge=0, le=100)
    seats: int = Field(default=1, ge=1, le=20)
    replaces: str | None = Field(default=None, max_length=80)


class RotationEnd(BaseModel):
    """The first day that is no more of it."""

    ends_on: date


class OverrideRequest(BaseModel):
    """`person_out` does not take their shifts in this time, `person_in` does. One of them may be nobody."""

    starts_at: AwareDatetime
    ends_at: AwareDatetime
    person_out: PersonId | None = None
    person_in: PersonId | None = None
    reason: ShortWords = ""


class SwapRequest(BaseModel):
    """Will `taker` take this shift of mine? Perhaps for one of theirs."""

    team: str = Field(max_length=80)
    shift: str = Field(max_length=80)
    starts_at: AwareDatetime
    taker: PersonId
    return_shift: str | None = Field(default=None, max_length=80)
    return_starts_at: AwareDatetime | None = None
    words: ShortWords = ""


class DutyNoteRequest(BaseModel):
    """What the next one has to know."""

    team: str = Field(max_length=80)
    words: Words


# ---- out


class DutyPerson(BaseModel):
    """Somebody, by name."""

    id: str
    name: str


class DutyMemberView(DutyPerson):
    """Somebody of a team; `is_active` is false for who has left."""

    is_lead: bool
    is_active: bool
    is_on_duty: bool


class DutySlotView(BaseModel):
    starts: str
    name: str
    weekdays: list[int]
    is_staffed: bool


class RotationView(BaseModel):
    """A rotation, until further notice where it has no end."""

    id: str
    name: str
    zone: str
    starts_on: date
    ends_on: date | None
    slots: list[DutySlotView]
    people: list[DutyPerson]
    turn_days: int
    advance: int
    seats: int


class DutyTeamView(BaseModel):
    """A team with its people; `may_edit` is the reader's own right to its rota."""

    id: str
    name_zh: str
    name_en: str
    region: str
    region_name: str
    role: str
    places: list[str]
    zone: str
    needed_weekdays: list[int]
    needed_from: str
    needed_until: str
    members: list[DutyMemberView]
    rotations: list[RotationView]
    may_edit: bool


class DutyShiftView(BaseModel):
    """Somebody's turn. `is_changed`: an override gave it to them, or cut it."""

    id: str
    team: str
    team_name_zh: str
    team_name_en: str
    name: str
    person: DutyPerson
    starts_at: str
    ends_at: str
    is_changed: bool
    is_now: bool
    is_signed_in: bool


class DutySpan(BaseModel):
    starts_at: str
    ends_at: str


class OverrideView(BaseModel):
    """A change to the rota."""

    id: str
    team: str
    starts_at: str
    ends_at: str
    person_out: DutyPerson | None
    person_in: DutyPerson | None
    reason: str
    is_swap: bool
    created_at: str


class RotaView(BaseModel):
    """A team's rota of some days: shifts, changes and what nobody has."""

    team: DutyTeamView
    starts_at: str
    ends_at: str
    shifts: list[DutyShiftView]
    gaps: list[DutySpan]
    overrides: list[OverrideView]


class SwapView(BaseModel):
    """A swap, with the triggers that its reader may pull."""

    id: str
    team: str
    team_name_zh: str
    team_name_en: str
    asker: DutyPerson
    taker: DutyPerson
    starts_at: str
    ends_at: str
    return_starts_at: str | None
    return_ends_at: str | None
    words: str
    state: Literal["asked", "accepted", "declined", "withdrawn", "lapsed"]
    allowed: list[Literal["accept", "decline", "withdraw"]]
    asked_at: str


class DutyNoteView(BaseModel):
    """A hand-over note."""

    id: str
    team: str
    team_name_zh: str
    team_name_en: str
    author: DutyPerson
    words: str
    written_at: str
    done_by: DutyPerson | None
    done_at: str | None


class MyDuty(BaseModel):
    """My own turns, whether I am on duty, and what I should know."""

    is_on_duty: bool
    signed_in_at: str | None
    # The shift that I may sign in to, or am signed in to.
    current: DutyShiftView | None
    may_check_in: bool
    next: DutyShiftView | None
    shifts: list[DutyShiftView]
    colleagues: list[DutyShiftView]
    teams: list[DutyTeamView]
    open_notes: list[DutyNoteView]
    open_swaps: list[SwapView]
    has_feed: bool


class PathView(BaseModel):
    """A way to somebody or to a team's group."""

    kind: str
    label: str
    state: PathState


class ReachedPerson(DutyPerson):
    """Somebody of the next half day's rota, and the ways to them."""

    paths: list[PathView]
    is_reached: bool
    starts_at: str


class DutyWarningView(BaseModel):
    """`gap`: nobody is on the rota. `unreachable`: nobody on it would be reached."""

    kind: Literal["gap", "unreachable"]
    starts_at: str
    ends_at: str
    found_at: str
    # Whom an unreachable time is about.
    people: list[DutyPerson]


class CoverageView(BaseModel):
    """A team's week ahead, and the ways by which it would be reached."""

    team: str
    team_name_zh: str
    team_name_en: str
    region: str
    region_name: str
    zone: str
    looked_at: str
    until: str
    warnings: list[DutyWarningView]
    people: list[ReachedPerson]
    group_paths: list[PathView]
    on_duty: list[DutyPerson]


class FeedView(BaseModel):
    """The secret address of my calendar, told this once."""

    url: str


class Rung(BaseModel):
    """How many ways a test ring took; what came of it stands in the coverage."""

    ways: int
