"""E10 and the way to it: a month of two regions through all seven states, to the fen."""

from datetime import timedelta

import pytest

from kernel import clock
from kernel.errors import StateConflict
from payments import jobs
from payments.errors import PeriodLocked
from payments.settlement import queries
from tests.payments.settlement.conftest import AFTER_MONTH
from tests.payments.settlement.month import Month


class TestWorkedExample:
    async def test_the_month_is_settled_as_it_is_written_down(self, month: Month) -> None:
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        assert await jobs.expire_due_lots(world.db) == 1

        await month.open()
        await month.cut_off()
        await month.reconcile()
        assert await month.statements(world.home) == {
            ("canteen", world.canteen): (3_600, 0, 3_600),
            ("unit", world.unit): (1_000_000, 35_200, 0),
            ("region_pair", world.away): (2_500, 500, 2_000),
        }
        assert await month.statements(world.away) == {
            ("canteen", world.canteen_away): (2_500, 500, 2_000),
            ("region_pair", world.home): (500, 2_500, -2_000),
        }

        await month.send()
        await month.confirm()
        assert await month.states() == ["confirmed", "confirmed"]
        await month.net(world.home)
        balances = await month.balances()
        assert balances["H"]["clearing"] == -2_000
        assert balances["Q"] == {"clearing": 2_000, "payable": -2_000}

        await month.pay()
        await month.settle()
        await month.lock()
        assert await month.states() == ["locked", "locked"]
        assert await month.balances() == {
            "H": {"bank": 1_004_400, "unit_prefund": -996_800, "cash": -7_600},
            "Q": {},
        }, "E10"

    async def test_a_payment_of_a_locked_month_cannot_be_refunded(self, month: Month) -> None:
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        person = await world.person(cash_fen=5_000)
        paid = await world.lunch(person)
        december = Month(world, "2026-12")
        await december.to_confirmed()
        for region in (world.home, world.away):
            await december.net(region)
            await december.pay(region)
            await december.settle(region)
            await december.lock(region)
        with pytest.raises(PeriodLocked):
            await world.refund(paid["id"], 100)

    async def test_each_step_waits_for_the_one_before_and_says_what_is_allowed(self, month: Month) -> None:
        await month.open()
        clock.advance(AFTER_MONTH - clock.now())
        with pytest.raises(StateConflict) as refused:
            await month.reconcile()
        assert refused.value.data["allowed"] == ["cut_off"]
        await month.cut_off()
        with pytest.raises(StateConflict) as refused:
            await month.cut_off()
        assert refused.value.data == {"state": "cutoff", "trigger": "cut_off", "allowed": ["reconcile"]}

    async def test_five_work_days_of_silence_confirm(self, month: Month) -> None:
        clock.advance(AFTER_MONTH - clock.now())
        await month.open()
        await month.cut_off()
        await month.reconcile()
        await month.send()
        # From Friday, 4 December: a weekend lies between.
        clock.advance(timedelta(days=6, hours=23))
        assert await month.fire_timers() == 0
        clock.advance(timedelta(hours=1))
        assert await month.fire_timers() == 2
        assert await month.states() == ["confirmed", "confirmed"]
        async with month.world.db.session() as session:
            (settlement,) = await month.ids(month.world.home)
            steps = await queries.steps_of(session, settlement)
            statements = await queries.statements_of(session, settlement)
        assert (steps[-1].trigger, steps[-1].by_silence) == ("lapse", True)
        assert {each.state for each in statements} == {"silent"}
