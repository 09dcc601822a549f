"""When a canteen serves which meal: pure functions over its windows, in its own local time.

A window belongs to the day on which it starts, also for the part after midnight. A sale belongs to the business date,
which ends at 02:00; so a night window may span two business dates, and is then two openings.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from canteen.meals import DayType, Meal
from kernel import clock

# How far ahead somebody before a closed door is told of the next opening: the longest public holiday and a weekend.
_DAYS_AHEAD_MAX = 12
_BUSINESS_DAY_STARTS_MINUTE = 120


@dataclass(frozen=True, slots=True)
class Window:
    """One row of a canteen's meal periods. `ends_minute` beyond 1440 lies on the next day."""

    meal: Meal
    day_type: DayType
    starts_minute: int
    ends_minute: int
    effective_from: date
    effective_to: date | None


class Serving(NamedTuple):
    """A span of time in which one meal is served within one business date."""

    meal: Meal
    window: Window
    business_date: date
    from_at: datetime
    until_at: datetime


class Closed(NamedTuple):
    """A span in which nothing is served, and what comes after it (None: nothing for a long time)."""

    from_at: datetime
    until_at: datetime
    next_meal: Meal | None


DayTypeOf = Callable[[date], DayType]


def windows_on(windows: Sequence[Window], day: date, day_type: DayType) -> list[Window]:
    """The windows that start on a day: for each meal those of the day's own kind, else those of any day."""
    valid = [w for w in windows if w.effective_from <= day and (w.effective_to is None or day < w.effective_to)]
    own = [w for w in valid if w.day_type == day_type]
    meals_of_own = {w.meal for w in own}
    return own + [w for w in valid if w.day_type == DayType.ANY and w.meal not in meals_of_own]


def instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The instant of a local wall-clock time, given in minutes after a day's midnight."""
    # Arithmetic on an aware time is wall-clock arithmetic in its zone, which is what a window means.
    return (datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minute)).astimezone(UTC)


def _spans(
    windows: Sequence[Window], days: Sequence[date], day_type_of: DayTypeOf, zone: ZoneInfo
) -> Iterator[tuple[datetime, datetime, Window]]:
    """Every window of these days. A night's part after 02:00 is of the next business date, whose timetable it follows."""
    for day in days:
        day_type, tomorrow = day_type_of(day), day + timedelta(days=1)
        turn = instant(tomorrow, _BUSINESS_DAY_STARTS_MINUTE, zone)
        for window in windows_on(windows, day, day_type):
            yield instant(day, window.starts_minute, zone), min(instant(day, window.ends_minute, zone), turn), window
        for window in windows_on(windows, tomorrow, day_type):
            ends_at = instant(day, window.ends_minute, zone)
            if ends_at > turn:
                yield max(instant(day, window.starts_minute, zone), turn), ends_at, window


def opening_at(windows: Sequence[Window], at: datetime, day_type_of: DayTypeOf, zone: ZoneInfo) -> Serving | Closed:
    """What is served at an instant, and how long that answer holds."""
    today = at.astimezone(zone).date()
    days = [today + timedelta(days=n) for n in range(-1, _DAYS_AHEAD_MAX + 1)]
    later: list[tuple[datetime, Meal]] = []
    found: tuple[datetime, datetime, Window] | None = None
    for starts_at, ends_at, window in _spans(windows, days, day_type_of, zone):
        if starts_at <= at < ends_at and (found is None or starts_at > found[0]):
            found = starts_at, ends_at, window
        if starts_at > at:
            later.append((starts_at, window.meal))
    next_start = min(later, default=(instant(days[-1], 0, zone), None))
    if found is None:
        return Closed(at, next_start[0], next_start[1])
    business_date = clock.business_date(at, zone)
    day_from = instant(business_date, _BUSINESS_DAY_STARTS_MINUTE, zone)
    day_until = instant(business_date + timedelta(days=1), _BUSINESS_DAY_STARTS_MINUTE, zone)
    return Serving(
        found[2].meal,
        found[2],
        business_date,
        max(found[0], day_from),
        # A window that starts before this one has ended takes over.
        min(found[1], day_until, next_start[0]),
    )


def overlapping(windows: Sequence[Window]) -> tuple[Window, Window] | None:
    """Two windows that would serve at the same time on some kind of day, or None."""
    for day_type in (DayType.WORKDAY, DayType.WEEKEND, DayType.HOLIDAY):
        on_day = sorted(_on_kind_of_day(windows, day_type), key=lambda w: w.starts_minute)
        for earlier, later in pairwise(on_day):
            if later.starts_minute < earlier.ends_minute:
                return earlier, later
        # The night's last hours lie on the morning after, whatever kind of day that is.
        for other_type in (DayType.WORKDAY, DayType.WEEKEND, DayType.HOLIDAY):
            for next_morning in _on_kind_of_day(windows, other_type):
                for night in on_day:
                    if night.ends_minute - 1440 > next_morning.starts_minute:
                        return night, next_morning
    return None


def _on_kind_of_day(windows: Sequence[Window], day_type: DayType) -> list[Window]:
    own = [w for w in windows if w.day_type == day_type]
    meals_of_own = {w.meal for w in own}
    return own + [w for w in windows if w.day_type == DayType.ANY and w.meal not in meals_of_own]
