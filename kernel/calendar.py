"""The work calendar: which days are worked, and how much working time lies between two instants.

One calendar stands under service promises, booking and duty. The days are a table, seeded from a library that knows
the state council's adjusted workdays, and editable: an edited day is never overwritten. `WorkCalendar` is plain data
with pure functions; `load_calendar` fills it from the table.

What posting keeps in memory of the calendar is read again after a change: changes raise the configuration version.

Hours are local wall time of the place. Across a change of clocks the functions count real seconds: an hour that does
not exist is not worked, one that comes twice is worked twice.
"""

import asyncio
from calendar import isleap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

import chinese_calendar  # type: ignore[import-untyped] # The package carries no types.
import structlog
from sqlalchemy import Boolean, Date, Text, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.configuration import bump_configuration
from kernel.db import Base, Database

DayType = Literal["workday", "weekend", "holiday"]
DAY_TYPES: Final[tuple[DayType, ...]] = get_args(DayType)
# A place that never closes.
EVERY_DAY: Final[frozenset[DayType]] = frozenset(DAY_TYPES)
WORKDAYS: Final[frozenset[DayType]] = frozenset({"workday"})
NATIONAL: Final = "cn"
# As `date.weekday()` counts them.
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_TYPE_OF: Final[Mapping[str, DayType]] = {day_type: day_type for day_type in DAY_TYPES}
_SEARCH_DAYS_MAX: Final = 3_700
_KEEP_EVERY_S: Final = 6 * 3600
_DAY: Final = timedelta(days=1)

log = structlog.get_logger(__name__)


class CalendarDay(Base):
    """One day of one calendar."""

    __tablename__ = "calendar_days"

    calendar: Mapped[str] = mapped_column(Text, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    day_type: Mapped[str] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    edited: Mapped[bool] = mapped_column(Boolean)


class Shift(NamedTuple):
    """A span of a working day in local wall time; `end` 00:00 is the end of the day."""

    start: time
    end: time


class OutOfReach(ValueError):
    """So much working time does not come in any year that is looked ahead; `searched_until` is where the search ended."""

    def __init__(self, searched_until: datetime) -> None:
        super().__init__("this calendar has too few working hours to get there")
        self.searched_until = searched_until


OFFICE_HOURS: Final = (Shift(time(8, 30), time(12)), Shift(time(14), time(17, 30)))
AROUND_THE_CLOCK: Final = (Shift(time(0), time(0)),)


@dataclass(frozen=True)
class WorkCalendar:
    """Working time of a place. A day that `days` does not name is a workday from Monday to Friday.

    `worked` are the types of day on which `hours` count. `known_years` are those that `days` names wholly: what is counted
    outside of them is a guess (`unknown_years` says so).
    """

    zone: ZoneInfo
    hours: Sequence[Shift] = OFFICE_HOURS
    days: Mapping[date, DayType] = field(default_factory=dict)
    worked: frozenset[DayType] = WORKDAYS
    known_years: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        ends = [timedelta(0)]
        for shift in self.hours:
            ends.extend((_since_midnight(shift.start), _since_midnight(shift.end) or _DAY))
        if not self.hours or ends != sorted(ends) or any(a == b for a, b in zip(ends[1::2], ends[2::2], strict=True)):
            raise ValueError("hours are spans of one day, in order, not empty and not overlapping")

    def day_type(self, day: date) -> DayType:
        """workday, weekend or holiday."""
        return self.days.get(day, "workday" if day.weekday() < 5 else "weekend")

    def is_work_day(self, day: date) -> bool:
        return self.day_type(day) in self.worked

    def unknown_years(self, start: datetime, end: datetime) -> list[int]:
        """The years between two instants whose days nobody has entered; none where every day is alike."""
        if self.worked == EVERY_DAY:
            return []
        first, last = start.astimezone(self.zone).year, end.astimezone(self.zone).year
        return [year for year in range(first, last + 1) if year not in self.known_years]

    def add(self, start: datetime, seconds: float) -> datetime:
        """The instant by which `seconds` of working time have passed since `start`; OutOfReach where they never will."""
        if seconds < 0:
            raise ValueError("working time runs forwards")
        left = timedelta(seconds=seconds)
        at = start.astimezone(UTC)
        if not left:
            return at
        for opens, closes in self._spans_from(at):
            begins = max(opens, at)
            if closes - begins >= left:
                return begins + left
            left -= max(closes - begins, timedelta(0))
        # A day more than the last one that was looked at: later than anything that was found.
        raise OutOfReach(at + (_SEARCH_DAYS_MAX + 2) * _DAY)

    def elapsed(self, start: datetime, end: datetime) -> float:
        """Seconds of working time between two instants; negative when they are the other way round."""
        if end < start:
            return -self.elapsed(end, start)
        first, last = start.astimezone(UTC), end.astimezone(UTC)
        worked = timedelta(0)
        for opens, closes in self._spans_from(first, until=last):
            worked += max(min(closes, last) - max(opens, first), timedelta(0))
        return worked.total_seconds()

    def _spans_from(self, at: datetime, until: datetime | None = None) -> Iterator[tuple[datetime, datetime]]:
        """Working spans as instants, in order and apart, from the one that holds `at`."""
        day = at.astimezone(self.zone).date()
        last_day = until.astimezone(self.zone).date() if until else day + _SEARCH_DAYS_MAX * _DAY
        reached = datetime.min.replace(tzinfo=UTC)
        while day <= last_day:
            if self.is_work_day(day):
                for shift in self.hours:
                    opens = max(self._instant(day, shift.start), reached)
                    closes = self._instant(day if shift.end > time(0) else day + _DAY, shift.end)
                    # Where the clocks jump, a span can be empty or begin inside the one before it.
                    if closes > opens:
                        yield opens, closes
                        reached = closes
            day += _DAY

    def _instant(self, day: date, wall: time) -> datetime:
        return datetime.combine(day, wall, self.zone).astimezone(UTC)


def whole_years(days: Iterable[date]) -> frozenset[int]:
    """The years of which every day is among these."""
    counted = Counter(day.year for day in days)
    return frozenset(year for year, count in counted.items() if count >= 365 + isleap(year))


def _since_midnight(wall: time) -> timedelta:
    return timedelta(hours=wall.hour, minutes=wall.minute, seconds=wall.second)


async def load_calendar(
    session: AsyncSession, zone: ZoneInfo, hours: Sequence[Shift] = OFFICE_HOURS, *, calendar: str = NATIONAL
) -> WorkCalendar:
    """The calendar as it stands in the table now."""
    rows = await session.execute(select(CalendarDay.day, CalendarDay.day_type).where(CalendarDay.calendar == calendar))
    days = {row.day: _DAY_TYPE_OF[row.day_type] for row in rows}
    return WorkCalendar(zone, hours, days, known_years=whole_years(days))


async def day_type_of(session: AsyncSession, day: date, *, calendar: str = NATIONAL) -> DayType:
    """One day's type, for who needs no more."""
    found = await session.scalar(
        select(CalendarDay.day_type).where(CalendarDay.calendar == calendar, CalendarDay.day == day)
    )
    if found is None:
        return "workday" if day.weekday() < 5 else "weekend"
    return _DAY_TYPE_OF[found]


async def edit_day(
    session: AsyncSession, day: date, day_type: DayType, name: str | None = None, *, calendar: str = NATIONAL
) -> None:
    """Make a day what the house says it is; seeding leaves it alone from now on."""
    values = {"day_type": day_type, "name": name, "edited": True}
    await session.execute(
        insert(CalendarDay)
        .values(calendar=calendar, day=day, **values)
        .on_conflict_do_update(index_elements=[CalendarDay.calendar, CalendarDay.day], set_=values)
    )
    await bump_configuration(session)


async def seed_calendar(session: AsyncSession, *, calendar: str = NATIONAL) -> list[int]:
    """Write every year that the library knows, from last year on, and the table lacks; returns those years.

    Run at each start: a newer library brings the new year. Days edited by people stay as they are.
    """
    present = await _years_present(session, calendar)
    years = [year for year in _years_known() if year >= clock.now().year - 1 and year not in present]
    for year in years:
        days = [{"calendar": calendar, "edited": False, **day} for day in _national_days(year)]
        await session.execute(insert(CalendarDay).on_conflict_do_nothing(), days)
    if years:
        await bump_configuration(session)
    return years


async def keep_calendar(db: Database) -> None:
    """The worker's loop: seed what the library knows, and warn of a year that nobody has entered."""
    while True:
        async with db.session() as session:
            await seed_calendar(session)
            await missing_years(session)
        await asyncio.sleep(_KEEP_EVERY_S)


async def missing_years(session: AsyncSession, *, calendar: str = NATIONAL) -> list[int]:
    """This year, and from 1 December on also the next, as far as the table lacks them: a reason to warn."""
    ahead = clock.now() + timedelta(days=31)
    wanted = sorted({clock.now().year, ahead.year})
    present = await _years_present(session, calendar)
    missing = [year for year in wanted if year not in present]
    if missing:
        log.warning("calendar_year_missing", calendar=calendar, years=missing)
    return missing


async def _years_present(session: AsyncSession, calendar: str) -> set[int]:
    """Years with all of their days; single edited days do not make a year."""
    year = func.extract("year", CalendarDay.day)
    rows = await session.execute(
        select(year).where(CalendarDay.calendar == calendar).group_by(year).having(func.count() >= 365)
    )
    return {int(found) for (found,) in rows}


def _years_known() -> list[int]:
    return sorted({day.year for day in chinese_calendar.holidays})


def _national_days(year: int) -> Iterator[dict[str, object]]:
    holidays: Mapping[date, str] = chinese_calendar.holidays
    workdays: Mapping[date, str] = chinese_calendar.workdays
    day = date(year, 1, 1)
    while day.year == year:
        if day in holidays:
            yield {"day": day, "day_type": "holiday", "name": holidays[day]}
        elif day in workdays or day.weekday() < 5:
            yield {"day": day, "day_type": "workday", "name": workdays.get(day)}
        else:
            yield {"day": day, "day_type": "weekend", "name": None}
        day += _DAY
