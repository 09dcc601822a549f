"""`guanjia settle`, as an operator runs it: a month from its close to its lock, each step said where it may not be yet."""

from kernel import clock
from tests.payments.settlement.conftest import AFTER_MONTH
from tests.payments.settlement.month import Month, count_rows
from tests.payments.settlement.test_close import WRITTEN
from tests.payments.test_invariants import guanjia


class TestSettleCommands:
    async def test_from_close_to_lock_and_run_again_nothing_changes(self, month: Month) -> None:
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        await self._lives(month, "close", "--early")
        too_early = await guanjia(world.db, "settle", "lock", "2026-11")
        assert too_early.returncode == 1
        assert "'allowed': ['send_statement']" in too_early.stdout
        await self._lives(month, "send")
        assert await month.states() == ["statement_sent", "statement_sent"]
        await month.confirm()
        await self._lives(month, "net")
        unpaid = await guanjia(world.db, "settle", "settle", "2026-11")
        assert unpaid.returncode == 1
        assert "'open_count': 2" in unpaid.stdout
        paid = await self._lives(month, "pay", "--reference", "B-7")
        assert "2 instructions were booked as paid" in paid
        await self._lives(month, "settle")
        shown = await self._lives(month, "lock")
        assert shown.count("locked") == 2
        assert (await month.balances())["Q"] == {}

        before = await count_rows(world, *WRITTEN)
        await self._lives(month, "lock")
        assert await count_rows(world, *WRITTEN) == before

    async def _lives(self, month: Month, command: str, *options: str) -> str:
        done = await guanjia(month.world.db, "settle", command, "2026-11", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
