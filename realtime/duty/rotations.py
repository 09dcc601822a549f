"""From rotations and overrides to shifts: pure functions, no database and no clock.

A rotation cuts each of its days into slots, from one local time to the next, and deals them to people in their order. Local
times are those of the wall clock of its zone. Where the wall clock jumps, instants do not: a slot begins when the last
one ends, on every day; one whose whole hour the clock leaves out is no slot on that day.

An override takes the shifts of one person (or none: an extra hand) within a span, and gives them to another (or none: a hole
that the look ahead will find). Overrides are applied in the order in which they were made, so a shift that was given on can
be given on again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

# A day's slots may end on the next one, and a zone may be half a day away.
_MARGIN_DAYS: Final = 2
EVERY_DAY: Final = frozenset(range(1, 8))


@dataclass(frozen=True, slots=True)
class Slot:
    """From this local time to the next slot's. On other weekdays (1 is Monday), and where nobody is needed, it is empty."""

    starts: time
    name: str = ""
    weekdays: frozenset[int] = EVERY_DAY
    is_staffed: bool = True


@dataclass(frozen=True, slots=True)
class Rotation:
    """Who takes which slot of which day.

    Each `turn_days` the order moves on by `advance`; within a turn the slots take one after the other, `seats` people each.
    The day of a slot is the one on which the first slot of its day begins: the hand-off. `ends_at` cuts a rotation off at an
    instant.
    """

    id: UUID
    team_id: UUID
    zone: ZoneInfo
    starts_on: date
    slots: tuple[Slot, ...]
    people: tuple[UUID, ...]
    turn_days: int = 1
    advance: int = 1
    seats: int = 1
    # The first day that is no more of it.
    ends_on: date | None = None
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        starts = [slot.starts for slot in self.slots]
        if not starts or not self.people or self.turn_days < 1 or self.seats < 1:
            raise ValueError("a rotation needs slots, people, and turns of a day at least")
        if self.seats > len(self.people):
            raise ValueError("there are more seats than people")
        if len(set(self.people)) != len(self.people):
            raise ValueError("somebody stands in the order twice")
        if _minutes_after_hand_off(starts) != sorted(set(_minutes_after_hand_off(starts))):
            raise ValueError("the slots of a day follow one another, from the hand-off on")


@dataclass(frozen=True, slots=True)
class Override:
    """`person_out` does not take their shifts in this span; `person_in` does."""

    id: UUID
    team_id: UUID
    starts_at: datetime
    ends_at: datetime
    person_out: UUID | None
    person_in: UUID | None
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody's turn. `base_id` is the rota's own shift, whoever takes it; `touched` counts the overrides that changed it."""

    base_id: UUID
    team_id: UUID
    starts_at: datetime
    ends_at: datetime
    person_id: UUID
    zone: ZoneInfo
    name: str = ""
    touched: int = 0

    def covers(self, at: datetime) -> bool:
        """Half open: at the hand-off the next one has it."""
        return self.starts_at <= at < self.ends_at


def _minutes_after_hand_off(starts: Sequence[time]) -> list[int]:
    first = starts[0].hour * 60 + starts[0].minute
    return [(start.hour * 60 + start.minute - first) % 1440 for start in starts]


# ---- the wall clock


def instant_of_wall(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant at which a wall clock shows this; one that it shows twice is the first, one that it leaves out is the jump."""
    wall = datetime.combine(day, at)
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    return _jump_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)


@lru_cache(maxsize=256)
def _jump_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant with the new offset."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


# ---- shifts of a rotation


def expand(rotation: Rotation, starts_at: datetime, ends_at: datetime) -> list[Shift]:
    """The shifts of a rotation that touch a span, in order; whole ones, but where it was ended within one."""
    return [
        shift
        for day in _days(rotation, starts_at, ends_at)
        for whole in _shifts_of_day(rotation, day)
        for shift in _cut(whole, None, rotation.ends_at)
        if shift.ends_at > starts_at and shift.starts_at < ends_at
    ]


def _days(rotation: Rotation, starts_at: datetime, ends_at: datetime) -> Iterator[date]:
    first = max(rotation.starts_on, _local_date(starts_at, rotation.zone, -_MARGIN_DAYS))
    last = _local_date(ends_at, rotation.zone, _MARGIN_DAYS)
    if rotation.ends_on is not None:
        last = min(last, rotation.ends_on - timedelta(days=1))
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _local_date(at: datetime, zone: ZoneInfo, days: int) -> date:
    return at.astimezone(zone).date() + timedelta(days=days)


def _shifts_of_day(rotation: Rotation, day: date) -> Iterator[Shift]:
    edges = [*_edges(rotation, day), _edges(rotation, day + timedelta(days=1))[0]]
    for number, slot in enumerate(rotation.slots):
        starts_at, ends_at = edges[number], edges[number + 1]
        if not slot.is_staffed or day.isoweekday() not in slot.weekdays or starts_at >= ends_at:
            continue
        for seat in range(rotation.seats):
            yield Shift(
                uuid5(rotation.id, f"{day.isoformat()}/{number}/{seat}"),
                rotation.team_id,
                starts_at,
                ends_at,
                _person_of(rotation, day, number, seat),
                rotation.zone,
                slot.name,
            )


def _edges(rotation: Rotation, day: date) -> list[datetime]:
    """When each slot of a day begins: those before the hand-off's time of day are tomorrow's mornings."""
    hand_off = rotation.slots[0].starts
    return [
        instant_of_wall(day + timedelta(days=1) if slot.starts < hand_off else day, slot.starts, rotation.zone)
        for slot in rotation.slots
    ]


def _person_of(rotation: Rotation, day: date, slot: int, seat: int) -> UUID:
    turn = (day - rotation.starts_on).days // rotation.turn_days
    staffed_before = sum(1 for known in rotation.slots[:slot] if known.is_staffed)
    place = turn * rotation.advance + staffed_before * rotation.seats + seat
    return rotation.people[place % len(rotation.people)]


def _cut(shift: Shift, starts_at: datetime | None, ends_at: datetime | None) -> Iterator[Shift]:
    first = max(shift.starts_at, starts_at) if starts_at is not None else shift.starts_at
    last = min(shift.ends_at, ends_at) if ends_at is not None else shift.ends_at
    if first < last:
        yield replace(shift, starts_at=first, ends_at=last)


# ---- overrides


def apply_overrides(shifts: Iterable[Shift], overrides: Iterable[Override]) -> list[Shift]:
    """The shifts as they are taken, in order of time; nobody stands in it twice at once."""
    rota = list(shifts)
    for override in overrides:
        rota = [piece for shift in rota for piece in _override_one(shift, override)]
        if override.person_out is None and override.person_in is not None:
            rota.append(_extra_hand(override, override.person_in))
    return _once_at_a_time(sorted(rota, key=lambda s: (s.starts_at, s.ends_at, s.base_id.int, s.person_id.int)))


def _override_one(shift: Shift, override: Override) -> Iterator[Shift]:
    is_theirs = override.team_id == shift.team_id and override.person_out == shift.person_id
    if not is_theirs or override.ends_at <= shift.starts_at or override.starts_at >= shift.ends_at:
        yield shift
        return
    touched = replace(shift, touched=shift.touched + 1)
    yield from _cut(touched, None, override.starts_at)
    if override.person_in is not None:
        given = replace(touched, person_id=override.person_in)
        yield from _cut(given, override.starts_at, override.ends_at)
    yield from _cut(touched, override.ends_at, None)


def _extra_hand(override: Override, person_id: UUID) -> Shift:
    return Shift(
        uuid5(override.id, "extra"),
        override.team_id,
        override.starts_at,
        override.ends_at,
        person_id,
        override.zone,
        touched=1,
    )


def _once_at_a_time(rota: Sequence[Shift]) -> list[Shift]:
    """Somebody who got a second shift in the same hours stands there once: what came earlier has them, the rest is theirs after."""
    kept: list[Shift] = []
    busy_until: dict[tuple[UUID, UUID], datetime] = {}
    for shift in rota:
        key = (shift.team_id, shift.person_id)
        for free in _cut(shift, busy_until.get(key), None):
            kept.append(free)
            busy_until[key] = free.ends_at
    return kept


# ---- time that nobody has


@dataclass(frozen=True, slots=True)
class Span:
    """From an instant to another, the last not included."""

    starts_at: datetime
    ends_at: datetime


def uncovered(needed: Sequence[Span], covered: Iterable[Span]) -> list[Span]:
    """What of the needed time nobody has."""
    left = list(needed)
    for cover in covered:
        left = [rest for span in left for rest in _without(span, cover)]
    return join_spans(left)


def _without(span: Span, cover: Span) -> Iterator[Span]:
    if cover.ends_at <= span.starts_at or cover.starts_at >= span.ends_at:
        yield span
        return
    if span.starts_at < cover.starts_at:
        yield Span(span.starts_at, cover.starts_at)
    if cover.ends_at < span.ends_at:
        yield Span(cover.ends_at, span.ends_at)


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Spans that touch become one."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.starts_at, s.ends_at)):
        if joined and span.starts_at <= joined[-1].ends_at:
            joined[-1] = Span(joined[-1].starts_at, max(joined[-1].ends_at, span.ends_at))
        else:
            joined.append(span)
    return joined


def needed_spans(
    zone: ZoneInfo, weekdays: frozenset[int], opens: time, closes: time, starts_at: datetime, ends_at: datetime
) -> list[Span]:
    """When somebody has to be there, within a span; the same opening and closing time is round the clock."""
    day = _local_date(starts_at, zone, -1)
    last = _local_date(ends_at, zone, 1)
    found = []
    while day <= last:
        if day.isoweekday() in weekdays:
            end_day = day + timedelta(days=1) if closes <= opens else day
            begins = instant_of_wall(day, opens, zone)
            ends = instant_of_wall(end_day, closes, zone)
            span = Span(max(begins, starts_at), min(ends, ends_at))
            if span.starts_at < span.ends_at:
                found.append(span)
        day += timedelta(days=1)
    return join_spans(found)
