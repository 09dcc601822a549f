"""The office that the stories of subsidies are told in; after each story the invariants hold."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from kernel import clock
from kernel.calendar import seed_calendar
from kernel.db import Database
from tests.payments.conftest import assert_books_are_right
from tests.payments.subsidies.office import Office, open_office
from tests.payments.world import open_world

# Monday, the second of November 2026, at noon in Shanghai.
NOON = datetime(2026, 11, 2, 4, 0, tzinfo=UTC)


@pytest.fixture
async def office(db: Database) -> AsyncIterator[Office]:
    """A unit with 10,000.00 paid in ahead. Whatever the story was, the books are right."""
    with clock.frozen(NOON):
        world = await open_world(db, prefund_fen=1_000_000)
        async with db.session() as session:
            await seed_calendar(session)
        async with open_office(world) as opened:
            yield opened
        await world.posting.stop()
        await assert_books_are_right(db)
