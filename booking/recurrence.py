"""A series of bookings: a rule of iCalendar (RFC 5545) as spans, in the local time of the place.

Half past nine stays half past nine when the clocks change; the span in UTC moves. A rule without an end ends with the
window in which the bookable can be booked at all, and the caller is told.
"""

from calendar import IllegalMonthError, monthrange
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rruleset, rrulestr

from booking.spans import Span

OCCURRENCES_MAX: Final = 200
# What people mean by a series of meetings, and what may be said of it. Anything finer would be thousands of rows; and a rule of
# days that also names months or days of the year may never come to pass, which is only found out in the year 9999.
_SHARED: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"})
_OF_MONTHS: Final = _SHARED | {"BYMONTH", "BYMONTHDAY", "BYSETPOS"}
_PARTS: Final = {
    "DAILY": _SHARED,
    "WEEKLY": _SHARED,
    "MONTHLY": _OF_MONTHS,
    "YEARLY": _OF_MONTHS | {"BYYEARDAY", "BYWEEKNO"},
}
# A year that has all days.
_LEAP_YEAR: Final = 2028


class BadRule(ValueError):
    """The rule cannot be read as one of days; the sentence says what is wrong."""


@dataclass(frozen=True, slots=True)
class Series:
    """The occurrences of a rule in a window. `is_cut`: the rule goes on behind the window, or beyond the most there may be."""

    spans: tuple[Span, ...]
    is_cut: bool


def occurrences(text: str, first: Span, zone: ZoneInfo, until: datetime, excluded: Collection[date] = ()) -> Series:
    """All spans of the rule in `text` from `first` on that begin before `until`, but for the local days in `excluded`."""
    local = first.start.astimezone(zone).replace(tzinfo=None)
    end = first.end.astimezone(zone).replace(tzinfo=None)
    found: list[Span] = []
    for start in _rule_of(text, local):
        if start.date() in excluded:
            continue
        span = _span(start, end - local, zone)
        if span.start >= until or len(found) == OCCURRENCES_MAX:
            return Series(tuple(found), is_cut=True)
        found.append(span)
    return Series(tuple(found), is_cut=False)


def _rule_of(text: str, local: datetime) -> rrule | rruleset:
    _require_days(text.upper())
    try:
        # In local time without a zone: UNTIL then is local too.
        return rrulestr(text, dtstart=local, ignoretz=True)
    except (ValueError, TypeError, KeyError) as error:
        raise BadRule(str(error)) from None


def _require_days(rule: str) -> None:
    """A rule of days, weeks, months or years that may come to pass."""
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    allowed = _PARTS.get(parts.get("FREQ", ""))
    if allowed is None or not rule.startswith("FREQ=") or not parts.keys() <= allowed:
        raise BadRule("a rule of days, weeks, months or years, such as FREQ=WEEKLY;BYDAY=MO;COUNT=10")
    interval, count = (_number(parts, name) for name in ("INTERVAL", "COUNT"))
    if not 0 < interval < 1000 or not 0 < count < 10_000:
        raise BadRule("INTERVAL and COUNT are whole numbers from 1 on")
    if parts["FREQ"] == "DAILY" and "BYDAY" in parts and interval % 7 == 0:
        raise BadRule("every so many weeks on a day of the week is FREQ=WEEKLY")
    if not _has_days(parts):
        raise BadRule("there is no such day in any year")


def _number(parts: Mapping[str, str], name: str) -> int:
    text = parts.get(name, "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _has_days(parts: Mapping[str, str]) -> bool:
    """Whether one of its months has one of its days, counted from the end where they are below zero."""
    days = parts.get("BYMONTHDAY", "1").split(",")
    months = parts.get("BYMONTH", "1").split(",")
    try:
        longest = max(monthrange(_LEAP_YEAR, int(month))[1] for month in months)
        return any(1 <= abs(int(day)) <= longest for day in days)
    except (ValueError, IllegalMonthError):
        return False


def _span(start: datetime, length: timedelta, zone: ZoneInfo) -> Span:
    """Wall time to wall time. An hour that does not exist is taken as the one after it, as iCalendar does; where nothing is left
    between both, it is as long as the others."""
    begin, end = _instant(start, zone), _instant(start + length, zone)
    return Span(begin, end if begin < end else begin + length)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)
