"""What the worker runs for the rota: test rings, the look ahead, sign-ins and swaps whose time is over."""

import asyncio
from typing import Final

from kernel.db import Database
from realtime.duty.coverage import look_at_all
from realtime.duty.rings import forget_old_rings, ring_due
from realtime.duty.sign_ins import end_overdue
from realtime.duty.swaps import let_lapse

_EVERY_S: Final = 15
_LOOK_EVERY_S: Final = 60


async def keep_rota(db: Database) -> None:
    """Rings first: what is proved by them the look ahead may count on. Until cancelled."""
    while True:
        await ring_due(db)
        await end_overdue(db)
        await let_lapse(db)
        await asyncio.sleep(_EVERY_S)


async def look_ahead_for_ever(db: Database) -> None:
    """Gaps, and times in which nobody would be reached, until cancelled."""
    while True:
        await look_at_all(db)
        await asyncio.sleep(_LOOK_EVERY_S)


forget_old = forget_old_rings
