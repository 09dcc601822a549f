"""Shares, means and weeks: pure, on whole numbers, so that the same counts give the same figures everywhere."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, Literal

Step = Literal["week", "month"]

HOUR_S: Final = 3600
# Up to so many seconds of working time; what took longer stands in a last bin without an end.
TIME_BINS_S: Final = tuple(hours * HOUR_S for hours in (1, 2, 4, 8, 16, 24, 40, 80))
SCORES: Final = (1, 2, 3, 4, 5)


def percent(part: int, whole: int) -> float | None:
    """A share with one decimal, half up; None of nothing."""
    return _rounded(part * 100, whole, 10) if whole else None


def mean(total: int, count: int) -> float | None:
    """With two decimals, half up; None of nothing."""
    return _rounded(total, count, 100) if count else None


def _rounded(part: int, whole: int, places: int) -> float:
    return (2 * part * places + whole) // (2 * whole) / places


def begin_of(day: date, step: Step) -> date:
    """The first day of its week, which is a Monday, or of its month."""
    return day - timedelta(days=day.weekday()) if step == "week" else day.replace(day=1)


def steps_of(first: date, last: date, step: Step) -> Iterator[date]:
    """The first days of all weeks or months that touch a span of days."""
    day = begin_of(first, step)
    while day <= last:
        yield day
        day = day + timedelta(days=7) if step == "week" else (day.replace(day=28) + timedelta(days=4)).replace(day=1)
