"""What happens later: the clock of a booking strikes."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from booking import queries, service
from booking.deadlines import TIMER_KIND, due_of, set_clock
from kernel import clock, timers
from kernel.ids import parse_public_id


async def strike(session: AsyncSession, timer: timers.Timer) -> None:
    """Whatever is due by the booking's state as it is now; one that was moved meanwhile gets its clock anew."""
    booking = await queries.lock_booking(session, parse_public_id("bkg", timer.ref))
    bookable = await queries.get_bookable(session, booking.bookable_id)
    due = due_of(booking, bookable)
    if due is None:
        return
    if due[0] > clock.now():
        await set_clock(session, booking, is_striking=True)
        return
    await service.step(session, booking, bookable, due[1], "system", "", is_striking=True)


TIMERS: Final[Mapping[str, timers.TimerHandler]] = {TIMER_KIND: strike}
