"""Handlers: every event once in effect, also when the handler fails half way."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, handlers, outbox
from kernel.db import Database
from kernel.events import Delivery, Event, StoredEvent, decode_events, encode_events


class BellRang(Event, frozen=True, kw_only=True):
    """An event for these tests."""

    type = "test.bell_rang"
    number: int

    def audience(self) -> Sequence[Delivery]:
        return []


class DoorOpened(Event, frozen=True, kw_only=True):
    """An event that the handler of these tests does not care for."""

    type = "test.door_opened"

    def audience(self) -> Sequence[Delivery]:
        return []


class Counter:
    """A handler that writes down what it saw, and fails where it is told to."""

    def __init__(self) -> None:
        self.fails_at: int | None = None

    async def handle(self, session: AsyncSession, events: list[StoredEvent]) -> None:
        for stored in events:
            assert isinstance(stored.event, BellRang)
            await session.execute(text("INSERT INTO seen VALUES (:number)"), {"number": stored.event.number})
            if stored.event.number == self.fails_at:
                raise RuntimeError("this one cannot be handled")


@pytest.fixture
async def counter(db: Database) -> Counter:
    async with db.session() as session:
        await session.execute(text("CREATE TABLE seen (number integer)"))
    return Counter()


async def ring(db: Database, *numbers: int) -> None:
    """One commit for each number."""
    for number in numbers:
        async with db.session() as session:
            outbox.publish(session, BellRang(happened_at=clock.rfc3339(clock.now()), number=number))


async def ring_in_lane(db: Database, lane: int, *numbers: int) -> None:
    """As a posting process writes: its own lane, its own n."""
    async with db.session() as session:
        await session.execute(insert(outbox.Lane).values(lane=lane, opened_at=clock.now()))
        for n, number in enumerate(numbers, start=1):
            event = BellRang(happened_at=clock.rfc3339(clock.now()), number=number)
            await session.execute(
                insert(outbox.OutboxRow).values(lane=lane, n=n, recorded_at=clock.now(), events=encode_events([event]))
            )


async def seen(db: Database) -> list[int]:
    async with db.session() as session:
        return list(await session.scalars(text("SELECT number FROM seen ORDER BY number")))


async def test_a_handler_sees_what_is_new_and_nothing_twice(db: Database, counter: Counter) -> None:
    await ring(db, 1, 2)
    assert await handlers.run_handler(db, "bells", counter.handle) == 2
    assert await handlers.run_handler(db, "bells", counter.handle) == 0
    await ring(db, 3)
    assert await handlers.run_handler(db, "bells", counter.handle) == 1
    assert await seen(db) == [1, 2, 3]


async def test_each_lane_has_its_own_place(db: Database, counter: Counter) -> None:
    await ring(db, 1)
    await ring_in_lane(db, 4, 11, 12, 13)
    assert await handlers.run_handler(db, "bells", counter.handle, limit_rows=2) == 3
    assert await handlers.run_handler(db, "bells", counter.handle, limit_rows=2) == 1
    assert await seen(db) == [1, 11, 12, 13]


async def test_two_handlers_do_not_share_a_place(db: Database, counter: Counter) -> None:
    await ring(db, 1)
    assert await handlers.run_handler(db, "bells", counter.handle) == 1
    assert await handlers.run_handler(db, "echo", counter.handle) == 1


class TestOnlySomeTypes:
    async def test_a_handler_is_given_the_types_it_named_even_from_a_row_that_holds_others(
        self, db: Database, counter: Counter
    ) -> None:
        at = clock.rfc3339(clock.now())
        async with db.session() as session:
            outbox.publish(session, DoorOpened(happened_at=at), BellRang(happened_at=at, number=5))
        assert await handlers.run_handler(db, "bells", counter.handle, types=(BellRang,)) == 1
        assert await seen(db) == [5]

    async def test_rows_of_other_types_are_passed_over_for_good_and_never_decoded(
        self, db: Database, counter: Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(5):
            async with db.session() as session:
                outbox.publish(session, DoorOpened(happened_at=clock.rfc3339(clock.now())))
        await ring(db, 1)
        decoded: list[str] = []

        def decode_and_note(lane: int, n: int, column: str, types: frozenset[str] | None) -> list[StoredEvent]:
            decoded.append(column)
            return decode_events(lane, n, column, types)

        monkeypatch.setattr(outbox, "decode_events", decode_and_note)
        assert await handlers.run_handler(db, "bells", counter.handle, types=(BellRang,), limit_rows=2) == 1
        assert len(decoded) == 1
        assert await handlers.run_handler(db, "bells", counter.handle, types=(BellRang,)) == 0
        assert len(decoded) == 1
        async with db.session() as session:
            assert await handlers.lag_s(session, "bells") == 0.0

    async def test_a_steady_flow_of_other_events_does_not_keep_a_handler_running(
        self, db: Database, counter: Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks: list[int] = []

        async def read_and_let_another_come(*arguments: Any) -> outbox.Read:
            looks.append(1)
            async with db.session() as session:
                outbox.publish(session, DoorOpened(happened_at=clock.rfc3339(clock.now())))
            return await read_after(*arguments)

        read_after = outbox.read_after
        monkeypatch.setattr(outbox, "read_after", read_and_let_another_come)
        assert await handlers.run_handler(db, "bells", counter.handle, types=(BellRang,)) == 0
        assert len(looks) == 1

    async def test_a_guilty_row_is_found_among_the_others(self, db: Database, counter: Counter) -> None:
        await ring(db, 1)
        async with db.session() as session:
            outbox.publish(session, DoorOpened(happened_at=clock.rfc3339(clock.now())))
        await ring(db, 2, 3)
        counter.fails_at = 3
        with pytest.raises(RuntimeError):
            await handlers.run_handler(db, "bells", counter.handle, types=(BellRang,))
        assert await seen(db) == [1, 2]


async def test_what_stands_before_a_guilty_row_is_done_and_the_row_comes_again(db: Database, counter: Counter) -> None:
    await ring(db, 1, 2, 3)
    counter.fails_at = 2
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await handlers.run_handler(db, "bells", counter.handle)
        assert await seen(db) == [1]
    counter.fails_at = None
    assert await handlers.run_handler(db, "bells", counter.handle) == 2
    assert await seen(db) == [1, 2, 3]


async def test_two_workers_at_once_do_not_do_it_twice(db: Database, counter: Counter) -> None:
    await ring(db, *range(20))
    counts = await asyncio.gather(*(handlers.run_handler(db, "bells", counter.handle) for _ in range(4)))
    assert sum(counts) == 20
    assert await seen(db) == list(range(20))


async def test_the_lag_is_the_age_of_the_oldest_unseen_event(db: Database, counter: Counter) -> None:
    async with db.session() as session:
        assert await handlers.lag_s(session, "bells") == 0.0
    await ring(db, 1)
    clock.advance(timedelta(seconds=30))
    async with db.session() as session:
        assert await handlers.lag_s(session, "bells") == pytest.approx(30, abs=5)
    await handlers.run_handler(db, "bells", counter.handle)
    async with db.session() as session:
        assert await handlers.lag_s(session, "bells") == 0.0
