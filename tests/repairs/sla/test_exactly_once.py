"""Many clocks strike together: each once, whoever races, fails or dies in between."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.db import Database
from kernel.ids import parse_public_id
from kernel.timers import BatchHandler, Timer, TimerRow
from repairs.sla import jobs
from repairs.sla.models import SlaClock, SlaMilestone
from repairs.sla.striking import TIMER_KIND, strike
from tests.repairs.sla.conftest import Workshop, order_name

ROOT = Path(__file__).resolve().parents[3]
HANDLER = jobs.TIMERS[TIMER_KIND]


async def left(db: Database) -> int:
    async with db.session() as session:
        return await session.scalar(select(func.count()).where(TimerRow.retry_at <= clock.now())) or 0


async def many(workshop: Workshop, count: int) -> list[str]:
    return [order_name(await workshop.raised("high")) for _ in range(count)]


async def fire_until_done(db: Database, *, limit: int) -> None:
    while await left(db):
        await timers.fire_batch(db, TIMER_KIND, HANDLER, limit=limit)


class TestExactlyOnce:
    async def test_four_workers_race_and_every_clock_strikes_once(self, workshop: Workshop) -> None:
        orders = await many(workshop, 60)
        clock.advance(timedelta(minutes=48))
        await asyncio.gather(*[fire_until_done(workshop.db, limit=7) for _ in range(4)])
        assert Counter(await workshop.told("sla.warned")) == Counter((order, "response") for order in orders)
        clock.advance(timedelta(minutes=12))
        await asyncio.gather(*[fire_until_done(workshop.db, limit=7) for _ in range(4)])
        assert Counter(await workshop.told("sla.breached")) == Counter((order, "response") for order in orders)

    async def test_a_clock_that_is_held_is_left_for_the_next_look_and_holds_up_nobody(self, workshop: Workshop) -> None:
        orders = await many(workshop, 5)
        clock.advance(timedelta(minutes=48))
        held = parse_public_id("wo", orders[2])
        async with workshop.db.session() as holder:
            await holder.execute(select(SlaClock).where(SlaClock.order_id == held).with_for_update())
            assert await timers.fire_batch(workshop.db, TIMER_KIND, HANDLER) == 4
        assert await timers.fire_batch(workshop.db, TIMER_KIND, HANDLER) == 1
        assert Counter(await workshop.told("sla.warned")) == Counter((order, "response") for order in orders)

    async def test_one_that_cannot_be_done_is_noted_and_the_others_of_its_batch_are_done(
        self, workshop: Workshop
    ) -> None:
        orders = await many(workshop, 5)
        guilty = orders[3]

        async def fail_for_one(session: AsyncSession, due: Sequence[Timer]) -> Collection[int]:
            left_alone = await strike(session, due)
            if any(timer.ref == guilty for timer in due):
                raise RuntimeError("this one cannot be done")
            return left_alone

        clock.advance(timedelta(minutes=48))
        assert await timers.fire_batch(workshop.db, TIMER_KIND, BatchHandler(fail_for_one)) == 4
        assert sorted(order for order, _ in await workshop.told("sla.warned")) == sorted(set(orders) - {guilty})
        clock.advance(timedelta(seconds=2))
        assert await timers.fire_due(workshop.db, jobs.TIMERS) == 1
        assert [order for order, _ in await workshop.told("sla.warned")].count(guilty) == 1

    async def test_one_that_was_moved_meanwhile_undoes_the_batch_and_is_not_fired(self, workshop: Workshop) -> None:
        orders = await many(workshop, 3)
        clock.advance(timedelta(minutes=48))

        async def overtaken(session: AsyncSession, due: Sequence[Timer]) -> Collection[int]:
            if len(due) > 1:
                async with workshop.db.session() as elsewhere:
                    await timers.schedule(elsewhere, TIMER_KIND, orders[0], clock.now() + timedelta(hours=1))
            return await strike(session, due)

        assert await timers.fire_batch(workshop.db, TIMER_KIND, BatchHandler(overtaken)) == 2
        assert sorted(order for order, _ in await workshop.told("sla.warned")) == sorted(orders[1:])

    async def test_a_worker_killed_between_handling_and_commit_leaves_everything_to_the_next(
        self, workshop: Workshop, database_url: str
    ) -> None:
        orders = await many(workshop, 20)
        with clock.frozen(clock.now() + timedelta(minutes=48)):
            worker = subprocess.Popen(  # noqa: ASYNC220  our own command; starting takes no time
                [sys.executable, "-m", "tests.repairs.sla.dying_worker", database_url, clock.now().isoformat()],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert worker.stdout is not None
            assert await asyncio.to_thread(worker.stdout.readline) == "handled 20\n"
            worker.send_signal(signal.SIGKILL)
            await asyncio.to_thread(worker.wait)
            worker.stdout.close()
            assert await workshop.told("sla.warned") == []
            await _until_released(workshop.db)
            await fire_until_done(workshop.db, limit=500)
            assert Counter(await workshop.told("sla.warned")) == Counter((order, "response") for order in orders)
            async with workshop.db.session() as session:
                warned = select(func.count()).where(SlaMilestone.warned_at.is_not(None))
                assert await session.scalar(warned) == 20


async def _until_released(db: Database) -> None:
    """Until the server has noticed that the dead worker's connection is gone."""
    others = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    while True:
        async with db.session() as session:
            if not await session.scalar(others):
                return
