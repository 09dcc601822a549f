"""Wire forms of promises and clocks."""

from datetime import date, time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kernel.calendar import DayType
from repairs.sla.kinds import HoursOfTarget, Milestone, Urgency

PublicId = Annotated[str, StringConstraints(min_length=1, max_length=80)]
SlaState = Literal["ok", "warned", "breached", "paused", "met", "stopped"]
MilestoneState = Literal["waiting", "at_risk", "breached", "kept", "missed", "stopped"]
# No promise is longer than a year of working days.
Seconds = Annotated[int, Field(ge=60, le=365 * 86_400)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


# ---- what administrators send


class TargetBody(_Body):
    """What is promised from a day on. The one before it ends by itself."""

    region: PublicId
    category: PublicId | None = Field(default=None, description="A category's id (`rcat_...`); none is all categories.")
    urgency: Urgency
    response_s: Seconds
    arrival_s: Seconds
    resolution_s: Seconds
    warn_percent: int = Field(default=80, ge=50, le=95, description="After so much of the time somebody is warned.")
    hours: HoursOfTarget = Field(default="place", description="Those of the place, or every minute.")
    effective_from: date


class RetireBody(_Body):
    """From this day on it does not count any more; today, where it is left out."""

    effective_until: date | None = None


class HoursBody(_Body):
    """When a region or one place of it works; for orders from now on."""

    region: PublicId
    place: PublicId | None = None
    days: Annotated[list[DayType], Field(min_length=1, max_length=3)]
    shifts: Annotated[
        list[tuple[time, time]],
        Field(min_length=1, max_length=8, description="Local wall time; an end of 00:00 is the end of the day."),
    ]


# ---- what people see


class SlaTargetView(BaseModel):
    """One promise of the table."""

    id: str
    region: str
    category: str | None
    urgency: Urgency
    response_s: int
    arrival_s: int
    resolution_s: int
    warn_percent: int
    hours: HoursOfTarget
    effective_from: date
    effective_until: date | None
    created_by: str
    created_at: str


class HoursView(BaseModel):
    """The hours of a region or place."""

    id: str
    region: str
    place: str | None
    days: list[DayType]
    shifts: list[tuple[str, str]]
    created_by: str
    created_at: str
    is_retired: bool


class PreviewView(BaseModel):
    """What an order raised there now would be promised."""

    target: SlaTargetView | None = Field(description="None: nobody has written one, the house's own counts.")
    seconds: dict[Milestone, int]
    due: dict[Milestone, str]
    hours: Literal["office", "own", "always"]
    zone: str
    warning: Literal["calendar_year_missing"] | None
    years_missing: list[int]


class MilestoneView(BaseModel):
    """One of the three promises of an order."""

    milestone: Milestone
    state: MilestoneState
    target_s: int
    due_at: str | None = Field(description="None while the clock stands still before it.")
    left_s: int = Field(description="Seconds of working time that are left; below zero: so much too late.")
    warn_at: str | None
    warned_at: str | None
    breached_at: str | None
    reached_at: str | None
    first_reached_at: str | None


class PauseView(BaseModel):
    """A time that did not count. `done`: between the end of the work and its reopening."""

    cause: Literal["waiting_requester", "parts", "contractor", "access", "out_of_hours", "done"]
    starts_at: str
    ends_at: str | None
    counted_s: int = Field(description="Working time that it has kept from counting.")


class SlaView(BaseModel):
    """An order's clock, for everybody who may see the order."""

    state: SlaState
    next: Milestone | None
    due_at: str | None
    round: int
    zone: str
    hours: Literal["office", "own", "always"]
    paused_cause: str | None
    warning: Literal["calendar_year_missing"] | None = Field(
        description="A due time lies in a year whose holidays nobody has entered yet; it is counted anew when they are."
    )
    years_missing: list[int]
    milestones: list[MilestoneView]
    pauses: list[PauseView]
