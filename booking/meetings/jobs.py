"""What happens later: the clock of a meeting strikes, and its letters go out."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import letters, queries, service
from booking.meetings.queries import PREFIX
from kernel import clock, timers
from kernel.ids import parse_public_id


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


TIMERS: Final[Mapping[str, timers.TimerHandler]] = {service.TIMER_KIND: strike, letters.TIMER_KIND: write}
