"""The table of addresses, as somebody sees it who knows nothing but the contract."""

import base64
import json
import os
import re
import subprocess
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.product import ROOT, Json, Product

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
NOT_BUILT_YET = (
    ("POST", "/v1/payments/batch"),
    ("POST", "/v1/notify/wechat_pay"),
    ("POST", "/v1/notify/stripe"),
)


def is_error(answer: httpx.Response, status: int, code: str) -> Json:
    """The one wire form of an error; returns its data."""
    assert answer.status_code == status, answer.text
    body: Json = answer.json()
    assert set(body) == {"code", "message", "data", "request_id"}
    assert body["code"] == code, body
    assert body["message"]
    data: Json = body["data"]
    return data


class TestHealth:
    def test_healthz(self, product: Product) -> None:
        answer = product.client().get("/healthz")

        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_readyz_names_each_part(self, product: Product) -> None:
        body = product.client().get("/readyz").json()

        assert body["status"] == "ok"
        assert {"database", "valkey", "relay_lag"} <= set(body["parts"])

    def test_metrics_are_prometheus_text(self, product: Product) -> None:
        answer = product.client().get("/metrics")

        assert answer.headers["content-type"].startswith("text/plain")
        assert "# TYPE guanjia_" in answer.text


class TestWhatIsNotBuiltYet:
    @pytest.mark.parametrize(("method", "path"), NOT_BUILT_YET)
    def test_answers_404(self, product: Product, method: str, path: str) -> None:
        is_error(product.till().http.request(method, path), 404, "NOT_FOUND")


class TestErrors:
    def test_speak_chinese_unless_english_is_asked_for(self, product: Product) -> None:
        client = product.client()
        chinese = client.get("/v1/me").json()["message"]
        english = client.get("/v1/me", headers={"Accept-Language": "en-GB,en;q=0.8"}).json()["message"]

        assert re.search(r"[一-鿿]", chinese)
        assert english.isascii()

    def test_a_wrong_method_is_told_from_a_wrong_address(self, product: Product) -> None:
        is_error(product.client().delete("/v1/trust_list"), 405, "METHOD_NOT_ALLOWED")
        is_error(product.client().delete("/v1/trust_lists"), 404, "NOT_FOUND")


class TestSessions:
    def test_the_token_works_as_bearer_and_as_cookie(self, product: Product) -> None:
        login = product.card["employees"][2]
        client = product.client()
        answer = client.post("/v1/sessions", json={"username": login["username"], "password": login["password"]})
        body = answer.json()

        assert answer.status_code == 201
        assert {"id", "name", "roles"} <= set(body["person"])
        assert body["person"]["name"] == login["name"]
        assert "employee" in body["person"]["roles"]
        assert client.get("/v1/me").json()["id"] == body["person"]["id"], "by cookie"
        assert product.client(body["token"]).get("/v1/me").json()["id"] == body["person"]["id"], "as Bearer"

    def test_a_wrong_password_and_an_unknown_name_look_alike(self, product: Product) -> None:
        known = product.card["employees"][38]["username"]
        wrong = product.client().post("/v1/sessions", json={"username": known, "password": "nonsense-nonsense"})
        unknown = product.client().post("/v1/sessions", json={"username": "nobody", "password": "nonsense-nonsense"})

        assert is_error(wrong, 401, "WRONG_CREDENTIALS") == is_error(unknown, 401, "WRONG_CREDENTIALS")

    def test_a_token_that_nobody_has_is_401_everywhere(self, product: Product) -> None:
        for path in ("/v1/me", "/v1/me/purses", "/v1/me/payments", "/v1/terminals/me"):
            is_error(product.client("nonsense").get(path), 401, "UNAUTHENTICATED")
        is_error(product.client("nonsense").post("/v1/me/pay_codes"), 401, "UNAUTHENTICATED")


class TestMe:
    def test_purses_add_up(self, product: Product) -> None:
        purses = product.diner(2).purses()

        assert {"cash_fen", "subsidy_fen", "official_fen", "lots"} <= set(purses)
        assert purses["cash_fen"] >= 50_000
        assert purses["subsidy_fen"] == sum(lot["amount_fen"] for lot in purses["lots"]) > 0
        for lot in purses["lots"]:
            assert {"id", "amount_fen", "expires_at", "scope"} <= set(lot)
            assert TIME.match(lot["expires_at"])

    def test_payments_come_newest_first_page_by_page_without_gap_or_repeat(self, product: Product) -> None:
        me = product.diner(3).http
        everything = me.get("/v1/me/payments", params={"limit": 100}).json()
        assert set(everything) == {"data", "has_more"}
        wanted = [payment["id"] for payment in everything["data"]]
        assert len(wanted) > 5
        times = [payment["recorded_at"] for payment in everything["data"]]
        assert times == sorted(times, reverse=True)
        assert all(TIME.match(payment["happened_at"]) for payment in everything["data"])
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", payment["business_date"]) for payment in everything["data"])

        paged: list[str] = []
        while True:
            after = {"starting_after": paged[-1]} if paged else {}
            page = me.get("/v1/me/payments", params={"limit": 3, **after}).json()
            paged += [payment["id"] for payment in page["data"]]
            assert len(page["data"]) == 3 or not page["has_more"]
            if not page["has_more"] or len(paged) >= 99:
                break
        assert paged == wanted[: len(paged)]

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "many", "1e2", ""])
    def test_a_limit_is_1_to_100(self, product: Product, limit: str) -> None:
        answer = product.diner(3).http.get("/v1/me/payments", params={"limit": limit})
        is_error(answer, 422, "MALFORMED")

    def test_twenty_are_given_where_nobody_says(self, product: Product) -> None:
        page = product.till(0).http.get("/v1/terminals/me/payments").json()

        assert len(page["data"]) == 20
        assert page["has_more"] is True


class TestTheCounter:
    def test_cash_taken_there_is_in_the_purse_at_once_and_once(self, product: Product) -> None:
        diner, finance = product.diner(12), product.staff("finance")
        person, before = diner.http.get("/v1/me").json()["id"], diner.purses()["cash_fen"]
        path, sent = f"/v1/people/{person}/account/top_ups", {"Idempotency-Key": uuid4().hex}
        first = finance.post(path, json={"amount_fen": 5000}, headers=sent)
        again = finance.post(path, json={"amount_fen": 5000}, headers=sent)

        assert first.status_code == 201, first.text
        assert (first.json()["status"], first.json()["amount_fen"]) == ("succeeded", 5000)
        assert again.content == first.content
        assert diner.purses()["cash_fen"] == before + 5000
        is_error(finance.post(path, json={"amount_fen": 5000}), 400, "IDEMPOTENCY_KEY_REQUIRED")
        is_error(diner.http.post(path, json={"amount_fen": 5000}, headers=sent), 403, "FORBIDDEN")

    def test_a_new_card_comes_instead_of_the_old_one(self, product: Product) -> None:
        person = product.diner(12).http.get("/v1/me").json()["id"]
        cards = [product.staff("finance").post(f"/v1/people/{person}/account/cards") for _ in range(2)]

        assert [card.status_code for card in cards] == [201, 201], cards[0].text
        assert cards[0].json()["number"] != cards[1].json()["number"]


class TestTills:
    def test_a_till_learns_what_it_needs(self, product: Product) -> None:
        till = product.till(0)
        body = till.http.get("/v1/terminals/me").json()

        assert body["id"] == till.id
        assert body["canteen"]["id"] == till.canteen
        assert set(till.card["modes"]) == set(body["modes"])
        assert body["next_seq"] >= 1
        assert body["seq_epoch"] >= 1
        assert body["prices"]
        assert TIME.match(body["server_time"])

    def test_a_pairing_code_is_good_once_and_a_wiped_till_begins_a_new_epoch(self, product: Product) -> None:
        till, office = product.new_till(), product.staff("system_admin")
        assert till.pay({"code": product.diner(4).code()["code"], "amount_fen": 11, "seq": 7}).status_code == 201
        before = till.http.get("/v1/terminals/me").json()
        code = office.post(f"/v1/terminals/{till.id}/issue_code").json()["code"]
        enrolled = product.client().post("/v1/terminals/enrol", json={"pairing_code": code})
        assert enrolled.status_code == 201, enrolled.text
        wiped = product.client(enrolled.json()["token"]).get("/v1/terminals/me").json()
        again = product.client().post("/v1/terminals/enrol", json={"pairing_code": code})

        assert (before["seq_epoch"], before["next_seq"]) == (1, 8)
        assert (wiped["id"], wiped["seq_epoch"], wiped["next_seq"]) == (till.id, 2, 1)
        assert again.status_code == 404
        assert till.http.get("/v1/terminals/me").status_code == 401, "the wiped till's old token"


class TestTrustList:
    def test_is_signed_by_the_root_key(self, product: Product) -> None:
        body = product.client().get("/v1/trust_list").json()
        root = Ed25519PublicKey.from_public_bytes(base64.b64decode(product.card["root_public_key"], validate=True))
        signed = b"HZT1" + rfc8785.dumps({"keys": body["keys"], "version": body["version"]})
        signature = base64.b64decode(body["signature"], validate=True)

        root.verify(signature, signed)
        with pytest.raises(InvalidSignature):
            root.verify(signature, signed.replace(b'"suite":1', b'"suite":2'))
        assert set(body) == {"keys", "version", "signature"}
        for key in body["keys"]:
            assert set(key) == {"kid", "suite", "public_key", "region", "not_before", "not_after"}
            assert len(base64.b64decode(key["public_key"], validate=True)) == 32
            assert isinstance(key["not_before"], int)
            assert key["not_before"] < key["not_after"]


class TestTheDemosCard:
    def test_is_told_as_the_contract_says(self, product: Product) -> None:
        card = product.card

        assert {"base_url", "root_public_key", "employees", "terminals", "staff", "stripe_key", "simulators"} == set(
            card
        )
        assert all({"username", "password", "name", "class"} <= set(person) for person in card["employees"])
        assert all({"id", "token", "canteen", "modes"} <= set(till) for till in card["terminals"])
        assert all({"username", "password", "roles"} <= set(person) for person in card["staff"])
        assert card["stripe_key"].startswith("sk_test_")
        assert card["simulators"]["alipay"].startswith("http://127.0.0.1:")
        assert card["simulators"]["wechat_pay"] is None

    def test_is_told_with_the_server_stopped_too(self, product: Product, tmp_path: Path) -> None:
        """A copy of the data folder's card, where no server was ever started."""
        (tmp_path / "simulators" / "alipay").mkdir(parents=True)
        for name in ("demo.json", "base_url", "simulators/alipay/url"):
            (tmp_path / name).write_bytes((product.data_dir / name).read_bytes())
        said = subprocess.run(
            [str(ROOT / "guanjia"), "demo", "--json"],
            env=os.environ | {"GUANJIA_DATA_DIR": str(tmp_path)},
            capture_output=True,
            check=True,
        ).stdout

        assert json.loads(said) == product.card
