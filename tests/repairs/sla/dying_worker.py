"""A worker that handles a batch of clocks and never commits: run by a test, which kills it there."""

import asyncio
import sys
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.db import Database
from kernel.timers import BatchHandler, Timer
from repairs.sla.striking import TIMER_KIND, strike


async def _strike_and_hang(session: AsyncSession, due: Sequence[Timer]) -> Collection[int]:
    await strike(session, due)
    await session.flush()
    sys.stdout.write(f"handled {len(due)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
    return []


async def _work(url: str) -> None:
    await timers.fire_batch(Database(url), TIMER_KIND, BatchHandler(_strike_and_hang))


if __name__ == "__main__":
    with clock.frozen(datetime.fromisoformat(sys.argv[2])):
        asyncio.run(_work(sys.argv[1]))
