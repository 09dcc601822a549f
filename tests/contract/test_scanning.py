"""`POST /v1/me/scan_payments` and `credential` by the contract, over HTTP and the socket, at a product with the demo in it."""

import asyncio
import time
from uuid import uuid4

import httpx
import pytest

from tests.contract.test_addresses import is_error
from tests.contract.test_realtime import socket
from tests.product import Diner, Json, Product, Till, fresh_amount_fen


@pytest.fixture(scope="module")
def till(product: Product) -> Till:
    return product.new_till()


@pytest.fixture(scope="module")
def diner(product: Product) -> Diner:
    return product.diner(13)


@pytest.fixture(scope="module")
def wall(product: Product, till: Till) -> Json:
    """The code of that till, as its sheet would carry it."""
    issued = product.staff("system_admin").post("/v1/place_codes", json={"site": till.canteen, "terminal": till.id})
    assert issued.status_code == 201, issued.text
    code: Json = issued.json()
    return code


def scan(diner: Diner, code: Json, **body: object) -> httpx.Response:
    sent = {"place_code": code["text"], "amount_fen": fresh_amount_fen(), **body}
    return diner.http.post("/v1/me/scan_payments", json=sent, headers={"Idempotency-Key": f"test-{uuid4()}"})


class TestAWallCode:
    def test_is_looked_at_paid_and_read_back(self, diner: Diner, till: Till, wall: Json) -> None:
        seen = diner.http.get(f"/v1/place_codes/{wall['text']}").json()
        assert (seen["canteen"], seen["terminal"], seen["refusal"]) == (till.canteen, till.id, None)
        at_till = till.pay({"code": diner.code()["code"], "amount_fen": fresh_amount_fen()}).json()
        answer = scan(diner, wall)
        paid = answer.json()
        assert (answer.status_code, set(paid)) == (201, set(at_till))
        assert (paid["status"], paid["canteen"], paid["terminal"]) == ("succeeded", till.canteen, till.id)
        assert diner.http.get(f"/v1/payments/{paid['id']}").json()["credential"] == "wall_code"

    async def test_its_till_hears_within_the_second(
        self, product: Product, diner: Diner, till: Till, wall: Json
    ) -> None:
        channel = f"canteen:{till.canteen}"
        async with socket(product, till.card["token"]) as screen:
            await screen.subscribe(channel)
            began = time.monotonic()
            paid = (await asyncio.to_thread(scan, diner, wall)).json()
            while (heard := await screen.hear()).get("data", {}).get("payment") != paid["id"]:
                assert time.monotonic() - began < 5
        assert time.monotonic() - began < 1
        assert (heard["type"], heard["data"]["credential"]) == ("payment.succeeded", "wall_code")
        assert heard["data"]["terminal"] == till.id
        assert "person" not in heard["data"]

    def test_is_no_business_of_strangers(self, product: Product, diner: Diner, till: Till, wall: Json) -> None:
        assert product.client().get(f"/v1/place_codes/{wall['text']}").status_code == 401
        assert till.http.get(f"/v1/place_codes/{wall['text']}").status_code == 401
        body = {"site": till.canteen}
        is_error(diner.http.post("/v1/place_codes", json=body), 403, "FORBIDDEN")
        is_error(scan(diner, {"text": "711" + "0" * 67}), 402, "DENY_CODE_UNKNOWN")

    def test_that_was_taken_down_is_not_paid(self, product: Product, diner: Diner, wall: Json) -> None:
        office = product.staff("system_admin")
        revoked = office.post(f"/v1/place_codes/{wall['id']}/revoke")
        assert revoked.status_code == 200
        is_error(diner.http.get(f"/v1/place_codes/{wall['text']}"), 410, "PLACE_CODE_ENDED")
        is_error(scan(diner, wall), 402, "DENY_CODE_EXPIRED")


class TestACredential:
    def test_a_card_is_taken_paid_with_lost_and_refused(self, product: Product, till: Till) -> None:
        diner, number = product.diner(14), str(uuid4().int)[:10]
        assert diner.http.post("/v1/me/card", json={"number": number}).status_code == 201
        sale = {"credential": {"kind": "card", "value": number}}
        assert till.pay({**sale, "amount_fen": fresh_amount_fen()}).status_code == 201
        is_error(till.pay({**sale, "amount_fen": 2001, "confirm_repeat": True}), 402, "DENY_AMOUNT_LIMIT")
        diner.http.post("/v1/me/report_lost")
        is_error(till.pay({**sale, "amount_fen": fresh_amount_fen()}), 402, "DENY_LOST")
        diner.http.post("/v1/me/unlist")

    def test_a_pay_code_may_be_named_as_credential_too(self, product: Product, till: Till) -> None:
        code = product.diner(14).code()["code"]
        answer = till.pay({"credential": {"kind": "pay_code", "value": code}, "amount_fen": fresh_amount_fen()})
        assert answer.status_code == 201, answer.text

    def test_a_staff_number_pays_with_its_pin(self, product: Product, till: Till) -> None:
        diner = product.diner(15)
        me = diner.http.get("/v1/me").json()
        found = product.staff("system_admin").get(f"/v1/people/{me['id']}").json()
        assert diner.http.put("/v1/me/pin", json={"pin": "274911"}).status_code == 204
        sale = {"amount_fen": fresh_amount_fen(), "confirm_repeat": True}
        right = {"kind": "staff_pin", "value": f"{found['staff_number']}:274911"}
        wrong = {"kind": "staff_pin", "value": f"{found['staff_number']}:000000"}
        is_error(till.pay({**sale, "credential": wrong}), 402, "DENY_CODE_UNKNOWN")
        assert till.pay({**sale, "credential": right}).status_code == 201
