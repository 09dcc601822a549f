"""Everybody comes back at once: a server was restarted, and each client names the last position it has seen."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from kernel.db import Database
from realtime.api import HubLimits
from tests.identity.conftest import House
from tests.realtime.stories import Staff, Web, numbers, relay_everything, staff, subscribed, tell, web_process

CLIENTS = 60


@contextmanager
def questions_about_channels(db: Database) -> Iterator[list[str]]:
    """Statements that read heads or events of channels."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "channel_events" in statement or "channel_heads" in statement:
            asked.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(db.engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def calm(db: Database, valkey_url: str) -> AsyncIterator[Web]:
    """A web process that looks around by itself so seldom that every question is a client's."""
    async with web_process(db, valkey_url, HubLimits(poll_interval_s=60)) as running:
        yield running


@pytest.fixture
async def crowd(house: House) -> list[Staff]:
    return [await staff(house, f"王{number}") for number in range(CLIENTS)]


async def test_each_is_caught_up_by_less_than_one_question(db: Database, calm: Web, crowd: list[Staff]) -> None:
    await tell(db, [one.channel for one in crowd], 1, 2, 3)
    await relay_everything(db)

    async def come_back(one: Staff) -> list[int]:
        async with calm.client(one.token, open_timeout=30) as client:
            assert await subscribed(client, "me", after=1) == 1
            return await numbers(client, 2)

    with questions_about_channels(db) as asked:
        heard = await asyncio.gather(*(come_back(one) for one in crowd))
    assert heard == [[2, 3]] * CLIENTS
    assert 0 < len(asked) <= CLIENTS


async def test_a_crowd_on_one_channel_asks_no_more(db: Database, calm: Web, crowd: list[Staff]) -> None:
    one = crowd[0]
    await tell(db, [one.channel], *range(20))
    await relay_everything(db)

    async def come_back(seen: int) -> list[int]:
        async with calm.client(one.token, open_timeout=30) as client:
            assert await subscribed(client, "me", after=seen) == seen
            return await numbers(client, 20 - seen)

    with questions_about_channels(db) as asked:
        heard = await asyncio.gather(*(come_back(seen) for seen in range(20)))
    assert heard == [list(range(seen, 20)) for seen in range(20)]
    assert len(asked) <= 20
