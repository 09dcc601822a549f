"""Bookings as events of iCalendar (RFC 5545): for the calendars that people subscribe to, and for invitations.

A booking's UID is its own for good, a series has one for all its occurrences. SEQUENCE grows by one with each step. Times are
local ones with their VTIMEZONE. The same bookings give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, FreeBusy, vRecur

from booking.models import Bookable, Booking, BookingSeries
from booking.queries import span_of
from booking.recurrence import occurrences
from booking.spans import Span

# What stands in a calendar, and how sure it is.
STATUS: Final = {
    "held": "TENTATIVE",
    "pending_approval": "TENTATIVE",
    "confirmed": "CONFIRMED",
    "checked_in": "CONFIRMED",
    "in_use": "CONFIRMED",
    "completed": "CONFIRMED",
    "closed": "CONFIRMED",
}


@dataclass(frozen=True, slots=True)
class Where:
    """What is booked, as a calendar names it."""

    bookable: Bookable
    name: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.bookable.zone)


def empty_calendar(method: str, name: str) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", "-//Guanjia//Bookings//ZH")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    if name:
        calendar.add("x-wr-calname", name)
        calendar.add("refresh-interval;value=duration", "PT15M")
    return calendar


def event_of(booking: Booking, where: Where) -> Event:
    """One booking by itself."""
    event = _event(booking, where, f"{booking.id.hex}@guanjia", booking.version - 1)
    event.add("dtstamp", booking.changed_at.replace(microsecond=0))
    return event


def _event(booking: Booking, where: Where, uid: str, sequence: int) -> Event:
    during = span_of(booking.during)
    event = Event()
    event.add("uid", uid)
    event.add("sequence", sequence)
    event.add("dtstart", during.start.astimezone(where.zone))
    event.add("dtend", during.end.astimezone(where.zone))
    event.add("summary", booking.title)
    event.add("location", where.name)
    event.add("status", STATUS.get(booking.state, "CANCELLED"))
    event.add("transp", "OPAQUE")
    return event


def series_events(series: BookingSeries, bookings: Sequence[Booking], where: Where) -> list[Event]:
    """A series as its rule, with what was left out of it and what is otherwise than the rule says.

    `bookings` are all that were ever held of it. The rule ends with the last of them: what lies beyond is not booked.
    """
    rows = sorted((row for row in bookings if row.occurrence_at is not None), key=_occurrence)
    standing = [row for row in rows if row.state in STATUS]
    if not standing:
        return []
    uid, sequence = f"{series.id.hex}@guanjia", sum(row.version - 1 for row in rows)
    stamp = max(row.changed_at for row in rows).replace(microsecond=0)
    zone, first = ZoneInfo(series.zone), Span(series.first_starts_at, series.first_ends_at)
    by_rule = [
        s.start for s in occurrences(series.rule, first, zone, _occurrence(rows[-1]) + timedelta(seconds=1)).spans
    ]
    model = standing[0]
    master = _event(model, where, uid, sequence)
    at = Span(by_rule[0], by_rule[0] + (first.end - first.start))
    for name, value in (("dtstart", at.start), ("dtend", at.end)):
        master.pop(name)
        master.add(name, value.astimezone(zone))
    master.add("rrule", _rule_until(series.rule, by_rule[-1]))
    there = {_occurrence(row) for row in standing}
    left_out = [start.astimezone(zone) for start in by_rule if start not in there]
    if left_out:
        master.add("exdate", left_out)
    events = [master]
    for row in standing:
        if not _is_as_the_rule_says(row, model, at.end - at.start):
            other = _event(row, where, uid, sequence)
            other.add("recurrence-id", _occurrence(row).astimezone(zone))
            events.append(other)
    for event in events:
        event.add("dtstamp", stamp)
    return events


def _occurrence(booking: Booking) -> datetime:
    assert booking.occurrence_at is not None
    return booking.occurrence_at


def _is_as_the_rule_says(row: Booking, model: Booking, length: timedelta) -> bool:
    during = span_of(row.during)
    is_there = during.start == row.occurrence_at and during.end - during.start == length
    return is_there and row.title == model.title and STATUS[row.state] == STATUS[model.state]


def _rule_until(rule: str, last: datetime) -> vRecur:
    """The rule with its last occurrence as its end, whatever end it had."""
    found: vRecur = vRecur.from_ical(rule.upper().removeprefix("RRULE:"))
    for name in ("COUNT", "UNTIL"):
        found.pop(name, None)
    found["UNTIL"] = [last.astimezone(UTC)]
    return found


def free_busy_of(uid: str, window: Span, busy: Sequence[Span], stamp: datetime) -> FreeBusy:
    """When something is taken, and nothing else."""
    found = FreeBusy()
    found.add("uid", uid)
    found.add("dtstamp", stamp)
    found.add("dtstart", window.start)
    found.add("dtend", window.end)
    for span in busy:
        found.add("freebusy", (span.start, span.end))
    return found


def written(calendar: Calendar) -> bytes:
    """The file, with the zones that it speaks of."""
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())
