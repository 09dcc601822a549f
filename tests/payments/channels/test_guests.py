"""A guest without an account holds Alipay's own code to the till: the canteen is paid, or nobody is."""

import asyncio
from typing import Any
from unittest.mock import patch

import pytest

from canteen import takings
from kernel import clock
from kernel.outbox import read_after
from payments.gateways.top_ups import ASKING_FOR
from tests.payments.channels.shop import Shop, body_of
from tests.payments.world import body_of as body_of_payment


async def charged(shop: Shop, behaviour: str, **how: Any) -> dict[str, Any]:
    answer = await shop.charge(await shop.code(behaviour), **how)
    assert answer.status_code == 201, answer.text
    return body_of(answer)


async def confirm(shop: Shop, guest: dict[str, Any], **how: Any) -> None:
    """The guest enters the password."""
    trade = shop.simulator.trades.find(guest["id"])
    assert trade is not None
    await shop.pay(trade.auth_code, **how)


async def owed_to_the_canteen(shop: Shop) -> int:
    lines = await shop.rows(
        "SELECT amount_fen FROM ledger_lines WHERE kind = 'guest_payment' AND credit_kind = 'payable'"
    )
    return sum(line.amount_fen for line in lines)


async def told_of(shop: Shop) -> list[str]:
    rows = await shop.rows(
        "SELECT event ->> 'type' AS type FROM outbox CROSS JOIN LATERAL json_array_elements(events::json) AS event WHERE events LIKE '%guest_payment%'"
    )
    return [row.type for row in rows]


class TestACode:
    async def test_that_pays_at_once_pays_the_canteen(self, shop: Shop) -> None:
        guest = await charged(shop, "pay")
        assert (guest["status"], guest["amount_fen"], guest["can_cancel"]) == ("succeeded", 1800, False)
        assert await owed_to_the_canteen(shop) == 1800
        assert await told_of(shop) == ["guest_payment.succeeded"]
        listed = await shop.product.get("/v1/terminals/me/guest_payments", headers=shop.as_till())
        assert [row["id"] for row in listed.json()["data"]] == [guest["id"]]

    async def test_counts_among_the_canteens_takings(self, shop: Shop) -> None:
        await charged(shop, "pay")
        db, canteen = shop.world.db, shop.world.canteen
        async with db.session() as session:
            events = (await read_after(session, {})).events
        told = takings.payment_events(events)
        deltas = takings.fold(told)
        (last,) = takings.last_after([], told)
        assert [(key[0], delta.count, delta.amount_fen) for key, delta in deltas.items()] == [(canteen, 1, 1800)]
        assert (last["payer_label"], last["amount_fen"], last["payment"][:4]) == ("访客", 1800, "gst_")

    async def test_that_asks_for_the_password_is_pending_until_it_comes(self, shop: Shop) -> None:
        guest = await charged(shop, "wait")
        assert (guest["status"], guest["can_cancel"]) == ("pending", True)
        await shop.wait(5)
        assert (await shop.guest(guest))["status"] == "pending"
        await confirm(shop, guest, drop_notify=True)
        await shop.wait(5)
        assert (await shop.guest(guest))["status"] == "succeeded"
        assert await owed_to_the_canteen(shop) == 1800

    async def test_whose_guest_has_left_is_taken_back_after_a_minute(self, shop: Shop) -> None:
        guest = await charged(shop, "wait")
        for _ in range(12):
            await shop.wait(5)
        assert (await shop.guest(guest))["status"] == "cancelled"
        trade = shop.simulator.trades.find(guest["id"])
        assert trade is not None
        assert trade.status == "TRADE_CLOSED"
        assert await told_of(shop) == ["guest_payment.ended"]

    async def test_without_money_is_refused_and_the_answer_is_kept(self, shop: Shop) -> None:
        code = await shop.code("refuse")
        first, again = [await shop.charge(code, seq=77, key="k") for _ in range(2)]
        assert (first.status_code, first.json()["code"]) == (402, "CHANNEL_REFUSED")
        assert first.json()["data"]["reason"] == "40004 ACQ.BUYER_BALANCE_NOT_ENOUGH"
        assert again.content == first.content
        assert await owed_to_the_canteen(shop) == 0

    async def test_whose_answer_is_unclear_is_asked_about_at_once(self, shop: Shop) -> None:
        assert (await charged(shop, "unknown"))["status"] == "succeeded"
        assert await owed_to_the_canteen(shop) == 1800

    @pytest.mark.parametrize("answer", ["timeout", "error_500", "bad_signature", "truncated", "unbalanced"])
    async def test_whose_answer_never_came_is_not_charged_twice(self, shop: Shop, answer: str) -> None:
        await shop.fail(answer, count=2, delay_s=2 if answer == "timeout" else 0)
        guest = await charged(shop, "pay")
        await shop.wait(5)
        assert (await shop.guest(guest))["status"] == "succeeded"
        assert await owed_to_the_canteen(shop) == 1800

    async def test_whose_notice_comes_before_the_answer(self, shop: Shop) -> None:
        await shop.fail("delay", "trade.pay", delay_s=0.8)
        guest = await charged(shop, "pay")
        steps = await shop.rows("SELECT source FROM channel_steps WHERE state = 'succeeded'")
        assert guest["status"] == "succeeded"
        assert [step.source for step in steps] == ["notice"]
        assert await owed_to_the_canteen(shop) == 1800

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("2" * 16, 422),
            ("28" + "1" * 13, 422),
            ("28" + "1" * 23, 422),
            ("7012345678901234567", 422),
            ("28x" + "1" * 14, 422),
        ],
    )
    async def test_that_is_none(self, shop: Shop, code: str, status: int) -> None:
        assert (await shop.charge(code)).status_code == status

    async def test_that_was_used_already(self, shop: Shop) -> None:
        code = await shop.code()
        assert (await shop.charge(code)).status_code == 201
        again = await shop.charge(code)
        assert (again.status_code, again.json()["data"]["reason"]) == (402, "40004 ACQ.PAYMENT_AUTH_CODE_INVALID")


class TestTheTillsNumbers:
    async def test_one_counter_for_guests_and_all_others(self, shop: Shop) -> None:
        world = shop.world
        await charged(shop, "pay", seq=5, key="k")
        person = await world.person(cash_fen=5000)
        refused = await world.refused((await world.code(person)).code, seq=5)
        assert refused.code == "SEQ_REUSED"
        refused = await world.refused((await world.code(person)).code, seq=6, key="k")
        assert refused.code == "IDEMPOTENCY_KEY_REUSED"
        body_of_payment(await world.pay((await world.code(person)).code, seq=7))
        taken = await shop.charge(await shop.code(), seq=7)
        assert (taken.status_code, taken.json()["code"]) == (409, "SEQ_REUSED")

    async def test_one_key_and_thirty_requests_charge_once(self, shop: Shop) -> None:
        code = await shop.code()
        answers = await asyncio.gather(*(shop.charge(code, seq=9, key="k") for _ in range(30)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert await owed_to_the_canteen(shop) == 1800

    async def test_who_died_while_charging_asks_and_does_not_charge_again(self, shop: Shop) -> None:
        code = await shop.code()
        with patch("payments.gateways.guest_payments._answer", side_effect=RuntimeError("killed")):
            assert (await shop.charge(code, seq=9, key="k")).status_code == 500
        clock.advance(ASKING_FOR)
        again = await shop.charge(code, seq=9, key="k")
        assert (again.status_code, again.json()["status"]) == (201, "succeeded")
        assert await owed_to_the_canteen(shop) == 1800


class TestCancelling:
    async def test_before_the_guest_pays(self, shop: Shop) -> None:
        guest = await charged(shop, "wait")
        cancel = f"/v1/guest_payments/{guest['id']}/cancel"
        for _ in range(2):  # A second tap on the button does no harm.
            answer = await shop.product.post(cancel, headers=shop.as_till())
            assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")

    async def test_a_notice_that_comes_while_we_take_it_back_books_nothing(self, shop: Shop) -> None:
        """The guest pays in the very moment; the gateway gives it back, so that nothing may be booked."""
        guest = await charged(shop, "wait")
        cancel = shop.simulator.gateway._cancel

        def paid_just_before(*asked: Any) -> Any:
            trade = shop.simulator.trades.find(guest["id"])
            assert trade is not None
            trade.pay()
            shop.simulator.notices.tell(trade)
            return cancel(*asked)

        shop.simulator.gateway._methods["alipay.trade.cancel"] = paid_just_before
        await shop.fail("delay", "trade.cancel", delay_s=0.5)
        answer = await shop.product.post(f"/v1/guest_payments/{guest['id']}/cancel", headers=shop.as_till())
        assert answer.json()["status"] == "cancelled"
        assert len(await shop.rows("SELECT 1 FROM channel_notices")) == 1
        trade = shop.simulator.trades.find(guest["id"])
        assert trade is not None
        assert trade.refunded_fen == 1800
        assert await owed_to_the_canteen(shop) == 0

    async def test_a_cancel_without_an_answer_is_sent_again(self, shop: Shop) -> None:
        guest = await charged(shop, "wait")
        await shop.fail("error_500", "trade.cancel", acts=False)
        answer = await shop.product.post(f"/v1/guest_payments/{guest['id']}/cancel", headers=shop.as_till())
        assert (answer.json()["status"], answer.json()["can_cancel"]) == ("pending", False)
        await shop.wait(5)
        assert (await shop.guest(guest))["status"] == "cancelled"

    async def test_what_is_paid_stays_paid(self, shop: Shop) -> None:
        guest = await charged(shop, "pay")
        answer = await shop.product.post(f"/v1/guest_payments/{guest['id']}/cancel", headers=shop.as_till())
        assert (answer.status_code, answer.json()["code"]) == (409, "STATE_CONFLICT")

    async def test_a_till_of_another_canteen_may_not_look(self, shop: Shop) -> None:
        guest = await charged(shop, "pay")
        answer = await shop.product.get(f"/v1/guest_payments/{guest['id']}", headers=shop.as_till(number=-1))
        assert answer.status_code == 403

    async def test_a_cancel_that_is_never_answered_is_a_persons_business(self, shop: Shop) -> None:
        guest = await charged(shop, "wait")
        await shop.fail("error_500", count=1000)
        for seconds in (*[5] * 15, 45, 240, 3300):
            await shop.wait(seconds)
        assert (await shop.guest(guest))["status"] == "pending"
        assert await shop.cases() == [("no_answer", True)]
