"""What must hold of calls: a room in which everything happened is right, and whatever is planted is named."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from kernel.db import Database
from kernel.invariants import Finding, audit
from realtime.calls.invariants import INVARIANTS
from tests.identity.conftest import House
from tests.realtime.calls.switchroom import Switchroom, open_switchroom
from tests.servers import SharedPostgres


@pytest.fixture
async def doomed(house: House, valkey_url: str) -> AsyncIterator[Switchroom]:
    """A room in which everything has happened once, and whose calls will be broken."""
    async with open_switchroom(house, valkey_url) as room:
        await live_through_everything(room)
        yield room


async def live_through_everything(room: Switchroom) -> None:
    """One taken, let go, taken again and rated; one missed and ended with a cause; one that rings, one on its way."""
    whole = await room.placed(room.second)
    await room.pulled(room.first, whole, "acknowledge")
    await room.pulled(room.first, whole, "release")
    await room.pulled(room.lead, whole, "acknowledge")
    await room.pulled(room.lead, whole, "connect", way="text")
    await room.pulled(room.lead, whole, "resolve")
    await room.pulled(room.second, whole, "rate", rating=5)
    missed = await room.placed(room.lead)
    while (await room.seen(room.lead, missed))["state"] != "missed":
        await room.wait(30)
    ringing = await room.placed()
    await room.press()
    assert await room.wait(15) == 1
    assert (await room.seen(room.caller, ringing))["state"] == "ringing"
    taken = await room.placed(room.first)
    await room.pulled(room.second, taken, "acknowledge")


@pytest.fixture
async def breaking(db: Database, postgres_server: SharedPostgres) -> AsyncIterator[AsyncSession]:
    """What somebody with the superuser's password can do: any statement, with all rules of the tables off."""
    url = make_url(postgres_server.superuser_url).set(drivername="postgresql+asyncpg", database=db.url.database)
    engine = create_async_engine(url)
    async with AsyncSession(engine) as session:
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        for rule in ("calls_client_id_key", "calls_missed_cause_check", "calls_acker_check"):
            await session.execute(text(f"ALTER TABLE calls DROP CONSTRAINT {rule}"))
        await session.execute(text("DROP INDEX calls_open_key"))
        yield session
        await session.rollback()
    await engine.dispose()


async def findings_of(session: AsyncSession) -> dict[str, Finding]:
    """What the audit finds, by the name of the broken invariant."""
    return {finding.invariant.name: finding for finding in await audit(session, INVARIANTS) if not finding.holds}


# (invariant, words that its finding must hold, what is done to the rows)
PLANTED = [
    ("C1", "without its timer", "DELETE FROM timers WHERE kind = 'calls.clock'"),
    ("C1", "another instant", "UPDATE timers SET due_at = due_at + interval '1 hour', retry_at = retry_at + interval '1 hour' WHERE kind = 'calls.clock'"),
    ("C1", "has ended", "INSERT INTO timers (kind, ref, due_at, retry_at, generation, payload, attempts) SELECT 'calls.clock', 'call_' || replace(id::text, '-', ''), now(), now(), 1, '{}', 0 FROM calls WHERE state = 'rated'"),
    ("C2", "nobody has", "UPDATE calls SET acker_id = NULL WHERE state = 'acknowledged'"),
    ("C2", "or its caller", "UPDATE calls SET acker_id = caller_id WHERE state = 'acknowledged'"),
    ("C2", "that rings and that somebody has", "UPDATE calls SET acker_id = gen_random_uuid() WHERE state = 'ringing'"),
    ("C2", "while somebody had it", "UPDATE call_steps SET trigger = 'ask' WHERE trigger = 'release'"),
    ("C3", "does not know", "UPDATE call_steps SET state = 'connected' WHERE trigger = 'acknowledge'"),
    ("C3", "does not know", "UPDATE call_steps SET state = 'queued' WHERE trigger = 'press'"),
    ("C3", "with a hole", "DELETE FROM call_steps WHERE trigger = 'press'"),
    ("C3", "ends elsewhere", "UPDATE calls SET state = 'queued' WHERE state = 'ringing'"),
    ("C4", "escalated twice", "INSERT INTO call_steps SELECT call_id, ordinal + 100, trigger, state, step, loop, actor, is_press, words, recorded_at FROM call_steps WHERE trigger = 'escalate'"),
    ("C4", "never rung", "UPDATE call_rings SET ring_round = ring_round + 100"),
    ("C5", "without a cause", "UPDATE calls SET state = 'resolved', due_at = NULL WHERE state = 'missed'"),
    ("C5", "does not say so", "UPDATE calls SET missed_at = NULL WHERE state = 'missed'"),
    ("C5", "nobody ended", "INSERT INTO call_steps SELECT call_id, 99, 'resolve', 'resolved', step, loop, 'system', false, '', recorded_at FROM call_steps WHERE trigger = 'miss'"),
    ("C6", "more than one open", "UPDATE calls SET caller_key = 'per_0' WHERE due_at IS NOT NULL"),
    ("C6", "one press, several", "UPDATE calls SET caller_key = 'per_0', client_id = '00000000-0000-4000-8000-000000000000'"),
    ("C6", "pulled the caller's trigger", "UPDATE call_steps SET actor = 'per_0' WHERE trigger = 'rate'"),
    ("C6", "came to their own call", "UPDATE call_steps s SET actor = c.caller_key FROM calls c WHERE c.id = s.call_id AND s.trigger = 'acknowledge'"),
]  # fmt: skip  # a table reads better than its cells one below the other


@pytest.mark.usefixtures("doomed")
async def test_what_is_planted_is_named(breaking: AsyncSession) -> None:
    """Each by itself, and undone again: one life of the room is enough for all of them."""
    assert await findings_of(breaking) == {}
    for name, words, statement in PLANTED:
        planted = await breaking.begin_nested()
        await breaking.execute(text(statement))
        found = await findings_of(breaking)
        assert name in found, (statement, found)
        assert any(words in offender.what for offender in found[name].offenders), (statement, found[name])
        assert all(offender.subject for offender in found[name].offenders)
        await planted.rollback()


def test_every_invariant_has_a_planted_corruption() -> None:
    assert {name for name, _, _ in PLANTED} == {invariant.name for invariant in INVARIANTS}
