"""Calls while every part is killed in turn: none lost, none escalated twice, and none left lying."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest

from app.demo_data.places import open_places
from identity.api import NewPerson, open_people
from identity.sign_in import open_session
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id
from realtime.calls.models import CallPolicy
from tests.app.copies import Copy, running_copy

CALLS: Final = 1000
CONNECTIONS: Final = 12
STEP_S: Final = 6


@dataclass
class House:
    """A running copy with people in it who call, and one who is rung."""

    copy: Copy
    database: Database
    tokens: list[str]
    pressed: dict[str, str] = field(default_factory=dict)

    async def press(self, client: httpx.AsyncClient, number: int) -> None:
        """Until it is answered; the press keeps its name."""
        client_id = str(uuid4())
        headers = {"Authorization": f"Bearer {self.tokens[number]}"}
        while client_id not in self.pressed:
            with suppress(httpx.TransportError):
                answer = await client.post(
                    f"{self.copy.url}/v1/calls", json={"client_id": client_id, "kind": "lift"}, headers=headers
                )
                if answer.status_code in (200, 201):
                    self.pressed[client_id] = answer.json()["id"]
                    return
                assert answer.status_code in (500, 502, 503), answer.text
            await asyncio.sleep(0.1)

    async def rows(self, statement: str) -> list[Any]:
        connection = await self.database.raw_connection()
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    with running_copy(tmp_path_factory.mktemp("calls") / "data") as copy:
        yield copy


@pytest.fixture
async def house(running: Copy) -> AsyncIterator[House]:
    database = Database(running.database_url)
    places = await open_places(database)
    region, unit = places.regions["DP"], places.organisations["U1"]
    async with database.session() as session:
        since = (clock.now() - timedelta(days=30)).date()
        people = await open_people(
            session, [NewPerson(f"呼叫人{number}", unit, "staff", since) for number in range(CALLS + 1)], actor="test"
        )
    async with database.session() as session:
        session.add(_policy(region, people[-1]))
    tokens = []
    for start in range(0, CALLS, 200):
        async with database.session() as session:
            tokens += [(await open_session(session, person)).token for person in people[start : start + 200]]
    yield House(running, database, tokens)
    await database.close()


def _policy(region: UUID, rung: UUID) -> CallPolicy:
    """Two steps of some seconds each, then missed."""
    target = {"targets": [{"type": "person", "id": public_id("per", rung)}], "seconds": STEP_S, "acks_needed": 1}
    now = clock.now()
    return CallPolicy(
        id=uuid4(),
        region_id=region,
        name="test",
        weekdays=[1, 2, 3, 4, 5, 6, 7],
        from_minute=0,
        until_minute=0,
        steps=[{**target, "channels": None}, {**target, "channels": None}],
        fallback={**target, "channels": None},
        loops=0,
        version=1,
        created_at=now,
        changed_at=now,
    )


@pytest.mark.timeout(300)
async def test_a_thousand_calls_while_each_part_is_killed(house: House) -> None:
    killed = {200: "web", 400: "worker", 600: "valkey", 800: "postgres"}
    waiting = iter(range(CALLS))

    async def connection(client: httpx.AsyncClient) -> None:
        for number in waiting:
            if number in killed:
                house.copy.kill(killed[number])
            await house.press(client, number)

    async with httpx.AsyncClient(timeout=20) as client:
        await asyncio.gather(*[connection(client) for _ in range(CONNECTIONS)])
    await _all_missed(house)

    # None lost: each press is one call, and each call has one whole life.
    assert len(house.pressed) == len(set(house.pressed.values())) == CALLS
    lives = await house.rows("""
        SELECT call_id, array_agg(trigger ORDER BY ordinal) AS life, array_agg(recorded_at ORDER BY ordinal) AS at
          FROM call_steps GROUP BY call_id
    """)
    assert len(lives) == CALLS
    assert {tuple(row["life"]) for row in lives} == {("place", "ring", "escalate", "miss")}, "none escalated twice"
    (orphans,) = await house.rows("""
        SELECT count(*) AS n FROM calls c WHERE c.due_at IS NOT NULL AND NOT EXISTS (
               SELECT FROM timers t WHERE t.kind = 'calls.clock' AND t.ref = 'call_' || replace(c.id::text, '-', ''))
    """)
    assert orphans["n"] == 0
    # Each was told once in each channel that hears of it.
    twice = await house.rows(
        "SELECT channel, event_id FROM channel_events WHERE type LIKE 'call.%' GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert twice == []


async def _all_missed(house: House) -> None:
    async with asyncio.timeout(120):
        while True:
            with suppress(OSError):
                (row,) = await house.rows("SELECT count(*) AS n FROM calls WHERE state = 'missed'")
                if row["n"] == CALLS:
                    return
            await asyncio.sleep(0.5)
