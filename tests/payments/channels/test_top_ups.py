"""Money put in by Alipay: credited once, to the fen, whatever comes in which order, and never on somebody's mere word."""

import asyncio
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
import structlog.testing

from app.simulators.alipay.trades import WAITING
from identity.api import Cover
from kernel import clock
from payments import differences
from payments.gateways import accounts, settling
from payments.gateways.top_ups import ASKING_FOR
from tests.payments.channels.shop import Shop, body_of


async def open_and_pay(shop: Shop, person: UUID, **how: Any) -> dict[str, Any]:
    top_up = await shop.opened(person)
    await shop.pay(top_up["qr_text"], **how)
    return top_up


class TestATopUp:
    async def test_a_scanned_code_credits_the_purse_and_the_books_say_who_owes_it(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await shop.opened(person)
        assert (top_up["status"], top_up["amount_fen"]) == ("pending", 10_000)
        assert await shop.cash_of(person) == 0

        await shop.pay(top_up["qr_text"])

        assert await shop.status_of(person, top_up) == "succeeded"
        assert await shop.cash_of(person) == 10_000
        (line,) = await shop.rows("SELECT * FROM ledger_lines WHERE debit_kind = 'psp_clearing'")
        assert (line.kind, line.credit_kind, line.amount_fen) == ("top_up", "cash", 10_000)
        assert line.debit_owner == accounts.clearing("alipay").owner

    async def test_the_counters_top_ups_stand_in_the_same_list(self, shop: Shop) -> None:
        person = await shop.world.person(cash_fen=500)
        top_up = await shop.opened(person, 1234)
        listed = await shop.product.get("/v1/me/top_ups?limit=1", headers={"Authorization": f"Bearer {person.hex}"})
        assert body_of(listed) == {"data": [top_up], "has_more": True}
        after = f"/v1/me/top_ups?starting_after={top_up['id']}"
        (counter,) = (await shop.product.get(after, headers={"Authorization": f"Bearer {person.hex}"})).json()["data"]
        assert (counter["channel"], counter["status"], counter["qr_text"]) == ("counter", "succeeded", None)

    async def test_nobody_sees_anybody_elses(self, shop: Shop) -> None:
        top_up = await shop.opened(await shop.world.person())
        other = await shop.world.person()
        answer = await shop.product.get(
            f"/v1/me/top_ups/{top_up['id']}", headers={"Authorization": f"Bearer {other.hex}"}
        )
        assert answer.status_code == 404

    async def test_a_channel_that_is_not_set_up_is_said_so(self, shop: Shop) -> None:
        person = await shop.world.person()
        answer = await shop.product.post(
            "/v1/me/top_ups",
            json={"amount_fen": 1, "channel": "wechat_pay"},
            headers={"Authorization": f"Bearer {person.hex}", "Idempotency-Key": "a"},
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "CHANNEL_UNAVAILABLE")


class TestOneKey:
    async def test_the_same_key_gets_the_same_bytes(self, shop: Shop) -> None:
        person = await shop.world.person()
        first, second = [await shop.open(person, key="k") for _ in range(2)]
        assert (second.status_code, second.content) == (201, first.content)
        assert second.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers

    async def test_fifty_at_once_with_one_key_make_one_order(self, shop: Shop) -> None:
        person = await shop.world.person()
        answers = await asyncio.gather(*(shop.open(person, key="k") for _ in range(50)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len(await shop.rows("SELECT 1 FROM channel_orders")) == 1

    async def test_another_body_is_refused_and_no_key_too(self, shop: Shop) -> None:
        person = await shop.world.person()
        await shop.open(person, 100, key="k")
        reused = await shop.open(person, 200, key="k")
        assert (reused.status_code, reused.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
        bare = await shop.product.post(
            "/v1/me/top_ups",
            json={"amount_fen": 1, "channel": "alipay"},
            headers={"Authorization": f"Bearer {person.hex}"},
        )
        assert (bare.status_code, bare.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")

    async def test_who_died_while_asking_is_followed_by_the_next_with_the_key(self, shop: Shop) -> None:
        person = await shop.world.person()
        with patch("payments.gateways.top_ups._prepare", side_effect=RuntimeError("killed")):
            assert (await shop.open(person, key="k")).status_code == 500
        clock.advance(ASKING_FOR)
        answer = await shop.open(person, key="k")
        assert answer.status_code == 201
        assert len(await shop.rows("SELECT 1 FROM channel_orders")) == 1


class TestNotices:
    async def test_one_byte_flipped_credits_nothing_and_is_logged(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, drop_notify=True)
        form = shop.notice_of(top_up["id"])
        for name in ("total_amount", "out_trade_no", "trade_status", "notify_id", "seller_id", "sign", "subject"):
            flipped = chr(ord(form[name][0]) ^ 1) + form[name][1:]
            with structlog.testing.capture_logs() as logged:
                answer = await shop.notify({**form, name: flipped})
            assert (answer.status_code, answer.text) == (400, "failure"), name
            assert [entry["event"] for entry in logged] == ["channel.notice_refused"]
        assert await shop.cash_of(person) == 0
        assert (await shop.notify(form)).text == "success"
        assert await shop.cash_of(person) == 10_000

    @pytest.mark.parametrize(
        "change",
        [{"app_id": "2021000000000002"}, {"seller_id": "2088000000000002"}, {"notify_id": ""}, {"out_trade_no": ""}],
        ids=lambda change: next(iter(change)),
    )
    async def test_signed_and_yet_not_for_us(self, shop: Shop, change: dict[str, str]) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, drop_notify=True)
        assert (await shop.notify(shop.notice_of(top_up["id"], **change))).status_code == 400
        assert await shop.cash_of(person) == 0

    @pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"a=1&a=1", b"x" * 100_000, b"sign=%00&sign_type=RSA2", b"{}"])
    async def test_nonsense_is_refused(self, shop: Shop, body: bytes) -> None:
        answer = await shop.product.post("/v1/notify/alipay", content=body)
        assert (answer.status_code, answer.text) == (400, "failure")

    async def test_the_same_notice_a_hundred_times_at_once_credits_once(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, drop_notify=True)
        form = shop.notice_of(top_up["id"])
        answers = await asyncio.gather(*(shop.notify(form) for _ in range(100)))
        assert {answer.text for answer in answers} == {"success"}
        assert await shop.cash_of(person) == 10_000

    async def test_a_hundred_notices_of_one_payment_credit_once(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, drop_notify=True)
        forms = [shop.notice_of(top_up["id"]) for _ in range(100)]
        answers = await asyncio.gather(*(shop.notify(form) for form in forms))
        assert "success" in {answer.text for answer in answers}
        assert await shop.cash_of(person) == 10_000

    async def test_who_dies_after_crediting_and_before_the_commit_credits_at_the_next_notice(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, drop_notify=True)
        form = shop.notice_of(top_up["id"])
        settle = settling.settle

        async def dies(*arguments: Any) -> None:
            await settle(*arguments)
            raise ConnectionResetError("killed")

        with patch("payments.gateways.hearing.settling.settle", dies):
            assert (await shop.notify(form)).text != "success"
        assert await shop.cash_of(person) == 0
        assert (await shop.notify(form)).text == "success"
        assert await shop.cash_of(person) == 10_000

    async def test_an_older_notice_after_the_newer_changes_nothing(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, reorder=True)
        assert await shop.status_of(person, top_up) == "succeeded"
        assert await shop.steps_of(top_up) == ["written", "waiting", "succeeded"]

    async def test_finished_three_months_later_credits_nothing_more(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person)
        assert (await shop.notify(shop.notice_of(top_up["id"], trade_status="TRADE_FINISHED"))).text == "success"
        assert (await shop.notify(shop.notice_of(top_up["id"], trade_status="TRADE_CLOSED"))).text == "success"
        assert await shop.cash_of(person) == 10_000

    async def test_money_for_an_order_that_we_do_not_have_is_a_persons_business(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, drop_notify=True)
        for name in (f"top_{uuid4().hex}", "somebody-elses-1"):
            assert (await shop.notify(shop.notice_of(top_up["id"], out_trade_no=name))).text == "success"
        assert await shop.cases() == [("unknown_order", True)] * 2
        async with shop.world.db.session() as session:
            everywhere = await differences.list_cases(session, None, 10, None)
            at_home = await differences.list_cases(session, Cover(regions=frozenset({shop.world.home})), 10, None)
        assert [case["confirmed_fen"] for case in everywhere] == [10_000] * 2
        assert at_home == []
        assert await shop.cash_of(person) == 0
        await shop.notify(shop.notice_of(top_up["id"]))


class TestTheJanitor:
    async def test_a_notice_that_is_lost_for_good_is_found_out(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, drop_notify=True)
        await shop.wait(4)
        assert await shop.status_of(person, top_up) == "pending"
        await shop.wait(1)
        assert await shop.status_of(person, top_up) == "succeeded"
        assert await shop.rows("SELECT 1 FROM timers WHERE kind = 'payments.channel_look'") == []

    async def test_a_code_that_nobody_pays_is_closed_after_its_life(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await shop.opened(person)
        # The clock goes on beside: a minute is left for what a busy machine takes.
        for seconds in (5, 10, 45, 180):
            await shop.wait(seconds)
            assert await shop.status_of(person, top_up) == "pending"
        await shop.wait(60)
        assert await shop.status_of(person, top_up) == "closed"
        events = await shop.rows("SELECT events FROM outbox WHERE events LIKE '%top_up.closed%'")
        assert len(events) == 1

    async def test_a_scanned_code_is_closed_at_the_gateway_too(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await shop.opened(person)
        await shop.alipay.get(top_up["qr_text"])
        for seconds in (5, 10, 45, 240):
            await shop.wait(seconds)
        trade = shop.simulator.trades.find(top_up["id"])
        assert trade is not None
        assert trade.status == "TRADE_CLOSED"
        assert await shop.status_of(person, top_up) == "closed"

    async def test_what_is_paid_after_we_closed_it_is_credited_all_the_same(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await shop.opened(person)
        await shop.wait(300)
        assert await shop.status_of(person, top_up) == "closed"
        await shop.pay(top_up["qr_text"], late=True)
        assert await shop.status_of(person, top_up) == "succeeded"
        assert await shop.cash_of(person) == 10_000
        assert await shop.steps_of(top_up) == ["written", "waiting", "closed", "succeeded"]

    async def test_and_found_out_at_the_last_look_where_that_notice_is_lost_too(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await shop.opened(person)
        await shop.wait(300)
        await shop.pay(top_up["qr_text"], late=True, drop_notify=True)
        await shop.wait(3300)
        assert await shop.status_of(person, top_up) == "succeeded"

    async def test_paid_between_the_question_and_the_close(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await shop.opened(person)
        await shop.alipay.get(top_up["qr_text"])
        trade = shop.simulator.trades.find(top_up["id"])
        assert trade is not None
        assert trade.status == WAITING
        query = shop.simulator.gateway._query

        def pays_right_after(*asked: Any) -> Any:
            answer = query(*asked)
            trade.pay()
            return answer

        shop.simulator.gateway._methods["alipay.trade.query"] = pays_right_after
        await shop.wait(300)
        assert await shop.status_of(person, top_up) == "succeeded"

    async def test_a_gateway_that_never_answers_again_is_a_persons_business_and_solved_by_its_word(
        self, shop: Shop
    ) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, drop_notify=True)
        await shop.fail("error_500", count=1000)
        for seconds in (5, 10, 45, 240, 3300):
            await shop.wait(seconds)
        assert await shop.status_of(person, top_up) == "pending"
        assert await shop.cases() == [("no_answer", True)]
        await shop.notify(shop.notice_of(top_up["id"]))
        assert await shop.cash_of(person) == 10_000
        assert await shop.cases() == [("no_answer", False)]


class TestFaults:
    @pytest.mark.parametrize("answer", ["unknown", "timeout", "error_500", "bad_signature", "truncated", "unbalanced"])
    async def test_a_first_answer_that_fails_is_asked_for_again(self, shop: Shop, answer: str) -> None:
        person = await shop.world.person()
        await shop.fail(answer, "trade.precreate", delay_s=3 if answer == "timeout" else 0)
        top_up = await shop.opened(person)
        await shop.pay(top_up["qr_text"])
        assert await shop.cash_of(person) == 10_000

    @pytest.mark.parametrize("answer", ["unknown", "timeout", "error_500", "bad_signature", "truncated", "unbalanced"])
    async def test_a_look_that_fails_is_followed_by_the_next(self, shop: Shop, answer: str) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, drop_notify=True)
        await shop.fail(answer, "trade.query", delay_s=3 if answer == "timeout" else 0)
        await shop.wait(5)
        assert await shop.status_of(person, top_up) == "pending"
        await shop.wait(10)
        assert await shop.status_of(person, top_up) == "succeeded"

    async def test_a_gateway_that_keeps_silent_is_503_and_the_key_may_come_again(self, shop: Shop) -> None:
        person = await shop.world.person()
        await shop.fail("error_500", count=2)
        silent = await shop.open(person, key="k")
        assert (silent.status_code, silent.json()["code"]) == (503, "CHANNEL_SILENT")
        again = await shop.open(person, key="k")
        assert again.status_code == 201
        assert await shop.steps_of(again.json()) == ["written", "unknown", "waiting"]
        assert len(await shop.rows("SELECT 1 FROM channel_orders")) == 1

    async def test_a_slow_answer_is_an_answer(self, shop: Shop) -> None:
        await shop.fail("delay", delay_s=0.5)
        await shop.opened(await shop.world.person())

    async def test_a_gateway_that_refuses_is_402_and_the_answer_is_kept(self, shop: Shop) -> None:
        person = await shop.world.person()
        shop.simulator.gateway._methods.clear()  # It knows no method any more: 40002.
        refused = await shop.open(person, key="k")
        assert (refused.status_code, refused.json()["code"]) == (402, "CHANNEL_REFUSED")
        again = await shop.open(person, key="k")
        assert again.content == refused.content

    async def test_a_lie_about_the_amount_credits_nothing_until_it_is_taken_back(self, shop: Shop) -> None:
        person = await shop.world.person()
        top_up = await open_and_pay(shop, person, amount_fen=1_000_000)
        assert (await shop.status_of(person, top_up), await shop.cash_of(person)) == ("pending", 0)
        assert await shop.cases() == [("amount_differs", True)]
        trade = shop.simulator.trades.find(top_up["id"])
        assert trade is not None
        trade.told_fen = None
        await shop.wait(5)
        assert (await shop.status_of(person, top_up), await shop.cash_of(person)) == ("succeeded", 10_000)
        assert await shop.cases() == [("amount_differs", False)]

    async def test_an_account_that_was_closed_meanwhile_gets_nothing_and_a_person_looks_into_it(
        self, shop: Shop
    ) -> None:
        person = await shop.world.person()
        top_up = await shop.opened(person)
        await shop.world.change(person, "close")
        await shop.pay(top_up["qr_text"])
        assert await shop.cash_of(person) == 0
        assert await shop.cases() == [("account_closed", True)]

    async def test_who_has_closed_the_account_cannot_begin(self, shop: Shop) -> None:
        person = await shop.world.person()
        await shop.world.change(person, "close")
        assert (await shop.open(person)).status_code == 409
