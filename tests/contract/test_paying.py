"""`POST /v1/payments` by the contract's rules 2 to 7, over HTTP, at a product with the demo in it."""

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from payments.credentials.pay_code_format import luhn_digit
from tests.contract.test_addresses import TIME, is_error
from tests.product import Diner, Json, Product, Till, fresh_amount_fen, fresh_seq


@pytest.fixture(scope="module")
def till(product: Product) -> Till:
    return product.new_till()


@pytest.fixture(scope="module")
def diner(product: Product) -> Diner:
    return product.diner(5)


def keyed(diner: Diner, **more: object) -> Json:
    """The body of a keyed sale with a fresh code."""
    return {"code": diner.code()["code"], "amount_fen": fresh_amount_fen(), "seq": fresh_seq(), **more}


def unknown_code() -> str:
    body = "70" + str(uuid4().int)[:17]
    return body + luhn_digit(body)


class TestAPayment:
    def test_says_all_that_the_contract_names(self, product: Product, till: Till, diner: Diner) -> None:
        before, body = diner.purses(), keyed(diner)
        answer = till.pay(body)
        paid = answer.json()

        assert answer.status_code == 201, answer.text
        assert "idempotent-replayed" not in answer.headers
        named = {"id", "status", "amount_fen", "legs", "trace", "canteen", "terminal", "business_date", "happened_at"}
        assert named | {"purses"} <= set(paid)
        assert re.fullmatch(r"pay_[0-9a-f]{32}", paid["id"])
        assert (paid["status"], paid["amount_fen"]) == ("succeeded", body["amount_fen"])
        assert (paid["canteen"], paid["terminal"]) == (till.canteen, till.id)
        assert sum(leg["amount_fen"] for leg in paid["legs"]) == body["amount_fen"]
        assert all({"purse", "lot", "amount_fen"} == set(leg) for leg in paid["legs"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", paid["business_date"])
        assert TIME.match(paid["happened_at"])
        after = diner.purses()
        spent = sum(before[purse] - after[purse] for purse in ("cash_fen", "subsidy_fen"))
        assert spent == body["amount_fen"]
        assert paid["purses"] == {name: after[name] for name in ("cash_fen", "subsidy_fen", "official_fen")}

    def test_can_be_read_by_its_payer_and_its_till_but_by_no_stranger(
        self, product: Product, till: Till, diner: Diner
    ) -> None:
        paid = till.pay(keyed(diner)).json()
        path = f"/v1/payments/{paid['id']}"
        mine, tills = diner.http.get(path).json(), till.http.get(path).json()

        assert mine["status"] == tills["status"] == "succeeded"
        assert {name: mine[name] for name in ("id", "amount_fen", "legs", "trace", "business_date")} == {
            name: paid[name] for name in ("id", "amount_fen", "legs", "trace", "business_date")
        }
        for stranger in (product.diner(6).http, product.till(13).http):
            assert stranger.get(path).status_code in (403, 404)
        assert product.client().get(path).status_code == 401
        assert diner.http.get("/v1/me/payments", params={"limit": 1}).json()["data"][0]["id"] == paid["id"]

    def test_of_all_220_digits_and_by_credential(self, till: Till, diner: Diner) -> None:
        issued = diner.code()
        by_text = till.pay({"code": issued["text"], "amount_fen": fresh_amount_fen()})
        credential = {"kind": "pay_code", "value": diner.code()["code"]}
        by_credential = till.pay({"credential": credential, "amount_fen": fresh_amount_fen()})

        assert (by_text.status_code, by_credential.status_code) == (201, 201)

    def test_without_an_amount_costs_the_meals_price(self, till: Till, diner: Diner) -> None:
        answer = till.pay({"code": diner.code()["code"]})

        assert answer.status_code == 201, answer.text
        assert answer.json()["amount_fen"] > 0
        assert answer.json()["trace"]

    def test_of_dishes_costs_the_menus_prices(self, till: Till, diner: Diner) -> None:
        told = till.http.get("/v1/terminals/me").json()
        menu = next(menu for menu in told["menus"] if menu["meal"] == told["canteen"]["now"]["meal"])
        first, second = [item for item in menu["items"] if item["price_fen"] > 0][:2]
        items = [{"dish_id": first["dish_id"], "quantity": 2}, {"dish_id": second["dish_id"], "quantity": 1}]
        answer = till.pay({"code": diner.code()["code"], "items": items})

        assert answer.status_code == 201, answer.text
        assert answer.json()["amount_fen"] == 2 * first["price_fen"] + second["price_fen"]

    def test_keeps_when_it_happened_and_prices_by_now(self, till: Till, diner: Diner) -> None:
        answer = till.pay(keyed(diner, happened_at="2026-01-02T03:04:05.678+08:00"))

        assert answer.json()["happened_at"] == "2026-01-01T19:04:05.678Z"
        assert answer.json()["business_date"] != "2026-01-02"


class TestKeys:
    def test_a_replay_has_the_same_bytes(self, till: Till, diner: Diner) -> None:
        body, key = keyed(diner), f"k-{uuid4()}"
        first = till.pay(body, key)
        second = till.pay(body, key)

        assert (first.status_code, second.status_code) == (201, 201)
        assert second.content == first.content
        assert second.headers["idempotent-replayed"] == "true"
        assert json.loads(first.content)["request_id"] == first.headers["x-request-id"]

    def test_a_refusal_is_replayed_too(self, till: Till, diner: Diner) -> None:
        issued = diner.code()
        assert till.pay({"code": issued["code"], "amount_fen": 641}).status_code == 201
        body, key = {"code": issued["code"], "amount_fen": 642, "seq": fresh_seq()}, f"k-{uuid4()}"
        first, second = till.pay(body, key), till.pay(body, key)

        is_error(first, 402, "DENY_CODE_USED")
        assert (second.status_code, second.content) == (402, first.content)
        assert second.headers["idempotent-replayed"] == "true"

    def test_bodies_are_compared_as_values_without_confirm_repeat(self, till: Till, diner: Diner) -> None:
        body, key = keyed(diner), f"k-{uuid4()}"
        first = till.pay(body, key)
        shuffled = json.dumps(dict(reversed(body.items())), indent=3).encode()
        sent = {"Idempotency-Key": key, "Content-Type": "application/json"}
        again = till.http.post("/v1/payments", content=shuffled, headers=sent)
        confirmed = till.pay({**body, "confirm_repeat": True}, key)

        assert again.content == confirmed.content == first.content

    @pytest.mark.parametrize("change", [{"amount_fen": 901}, {"seq": 3}, {"happened_at": "2026-01-01T00:00:00Z"}])
    def test_another_body_is_409(self, till: Till, diner: Diner, change: Json) -> None:
        body, key = keyed(diner), f"k-{uuid4()}"
        assert till.pay(body, key).status_code == 201

        is_error(till.pay({**body, **change}, key), 409, "IDEMPOTENCY_KEY_REUSED")

    def test_is_needed_and_has_at_most_255_characters(self, till: Till, diner: Diner) -> None:
        body = keyed(diner)
        without = till.http.post("/v1/payments", json=body)
        empty = till.http.post("/v1/payments", json=body, headers={"Idempotency-Key": ""})

        is_error(without, 400, "IDEMPOTENCY_KEY_REQUIRED")
        is_error(empty, 400, "IDEMPOTENCY_KEY_REQUIRED")
        is_error(till.pay(body, "x" * 256), 400, "IDEMPOTENCY_KEY_REQUIRED")
        assert till.pay(body, (uuid4().hex * 8)[:255]).status_code == 201

    def test_is_asked_for_before_the_body_is_judged(self, till: Till) -> None:
        is_error(till.http.post("/v1/payments", json={"seq": 0}), 400, "IDEMPOTENCY_KEY_REQUIRED")

    def test_is_the_tills_own(self, product: Product, till: Till, diner: Diner) -> None:
        key = f"k-{uuid4()}"
        first = till.pay(keyed(diner), key)
        second = product.till(1).pay(keyed(diner), key)

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["id"] != second.json()["id"]

    def test_in_flight_waits_for_the_one_answer(self, product: Product, till: Till, diner: Diner) -> None:
        body, key = keyed(diner), f"k-{uuid4()}"
        before = diner.purses()
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: till.pay(body, key), range(16)))

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert [answer.headers.get("idempotent-replayed") for answer in answers].count(None) == 1
        after = diner.purses()
        assert (
            before["cash_fen"] + before["subsidy_fen"] - after["cash_fen"] - after["subsidy_fen"] == body["amount_fen"]
        )

    def test_what_is_not_stored_may_be_sent_again_with_the_same_key(self, till: Till, diner: Diner) -> None:
        body, key = keyed(diner), f"k-{uuid4()}"
        is_error(till.pay({**body, "amount_fen": 0}, key), 422, "MALFORMED")

        assert till.pay(body, key).status_code == 201


class TestNumbers:
    def test_a_number_is_used_once(self, till: Till, diner: Diner) -> None:
        body = keyed(diner)
        first = till.pay(body).json()
        reused = till.pay(keyed(diner, seq=body["seq"]))

        assert is_error(reused, 409, "SEQ_REUSED")["payment"] == first["id"]

    def test_a_refusal_uses_it_up_too(self, till: Till, diner: Diner) -> None:
        issued, seq = diner.code(), fresh_seq()
        assert till.pay({"code": issued["code"], "amount_fen": 651}).status_code == 201
        is_error(till.pay({"code": issued["code"], "amount_fen": 652, "seq": seq}), 402, "DENY_CODE_USED")

        is_error(till.pay(keyed(diner, seq=seq)), 409, "SEQ_REUSED")

    def test_gaps_are_allowed_in_any_order(self, till: Till, diner: Diner) -> None:
        low = fresh_seq()

        assert till.pay(keyed(diner, seq=low + 10**6)).status_code == 201
        assert till.pay(keyed(diner, seq=low)).status_code == 201

    @pytest.mark.parametrize("seq", [0, -1, 1.5, "7", None, True, 2**63, [1]])
    def test_is_a_positive_integer(self, till: Till, diner: Diner, seq: object) -> None:
        is_error(till.pay(keyed(diner, seq=seq)), 422, "MALFORMED")


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        "change",
        [
            {"amount_fen": 0},
            {"amount_fen": -5},
            {"amount_fen": 1_000_001},
            {"amount_fen": 10.5},
            {"amount_fen": "10"},
            {"amount_fen": True},
            {"code": "7012345678901234567"},
            {"code": "7" * 21},
            {"code": "7" * 219},
            {"code": "七" * 20},
            {"code": "7012345678901234567x"},
            {"code": 70123456789012345678},
            {"code": None},
            {"code": ""},
            {"items": [{"dish_id": "dsh_" + "0" * 32, "quantity": 1}]},
            {"items": []},
            {"happened_at": "yesterday"},
            {"happened_at": "2026-01-01T00:00:00"},
            {"surprise": 1},
            {"confirm_repeat": "yes"},
        ],
        ids=str,
    )
    def test_is_422_and_costs_nothing(self, till: Till, diner: Diner, change: Json) -> None:
        body = keyed(diner)
        is_error(till.pay({**body, **change}), 422, "MALFORMED")

        assert till.pay(body).status_code == 201, "code and number are as good as before"

    def test_an_amount_and_dishes_exclude_each_other(self, till: Till, diner: Diner) -> None:
        told = till.http.get("/v1/terminals/me").json()
        item = {"dish_id": told["menus"][0]["items"][0]["dish_id"], "quantity": 1}

        is_error(till.pay(keyed(diner, items=[item])), 422, "MALFORMED")

    def test_a_code_and_a_credential_exclude_each_other(self, till: Till, diner: Diner) -> None:
        body = keyed(diner)
        body["credential"] = {"kind": "pay_code", "value": body["code"]}

        is_error(till.pay(body), 422, "MALFORMED")


class TestTheOrderOfRefusals:
    def test_a_bad_token_comes_before_everything(self, product: Product) -> None:
        for token in ("nonsense", product.token_of(product.card["employees"][5]["username"])):
            is_error(product.client(token).post("/v1/payments", content=b"{"), 401, "UNAUTHENTICATED")
        is_error(product.client().post("/v1/payments", content=b"{"), 401, "UNAUTHENTICATED")

    def test_the_key_before_the_number_before_the_code(self, till: Till, diner: Diner) -> None:
        body, key = keyed(diner), f"k-{uuid4()}"
        assert till.pay(body, key).status_code == 201

        is_error(till.pay({**body, "code": unknown_code()}, key), 409, "IDEMPOTENCY_KEY_REUSED")
        is_error(till.pay({**body, "code": unknown_code()}), 409, "SEQ_REUSED")

    def test_the_code_before_the_holder_before_a_repeat(self, product: Product, till: Till) -> None:
        diner = product.diner(7)
        used, amount_fen = diner.code(), fresh_amount_fen()
        waiting = diner.code()
        assert till.pay({"code": used["code"], "amount_fen": amount_fen}).status_code == 201
        assert diner.http.post("/v1/me/report_lost").status_code == 200
        try:
            is_error(till.pay({"code": used["code"], "amount_fen": amount_fen}), 402, "DENY_CODE_USED")
            is_error(till.pay({"code": waiting["code"], "amount_fen": amount_fen}), 402, "DENY_LOST")
            is_error(diner.http.post("/v1/me/pay_codes"), 402, "DENY_LOST")
        finally:
            assert diner.http.post("/v1/me/unlist").status_code == 200

    def test_a_repeat_before_the_funds(self, till: Till, diner: Diner) -> None:
        """The second of two whole purses is a double tap first, and too much only then."""
        whole = diner.purses()["cash_fen"]
        refused = till.pay(keyed(diner, amount_fen=min(whole * 2, 1_000_000)))

        assert refused.status_code == 402
        assert refused.json()["code"] in ("DENY_NO_FUNDS", "DENY_AMOUNT_LIMIT")


class TestCodes:
    def test_an_old_one_has_expired(self, product: Product, till: Till, diner: Diner) -> None:
        issued = diner.code()
        product.age_code(issued["id"], 180)

        is_error(till.pay({"code": issued["code"], "amount_fen": 661}), 402, "DENY_CODE_EXPIRED")
        is_error(till.pay({"code": issued["text"], "amount_fen": 662}), 402, "DENY_CODE_EXPIRED")

    def test_using_one_half_kills_the_other(self, till: Till, diner: Diner) -> None:
        issued = diner.code()
        assert till.pay({"code": issued["text"], "amount_fen": 663}).status_code == 201

        is_error(till.pay({"code": issued["code"], "amount_fen": 664}), 402, "DENY_CODE_USED")

    def test_two_tills_in_the_same_moment_cannot_both_take_it(self, product: Product, till: Till, diner: Diner) -> None:
        issued = diner.code()
        tills = [till, product.till(1), product.till(2), till]

        def pay(number: int) -> httpx.Response:
            return tills[number % 4].pay({"code": issued["code"], "amount_fen": 610 + number})

        with ThreadPoolExecutor(12) as pool:
            statuses = [answer.status_code for answer in pool.map(pay, range(12))]
        assert statuses.count(201) == 1
        assert statuses.count(402) == 11

    def test_a_block_that_belongs_to_another_code_is_unknown(self, product: Product, diner: Diner) -> None:
        till, mine, other = product.new_till(), diner.code(), product.diner(6).code()

        answer = till.pay({"code": mine["code"] + other["offline_block"], "amount_fen": 665})
        is_error(answer, 402, "DENY_CODE_UNKNOWN")
        assert till.pay({"code": mine["text"], "amount_fen": 666}).status_code == 201

    def test_whoever_guesses_has_to_wait(self, product: Product, diner: Diner) -> None:
        till = product.new_till()
        good = unknown_code()
        wrong_luhn = good[:19] + str((int(good[19]) + 1) % 10)
        guesses = [unknown_code(), wrong_luhn, "28" + "0" * 18] + [unknown_code() for _ in range(7)]
        for guess in guesses:
            is_error(till.pay({"code": guess, "amount_fen": 1}), 402, "DENY_CODE_UNKNOWN")
        body, key = keyed(diner), f"k-{uuid4()}"
        slowed = till.pay(body, key)

        is_error(slowed, 429, "TOO_MANY_REQUESTS")
        assert 1 <= int(slowed.headers["retry-after"]) <= 60
        assert product.till(1).pay(body, key).status_code == 201, "another till is not held up"


class TestHolders:
    def test_a_frozen_account_is_refused(self, product: Product, till: Till) -> None:
        diner, finance = product.diner(8), product.staff("finance")
        person, issued = diner.http.get("/v1/me").json()["id"], diner.code()
        frozen = finance.post(f"/v1/people/{person}/account/freeze")
        assert frozen.status_code == 200, frozen.text
        try:
            is_error(till.pay({"code": issued["code"], "amount_fen": 671}), 402, "DENY_FROZEN")
        finally:
            assert finance.post(f"/v1/people/{person}/account/unfreeze").status_code == 200
        assert till.pay(keyed(diner)).status_code == 201


class TestTerminals:
    def test_a_disabled_one_is_refused_within_a_second_and_a_revoked_one_is_unknown(
        self, product: Product, diner: Diner
    ) -> None:
        till, office = product.new_till(), product.staff("system_admin")
        assert office.post(f"/v1/terminals/{till.id}/disable").status_code == 200
        TestTerminals._until(lambda: till.pay(keyed(diner)).status_code == 402)
        is_error(till.pay({"code": unknown_code(), "amount_fen": 672}), 402, "DENY_TERMINAL")
        assert office.post(f"/v1/terminals/{till.id}/enable").status_code == 200
        TestTerminals._until(lambda: till.pay(keyed(diner)).status_code == 201)
        assert office.post(f"/v1/terminals/{till.id}/revoke").status_code == 200
        TestTerminals._until(lambda: till.pay(keyed(diner)).status_code == 401)

    @staticmethod
    def _until(question: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 1.5
        while not question():
            assert time.monotonic() < deadline


class TestDoubleTaps:
    def test_are_asked_about_and_consume_nothing(self, product: Product, till: Till) -> None:
        diner, amount_fen = product.diner(9), fresh_amount_fen()
        first = till.pay({"code": diner.code()["code"], "amount_fen": amount_fen})
        body, key = {"code": diner.code()["code"], "amount_fen": amount_fen, "seq": fresh_seq()}, f"k-{uuid4()}"
        asked = till.pay(body, key)
        confirmed = till.pay({**body, "confirm_repeat": True}, key)

        assert is_error(asked, 409, "CONFIRM_REPEAT")["payment"] == first.json()["id"]
        assert confirmed.status_code == 201, confirmed.text
        assert "idempotent-replayed" not in confirmed.headers

    def test_at_another_till_or_of_another_amount_are_none(self, product: Product, till: Till) -> None:
        diner = product.diner(9)
        assert till.pay({"code": diner.code()["code"], "amount_fen": 950}).status_code == 201
        assert till.pay({"code": diner.code()["code"], "amount_fen": 951}).status_code == 201
        assert product.till(1).pay({"code": diner.code()["code"], "amount_fen": 950}).status_code == 201


def void(till: Till, payment: str, key: str | None = None) -> httpx.Response:
    return till.http.post(f"/v1/payments/{payment}/void", headers={"Idempotency-Key": key or f"k-{uuid4()}"})


def refund(who: httpx.Client, payment: str, amount_fen: object, key: str | None = None) -> httpx.Response:
    body = {"amount_fen": amount_fen, "reason": "冷了"}
    return who.post(f"/v1/payments/{payment}/refunds", json=body, headers={"Idempotency-Key": key or f"k-{uuid4()}"})


class TestVoids:
    def test_give_everything_back_once(self, till: Till, diner: Diner) -> None:
        before = diner.purses()
        paid, key = till.pay(keyed(diner)).json(), f"k-{uuid4()}"
        first, replay, second = void(till, paid["id"], key), void(till, paid["id"], key), void(till, paid["id"])

        assert first.status_code == 201, first.text
        body = first.json()
        assert body["id"].startswith("void_")
        assert (body["payment"], body["amount_fen"]) == (paid["id"], paid["amount_fen"])
        assert sum(leg["amount_fen"] for leg in body["legs"]) == paid["amount_fen"]
        assert (replay.status_code, replay.content) == (201, first.content)
        assert replay.headers["idempotent-replayed"] == "true"
        assert "void" not in is_error(second, 409, "STATE_CONFLICT")["allowed"]
        assert diner.http.get(f"/v1/payments/{paid['id']}").json()["status"] == "voided"
        assert diner.purses() == before

    def test_need_a_key_and_the_canteens_till(self, product: Product, till: Till, diner: Diner) -> None:
        paid = till.pay(keyed(diner)).json()

        is_error(till.http.post(f"/v1/payments/{paid['id']}/void"), 400, "IDEMPOTENCY_KEY_REQUIRED")
        assert void(product.till(13), paid["id"]).status_code in (403, 404)
        is_error(void(till, "pay_" + "0" * 32), 404, "NOT_FOUND")
        is_error(void(till, "pay_nonsense"), 404, "NOT_FOUND")

    def test_do_not_follow_a_refund(self, till: Till, diner: Diner) -> None:
        paid = till.pay(keyed(diner, amount_fen=701)).json()
        assert refund(till.http, paid["id"], 1).status_code == 201

        is_error(void(till, paid["id"]), 409, "STATE_CONFLICT")

    def test_come_within_five_minutes_or_not_at_all(self, product: Product, till: Till, diner: Diner) -> None:
        early, late = till.pay(keyed(diner)).json(), till.pay(keyed(diner)).json()
        product.age_payment(early["id"], 290)
        product.age_payment(late["id"], 301)

        assert void(till, early["id"]).status_code == 201
        assert is_error(void(till, late["id"]), 409, "STATE_CONFLICT")["allowed"]
        assert refund(till.http, late["id"], late["amount_fen"]).status_code == 201, "a refund is not too late"

    def test_of_one_payment_at_once_succeed_once(self, till: Till, diner: Diner) -> None:
        before, paid = diner.purses(), till.pay(keyed(diner)).json()
        with ThreadPoolExecutor(8) as pool:
            statuses = sorted(answer.status_code for answer in pool.map(lambda _: void(till, paid["id"]), range(8)))

        assert statuses == [201] + [409] * 7
        assert diner.purses() == before


class TestRefunds:
    def test_in_parts_until_nothing_is_left(self, till: Till, diner: Diner) -> None:
        before = diner.purses()
        paid, key = till.pay(keyed(diner, amount_fen=803)).json(), f"k-{uuid4()}"
        first, replay = refund(till.http, paid["id"], 300, key), refund(till.http, paid["id"], 300, key)
        assert first.status_code == 201, first.text
        assert first.json()["id"].startswith("ref_")
        assert first.json()["amount_fen"] == 300
        assert replay.content == first.content
        assert diner.http.get(f"/v1/payments/{paid['id']}").json()["status"] == "partially_refunded"
        is_error(refund(till.http, paid["id"], 504), 409, "REFUND_EXCEEDS")
        is_error(refund(till.http, paid["id"], 299, key), 409, "IDEMPOTENCY_KEY_REUSED")
        assert refund(till.http, paid["id"], 503).status_code == 201
        assert diner.http.get(f"/v1/payments/{paid['id']}").json()["status"] == "refunded"
        is_error(refund(till.http, paid["id"], 1), 409, "REFUND_EXCEEDS")
        assert diner.purses() == before

    def test_racing_never_give_back_more_than_was_paid(self, till: Till, diner: Diner) -> None:
        paid = till.pay(keyed(diner, amount_fen=777)).json()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: refund(till.http, paid["id"], 500), range(4)))

        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]

    def test_by_staff_of_the_canteen_but_not_by_the_payer(self, product: Product, till: Till, diner: Diner) -> None:
        paid = till.pay(keyed(diner, amount_fen=690)).json()

        assert refund(product.staff("canteen_manager"), paid["id"], 100).status_code == 201
        is_error(refund(diner.http, paid["id"], 100), 403, "FORBIDDEN")
        is_error(refund(product.staff("dispatcher"), paid["id"], 100), 403, "FORBIDDEN")

    @pytest.mark.parametrize("amount_fen", [0, -1, 1.5, "1", None, 2**70])
    def test_of_nonsense_are_422(self, till: Till, diner: Diner, amount_fen: object) -> None:
        paid = till.pay(keyed(diner)).json()

        is_error(refund(till.http, paid["id"], amount_fen), 422, "MALFORMED")

    def test_with_a_reason_of_nothing_but_nul_bytes_is_no_500(self, till: Till, diner: Diner) -> None:
        paid = till.pay(keyed(diner)).json()
        body = {"amount_fen": 1, "reason": "\x00\x00"}
        answer = till.http.post(f"/v1/payments/{paid['id']}/refunds", json=body, headers={"Idempotency-Key": "nul"})

        is_error(answer, 422, "MALFORMED")
