"""The world that the stories of payments are told in; after each story the invariants hold."""

from collections.abc import AsyncIterator

import pytest

from kernel.db import Database
from payments.invariants import audit
from tests.payments.world import World, open_world


@pytest.fixture
async def world(db: Database) -> AsyncIterator[World]:
    """Two canteens, three tills, money in the unit's prefund; posting runs. Whatever the story was, the books are right."""
    opened = await open_world(db)
    yield opened
    await opened.posting.stop()
    await assert_books_are_right(db)


async def assert_books_are_right(db: Database) -> None:
    """No invariant names an offender."""
    async with db.session() as session:
        findings = await audit(session)
    broken = {finding.invariant.name: finding.offenders for finding in findings if not finding.holds}
    assert broken == {}
