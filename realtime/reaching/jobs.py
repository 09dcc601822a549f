"""What the worker runs for reaching: the courier, news of letters, old rows away."""

import asyncio
from typing import Final

from kernel.db import Database
from kernel.outgoing import AddressGuard, GuardedSender
from kernel.settings import get_settings
from realtime.reaching.courier import Courier, follow_letters, forget_old_deliveries

_LETTERS_EVERY_S: Final = 1.0


async def send_for_ever(db: Database) -> None:
    """The courier, until cancelled."""
    sender = GuardedSender(AddressGuard.of_settings(get_settings()))
    try:
        await Courier(db, sender).run()
    finally:
        await sender.close()


async def follow_letters_for_ever(db: Database) -> None:
    """What became of letters, until cancelled."""
    while True:
        if not await follow_letters(db):
            await asyncio.sleep(_LETTERS_EVERY_S)


forget_old = forget_old_deliveries
