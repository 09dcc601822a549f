"""The closed lists of words of the promise."""

from typing import Final, Literal, get_args

Urgency = Literal["low", "normal", "high", "urgent"]
URGENCIES: Final[tuple[Urgency, ...]] = get_args(Urgency)

# What stops a clock; any other reason to wait lets it run.
PauseCause = Literal["waiting_requester", "parts", "contractor", "access", "out_of_hours"]
PAUSE_CAUSES: Final[tuple[PauseCause, ...]] = get_args(PauseCause)
# Between the end of the work and its reopening nobody owed anything: the service's own pause.
DONE: Final = "done"

Milestone = Literal["response", "arrival", "resolution"]
MILESTONES: Final[tuple[Milestone, ...]] = get_args(Milestone)

ClockState = Literal["running", "paused", "reached", "stopped"]
CLOCK_STATES: Final[tuple[ClockState, ...]] = get_args(ClockState)

# Whose hours count: those of the place, or every minute.
HoursOfTarget = Literal["place", "always"]
