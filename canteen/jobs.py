"""What the worker runs for the canteens: the figures of the boards, and menus whose day has come near."""

import asyncio
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from canteen.board import channel_of, frame_of
from canteen.handlers import TAKINGS_HANDLER, keep_takings
from canteen.menus import bring_menus_in
from canteen.takings import payment_events, touched_days
from kernel import clock
from kernel.db import Database
from kernel.events import StoredEvent
from kernel.handlers import run_handler
from realtime.api import publish_board

BOARD_TYPE: Final = "canteen.board"
_LOOK_EVERY_S: Final = 0.2
_BEHIND_FROM: Final = 500
_MENUS_EVERY_S: Final = 3600
# One day less than what posting reads ahead, so that clocks that differ a little do no harm.
_MENUS_AHEAD: Final = timedelta(days=1)


async def keep_boards(db: Database) -> None:
    """Keep the takings of each minute and tell the boards, until cancelled."""
    while True:
        # Not at once again, as long as it keeps up: after each few payments would be dozens of times a second.
        if await advance_boards(db) < _BEHIND_FROM:
            await asyncio.sleep(_LOOK_EVERY_S)


async def advance_boards(db: Database) -> int:
    """One step: count what is new, then tell each board that it changes. Returns the number of events seen."""
    touched: dict[UUID, date] = {}

    async def count(session: AsyncSession, events: list[StoredEvent]) -> None:
        await keep_takings(session, events)
        touched.update(touched_days(payment_events(events)))

    seen = await run_handler(db, TAKINGS_HANDLER, count)
    if touched:
        async with db.session() as session:
            for canteen_id, day in touched.items():
                publish_board(channel_of(canteen_id), BOARD_TYPE, await frame_of(session, canteen_id, day))
    return seen


async def keep_menus_near(db: Database) -> None:
    """Let posting read the menus of the next days, until cancelled."""
    while True:
        today = clock.now().date()
        async with db.session() as session:
            await bring_menus_in(session, today, today + _MENUS_AHEAD)
        await asyncio.sleep(_MENUS_EVERY_S)
