"""What happens later to calls: clocks strike, leases end, Valkey's part is kept, and a watchdog looks at all of it."""

import asyncio
from collections.abc import Mapping
from typing import Final

from redis.asyncio import Redis

from kernel.db import Database
from kernel.timers import TimerHandler
from realtime.calls import presence, ringing, service
from realtime.calls.desk import DeskMirror
from realtime.calls.watchdog import Watchdog

TIMERS: Final[Mapping[str, TimerHandler]] = {ringing.TIMER_KIND: service.strike}
_WATCH_EVERY_S: Final = 1.0


async def keep_desks(db: Database, valkey: Redis) -> None:
    """Valkey's part, for ever."""
    await DeskMirror(valkey).run(db)


async def watch_clocks(db: Database) -> None:
    """The watchdog, for ever. A loop of its own: it must not hang on what it watches."""
    watchdog = Watchdog()
    while True:
        await watchdog.step(db)
        await asyncio.sleep(_WATCH_EVERY_S)


async def sweep_presence(db: Database) -> None:
    """One look for leases that have ended."""
    await presence.sweep(db)
