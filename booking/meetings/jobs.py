"""What happens later: the clock of a meeting strikes, its letters go out, and guests' telephone numbers are forgotten."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import letters, queries, service
from booking.meetings.queries import PREFIX
from kernel import clock, timers
from kernel.db import Database
from kernel.ids import parse_public_id
from kernel.settings import get_settings


async def strike(session: AsyncSession, timer: timers.Timer) -> None:
    """Whatever is due by the meeting's state as it is now; one that was changed meanwhile gets its clock anew."""
    meeting = await queries.lock_meeting(session, parse_public_id(PREFIX, timer.ref))
    due = service.due_of(meeting)
    if due is None:
        return
    if due[0] > clock.now():
        await service.set_clock(session, meeting, is_striking=True)
        return
    await service.step(session, meeting, due[1], "system", "", is_striking=True)


async def write(session: AsyncSession, timer: timers.Timer) -> None:
    """Nothing has changed for a while: tell the guests."""
    await letters.write_now(session, parse_public_id(PREFIX, timer.ref))


_AT_ONCE: Final = 1000


async def forget_phones(db: Database) -> int:
    """The telephone numbers of guests whose meeting is over: nobody will ring them about it. Returns how many."""
    before = clock.now() - timedelta(days=get_settings().meeting_guest_phone_days)
    total = 0
    while True:
        async with db.session() as session:
            count = await queries.forget_phones(session, before, _AT_ONCE)
        total += count
        if count < _AT_ONCE:
            return total


TIMERS: Final[Mapping[str, timers.TimerHandler]] = {service.TIMER_KIND: strike, letters.TIMER_KIND: write}
