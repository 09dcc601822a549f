"""What happens later to orders: silence counts as yes, the rule looks again for somebody, many of one kind become a problem,
and the telephone numbers of guests are forgotten."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import delete

from kernel import clock
from kernel.db import Database
from kernel.handlers import run_handler
from kernel.settings import get_settings
from kernel.timers import TimerHandler
from repairs.orders import queries, service
from repairs.orders.events import WorkOrderChanged
from repairs.orders.models import WorkOrderChange
from repairs.orders.problems import follow_orders
from repairs.orders.steps import CONFIRM_TIMER, DISPATCH_TIMER

TIMERS: Final[Mapping[str, TimerHandler]] = {
    CONFIRM_TIMER: service.confirm_by_silence,
    DISPATCH_TIMER: service.dispatch_again,
}
# A phone may have been away for so long.
_CHANGES_FOR: Final = timedelta(days=30)
_AT_ONCE: Final = 500


async def follow_problems(db: Database) -> None:
    """Orders that were raised since the last look."""
    while await run_handler(db, "repairs.follow_orders", follow_orders, types=(WorkOrderChanged,)):
        pass


async def forget_changes(db: Database) -> None:
    """What phones have called their changes, once they have surely come back."""
    async with db.session() as session:
        await session.execute(delete(WorkOrderChange).where(WorkOrderChange.recorded_at < clock.now() - _CHANGES_FOR))


async def forget_phones(db: Database) -> int:
    """The telephone numbers of guests whose repair is over: nobody will ring them about it. Returns how many."""
    before = clock.now() - timedelta(days=get_settings().repair_guest_phone_days)
    total = 0
    while True:
        async with db.session() as session:
            count = await queries.forget_phones(session, before, _AT_ONCE)
        total += count
        if count < _AT_ONCE:
            return total
