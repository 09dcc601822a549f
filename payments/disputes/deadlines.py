"""The clock of a dispute: working time, by the house's one calendar, as a durable timer.

A timer is one for each dispute. While the canteen is to answer it fires twice: to remind, one work day ahead, and to pass
the dispute on to the region. A rejection that the person leaves lying stands. The region's own time only shows.
"""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.calendar import OFFICE_HOURS, load_calendar
from kernel.ids import public_id
from kernel.settings import get_settings
from payments.disputes.models import Dispute

TIMER_KIND: Final = "payments.dispute_clock"
# Of work, for whoever's turn it is.
WORK_DAYS: Final = {"open": 3, "rejected": 5, "escalated": 5}
REMINDED_AHEAD_DAYS: Final = 1
_WORK_DAY_S: Final = sum(
    (shift.end.hour * 60 + shift.end.minute - shift.start.hour * 60 - shift.start.minute) * 60 for shift in OFFICE_HOURS
)


async def start_clock(session: AsyncSession, dispute: Dispute, *, is_striking: bool = False) -> None:
    """Set the clock for the state that a dispute has just come to; stop it where nobody's turn it is.

    A timer that is being fired goes away by itself, and must not be cancelled by its own handler.
    """
    days = WORK_DAYS.get(dispute.state)
    dispute.reminded_at = None
    if days is None:
        dispute.due_at = None
        if not is_striking:
            await timers.cancel(session, TIMER_KIND, public_id("dis", dispute.id))
        return
    dispute.due_at = await _after_work_days(session, days)
    first = dispute.due_at
    if dispute.state == "open":
        first = await _after_work_days(session, days - REMINDED_AHEAD_DAYS)
    await timers.schedule(session, TIMER_KIND, public_id("dis", dispute.id), first)


async def _after_work_days(session: AsyncSession, days: int) -> datetime:
    calendar = await load_calendar(session, get_settings().zone)
    return calendar.add(clock.now(), days * _WORK_DAY_S)
