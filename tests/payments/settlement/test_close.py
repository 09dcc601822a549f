"""A close is a function of the journal: killed anywhere it goes on, run again it gives the same hash and changes nothing."""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.errors import StateConflict
from payments.settlement import clearing, close, queries, service
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
    "late_cases",
    "timers",
    "outbox",
    "audit_log",
)


class Killed(Exception):
    """The process is gone."""


@contextmanager
def killed_at(db: Database, statement: int) -> Iterator[list[int]]:
    """Tear the connection off at the n-th statement and at all that follow, as when the process dies; the commit is one."""
    seen = [0]

    def count(connection: Connection, *_: Any) -> None:
        seen[0] += 1
        if seen[0] >= statement:
            torn = connection.connection.driver_connection
            assert torn is not None
            torn.terminate()
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
    before = await all_of(month)
    for statement in range(1, 2_000):
        with killed_at(month.world.db, statement) as seen:
            try:
                await act()
            except Exception:  # noqa: BLE001  what a torn connection is called depends on who notices first
                assert seen[0] >= statement, "it failed by itself"
            else:
                assert seen[0] < statement, "it was killed and did not notice"
                return statement - 1
        assert await all_of(month) == before, f"killed at statement {statement}"
    raise AssertionError("it never ended")


async def all_of(month: Month) -> tuple[object, ...]:
    """The states, how many rows everything has, and both books."""
    return await month.states(), await count_rows(month.world, *WRITTEN), await month.balances()


def steps_of(month: Month, ids: list[UUID]) -> dict[str, Callable[[AsyncSession], Awaitable[object]]]:
    """Each step of a close for both regions, as one transaction."""

    def for_each(step: Callable[[AsyncSession, UUID], Awaitable[object]]) -> Callable[[AsyncSession], Awaitable[None]]:
        async def both(session: AsyncSession) -> None:
            for settlement in ids:
                await step(session, settlement)

        return both

    return {
        "cut_off": lambda session: service.cut_off(session, ids, actor="test"),
        "reconcile": lambda session: service.reconcile(session, ids, actor="test"),
        "send": for_each(lambda session, each: service.send_statement(session, each, actor=month.sender.actor)),
        "confirm": for_each(lambda session, each: service.confirm(session, month.receiver, each)),
        "net": lambda session: clearing.net(session, ids[0], actor="test"),
        "pay": for_each(lambda session, each: clearing.pay(session, each, None, "bank 1", actor="test")),
        "settle": for_each(lambda session, each: service.settle(session, each, actor="test")),
        "lock": for_each(lambda session, each: service.lock(session, each, actor="test")),
    }


class TestKilledAnywhere:
    async def test_each_step_goes_on_where_it_was_and_run_twice_changes_nothing(self, month: Month) -> None:
        """From open to locked: each step is killed at each of its statements, lives, and is run again."""
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        await month.open()
        for name, step in steps_of(month, await month.ids()).items():

            async def act(step: Callable[[AsyncSession], Awaitable[object]] = step) -> None:
                async with world.db.session() as session:
                    await step(session)

            kills = await survive_every_kill(month, act)
            assert kills > 5, (name, kills)
            lived = await all_of(month)
            # Paying allows to be pressed again, and finds nothing that is still to be paid.
            with nullcontext() if name == "pay" else pytest.raises(StateConflict):
                await act()
            assert await all_of(month) == lived, name
        assert await month.states() == ["locked", "locked"]
        assert (await month.balances())["Q"] == {}
        async with world.db.session() as session:
            assert set((await service.recount(session, await month.ids())).values()) == {True}

    async def test_killed_or_not_the_hash_is_the_same(self, month: Month) -> None:
        clock.advance(AFTER_MONTH - clock.now())
        await month.open()
        await month.cut_off()
        with killed_at(month.world.db, 12), suppress(Exception):
            await month.reconcile()
        killed = await month.reconcile()
        async with month.world.db.session() as session:
            again = await close.count(session, [await queries.get_settlement(session, each) for each in killed])
        assert killed == {settlement: counted.aggregates_hash for settlement, counted in again.items()}


class TestKeptInTurns:
    async def test_page_by_page_nothing_is_left_out_and_nothing_comes_twice(
        self, month: Month, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So many totals that they fill many pages, written three pages at a time, and once more from the start."""
        monkeypatch.setattr(close, "_PAGES_AT_ONCE", 3)
        await month.open()
        (settlement, *_) = await month.ids()
        async with month.world.db.session() as session:
            row = await queries.get_settlement(session, settlement)
            await session.execute(text(_MANY_TOTALS.format(region=row.region_id)))
            await session.execute(text(_MANY_UNITS.format(region=row.region_id)))
            for _ in range(2):
                await close.keep(session, [row])
                kept = (await session.execute(text(_KEPT))).one()
                assert tuple(kept) == (3_000, 3_000 * 3_001 / 2, 2_000, 2_000 * 2_001 / 2)
            # They were nobody's: the books would not tie to them.
            await session.rollback()


_MANY_TOTALS = """
CREATE TEMP TABLE closing_totals ON COMMIT DROP AS
SELECT '{region}'::uuid AS region_id, 'payable' AS account_kind, gen_random_uuid() AS account_owner,
       date '2026-03-02' AS business_date, 'payment' AS kind, 0::bigint AS debit_fen, n::bigint AS credit_fen,
       1::bigint AS line_count
  FROM generate_series(1, 3000) AS n
"""
_MANY_UNITS = """
CREATE TEMP TABLE closing_units ON COMMIT DROP AS
SELECT '{region}'::uuid AS region_id, gen_random_uuid() AS unit_id, date '2026-03-02' AS business_date, 'payment' AS kind,
       1::bigint AS line_count, n::bigint AS amount_fen
  FROM generate_series(1, 2000) AS n
"""
_KEPT = """
SELECT (SELECT count(*) FROM settlement_totals), (SELECT sum(credit_fen) FROM settlement_totals),
       (SELECT count(*) FROM settlement_unit_totals), (SELECT sum(amount_fen) FROM settlement_unit_totals)
"""


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
