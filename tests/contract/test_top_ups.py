"""Putting money in and guests at the till, from outside: with what the demo's card tells, and nothing else."""

import json
import time
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import connect

from tests.contract.test_addresses import is_error
from tests.product import Diner, Json, Product, fresh_amount_fen, fresh_seq

SOON_S = 20


@pytest.fixture(scope="module")
def diner(product: Product) -> Diner:
    return product.diner(36)


@pytest.fixture(scope="module")
def alipay(product: Product) -> str:
    url: str = product.card["simulators"]["alipay"]
    return url


def open_top_up(diner: Diner, amount_fen: int, key: str | None = None) -> httpx.Response:
    sent = {"amount_fen": amount_fen, "channel": "alipay"}
    return diner.http.post("/v1/me/top_ups", json=sent, headers={"Idempotency-Key": key or uuid4().hex})


def settled(diner: Diner, identifier: str) -> Json:
    """The top-up once it is no longer pending."""
    deadline = time.monotonic() + SOON_S
    while True:
        top_up: Json = diner.http.get(f"/v1/me/top_ups/{identifier}").json()
        if top_up["status"] != "pending":
            return top_up
        assert time.monotonic() < deadline, top_up
        time.sleep(0.1)


class TestATopUp:
    def test_is_pending_then_paid_then_told_on_me(self, product: Product, diner: Diner, alipay: str) -> None:
        before, amount_fen = diner.purses()["cash_fen"], fresh_amount_fen()
        with connect(product.socket_url) as line:
            for frame in ({"op": "auth", "token": diner.token}, {"op": "subscribe", "channel": "me", "after": None}):
                line.send(json.dumps(frame))
            while json.loads(line.recv(SOON_S))["op"] != "subscribed":
                pass
            opened = open_top_up(diner, amount_fen)
            assert opened.status_code == 201
            top_up = opened.json()
            assert (top_up["status"], top_up["amount_fen"]) == ("pending", amount_fen)

            paid = httpx.post(f"{alipay}/pay", json={"qr_text": top_up["qr_text"], "times": 3})
            assert paid.status_code == 200
            # A product that has just begun may still be telling of the demo's own past.
            told: Json = {}
            while (told.get("type"), told.get("data", {}).get("top_up")) != ("top_up.succeeded", top_up["id"]):
                told = json.loads(line.recv(SOON_S))
        assert told["data"]["purses"]["cash_fen"] == before + amount_fen
        assert settled(diner, top_up["id"])["status"] == "succeeded"
        assert diner.purses()["cash_fen"] == before + amount_fen

    def test_is_found_out_where_its_notice_is_lost(self, diner: Diner, alipay: str) -> None:
        top_up = open_top_up(diner, fresh_amount_fen()).json()
        httpx.post(f"{alipay}/pay", json={"qr_text": top_up["qr_text"], "drop_notify": True})
        assert settled(diner, top_up["id"])["status"] == "succeeded"

    def test_is_one_for_a_key(self, diner: Diner) -> None:
        key = uuid4().hex
        first, again = open_top_up(diner, 7, key), open_top_up(diner, 7, key)
        assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
        is_error(open_top_up(diner, 8, key), 409, "IDEMPOTENCY_KEY_REUSED")

    @pytest.mark.parametrize("amount_fen", [0, -1, 1_000_001, 1.5, "100", None])
    def test_takes_whole_fen_up_to_ten_thousand_yuan(self, diner: Diner, amount_fen: object) -> None:
        sent = {"amount_fen": amount_fen, "channel": "alipay"}
        answer = diner.http.post("/v1/me/top_ups", json=sent, headers={"Idempotency-Key": uuid4().hex})
        is_error(answer, 422, "MALFORMED")

    def test_a_code_is_paid_once(self, diner: Diner, alipay: str) -> None:
        top_up = open_top_up(diner, fresh_amount_fen()).json()
        answers = [httpx.post(f"{alipay}/pay", json={"qr_text": top_up["qr_text"]}).status_code for _ in range(2)]
        assert answers == [200, 409]


class TestAGuest:
    def test_pays_with_alipays_own_code(self, product: Product) -> None:
        till, amount_fen = product.till(1), fresh_amount_fen()
        sent = {"auth_code": f"28{uuid4().int % 10**16:016d}", "amount_fen": amount_fen, "seq": fresh_seq()}
        headers = {"Idempotency-Key": uuid4().hex}
        first, again = [till.http.post("/v1/guest_payments", json=sent, headers=headers) for _ in range(2)]
        assert (first.status_code, first.json()["status"]) == (201, "succeeded")
        assert again.content == first.content
        shown = till.http.get(f"/v1/guest_payments/{first.json()['id']}").json()
        assert (shown["status"], shown["amount_fen"]) == ("succeeded", amount_fen)


class TestTheNotice:
    def test_of_nobody_is_not_believed(self, product: Product) -> None:
        answer = product.client().post("/v1/notify/alipay", data={"out_trade_no": "top_1", "sign": "x"})
        assert (answer.status_code, answer.text) == (400, "failure")


class TestDifferences:
    def test_are_for_finance_alone(self, product: Product, diner: Diner, alipay: str) -> None:
        top_up = open_top_up(diner, 300).json()
        httpx.post(f"{alipay}/pay", json={"qr_text": top_up["qr_text"], "amount_fen": 301, "order": "notify_first"})
        listed = product.staff("finance").get("/v1/difference_cases?limit=100").json()["data"]
        (case,) = [each for each in listed if each["order"] == top_up["id"]]
        assert (case["kind"], case["expected_fen"], case["confirmed_fen"]) == ("amount_differs", 300, 301)
        assert case["resolved_at"] is None
        is_error(diner.http.get("/v1/difference_cases"), 403, "FORBIDDEN")

    def test_money_for_nobody_goes_back_by_two_people(self, product: Product, diner: Diner, alipay: str) -> None:
        top_up = open_top_up(diner, 300).json()
        httpx.post(f"{alipay}/pay", json={"qr_text": top_up["qr_text"], "amount_fen": 299, "order": "notify_first"})
        one, other = finance_officers(product)
        listed = one.get("/v1/difference_cases?state=open&limit=100").json()["data"]
        (case,) = [each for each in listed if each["order"] == top_up["id"]]
        assert case["allowed"] == ["close", "refund"]

        path, body = f"/v1/difference_cases/{case['id']}/refund", {"reason": "paid one fen too little"}
        is_error(one.post(path, json=body), 400, "IDEMPOTENCY_KEY_REQUIRED")
        headers = {"Idempotency-Key": uuid4().hex}
        asked, again = [one.post(path, json=body, headers=headers) for _ in range(2)]
        assert (asked.status_code, asked.json()["allowed"], again.content) == (201, [], asked.content)
        approve = f"/v1/approvals/{asked.json()['approval']}/approve"
        is_error(one.post(approve, json={}), 403, "SAME_PERSON")
        assert other.post(approve, json={}).status_code == 200
        shown = one.get("/v1/difference_cases?limit=100").json()["data"]
        (settled,) = [each for each in shown if each["id"] == case["id"]]
        assert (settled["resolution"], settled["reason"]) == ("refunded", "paid one fen too little")


class TestGivingBack:
    def test_a_guests_meal_is_voided_at_the_till(self, product: Product) -> None:
        till = product.new_till()
        sent = {"auth_code": f"28{uuid4().int % 10**16:016d}", "amount_fen": fresh_amount_fen(), "seq": fresh_seq()}
        guest = till.http.post("/v1/guest_payments", json=sent, headers={"Idempotency-Key": uuid4().hex}).json()
        address = f"/v1/guest_payments/{guest['id']}"
        voided = till.http.post(f"{address}/void", headers={"Idempotency-Key": uuid4().hex})
        assert (voided.status_code, voided.json()["kind"]) == (201, "void")
        deadline = time.monotonic() + SOON_S
        while (shown := till.http.get(address).json())["refunds"][0]["status"] == "pending":
            assert time.monotonic() < deadline, shown
        assert (shown["status"], shown["refunded_fen"]) == ("refunded", guest["amount_fen"])

    def test_a_top_up_goes_back_once_a_second_person_has_agreed(
        self, product: Product, diner: Diner, alipay: str
    ) -> None:
        top_up = open_top_up(diner, 4000).json()
        httpx.post(f"{alipay}/pay", json={"qr_text": top_up["qr_text"], "order": "notify_first"})
        before, (one, other) = diner.purses()["cash_fen"], finance_officers(product)
        body = {"amount_fen": 1500, "reason": "twice"}
        path, headers = f"/v1/top_ups/{top_up['id']}/refund", {"Idempotency-Key": uuid4().hex}
        is_error(diner.http.post(path, json=body, headers=headers), 403, "FORBIDDEN")
        asked = one.post(path, json=body, headers=headers)
        assert (asked.status_code, asked.json()["status"]) == (201, "asked")
        assert other.post(f"/v1/approvals/{asked.json()['approval']}/approve", json={}).status_code == 200
        assert diner.purses()["cash_fen"] == before - 1500
        mine = diner.http.get(f"/v1/me/top_ups/{top_up['id']}").json()
        assert (mine["status"], mine["refunded_fen"]) == ("succeeded", 1500)


def finance_officers(product: Product) -> list[httpx.Client]:
    """Two people of finance."""
    logins = [login["username"] for login in product.card["staff"] if "finance" in login["roles"]]
    return [product.client(product.token_of(username)) for username in logins[:2]]
