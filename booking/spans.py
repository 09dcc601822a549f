"""Times of bookings as plain data: opening hours in the place's own time, buffers, and what else would do.

Pure functions over `Span`s in UTC. A span is `[start, end)`: one may begin in the instant in which the one before ends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

# Suggestions begin on the quarter of an hour, as people think.
_STEP: Final = timedelta(minutes=15)
_NEAR: Final = timedelta(hours=3)
_DAYS_AHEAD: Final = 7
_NEAR_MAX, _SIMILAR_MAX, _DAYS_MAX = 3, 3, 2


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `start` until before `end`, both aware; never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError("a span ends after it starts")

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end

    def holds(self, other: "Span") -> bool:
        """Whether the other one lies inside."""
        return self.start <= other.start and other.end <= self.end

    def moved(self, by: timedelta) -> "Span":
        return Span(self.start + by, self.end + by)

    def widened(self, before: timedelta, after: timedelta) -> "Span":
        """With the time that it takes to set up before and to clean after."""
        return Span(self.start - before, self.end + after)


@dataclass(frozen=True, slots=True)
class Opening:
    """When something is open, in local wall time: on these weekdays (Monday is 0) from `opens` to `closes`.

    Without hours it is open round the clock; a `closes` of 00:00 is the end of the day.
    """

    zone: ZoneInfo
    weekdays: frozenset[int]
    opens: time | None = None
    closes: time | None = None

    def allows(self, span: Span) -> bool:
        """Whether all of it lies in open hours."""
        if self.opens is None or self.closes is None:
            return all(day.weekday() in self.weekdays for day in self._days(span))
        return any(hours.holds(span) for day in self._days(span) for hours in self._hours(day))

    def _days(self, span: Span) -> Iterator[date]:
        day = span.start.astimezone(self.zone).date()
        last = (span.end - timedelta(microseconds=1)).astimezone(self.zone).date()
        while day <= last:
            yield day
            day += timedelta(days=1)

    def _hours(self, day: date) -> Iterator[Span]:
        assert self.opens is not None
        assert self.closes is not None
        if day.weekday() not in self.weekdays:
            return
        ends_on = day if self.closes > self.opens else day + timedelta(days=1)
        start = datetime.combine(day, self.opens, self.zone).astimezone(UTC)
        end = datetime.combine(ends_on, self.closes, self.zone).astimezone(UTC)
        if start < end:
            yield Span(start, end)


@dataclass(frozen=True, slots=True)
class Nights:
    """A room that is had by nights: from `arrive` of one day until `leave` of a later one, on the clock of the place."""

    zone: ZoneInfo
    arrive: time
    leave: time

    def of(self, first: date, nights: int) -> Span:
        """So many nights from a day on."""
        return Span(self._at(first, self.arrive), self._at(first + timedelta(days=nights), self.leave))

    def allows(self, span: Span) -> bool:
        """Whether it begins and ends as nights do."""
        return self.fitted(span) == span

    def is_day_of(self, span: Span, now: datetime) -> bool:
        """Whether today is the day on which these nights begin."""
        return now.astimezone(self.zone).date() == span.start.astimezone(self.zone).date()

    def fitted(self, span: Span) -> Span:
        """The same nights, as they are had here."""
        first = span.start.astimezone(self.zone).date()
        last = span.end.astimezone(self.zone).date()
        return self.of(first, max((last - first).days, 1))

    def _at(self, day: date, wall: time) -> datetime:
        return datetime.combine(day, wall, self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be booked instead: when it is open, its buffers, and what occupies it (buffers included).

    `drivers`: when each of those is busy of whom it needs one; None where it needs nobody.
    """

    id: UUID
    opening: Opening
    setup: timedelta
    cleanup: timedelta
    busy: tuple[Span, ...]
    nights: Nights | None = None
    drivers: tuple[tuple[Span, ...], ...] | None = None

    def is_free(self, span: Span) -> bool:
        """Whether it could be booked for the span now."""
        blocked = span.widened(self.setup, self.cleanup)
        is_had = self.opening.allows(span) and (self.nights is None or self.nights.allows(span))
        return is_had and _is_clear(self.busy, blocked) and self._has_driver(blocked)

    def fitted(self, span: Span) -> Span:
        """The same time, or where it is had by nights the same nights."""
        return span if self.nights is None else self.nights.fitted(span)

    def _has_driver(self, blocked: Span) -> bool:
        return self.drivers is None or any(_is_clear(busy, blocked) for busy in self.drivers)


def _is_clear(busy: Iterable[Span], blocked: Span) -> bool:
    return not any(blocked.overlaps(other) for other in busy)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What else would do: `near` another time of the day, `similar` another one at the time, `day` another day."""

    kind: str
    bookable: UUID
    span: Span


def suggest(wanted: Span, first: Candidate, others: Sequence[Candidate], earliest: datetime) -> list[Suggestion]:
    """What could be had instead, best first; nothing that begins before `earliest`. `others` come best first too."""
    near = (Suggestion("near", first.id, span) for span in _near_times(wanted) if _is_had(first, span, earliest))
    similar = (
        Suggestion("similar", other.id, other.fitted(wanted))
        for other in others
        if _is_had(other, other.fitted(wanted), earliest)
    )
    days = (Suggestion("day", first.id, span) for span in _same_time(wanted, first) if _is_had(first, span, earliest))
    return [*_first(near, _NEAR_MAX), *_first(similar, _SIMILAR_MAX), *_first(days, _DAYS_MAX)]


def _is_had(candidate: Candidate, span: Span, earliest: datetime) -> bool:
    return span.start >= earliest and candidate.is_free(span)


def _near_times(wanted: Span) -> Iterator[Span]:
    steps = _NEAR // _STEP
    for step in range(1, steps + 1):
        yield wanted.moved(step * _STEP)
        yield wanted.moved(-step * _STEP)


def _same_time(wanted: Span, candidate: Candidate) -> Iterator[Span]:
    """On the days after, at the same time on the clock of the place."""
    zone = candidate.opening.zone
    for days in range(1, _DAYS_AHEAD + 1):
        start, end = (_days_later(at.astimezone(zone), days) for at in (wanted.start, wanted.end))
        # An hour that the clocks leave out may leave nothing of it.
        if start < end:
            yield Span(start, end)


def _days_later(local: datetime, days: int) -> datetime:
    return datetime.combine(local.date() + timedelta(days=days), local.timetz()).astimezone(UTC)


def _first(found: Iterable[Suggestion], most: int) -> list[Suggestion]:
    return [suggestion for suggestion, _ in zip(found, range(most), strict=False)]


def free_of(window: Span, busy: Iterable[Span]) -> list[Span]:
    """What is left of a window, in order."""
    free, start = [], window.start
    for span in sorted(busy):
        if span.start > start:
            free.append(Span(start, min(span.start, window.end)))
        start = max(start, span.end)
        if start >= window.end:
            return free
    return [*free, Span(start, window.end)]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times without overlaps, in order: what a free/busy view shows."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


Busy = Mapping[UUID, Sequence[Span]]
