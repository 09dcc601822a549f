"""The worked example's month, lived up to its last day."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from kernel import clock
from kernel.db import Database
from payments import funding
from tests.payments.conftest import assert_books_are_right
from tests.payments.settlement.month import Month
from tests.payments.world import open_world

NOON = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)
AFTER_MONTH = datetime(2026, 12, 4, 4, 0, tzinfo=UTC)


@pytest.fixture
async def month(db: Database) -> AsyncIterator[Month]:
    """E1 to E7 of docs/books.md, on 3 and 4 November; whatever the story does, the books are right afterwards."""
    with clock.frozen(NOON):
        world = await open_world(db, prefund_fen=1_000_000)
        person = await world.person(lots={35_200: NOON.date().replace(day=30)})
        async with db.session() as session:
            await funding.top_up_at_counter(session, person, 10_000, actor="test")
        await world.lunch(person)
        await world.lunch(person)
        clock.advance(timedelta(days=1))
        away = await world.lunch(person, amount_fen=2500, terminal=world.terminal(world.tills[-1]))
        await world.refund(away["id"], 500)
        yield Month(world, "2026-11")
        await world.posting.stop()
        await assert_books_are_right(db)
