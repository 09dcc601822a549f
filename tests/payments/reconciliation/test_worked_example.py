"""The worked example with its top-up through a gateway: E3 and E3', and the end that follows from them, to the fen."""

from datetime import UTC, datetime, timedelta

from app.simulators.alipay.keys import Keys
from kernel import clock
from kernel.db import Database
from payments import jobs
from payments.reconciliation.runs import run_level
from tests.payments.channels.shop import open_shop
from tests.payments.conftest import assert_books_are_right
from tests.payments.reconciliation.day import Day
from tests.payments.settlement.month import Month
from tests.payments.world import open_world

NOON = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)
AFTER_MONTH = datetime(2026, 12, 4, 4, 0, tzinfo=UTC)


async def test_the_month_ends_as_it_is_written_down_less_the_gateways_fee(db: Database, keys: Keys) -> None:
    """H: bank 10,043.62 and fee 0.38 are the prefund 9,968.00 and A's cash 76.00. Q: all zero."""
    with clock.frozen(NOON):
        world = await open_world(db, prefund_fen=1_000_000)
        async with open_shop(world, keys) as shop:
            person = await world.person(lots={35_200: NOON.date().replace(day=30)})
            top_up = await shop.opened(person, 10_000)
            await shop.pay(top_up["qr_text"])
            await world.lunch(person)
            await world.lunch(person)
            clock.advance(timedelta(days=1))
            away = await world.lunch(person, amount_fen=2_500, terminal=world.terminal(world.tills[-1]))
            await world.refund(away["id"], 500)

            day = Day(shop, NOON.date(), person)
            await day.bring_bill()
            await day.bring_statement([day.payout(9_962)])
            await run_level(db, 4, day.on)
            assert (await day.balance("psp_clearing"), await day.balance("psp_fee")) == (0, 38), "E3'"

            clock.advance(AFTER_MONTH - clock.now())
            assert await jobs.expire_due_lots(db) == 1, "E9"
            month = Month(world, "2026-11")
            await month.to_confirmed()
            await month.net(world.home)
            for step in (month.pay, month.settle, month.lock):
                await step()
            assert await month.balances() == {
                "H": {"bank": 1_004_362, "psp_fee": 38, "unit_prefund": -996_800, "cash": -7_600},
                "Q": {},
            }
        await world.posting.stop()
        await assert_books_are_right(db)
