"""Settlement's background steps: the months that are booked in have a row, and silence ends."""

from collections.abc import Mapping
from typing import Final

from kernel import clock
from kernel.db import Database
from kernel.settings import get_settings
from kernel.timers import TimerHandler
from payments.settlement import queries, service
from payments.settlement.periods import period_of

TIMERS: Final[Mapping[str, TimerHandler]] = {service.SILENCE_TIMER: service.end_silence}


async def keep_settlements(db: Database) -> int:
    """Give every region with a book a row for this month, so that it can be seen and cut off; returns how many regions."""
    month = period_of(clock.business_date(clock.now(), get_settings().zone))
    async with db.session() as session:
        regions = await queries.regions_with_books(session)
        await service.open_settlements(session, month, regions)
    return len(regions)
