"""What must hold of meetings: a day in which everything happened is right, and whatever is planted is named."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from booking.meetings.invariants import INVARIANTS
from kernel.invariants import audit
from tests.booking.meetings.conftest import Campus
from tests.servers import SharedPostgres

PLANTED = {
    "M1": (
        "UPDATE meetings SET state = 'cancelled', due_at = NULL WHERE state = 'confirmed'",
        "UPDATE meeting_lines SET refs = '{}' WHERE kind = 'venue'",
        "UPDATE meeting_lines SET refs = ARRAY[gen_random_uuid()] WHERE kind = 'badges'",
        "DELETE FROM covers",
    ),
    "M2": ("DELETE FROM timers", "UPDATE meetings SET state = 'settled', due_at = NULL"),
    "M3": ("UPDATE cover_days SET taken = taken + 1", "DELETE FROM covers"),
    "M4": (
        "UPDATE meeting_charges SET amount_fen = amount_fen + 1",
        "UPDATE service_charges SET refunded_fen = 1",
        "DELETE FROM meeting_charges",
    ),
}


@pytest.fixture
async def breaking(campus: Campus, postgres_server: SharedPostgres) -> AsyncIterator[AsyncSession]:
    """Meetings held, confirmed, settled and cancelled; and somebody with the superuser's password, whom no rule stops."""
    await campus.wang.holds(campus.hall(start=30), campus.sleep(1))
    await campus.wang.has(campus.hall(1, start=30), campus.car(start=30), {"kind": "badges", "count": 3})
    await campus.wang.pulls(await campus.wang.has(campus.hall(start=40)), "cancel")
    over = await campus.wang.has(campus.hall(), campus.meal(20))
    await campus.until(4.5)
    await campus.office.pulls(over, "settle")
    url = make_url(postgres_server.superuser_url).set(drivername="postgresql+asyncpg", database=campus.db.url.database)
    engine = create_async_engine(url)
    async with AsyncSession(engine) as session:
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        yield session
        await session.rollback()
    await engine.dispose()


async def test_a_day_is_right_and_what_is_planted_is_named(breaking: AsyncSession) -> None:
    await breaking.execute(text("SAVEPOINT whole"))
    assert [finding.invariant.name for finding in await audit(breaking, INVARIANTS) if not finding.holds] == []
    for name, statements in PLANTED.items():
        for statement in statements:
            await breaking.execute(text(statement))
            found = {finding.invariant.name for finding in await audit(breaking, INVARIANTS) if not finding.holds}
            assert name in found, statement
            await breaking.execute(text("ROLLBACK TO SAVEPOINT whole"))
