"""The bill of a day: Alipay's own client finds it, our channel fetches it, and our reader takes exactly the whole of it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from app.simulators.alipay.bills import Bills
from app.simulators.alipay.keys import SELLER_ID
from app.simulators.alipay.trades import Trades
from kernel import clock
from payments.channels.alipay_bill import CHINA, read_bill
from payments.channels.bill import BillAbsent, BillRefused
from tests.payments.channels.shop import Shop
from tests.payments.channels.test_judged import Judge
from tests.payments.channels.test_judged import judge as judge  # noqa: PLC0414  a fixture that this file uses too

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
NEXT_MORNING = NOON + timedelta(hours=22)


@pytest.fixture
def bills() -> Iterator[Bills]:
    """Two trades at noon, one of them half given back."""
    with clock.frozen(NOON):
        trades = Trades()
        for number, fen in (("top_1", 10_000), ("gst_2", 1801)):
            trades.open(number, fen, "饭卡充值, 一次", None, timedelta(minutes=5)).pay()
            clock.advance(timedelta(minutes=1))
        found = trades.find("gst_2")
        assert found is not None
        found.refund("ref_2", 900)
        yield Bills(trades)


class TestTheReader:
    def test_reads_what_stands_there(self, bills: Bills) -> None:
        bill = read_bill(bills.file_of(DAY), DAY, SELLER_ID)
        assert [(r.kind, r.order_name, r.refund_name, r.amount_fen, r.fee_fen) for r in bill.rows] == [
            ("trade", "top_1", None, 10_000, 38),
            ("trade", "gst_2", None, 1801, 7),
            ("refund", "gst_2", "ref_2", 900, 0),
        ]
        assert (bill.trade_fen, bill.refund_fen, bill.fee_fen) == (11_801, 900, 45)
        assert bill.rows[0].completed_at == NOON

    def test_an_empty_day_is_a_bill_too(self, bills: Bills) -> None:
        assert read_bill(bills.file_of(DAY - timedelta(days=1)), DAY - timedelta(days=1)).rows == []

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ("truncated_zip", "zip"),
            ("utf8", "encoding"),
            ("other_day", "day"),
            ("truncated_file", "cut_off"),
            ("bad_totals", "totals"),
        ],
    )
    def test_a_file_that_is_not_the_whole_bill_is_refused_with_its_reason(
        self, bills: Bills, fault: str, reason: str
    ) -> None:
        bills.set_fault(fault, None)
        with pytest.raises(BillRefused) as refused:
            read_bill(bills.file_of(DAY), DAY, SELLER_ID)
        # A row may be cut in its middle before the end is missed.
        assert refused.value.reason in ({reason, "row"} if reason == "cut_off" else {reason})

    def test_somebody_elses_bill_is_refused(self, bills: Bills) -> None:
        with pytest.raises(BillRefused, match="header"):
            read_bill(bills.file_of(DAY), DAY, "2088999")

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>403</html>", b"PK\x05\x06" + bytes(18)])
    def test_what_is_no_zip_is_refused(self, content: bytes) -> None:
        with pytest.raises(BillRefused, match="zip"):
            read_bill(content, DAY)

    def test_any_byte_cut_off_is_seen(self, bills: Bills) -> None:
        content = bills.file_of(DAY)
        for length in range(0, len(content), 37):
            with pytest.raises(BillRefused):
                read_bill(content[:length], DAY)

    @pytest.mark.parametrize(
        ("before", "after", "reason"),
        [
            ("18.01,18.01", "1.8e1,18.01", "row"),
            (",交易,", ",转账,", "row"),
            (",100.00,100.00,", ",100.0,100.00,", "row"),
            (",100.00,100.00,", ",100.01,100.00,", "totals"),
            ("-0.38", "-0.39", "totals"),
            ("商户订单号", "订单号", "columns"),
            ("2026-11-22 12:00:00,\t", "2026-11-22 25:00:00,\t", "row"),
        ],
    )
    def test_any_change_is_seen(self, bills: Bills, before: str, after: str, reason: str) -> None:
        from app.simulators.alipay import bills as made

        rows = bills.rows_of(DAY)
        detail, summary = made._detail(rows, DAY), made._summary(rows, DAY)
        changed = detail.replace(before, after)
        assert changed != detail
        with pytest.raises(BillRefused, match=reason):
            read_bill(made._zip({"a.csv": changed, "b.csv": summary}, "gb18030"), DAY)


class TestFetching:
    async def test_the_bill_of_yesterday_comes_from_nine_on(self, shop: Shop) -> None:
        with clock.frozen(NOON):
            person = await shop.world.person()
            top_up = await shop.opened(person)
            await shop.pay(top_up["qr_text"])
            clock.advance(timedelta(hours=20))
            with pytest.raises(BillAbsent) as absent:
                await shop.channel.fetch_bill(DAY)
            assert absent.value.not_ready
            clock.advance(timedelta(hours=2))
            bill = shop.channel.read_bill(await shop.channel.fetch_bill(DAY), DAY)
            assert [(row.order_name, row.amount_fen) for row in bill.rows] == [(top_up["id"], 10_000)]

    async def test_an_address_lives_thirty_seconds(self, shop: Shop) -> None:
        bills = shop.simulator.gateway.bills
        with clock.frozen(NEXT_MORNING):
            path = f"/bills/{bills.tell_address(DAY)}"
            assert (await shop.alipay.get(path)).status_code == 200
            clock.advance(timedelta(seconds=31))
            assert (await shop.alipay.get(path)).status_code == 403

    @pytest.mark.parametrize("answer", ["timeout", "error_500", "bad_signature", "truncated", "unbalanced", "unknown"])
    async def test_a_gateway_that_does_not_say_where_it_is_is_asked_again_later(self, shop: Shop, answer: str) -> None:
        with clock.frozen(NEXT_MORNING):
            method = "data.dataservice.bill.downloadurl.query"
            await shop.fail(answer, method, delay_s=3 if answer == "timeout" else 0)
            with pytest.raises(BillAbsent) as absent:
                await shop.channel.fetch_bill(DAY)
            assert not absent.value.not_ready
            assert shop.channel.read_bill(await shop.channel.fetch_bill(DAY), DAY).rows == []


class TestTheOfficialClient:
    async def test_finds_the_address_of_the_bill(self, judge: Judge) -> None:
        yesterday = (clock.now().astimezone(CHINA) - timedelta(days=2)).date()
        asked = {"bill_type": "trade", "bill_date": yesterday.isoformat()}
        told = await judge.ask({"call": "DataDataserviceBillDownloadurlQuery", "model": asked})
        assert told["is_success"], told
        assert told["bill_download_url"].startswith(f"{judge.simulator.base_url}/bills/")
        tomorrow = (clock.now().astimezone(CHINA) + timedelta(days=1)).date()
        asked = {"bill_type": "trade", "bill_date": tomorrow.isoformat()}
        refused = await judge.ask({"call": "DataDataserviceBillDownloadurlQuery", "model": asked})
        assert (refused["is_success"], refused["sub_code"]) == (False, "isp.bill_not_exist")
