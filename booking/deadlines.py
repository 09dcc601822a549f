"""The clock of a booking: one durable timer, at the next instant at which something happens without anybody."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Bookable, Booking
from booking.queries import get_bookable, span_of
from booking.spans import Span
from kernel import timers
from kernel.ids import public_id

TIMER_KIND: Final = "booking.clock"
HOLD_FOR: Final = timedelta(minutes=10)
OFFER_FOR: Final = timedelta(minutes=15)


def due_of(booking: Booking, bookable: Bookable) -> tuple[datetime, str] | None:
    """When the clock strikes next, and which trigger it pulls; None where a booking only waits for people, or is over."""
    if booking.meeting_id is not None:
        # The clock of the meeting strikes for all that it holds.
        return None
    return _due_alone(booking, bookable)


def _due_alone(booking: Booking, bookable: Bookable) -> tuple[datetime, str] | None:
    during = span_of(booking.during)
    match booking.state:
        case "held" | "offered":
            return (booking.due_at, "expire") if booking.due_at else None
        case "pending_approval" | "waitlisted":
            # A night may be asked for after its hour of arrival, and is then still had.
            return (_given_up_at(bookable, during) if bookable.arrive_at else during.start), "expire"
        case "confirmed":
            return _given_up_at(bookable, during), "miss"
        case "checked_in":
            return during.start, "begin"
        case "in_use":
            return during.end, "end"
    return None


def _given_up_at(bookable: Bookable, during: Span) -> datetime:
    return during.start + timedelta(minutes=bookable.no_show_minutes)


async def set_clock(session: AsyncSession, booking: Booking, *, is_striking: bool = False) -> None:
    """Set it for the state and times that a booking has now; stop it where nothing is due.

    A timer that is being fired goes away by itself, and must not be cancelled by its own handler.
    """
    due = due_of(booking, await get_bookable(session, booking.bookable_id))
    ref = public_id("bkg", booking.id)
    if due is not None:
        await timers.schedule(session, TIMER_KIND, ref, due[0])
    elif not is_striking:
        await timers.cancel(session, TIMER_KIND, ref)
