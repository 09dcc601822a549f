"""Working time with pauses in it: pure functions over one work calendar.

`add` and `elapsed` are each other's inverse, as those of the calendar are: elapsed(s, add(s, x)) == x, whatever pauses and
reopenings lie between. A pause that has not ended yet stops everything after it: nobody knows when it will be due.

What the hours of a place never reach is due at the end of what is looked ahead, some ten years on: administration refuses such
hours, but days may be edited after them, and an order is raised all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kernel.calendar import OutOfReach, WorkCalendar


@dataclass(frozen=True, slots=True)
class Pause:
    """Time that does not count; without an end it still lasts."""

    starts_at: datetime
    ends_at: datetime | None = None


def due_after(calendar: WorkCalendar, start: datetime, seconds: float) -> datetime:
    """The instant by which so much time has counted; the end of what is looked ahead, where that never happens."""
    try:
        return calendar.add(start, seconds)
    except OutOfReach as error:
        return error.searched_until


@dataclass(frozen=True)
class PausedCalendar:
    """The working time of a place, less the pauses of one order. Pauses are in order and apart; only the last may be open."""

    calendar: WorkCalendar
    pauses: Sequence[Pause] = ()

    def __post_init__(self) -> None:
        reached: datetime | None = None
        for number, pause in enumerate(self.pauses):
            if reached is not None and pause.starts_at < reached:
                raise ValueError("pauses are in order and do not overlap")
            if pause.ends_at is None and number < len(self.pauses) - 1:
                raise ValueError("only the last pause may be open")
            if pause.ends_at is not None and pause.ends_at < pause.starts_at:
                raise ValueError("a pause ends after it has begun")
            reached = pause.ends_at

    def add(self, start: datetime, seconds: float) -> datetime | None:
        """The instant by which so much time has counted since `start`; None while an open pause stands before it."""
        at, left = start.astimezone(UTC), seconds
        for pause in self.pauses:
            if pause.ends_at is not None and pause.ends_at <= at:
                continue
            if pause.starts_at > at:
                worked = self.calendar.elapsed(at, pause.starts_at)
                if worked >= left:
                    return due_after(self.calendar, at, left)
                left -= worked
            elif left <= 0:
                return at
            if pause.ends_at is None:
                return None
            at = pause.ends_at.astimezone(UTC)
        return due_after(self.calendar, at, left)

    def elapsed(self, start: datetime, end: datetime) -> float:
        """Seconds that have counted between two instants; `end` does not lie before `start`."""
        counted = self.calendar.elapsed(start, end)
        for pause in self.pauses:
            begins = max(pause.starts_at, start)
            ends = end if pause.ends_at is None else min(pause.ends_at, end)
            if ends > begins:
                counted -= self.calendar.elapsed(begins, ends)
        # Of microseconds: sums of floats must not say 59.99999999.
        return round(counted, 6)
