"""Timers: due things happen, once each, whatever crashes or gets in between."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.db import Database
from kernel.timers import Timer, TimerRow


class Ledger:
    """Where the test's handler writes what it did, in the same transaction, so that it shares the timer's fate."""

    def __init__(self) -> None:
        self.failing: set[str] = set()

    async def handle(self, session: AsyncSession, timer: Timer) -> None:
        await session.execute(text("INSERT INTO done VALUES (:ref, :generation)"), timer_values(timer))
        if timer.ref in self.failing:
            raise RuntimeError(f"{timer.ref} cannot be done")


def timer_values(timer: Timer) -> dict[str, object]:
    return {"ref": timer.ref, "generation": timer.generation}


@pytest.fixture
async def ledger(db: Database) -> Ledger:
    async with db.session() as session:
        await session.execute(text("CREATE TABLE done (ref text, generation integer)"))
    return Ledger()


async def schedule(db: Database, ref: str, in_s: float, kind: str = "remind") -> int:
    async with db.session() as session:
        return await timers.schedule(session, kind, ref, clock.now() + timedelta(seconds=in_s))


async def done(db: Database) -> list[str]:
    async with db.session() as session:
        return list(await session.scalars(text("SELECT ref FROM done ORDER BY ref")))


async def row_of(db: Database, ref: str) -> TimerRow | None:
    async with db.session() as session:
        return await session.scalar(select(TimerRow).where(TimerRow.ref == ref))


class TestFireDue:
    async def test_a_timer_fires_when_it_is_due_and_only_once(self, db: Database, ledger: Ledger) -> None:
        await schedule(db, "a", in_s=60)
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 0
        clock.advance(timedelta(seconds=61))
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 1
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 0
        assert await done(db) == ["a"]

    async def test_a_failing_handler_is_noted_and_tried_later_while_others_go_on(
        self, db: Database, ledger: Ledger
    ) -> None:
        for ref in ("a", "b", "c"):
            await schedule(db, ref, in_s=-1)
        ledger.failing = {"b"}
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 2
        assert await done(db) == ["a", "c"]
        noted = await row_of(db, "b")
        assert noted is not None
        assert (noted.attempts, noted.last_error) == (1, "RuntimeError: b cannot be done")

        ledger.failing = set()
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 0
        clock.advance(timedelta(seconds=5))
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 1
        assert await done(db) == ["a", "b", "c"]

    async def test_it_is_tried_ever_more_slowly(self, db: Database, ledger: Ledger) -> None:
        await schedule(db, "a", in_s=-1)
        ledger.failing = {"a"}
        waits = []
        for _ in range(12):
            await timers.fire_due(db, {"remind": ledger.handle})
            noted = await row_of(db, "a")
            assert noted is not None
            waits.append(round((noted.retry_at - clock.now()).total_seconds()))
            clock.advance(noted.retry_at - clock.now() + timedelta(seconds=1))
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]

    async def test_a_kind_nobody_handles_is_noted_as_a_failure(self, db: Database, ledger: Ledger) -> None:
        await schedule(db, "a", in_s=-1, kind="unheard_of")
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 0
        noted = await row_of(db, "a")
        assert noted is not None
        assert "unheard_of" in (noted.last_error or "")

    async def test_a_handler_schedules_the_next_one_in_the_same_transaction(self, db: Database, ledger: Ledger) -> None:
        async def handle_and_repeat(session: AsyncSession, timer: Timer) -> None:
            await ledger.handle(session, timer)
            await timers.schedule(session, timer.kind, timer.ref, timer.due_at + timedelta(minutes=10))

        await schedule(db, "a", in_s=-1)
        assert await timers.fire_due(db, {"remind": handle_and_repeat}) == 1
        assert await timers.fire_due(db, {"remind": handle_and_repeat}) == 0
        clock.advance(timedelta(minutes=10))
        assert await timers.fire_due(db, {"remind": handle_and_repeat}) == 1
        following = await row_of(db, "a")
        assert following is not None
        assert following.generation == 3


class TestScheduleAndCancel:
    async def test_scheduling_again_moves_the_one_timer(self, db: Database, ledger: Ledger) -> None:
        assert await schedule(db, "a", in_s=-1) == 1
        assert await schedule(db, "a", in_s=60) == 2
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 0
        clock.advance(timedelta(seconds=61))
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 1

    async def test_a_cancelled_timer_never_fires(self, db: Database, ledger: Ledger) -> None:
        await schedule(db, "a", in_s=-1)
        async with db.session() as session:
            assert await timers.cancel(session, "remind", "a")
            assert not await timers.cancel(session, "remind", "b")
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 0

    async def test_moved_while_its_handler_runs_it_fires_at_the_new_time_only(
        self, db: Database, ledger: Ledger
    ) -> None:
        async def handle_slowly(session: AsyncSession, timer: Timer) -> None:
            await ledger.handle(session, timer)
            await schedule(db, "a", in_s=60)

        await schedule(db, "a", in_s=-1)
        assert await timers.fire_due(db, {"remind": handle_slowly}) == 0
        assert await done(db) == []
        clock.advance(timedelta(seconds=61))
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 1
        assert await done(db) == ["a"]

    async def test_cancelling_under_the_business_lock_does_not_deadlock_with_firing(
        self, db: Database, ledger: Ledger
    ) -> None:
        async with db.session() as session:
            await session.execute(text("CREATE TABLE orders AS SELECT 'a' AS ref, 'open' AS state"))
        lock_order = text("SELECT state FROM orders WHERE ref = 'a' FOR UPDATE")
        handler_waits = asyncio.Event()

        async def handle_if_open(session: AsyncSession, timer: Timer) -> None:
            handler_waits.set()
            if await session.scalar(lock_order) == "open":
                await ledger.handle(session, timer)

        await schedule(db, "a", in_s=-1)
        async with db.session() as session:
            await session.execute(lock_order)
            firing = asyncio.create_task(timers.fire_due(db, {"remind": handle_if_open}))
            await handler_waits.wait()
            await session.execute(text("UPDATE orders SET state = 'closed'"))
            assert await timers.cancel(session, "remind", "a")
        assert await firing == 0
        assert await done(db) == []


class TestManyClaimers:
    async def test_eight_claimers_fire_each_of_many_timers_exactly_once(self, db: Database, ledger: Ledger) -> None:
        async with db.session() as session:
            for number in range(200):
                await timers.schedule(session, "remind", f"{number:03}", clock.now())

        async def claim_until_empty() -> int:
            fired = 0
            while await row_count(db):
                fired += await timers.fire_due(db, {"remind": ledger.handle}, limit=25)
            return fired

        counts = await asyncio.gather(*(claim_until_empty() for _ in range(8)))
        assert sum(counts) == 200
        assert await done(db) == [f"{number:03}" for number in range(200)]

    async def test_a_claimer_killed_in_between_leaves_the_timer_to_the_next(self, db: Database, ledger: Ledger) -> None:
        async def die(session: AsyncSession, timer: Timer) -> None:
            await ledger.handle(session, timer)
            backend = await session.scalar(text("SELECT pg_backend_pid()"))
            killer = await db.raw_connection()
            await killer.execute("SELECT pg_terminate_backend($1)", backend)
            await killer.close()

        await schedule(db, "a", in_s=-1)
        assert await timers.fire_due(db, {"remind": die}) == 0
        assert await done(db) == []
        clock.advance(timedelta(seconds=5))
        assert await timers.fire_due(db, {"remind": ledger.handle}) == 1
        assert await done(db) == ["a"]


async def row_count(db: Database) -> int:
    async with db.session() as session:
        count = await session.scalar(text("SELECT count(*) FROM timers"))
    return int(count or 0)


class TestWatchdog:
    async def test_it_tells_how_long_the_oldest_timer_has_been_overdue(self, db: Database) -> None:
        async with db.session() as session:
            assert await timers.oldest_overdue_s(session) == 0.0
        await schedule(db, "a", in_s=100)
        async with db.session() as session:
            assert await timers.oldest_overdue_s(session) == 0.0
        await schedule(db, "b", in_s=-30)
        async with db.session() as session:
            assert await timers.oldest_overdue_s(session) == pytest.approx(30, abs=5)
