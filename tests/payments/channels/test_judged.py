"""Alipay's official client takes our simulator for Alipay: it signs, calls, verifies and reads, and finds no fault."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.simulators.alipay.keys import APP_ID, Keys
from app.simulators.alipay.server import AlipaySimulator
from tests.payments.channels.shop import served

HERE = Path(__file__).parent
JUDGE = HERE.parents[2] / ".venv" / "judge"
NOTIFY_URL = "http://127.0.0.1:9/nobody"
Json = dict[str, Any]


class Judge:
    """The official client in its own process, and the simulator that it judges."""

    def __init__(self, simulator: AlipaySimulator, process: asyncio.subprocess.Process) -> None:
        self.simulator = simulator
        self._process = process

    async def ask(self, asked: Json) -> Json:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        answer = await asyncio.wait_for(self._process.stdout.readline(), 30)
        found: Json = json.loads(answer)
        return found

    async def call(self, name: str, **model: Any) -> Json:
        return await self.ask({"call": name, "model": model, "notify_url": NOTIFY_URL})

    async def prepared(self, yuan: str = "18.00") -> str:
        """The number of an order with a QR code."""
        number = f"judge_{uuid4().hex}"
        answer = await self.call("TradePrecreate", out_trade_no=number, total_amount=yuan, subject="午餐 {一份}")
        assert answer["is_success"], answer
        assert answer["out_trade_no"] == number
        assert answer["qr_code"].startswith(self.simulator.base_url)
        return number

    def pays(self, number: str) -> None:
        """The person with the phone."""
        trade = self.simulator.trades.find(number)
        assert trade is not None
        trade.pay()


@pytest.fixture
async def judge(keys: Keys) -> AsyncIterator[Judge]:
    assert JUDGE.exists(), "the official client is missing: make setup"
    simulators: list[AlipaySimulator] = []

    def make(url: str) -> Any:
        simulators.append(AlipaySimulator(keys, url, retries_s=()))
        return simulators[0].app

    async with served(make) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "judge.py"),
            url.rpartition(":")[2],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": str(JUDGE),
                # Its timestamps are the machine's local time.
                "TZ": "Asia/Shanghai",
                "JUDGE_APP_ID": APP_ID,
                "JUDGE_PRIVATE_KEY": keys.app_private_pem,
                "JUDGE_PUBLIC_KEY": keys.alipay_public_pem,
            },
        )
        yield Judge(simulators[0], process)
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 10)
        await simulators[0].notices.stop()


class TestTheOfficialClient:
    async def test_a_qr_code_from_precreate_to_refund(self, judge: Judge) -> None:
        number = await judge.prepared()
        unknown = await judge.call("TradeQuery", out_trade_no=number)
        assert (unknown["code"], unknown["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")

        judge.pays(number)
        paid = await judge.call("TradeQuery", out_trade_no=number)
        assert (paid["trade_status"], paid["total_amount"], paid["buyer_pay_amount"]) == (
            "TRADE_SUCCESS",
            "18.00",
            "18.00",
        )
        assert paid["send_pay_date"]
        refused = await judge.call("TradeClose", out_trade_no=number)
        assert refused["sub_code"] == "ACQ.TRADE_STATUS_ERROR"

        for changed in ("Y", "N"):  # The same number on a retry refunds once.
            refunded = await judge.call("TradeRefund", out_trade_no=number, refund_amount="5.00", out_request_no="r1")
            assert (refunded["fund_change"], refunded["refund_fee"]) == (changed, "5.00")
        beyond = await judge.call("TradeRefund", out_trade_no=number, refund_amount="13.01", out_request_no="r2")
        assert beyond["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
        asked = await judge.call("TradeFastpayRefundQuery", out_trade_no=number, out_request_no="r1")
        assert (asked["refund_amount"], asked["refund_status"]) == ("5.00", "REFUND_SUCCESS")
        await judge.call("TradeRefund", out_trade_no=number, refund_amount="13.00", out_request_no="r2")
        assert (await judge.call("TradeQuery", out_trade_no=number))["trade_status"] == "TRADE_CLOSED"

    async def test_a_scanned_code_that_is_closed(self, judge: Judge) -> None:
        number = await judge.prepared()
        assert (await judge.call("TradeClose", out_trade_no=number))["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        trade = judge.simulator.trades.find(number)
        assert trade is not None
        trade.status = "WAIT_BUYER_PAY"
        closed = await judge.call("TradeClose", out_trade_no=number)
        assert (closed["is_success"], closed["trade_no"]) == (True, trade.trade_no)

    async def test_a_payment_code_paid_awaited_refused_and_cancelled(self, judge: Judge) -> None:
        async def charge(behaviour: str) -> tuple[str, Json]:
            number = f"judge_{uuid4().hex}"
            code = judge.simulator.phone.new_code(behaviour)
            answer = await judge.call("TradePay", out_trade_no=number, total_amount="18.00", subject="午餐", scene="bar_code", auth_code=code)  # fmt: skip  # one call
            return number, answer

        number, paid = await charge("pay")
        assert (paid["code"], paid["total_amount"], bool(paid["gmt_payment"])) == ("10000", "18.00", True)
        cancelled = await judge.call("TradeCancel", out_trade_no=number)
        assert (cancelled["action"], cancelled["retry_flag"]) == ("refund", "N")
        number, awaited = await charge("wait")
        assert awaited["code"] == "10003"
        assert (await judge.call("TradeQuery", out_trade_no=number))["trade_status"] == "WAIT_BUYER_PAY"
        assert (await judge.call("TradeCancel", out_trade_no=number))["action"] == "close"
        assert (await charge("unknown"))[1]["code"] == "20000"
        assert (await charge("refuse"))[1]["sub_code"] == "ACQ.BUYER_BALANCE_NOT_ENOUGH"

    async def test_it_believes_our_notices_and_none_that_were_altered(self, judge: Judge) -> None:
        number = await judge.prepared()
        judge.pays(number)
        trade = judge.simulator.trades.find(number)
        assert trade is not None
        form = judge.simulator.notices.form(trade)
        assert await judge.ask({"notice": form}) == {"valid": True}
        altered = await judge.ask({"notice": {**form, "total_amount": "18.01"}})
        assert altered["valid"] is False

    async def test_it_sees_what_misbehaves(self, judge: Judge) -> None:
        number = await judge.prepared()
        for answer, complaint in (
            ("bad_signature", "sign verify failed"),
            ("truncated", "response shape"),
            ("error_500", ""),
        ):
            judge.simulator.misbehaviour.set({"answer": answer})
            said = await judge.call("TradeQuery", out_trade_no=number)
            assert complaint in said["refused"]

    async def test_an_unbalanced_brace_that_its_rival_cannot_verify_is_valid_to_it(self, judge: Judge) -> None:
        number = await judge.prepared()
        judge.pays(number)
        judge.simulator.misbehaviour.set({"answer": "unbalanced"})
        assert (await judge.call("TradeQuery", out_trade_no=number))["trade_status"] == "TRADE_SUCCESS"


class TestTheGatewayIsStrict:
    @pytest.mark.parametrize(
        ("model", "sub_code"),
        [
            ({"total_amount": "0.00"}, "isv.invalid-parameter"),
            ({"total_amount": "1.001"}, "isv.invalid-parameter"),
            ({"out_trade_no": "a b"}, "isv.invalid-parameter"),
        ],
    )
    async def test_what_it_cannot_take_is_40002(self, judge: Judge, model: Json, sub_code: str) -> None:
        asked = {"out_trade_no": f"judge_{uuid4().hex}", "total_amount": "1.00", "subject": "x"} | model
        answer = await judge.call("TradePrecreate", **asked)
        assert (answer["code"], answer["sub_code"]) == ("40002", sub_code)

    async def test_a_call_that_another_key_has_signed_is_refused(self, judge: Judge, keys: Keys) -> None:
        from app.simulators.alipay.keys import new_keys

        judge.simulator.keys = new_keys()
        said = await judge.call("TradeQuery", out_trade_no="x")
        assert "sign verify failed" in said["refused"] or said.get("sub_code") == "isv.invalid-signature"
