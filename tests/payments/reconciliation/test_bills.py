"""The gateway's bill from the schedule to the difference: fetched by itself, taken whole or not at all, compared order by order."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kernel import clock
from payments.banking.service import take_statement
from payments.reconciliation.bills import fetch_bill, fetch_due_bills, want_bills
from payments.reconciliation.errors import BillPaid, BillUnreadable
from payments.reconciliation.jobs import reconcile_what_is_due
from payments.reconciliation.runs import run_level
from tests.payments.banking.samples import camt
from tests.payments.reconciliation.day import NET_FEN, Day

COUNT = "SELECT (SELECT count(*) FROM channel_bills), (SELECT count(*) FROM channel_bill_rows)"


async def differences(day: Day) -> list[tuple[str, str, int | None, int | None]]:
    await run_level(day.db, 3, day.on)
    return [(row.kind, row.reference, row.expected_fen, row.found_fen) for row in await day.live() if row.level == 3]


class TestTheSchedule:
    async def test_fetches_each_day_once_from_nine_on_and_compares_it(self, day: Day) -> None:
        sources = {"alipay": day.shop.channel}
        clock.advance(timedelta(hours=-1.5))
        await want_bills(day.db, sources)
        assert await fetch_due_bills(day.db, sources) == []
        clock.advance(timedelta(hours=1))
        await reconcile_what_is_due(day.db, sources)
        assert await day.sql(COUNT) == [(1, 2)]
        assert await day.sql("SELECT attempts, due_at, last_error FROM bill_fetches") == [(1, None, None)]
        runs = await day.sql("SELECT level, day, found FROM reconciliation_runs WHERE level = 3 ORDER BY day")
        assert runs == [(3, day.on - timedelta(days=1), 0), (3, day.on, 0)]
        await reconcile_what_is_due(day.db, sources)
        assert await day.sql(COUNT) == [(1, 2)]

    async def test_asks_again_later_where_it_is_not_ready_and_tells_at_noon(self, day: Day) -> None:
        sources = {"alipay": day.shop.channel}
        day.shop.simulator.gateway.bills.set_fault("not_ready", None)
        await want_bills(day.db, sources)
        for attempts, minutes in ((1, 1), (2, 5), (3, 15), (4, 30), (5, 60)):
            assert await fetch_due_bills(day.db, sources) == []
            rows = await day.sql("SELECT attempts, due_at - tried_at, last_error FROM bill_fetches")
            assert rows == [(attempts, timedelta(minutes=minutes), "BILL_NOT_READY: isp.bill_not_exist")]
            clock.advance(timedelta(minutes=minutes))
        assert await differences(day) == []
        clock.advance(timedelta(hours=1))
        assert await differences(day) == [("late", f"alipay {day.on}", 11_800, None)]
        day.shop.simulator.gateway.bills.faults.clear()
        assert await fetch_due_bills(day.db, sources) == [("alipay", day.on)]
        assert await differences(day) == []

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [("truncated_zip", "zip"), ("utf8", "encoding"), ("other_day", "day"), ("bad_totals", "totals")],
    )
    async def test_a_file_that_cannot_be_read_leaves_nothing_behind_and_is_asked_for_again(
        self, day: Day, fault: str, reason: str
    ) -> None:
        with pytest.raises(BillUnreadable) as refused:
            await day.bring_bill(fault)
        assert (refused.value.code, refused.value.data["reason"]) == ("BILL_UNREADABLE", reason)
        assert await day.sql(COUNT) == [(0, 0)]
        told = await day.sql("SELECT last_error, due_at > tried_at FROM bill_fetches")
        assert told[0][0].startswith(f"BILL_UNREADABLE: {reason}")
        assert told[0][1]
        await day.bring_bill()
        assert await differences(day) == []


class TestWhatABillSays:
    @pytest.mark.parametrize(
        ("fault", "kind", "expected_fen", "found_fen"),
        [
            ("missing", "missing_there", 10_000, None),
            ("doubled", "duplicate", 10_000, 20_000),
            ("changed", "amount", 10_000, 10_100),
            ("next_day", "late", 10_000, 10_000),
        ],
    )
    async def test_and_our_orders_do_not_is_one_difference_until_it_is_put_right(
        self, day: Day, fault: str, kind: str, expected_fen: int, found_fen: int | None
    ) -> None:
        await day.bring_bill(fault)
        for _ in range(2):
            assert await differences(day) == [(kind, day.top_up["id"], expected_fen, found_fen)]
        await day.bring_bill()
        assert await differences(day) == []
        kept = await day.sql("SELECT replaced_at IS NULL FROM channel_bills ORDER BY 1")
        assert kept == [(False,), (True,)]

    async def test_money_for_an_order_of_nobody_is_missing_here(self, day: Day) -> None:
        trades = day.shop.simulator.trades
        trades.open("somebody-elses-1", 500, "x", None, timedelta(minutes=5)).pay()
        stranger = trades.find("somebody-elses-1")
        assert stranger is not None
        stranger.paid_at = (clock.now() - timedelta(hours=20)).isoformat()
        await day.bring_bill()
        assert await differences(day) == [("missing_here", "somebody-elses-1", None, 500)]

    async def test_another_fee_than_the_contracts(self, day: Day) -> None:
        await day.bring_bill()
        await day.sql("UPDATE channel_bill_rows SET fee_fen = fee_fen + 1 WHERE fee_fen = 38")
        assert await differences(day) == [("fee", day.top_up["id"], 38, 39)]

    async def test_money_that_the_gateway_gave_back_and_we_did_not(self, day: Day) -> None:
        trade = day.shop.simulator.trades.find(day.top_up["id"])
        assert trade is not None
        trade.refund("r1", 700)
        trade.refunded_at["r1"] = str(trade.paid_at)
        await day.bring_bill()
        assert await differences(day) == [("refund", day.top_up["id"], 0, 700)]

    async def test_a_guest_who_was_taken_back_came_and_went(self, day: Day) -> None:
        shop = day.shop
        clock.advance(timedelta(hours=-21))
        guest = (await shop.charge(await shop.code("wait"), 700)).json()
        trade = shop.simulator.trades.find(guest["id"])
        assert trade is not None
        clock.advance(timedelta(seconds=61))
        trade.pay()
        await shop.alipay.post("/faults", json={"answer": "unknown", "method": "trade.query", "acts": False})
        await shop.product.post(f"/v1/guest_payments/{guest['id']}/cancel", headers=shop.as_till("c"))
        await shop.work()
        assert trade.refunded_fen == 700
        clock.advance(timedelta(hours=21))
        await day.bring_bill()
        assert await differences(day) == []
        assert await day.sql("SELECT count(*) FROM channel_bill_rows WHERE order_name = :name", name=guest["id"]) == [
            (2,)
        ]


class TestABillOnceTaken:
    async def test_is_one_bill_however_often_it_is_fetched(self, day: Day) -> None:
        first = await fetch_bill(day.db, day.shop.channel, day.on)
        clock.advance(timedelta(minutes=5))  # Exported at another time, and so another file.
        assert await fetch_bill(day.db, day.shop.channel, day.on) == first
        assert await day.sql(COUNT) == [(1, 2)]

    async def test_cannot_be_replaced_once_its_payout_is_booked(self, day: Day) -> None:
        await day.bring_bill()
        await day.bring_statement([day.payout()])
        await day.run()
        assert await day.sql("SELECT count(*) FROM channel_bills WHERE paid_at IS NOT NULL") == [(1,)]
        with pytest.raises(BillPaid):
            await day.bring_bill("changed")
        assert await day.sql(COUNT) == [(1, 2)]


class TestTheBank:
    async def told(self, day: Day) -> list[tuple[str, str, int | None, int | None]]:
        await run_level(day.db, 4, day.on)
        return [
            (row.kind, row.reference, row.expected_fen, row.found_fen) for row in await day.live() if row.level == 4
        ]

    async def test_a_payout_that_does_not_come_is_late_and_then_missing(self, day: Day) -> None:
        await day.bring_bill()
        assert await self.told(day) == []
        await day.bring_statement([], "S1", days=1)
        assert await self.told(day) == [("late", f"alipay {day.on}", NET_FEN, None)]
        await day.bring_statement([], "S2", days=4)
        assert await self.told(day) == [("missing_there", f"alipay {day.on}", NET_FEN, None)]
        await day.bring_statement([day.payout(days=5)], "S3", days=5)
        assert await self.told(day) == []
        assert await day.balance("psp_clearing") == 0

    async def test_one_without_a_day_in_its_text_is_found_by_its_amount(self, day: Day) -> None:
        await day.bring_bill()
        await day.bring_statement([replace(day.payout(), remittance="结算")])
        assert await self.told(day) == []
        assert await day.balance("psp_fee") == 45

    async def test_a_line_that_nothing_explains_is_missing_here_and_a_prefund_is_explained(self, day: Day) -> None:
        stray = replace(day.payout(123), remittance="房租", counterparty="某人", reference="R7")
        prefund = replace(day.payout(10**10), remittance="预存", counterparty="单位", reference="R8")
        await day.bring_statement([stray, prefund])
        await run_level(day.db, 4, day.on + timedelta(days=1))
        assert [(row.kind, row.reference, row.found_fen) for row in await day.live()] == [("missing_here", "R7", 123)]
        assert await day.sql("SELECT count(*) FROM bank_lines WHERE matched_to LIKE 'prefund:%'") == [(1,)]

    async def test_in_another_regions_bank_the_regions_owe_each_other_their_parts(self, day: Day) -> None:
        await day.bring_bill()
        on = day.on + timedelta(days=1)
        content = camt("S1", on, on, 0, [day.payout()], account="6222999")
        await take_statement(day.db, content, day.shop.world.away, actor="test")
        assert await self.told(day) == []
        await run_level(day.db, 5, on)
        assert [row for row in await day.live() if row.level == 5] == []
        owed = await day.sql(
            "SELECT account_kind, region_id, sum(amount_fen)::bigint FROM entries WHERE kind = 'payout' AND account_kind IN ('bank', 'due_to', 'due_from') GROUP BY 1, 2 ORDER BY 1"
        )
        home, away = day.shop.world.home, day.shop.world.away
        assert owed == [("bank", away, NET_FEN), ("due_from", home, NET_FEN), ("due_to", away, -NET_FEN)]

    async def test_a_day_of_more_refunds_than_trades_is_taken_by_the_gateway(self, day: Day) -> None:
        trade = day.shop.simulator.trades.find(day.top_up["id"])
        assert trade is not None
        trade.refund("r1", 10_000)
        trade.refund("r2", 5_000)
        trade.refunded_at.update({"r1": str(trade.paid_at), "r2": str(trade.paid_at)})
        await day.bring_bill()
        net_fen = 11_800 - 15_000 - 45
        await day.bring_statement([day.payout(net_fen)])
        assert await self.told(day) == []
        assert await day.balance("psp_clearing") == 15_000

    async def test_another_file_in_the_schedule_is_said_once_and_the_other_days_still_come(self, day: Day) -> None:
        """As after a restore: the day is asked for again, though its payout is booked."""
        await day.bring_bill()
        await day.bring_statement([day.payout()])
        await day.run()
        sources = {"alipay": day.shop.channel}
        await day.sql("DELETE FROM bill_fetches")
        await want_bills(day.db, sources)
        before = day.on - timedelta(days=1)
        await day.sql(
            """INSERT INTO bill_fetches (channel, bill_date, due_at, attempts)
               SELECT channel, :before, due_at + interval '1 second', 0 FROM bill_fetches""",
            before=before,
        )
        day.shop.simulator.gateway.bills.set_fault("changed", None)
        assert await fetch_due_bills(day.db, sources) == [("alipay", before)]
        told = await day.sql("SELECT due_at, last_error FROM bill_fetches WHERE bill_date = :day", day=day.on)
        assert told == [(None, "BILL_PAID: another file came")]
        assert await fetch_due_bills(day.db, sources) == []
