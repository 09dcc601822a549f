"""A close is a function of the journal: killed anywhere it goes on, run again it gives the same hash and changes nothing."""

import asyncio
import os
import random
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from kernel import clock
from kernel.db import Database
from kernel.errors import StateConflict
from payments.settlement import service
from tests.payments.settlement.conftest import AFTER_MONTH
from tests.payments.settlement.month import Month, count_rows
from tests.payments.test_invariants import ROOT, guanjia

WRITTEN = (
    "settlement_totals",
    "settlement_unit_totals",
    "settlement_statements",
    "settlement_steps",
    "bank_instructions",
    "clearings",
    "ledger_lines",
)


class Killed(Exception):
    """The process is gone."""


@contextmanager
def killed_at(db: Database, statement: int) -> Iterator[list[int]]:
    """Let everything fail from the n-th statement on; the commit counts as one."""
    seen = [0]

    def count(*_: Any) -> None:
        seen[0] += 1
        if seen[0] >= statement:
            raise Killed

    engine = db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    event.listen(engine, "commit", count)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", count)
        event.remove(engine, "commit", count)


async def survive_every_kill(month: Month, act: Callable[[], Awaitable[object]]) -> int:
    """Kill it at its first statement, at its second, ... until it lives; each time nothing has changed. How often."""
    before = (await month.states(), await count_rows(month.world, *WRITTEN))
    for statement in range(1, 2_000):
        try:
            with killed_at(month.world.db, statement):
                await act()
        except Killed:
            assert (await month.states(), await count_rows(month.world, *WRITTEN)) == before
        else:
            return statement - 1
    raise AssertionError("it never ended")


class TestKilledAnywhere:
    async def test_each_step_goes_on_where_it_was(self, month: Month) -> None:
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        await month.open()
        ids = await month.ids()
        async with world.db.session() as session:
            await service.cut_off(session, ids, actor="test")
        home, away = ids

        async def reconcile() -> None:
            async with world.db.session() as session:
                await service.reconcile(session, ids, actor="test")

        async def send() -> None:
            async with world.db.session() as session:
                for settlement in ids:
                    await service.send_statement(session, settlement, actor=month.sender.actor)

        async def confirm() -> None:
            async with world.db.session() as session:
                for settlement in ids:
                    await service.confirm(session, month.receiver, settlement)

        kills = [
            await survive_every_kill(month, act) for act in (reconcile, send, confirm, lambda: month.net(world.home))
        ]
        assert all(kill > 5 for kill in kills), kills
        for act in (month.pay, month.settle, month.lock):
            await act()
        assert (await month.balances())["Q"] == {}
        assert home != away

    async def test_run_twice_it_changes_nothing(self, month: Month) -> None:
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        before = await count_rows(month.world, *WRITTEN)
        hashes = [(await month.row(region)).aggregates_hash for region in (month.world.home, month.world.away)]
        for again in (month.cut_off, month.reconcile, month.send):
            with pytest.raises(StateConflict):
                await again()
        assert await count_rows(month.world, *WRITTEN) == before
        assert hashes == [(await month.row(region)).aggregates_hash for region in (month.world.home, month.world.away)]


class TestSameHash:
    async def test_whatever_the_zone_the_date_style_and_what_was_booked_since(self, month: Month) -> None:
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        await month.net(world.home)
        await world.lunch(await world.person(cash_fen=5_000))
        name = world.db.url.database
        async with world.db.session() as session:
            for setting in ("timezone = 'America/St_Johns'", "datestyle = 'German'", "extra_float_digits = 0"):
                await session.execute(text(f'ALTER DATABASE "{name}" SET {setting}'))
        elsewhere = Database(world.db.url.render_as_string(hide_password=False))
        try:
            async with elsewhere.session() as session:
                assert set((await service.recount(session, await month.ids())).values()) == {True}
        finally:
            await elsewhere.close()

    async def test_one_fen_more_in_the_journal_is_another(self, month: Month) -> None:
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        ids = await month.ids()
        async with month.world.db.session() as session:
            await session.execute(text("UPDATE ledger_lines SET amount_fen = amount_fen + 1 WHERE kind = 'prefund'"))
            found = await service.recount(session, ids)
            assert found == {ids[0]: False, ids[1]: True}
            await session.execute(text("UPDATE ledger_lines SET amount_fen = amount_fen - 1 WHERE kind = 'prefund'"))

    async def test_by_the_command_line_in_another_zone_and_locale(self, month: Month) -> None:
        clock.advance(AFTER_MONTH - clock.now())
        await month.open()
        shown = await guanjia(month.world.db, "settle", "close", "2026-11", "--early")
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert await month.states() == ["reconciled", "reconciled"]
        again = await guanjia(month.world.db, "settle", "close", "2026-11", "--early")
        assert again.returncode == 0, again.stdout + again.stderr
        hashes = [(await month.row(region)).aggregates_hash for region in (month.world.home, month.world.away)]
        recounted = await in_another_place(month.world.db, "settle", "show", "2026-11", "--recount")
        assert recounted.returncode == 0, recounted.stdout + recounted.stderr
        for each in hashes:
            assert each is not None
            assert each[:16] in recounted.stdout


async def in_another_place(db: Database, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command line on a machine in another zone, with no Chinese locale."""
    environment = os.environ | {
        "TZ": "Pacific/Chatham",
        "LC_ALL": "C",
        "LANG": "C",
        "GUANJIA_TIMEZONE": "Pacific/Chatham",
        "GUANJIA_DATABASE_URL": db.url.render_as_string(hide_password=False),
        "GUANJIA_DATA_DIR": "/nonexistent",
        "COLUMNS": "200",
    }
    command = [str(ROOT / "guanjia"), *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


class TestRandomMonths:
    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_every_invariant_holds_and_every_canteen_gets_what_it_sold(self, month: Month, seed: int) -> None:
        world, dice = month.world, random.Random(seed)
        people = [
            await world.person(cash_fen=100_000, lots={9_600: clock.now().date() + timedelta(days=25)})
            for _ in range(3)
        ]
        sold = {world.canteen: 3_600, world.canteen_away: 2_000}
        for _ in range(12):
            clock.advance(timedelta(hours=dice.randrange(7, 40)))
            till = world.terminal(dice.choice(world.tills))
            paid = await world.lunch(dice.choice(people), amount_fen=dice.randrange(100, 4_000), terminal=till)
            sold[till.site_id] += paid["amount_fen"]
            if dice.random() < 0.4:
                back = dice.randrange(1, paid["amount_fen"] + 1)
                await world.refund(paid["id"], back)
                sold[till.site_id] -= back
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        statements = {**await month.statements(world.home), **await month.statements(world.away)}
        assert {site: statements["canteen", site][2] for site in sold} == sold
        await month.net(world.home)
        await month.pay()
        await month.settle()
        await month.lock()
        books = await month.balances()
        for book in books.values():
            assert sum(book.values()) == 0
            assert not {"payable", "clearing", "due_to", "due_from"} & book.keys()
