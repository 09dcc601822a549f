"""One's own subsidies: lots with where and until when, and what of them is lost within a week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.calendar import WEEKDAYS, WorkCalendar, load_calendar
from kernel.settings import get_settings
from payments import queries as payment_queries
from payments.models import Holder, SubsidyLot
from payments.subsidies import queries
from payments.subsidies.expiry import today
from payments.subsidies.forecast import (
    WARN_DAYS,
    Forecast,
    LotLeft,
    LunchDay,
    forecast,
    usual_share,
)

# So far back lunches tell what a lunch usually takes.
HABIT: Final = timedelta(days=60)


class LunchShare(Protocol):
    """Payments knows no meals: whoever prices them tells what a unit bears of a lunch, for who has not eaten one yet."""

    async def __call__(self, session: AsyncSession, unit_id: UUID, person_class: str, /) -> int | None:
        """In fen; None where the class is served no lunch."""
        ...


_shares: Final[list[LunchShare]] = []


def register_lunch_share(share: LunchShare) -> None:
    """Add one; app/wiring.py calls this."""
    if share not in _shares:
        _shares.append(share)


@dataclass(frozen=True, slots=True)
class Habits:
    """What a lunch takes of somebody's subsidy, and whether today's is eaten."""

    share_fen: int | None
    has_eaten_today: bool


async def habits_of(session: AsyncSession, holder: Holder) -> Habits:
    """From what was eaten; who has eaten nothing yet, from the price of a lunch."""
    lunches = await queries.lunches_of(session, holder.bucket, holder.id, clock.now() - HABIT)
    share_fen = usual_share([share for _, share in lunches])
    if share_fen is None:
        for ask in _shares:
            share_fen = share_fen or await ask(session, holder.unit_id, holder.person_class)
    return Habits(share_fen, any(day == today() and share for day, share in lunches))


async def forecast_of(
    session: AsyncSession, holder: Holder, lots: Sequence[SubsidyLot], on: date, calendar: WorkCalendar | None = None
) -> Forecast:
    """What of these lots ends on a day, by the holder's own share of a lunch and the work days until then."""
    calendar = calendar or await load_calendar(session, get_settings().zone)
    habits = await habits_of(session, holder)
    left = [LotLeft(lot.expires_on, lot.balance_fen - lot.held_fen, lot.scope) for lot in lots]
    first = today() + timedelta(days=1 if habits.has_eaten_today else 0)
    return forecast(left, on, today(), habits.share_fen, lunch_days(calendar, first, on))


def lunch_days(calendar: WorkCalendar, first: date, last: date) -> list[LunchDay]:
    """Work days from one day to another: on others a canteen may be closed, so nothing is promised."""
    days = [first + timedelta(days=n) for n in range(max((last - first).days + 1, 0))]
    return [
        LunchDay(day, frozenset({calendar.day_type(day), WEEKDAYS[day.weekday()]}))
        for day in days
        if calendar.is_work_day(day)
    ]


async def soonest(session: AsyncSession, holder: Holder, lots: Sequence[SubsidyLot]) -> Forecast | None:
    """The forecast of what ends first, where that is within the week."""
    ending = [lot.expires_on for lot in lots if lot.balance_fen > lot.held_fen]
    if not ending or min(ending) > today() + timedelta(days=max(WARN_DAYS)):
        return None
    return await forecast_of(session, holder, lots, min(ending))


async def lots_of(session: AsyncSession, holder: Holder) -> list[SubsidyLot]:
    """What can still be spent, the first to end first."""
    return await payment_queries.lots_of(session, holder.bucket, holder.id, today())
