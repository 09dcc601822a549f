"""The Stripe-compatible paths of the running product, by the official client and the demo's key; and its page's addresses."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
import stripe

from tests.product import Json, Product, fresh_amount_fen


class Hearing(ThreadingHTTPServer):
    """A program's own server: keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.got: list[tuple[bytes, str]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def wait_for(self, count: int) -> list[tuple[bytes, str]]:
        deadline = time.monotonic() + 30
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"{len(self.got)} of {count} came"
            time.sleep(0.05)
        return self.got


class _Hook(BaseHTTPRequestHandler):
    server: Hearing

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((body, self.headers["stripe-signature"]))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Not on the terminal."""


@pytest.fixture
def hearing() -> Iterator[Hearing]:
    with Hearing() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(product: Product) -> Iterator[Any]:
    """The official client with the demo's key."""
    with requests.Session() as session:
        yield stripe.StripeClient(
            product.card["stripe_key"],
            base_addresses={"api": product.url},
            http_client=stripe.RequestsClient(session=session),
        )


@pytest.fixture
def office(product: Product) -> httpx.Client:
    return product.staff("system_admin")


@pytest.fixture
def site(product: Product) -> str:
    found: str = product.till().http.get("/v1/terminals/me").json()["site"]["id"]
    return found


def code_of(product: Product, number: int) -> Json:
    return {"type": "one_card", "one_card": {"code": product.diner(number).code()["code"]}}


class TestTheDemosKey:
    def test_pays_gives_back_and_is_heard_of(self, product: Product, client: Any, hearing: Hearing) -> None:
        endpoint = client.v1.webhook_endpoints.create({"url": hearing.url, "enabled_events": ["*"]})
        diner, amount_fen = product.diner(4), fresh_amount_fen()
        before = diner.purses()

        made = client.v1.payment_intents.create({"amount": amount_fen, "currency": "cny", "metadata": {"a": "1"}})
        paid = client.v1.payment_intents.confirm(made.id, {"payment_method_data": code_of(product, 4)})
        assert paid.status == "succeeded"
        after = diner.purses()
        assert before["cash_fen"] + before["subsidy_fen"] - after["cash_fen"] - after["subsidy_fen"] == amount_fen
        mine = diner.http.get("/v1/me/payments", params={"limit": 1}).json()["data"][0]
        assert paid.latest_charge == "ch_" + mine["id"].removeprefix("pay_")
        client.v1.refunds.create({"payment_intent": paid.id})
        assert diner.purses() == before

        heard = [stripe.Webhook.construct_event(*got, endpoint.secret) for got in hearing.wait_for(5)]
        client.v1.webhook_endpoints.delete(endpoint.id)
        assert [event.type for event in heard] == [
            *("payment_intent.created", "charge.succeeded", "payment_intent.succeeded"),
            *("refund.created", "charge.refunded"),
        ]

    def test_the_errors_are_stripes(self, product: Product, client: Any) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.retrieve("pi_none")
        with pytest.raises(stripe.CardError) as raised:
            client.v1.payment_intents.create(
                {
                    "amount": 100,
                    "currency": "cny",
                    "confirm": True,
                    "payment_method_data": {"type": "one_card", "one_card": {"code": "7" * 20}},
                }
            )
        assert raised.value.code == "incorrect_number"
        wrong = httpx.get(f"{product.url}/v1/balance", headers={"Authorization": "Bearer sk_test_none"})
        assert (wrong.status_code, set(wrong.json())) == (401, {"error"})


class TestTheOffice:
    def test_makes_a_key_once_and_revokes_it(self, product: Product, office: httpx.Client, site: str) -> None:
        answer = office.post("/v1/developers/keys", json={"site": site, "name": "kiosk"})
        assert answer.status_code == 201
        made = answer.json()
        listed = office.get("/v1/developers/keys", params={"site": site}).json()["data"]
        assert made["key"] in listed
        assert made["secret"] not in json.dumps(listed)
        headers = {"Authorization": f"Bearer {made['secret']}"}
        assert httpx.get(f"{product.url}/v1/balance", headers=headers).status_code == 200

        revoked = office.post(f"/v1/developers/keys/{made['key']['id']}/revoke").json()

        assert (revoked["state"], revoked["allowed"]) == ("revoked", [])
        assert office.post(f"/v1/developers/keys/{made['key']['id']}/revoke").json()["code"] == "STATE_CONFLICT"
        deadline = time.monotonic() + 5
        while httpx.get(f"{product.url}/v1/balance", headers=headers).status_code == 200:
            assert time.monotonic() < deadline, "a revoked key still opens the door"
            time.sleep(0.1)

    def test_looks_after_receivers_and_sends_again(
        self, product: Product, office: httpx.Client, client: Any, site: str, hearing: Hearing
    ) -> None:
        new = {"site": site, "url": hearing.url, "enabled_events": ["payment_intent.canceled"], "description": "x"}
        made = office.post("/v1/developers/webhook_endpoints", json=new).json()
        path = f"/v1/developers/webhook_endpoints/{made['endpoint']['id']}"
        assert made["secret"] not in office.get(path.rpartition("/")[0], params={"site": site}).text
        client.v1.payment_intents.cancel(client.v1.payment_intents.create({"amount": 1, "currency": "cny"}).id)
        hearing.wait_for(1)
        time.sleep(0.5)

        (entry,) = office.get(f"{path}/deliveries").json()["data"]
        assert (entry["type"], entry["state"], len(entry["attempts"])) == ("payment_intent.canceled", "delivered", 1)
        assert entry["attempts"][0]["status"] == 200
        again = office.post(f"{path}/deliveries/{entry['event']}/redeliver")
        assert again.json()["state"] == "pending"
        assert len({stripe.Webhook.construct_event(*got, made["secret"]).id for got in hearing.wait_for(2)}) == 1

        assert office.post(f"{path}/rotate_secret").json()["secret"].startswith("whsec_")
        assert office.patch(path, json={"description": "y"}).json()["description"] == "y"
        assert office.patch(path, json={"url": "ftp://x.example"}).json()["code"] == "MALFORMED"
        assert office.post(f"{path}/disable").json()["allowed"] == ["enable"]
        assert office.post(f"{path}/deliveries/{entry['event']}/redeliver").json()["code"] == "STATE_CONFLICT"
        assert office.post(f"{path}/enable").json()["state"] == "enabled"
        assert office.delete(path).status_code == 204
        assert office.get(f"{path}/deliveries").json()["code"] == "NOT_FOUND"

    @pytest.mark.parametrize("role", ["security_admin", "audit_admin", "canteen_manager"])
    def test_nobody_else_does(self, product: Product, site: str, role: str) -> None:
        stranger = product.staff(role)

        for answer in (
            stranger.get("/v1/developers/keys", params={"site": site}),
            stranger.post("/v1/developers/keys", json={"site": site, "name": "x"}),
            stranger.get("/v1/developers/webhook_endpoints", params={"site": site}),
            product.diner(4).http.post("/v1/developers/keys", json={"site": site, "name": "x"}),
        ):
            assert answer.json()["code"] == "FORBIDDEN"

    def test_what_is_not_there_is_not_found(self, office: httpx.Client) -> None:
        for answer in (
            office.get("/v1/developers/keys", params={"site": f"sit_{uuid4().hex}"}),
            office.post(f"/v1/developers/keys/key_{uuid4().hex}/revoke"),
            office.delete(f"/v1/developers/webhook_endpoints/we_{uuid4().hex}"),
        ):
            assert answer.json()["code"] == "NOT_FOUND"
