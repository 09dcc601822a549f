"""What happens later to promises: clocks strike, and are counted anew when the calendar was changed."""

from collections.abc import Mapping
from typing import Final

from kernel import clock
from kernel.db import Database
from kernel.ids import public_id
from kernel.outbox import publish
from kernel.timers import BatchHandler
from repairs.sla import queries, service
from repairs.sla.events import SlaRecounted
from repairs.sla.striking import TIMER_KIND, strike

TIMERS: Final[Mapping[str, BatchHandler]] = {TIMER_KIND: BatchHandler(strike)}
_AT_ONCE: Final = 200


async def recount_clocks(db: Database) -> int:
    """Count anew what was counted by another calendar; returns how many clocks. Run by the worker."""
    total = 0
    while True:
        async with db.session() as session:
            counted = await service.recount_outdated(session, _AT_ONCE)
            for region_id, orders in counted.items():
                publish(
                    session,
                    SlaRecounted(
                        happened_at=clock.rfc3339(clock.now()),
                        region=public_id("reg", region_id),
                        orders=[public_id(queries.ORDER, order) for order in orders],
                    ),
                )
        count = sum(len(orders) for orders in counted.values())
        total += count
        if count < _AT_ONCE:
            return total


async def note_times(db: Database) -> int:
    """Write down how long it took where an older version has not; returns how many orders. Run by the worker, soon for nothing."""
    total = 0
    while True:
        async with db.session() as session:
            count = await service.note_what_it_took(session, _AT_ONCE)
        total += count
        if count < _AT_ONCE:
            return total
