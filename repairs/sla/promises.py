"""What is promised of an order that is raised now: the target that counts, whose hours, and by which calendar.

The nearest region's target counts before those above it, one for the category before one for all. The hours are those of the
nearest place that has its own, else of the nearest region that has, else the usual office day. What an order needs of these is
kept in memory for each database and read anew when the configuration version has risen, so that raising one asks once.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import place_names, place_summary, regions_up
from kernel.calendar import (
    AROUND_THE_CLOCK,
    DAY_TYPES,
    EVERY_DAY,
    OFFICE_HOURS,
    WORKDAYS,
    DayType,
    Shift,
    WorkCalendar,
    load_calendar,
)
from kernel.configuration import configuration_version
from kernel.errors import NotFound
from kernel.ids import public_id
from repairs.sla import queries
from repairs.sla.counting import due_after
from repairs.sla.models import SlaHours, SlaTarget

_PLACES_MAX: Final = 20_000
HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Target:
    """So many seconds until each milestone, in these hours."""

    id: UUID | None
    seconds: Mapping[str, int]
    warn_percent: int
    hours: str


def _house(response_s: int, arrival_s: int, resolution_s: int, hours: str = "place") -> Target:
    return Target(None, {"response": response_s, "arrival": arrival_s, "resolution": resolution_s}, 80, hours)


# Where nobody has written any.
HOUSE_TARGETS: Final[Mapping[str, Target]] = {
    "low": _house(8 * HOUR_S, 24 * HOUR_S, 80 * HOUR_S),
    "normal": _house(2 * HOUR_S, 8 * HOUR_S, 24 * HOUR_S),
    "high": _house(HOUR_S, 2 * HOUR_S, 8 * HOUR_S),
    "urgent": _house(HOUR_S // 4, HOUR_S, 4 * HOUR_S, "always"),
}


@dataclass(frozen=True, slots=True)
class Hours:
    """When it counts, as a clock carries it: `kind` is office, own or always."""

    kind: str
    days: frozenset[DayType]
    shifts: tuple[Shift, ...]

    def as_json(self) -> dict[str, Any]:
        shifts = [[f"{shift.start:%H:%M}", f"{shift.end:%H:%M}"] for shift in self.shifts]
        return {"kind": self.kind, "days": sorted(self.days), "shifts": shifts}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Hours":
        return cls(stored["kind"], day_types(stored["days"]), shifts_of(stored["shifts"]))


OFFICE: Final = Hours("office", WORKDAYS, OFFICE_HOURS)
ALWAYS: Final = Hours("always", EVERY_DAY, AROUND_THE_CLOCK)


def day_types(words: Sequence[str]) -> frozenset[DayType]:
    """The types of day among these words."""
    return frozenset(day_type for day_type in DAY_TYPES if day_type in words)


def shifts_of(stored: Sequence[Sequence[str]]) -> tuple[Shift, ...]:
    """[["08:30", "12:00"], ...] as spans."""
    return tuple(Shift(time.fromisoformat(start), time.fromisoformat(end)) for start, end in stored)


@dataclass(frozen=True, slots=True)
class Where:
    """A place as the clock needs it: itself and those above it, its regions, and its zone. All of it stays as it is."""

    region_id: UUID
    regions: tuple[UUID, ...]
    places: tuple[UUID, ...]
    zone: ZoneInfo


@dataclass
class Book:
    """Everything that is promised, by one configuration version."""

    version: int
    days: WorkCalendar
    mark: str
    targets: Sequence[SlaTarget]
    hours: Mapping[tuple[UUID, UUID | None], Hours]
    places: dict[tuple[UUID | None, UUID | None], Where] = field(default_factory=dict)

    def calendar(self, zone: ZoneInfo, hours: Hours) -> WorkCalendar:
        """The days of the table in a place's zone and hours."""
        return WorkCalendar(zone, hours.shifts, self.days.days, hours.days, self.days.known_years)

    def target(self, where: Where, category_id: UUID | None, urgency: str, at: datetime) -> Target:
        """The one that counts for an order raised at this instant."""
        day = at.astimezone(where.zone).date()
        fitting = [
            target
            for target in self.targets
            if target.urgency == urgency
            and target.region_id in where.regions
            and target.category_id in (None, category_id)
            and _is_in_force(target, day)
        ]
        if not fitting:
            return HOUSE_TARGETS[urgency]
        best = min(fitting, key=lambda target: (where.regions.index(target.region_id), target.category_id is None))
        seconds = {"response": best.response_s, "arrival": best.arrival_s, "resolution": best.resolution_s}
        return Target(best.id, seconds, best.warn_percent, best.hours)

    def hours_of(self, where: Where, target: Target) -> Hours:
        """Whose hours an order there is counted in."""
        if target.hours == "always":
            return ALWAYS
        for place in (*where.places, None):
            for region in where.regions:
                own = self.hours.get((region, place))
                if own is not None:
                    return own
        return OFFICE


def _is_in_force(target: SlaTarget, day: date) -> bool:
    return target.effective_from <= day and (target.effective_until is None or day < target.effective_until)


# By database: a process may have several open, as tests do.
_books: Final[WeakKeyDictionary[Engine, Book]] = WeakKeyDictionary()


async def open_book(session: AsyncSession) -> Book:
    """What is promised now."""
    bind = session.get_bind()
    engine = bind.engine if isinstance(bind, Connection) else bind
    version = await configuration_version(session)
    known = _books.get(engine)
    if known is not None and known.version == version:
        return known
    book = await _read_book(session, version)
    if known is not None and len(known.places) < _PLACES_MAX:
        book.places.update(known.places)
    _books[engine] = book
    return book


async def fresh_book(session: AsyncSession) -> Book:
    """The same within a change of it: read now and kept by nobody, for the change may yet be given up."""
    return await _read_book(session, await configuration_version(session))


async def _read_book(session: AsyncSession, version: int) -> Book:
    days = await load_calendar(session, ZoneInfo("UTC"))
    return Book(
        version=version,
        days=days,
        mark=mark_of(days),
        targets=await queries.all_targets(session),
        hours={(row.region_id, row.place_id): hours_of_row(row) for row in await queries.all_hours(session)},
    )


def hours_of_row(row: SlaHours) -> Hours:
    """A place's own hours."""
    return Hours("own", day_types(row.days), shifts_of(row.shifts))


def mark_of(days: WorkCalendar) -> str:
    """A short name of the calendar's content: clocks that carry another one are counted anew."""
    text = ",".join(f"{day.isoformat()}{day_type[:2]}" for day, day_type in sorted(days.days.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def find_where(session: AsyncSession, book: Book, place_id: UUID | None, region_id: UUID | None) -> Where:
    """The regions, places and zone of a place, or of a region alone; NotFound for neither."""
    key = (place_id, region_id)
    known = book.places.get(key)
    if known is None:
        known = book.places[key] = await _read_where(session, place_id, region_id)
    return known


async def _read_where(session: AsyncSession, place_id: UUID | None, region_id: UUID | None) -> Where:
    if place_id is not None:
        place = (await place_summary(session, [place_id])).get(place_id)
        if place is None:
            raise NotFound(what="pla", id=public_id("pla", place_id))
        regions = await regions_up(session, place.region_id)
        return Where(place.region_id, tuple(regions), tuple(reversed(place.path)), ZoneInfo(place.timezone))
    region = (await place_names(session, [region_id])).get(region_id) if region_id is not None else None
    if region is None or region_id is None:
        raise NotFound(what="reg", id=public_id("reg", region_id) if region_id is not None else "")
    return Where(region_id, tuple(await regions_up(session, region_id)), (), ZoneInfo(region.timezone))


@dataclass(frozen=True, slots=True)
class Due:
    """When the milestones of an order raised now would be due, and what is uncertain about it."""

    due_at: Mapping[str, datetime]
    years_missing: list[int]


def due_of(calendar: WorkCalendar, target: Target, at: datetime) -> Due:
    """All three, from one start."""
    due_at = {milestone: due_after(calendar, at, seconds) for milestone, seconds in target.seconds.items()}
    return Due(due_at, calendar.unknown_years(at, max(due_at.values())))
