"""Which kind of day a day is, by the work calendar: workday, weekend or public holiday."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from canteen.meals import DayType
from kernel.calendar import NATIONAL, CalendarDay

# Opening hours look back a day and ahead over the longest holiday.
DAYS_BACK: Final = timedelta(days=10)
DAYS_AHEAD: Final = timedelta(days=120)


def day_type_by_week(day: date) -> DayType:
    """What a day is where the calendar says nothing of it."""
    return DayType.WEEKEND if day.weekday() >= 5 else DayType.WORKDAY


@dataclass(frozen=True, slots=True)
class DayTypes:
    """The calendar around a moment."""

    known: Mapping[date, DayType]

    @classmethod
    async def load(cls, session: AsyncSession, around: datetime) -> "DayTypes":
        """The days that a look at opening hours may reach."""
        day = around.date()
        rows = await session.execute(
            select(CalendarDay.day, CalendarDay.day_type).where(
                CalendarDay.calendar == NATIONAL, CalendarDay.day.between(day - DAYS_BACK, day + DAYS_AHEAD)
            )
        )
        return cls({row.day: DayType(row.day_type) for row in rows})

    def of(self, day: date) -> DayType:
        """The kind of a day."""
        return self.known.get(day) or day_type_by_week(day)
