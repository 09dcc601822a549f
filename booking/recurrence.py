"""A series of bookings: a rule of iCalendar (RFC 5545) as spans, in the local time of the place.

Half past nine stays half past nine when the clocks change; the span in UTC moves. A rule without an end ends with the
window in which the bookable can be booked at all, and the caller is told.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rruleset, rrulestr

from booking.spans import Span

OCCURRENCES_MAX: Final = 200
# What people mean by a series of meetings; anything finer would be thousands of rows.
_FREQUENCIES: Final = ("FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY")
# Each asks for an hour of the day, and the series has one already.
_FINER: Final = ("BYHOUR", "BYMINUTE", "BYSECOND", "\n", "DTSTART", "EXDATE", "RDATE")


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
    upper = text.upper()
    if not upper.startswith(_FREQUENCIES) or any(word in upper for word in _FINER):
        raise BadRule("a rule of days, weeks, months or years, such as FREQ=WEEKLY;BYDAY=MO;COUNT=10")
    try:
        # In local time without a zone: UNTIL then is local too.
        return rrulestr(text, dtstart=local, ignoretz=True)
    except (ValueError, TypeError, KeyError) as error:
        raise BadRule(str(error)) from None


def _span(start: datetime, length: timedelta, zone: ZoneInfo) -> Span:
    """Wall time to wall time. An hour that does not exist is taken as the one after it, as iCalendar does."""
    return Span(_instant(start, zone), _instant(start + length, zone))


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)
