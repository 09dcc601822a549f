"""The OpenAPI page taken at its word: whatever it allows, and much that it does not, never gets a 500.

Schemathesis makes the requests, the same ones in every run. Half of the ids in them are real and name people and tills
that nobody else in this file is, so that whoever calls stays who they were.
"""

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app import demo
from app.embedded.valkey import EmbeddedValkey
from app.main import create_app
from kernel.db import Database
from tests.contract.test_addresses import is_error
from tests.product import ROOT, Json

# The first test waits for the demo to be brought in, which takes its time on a busy machine.
pytestmark = pytest.mark.timeout(300)
EXAMPLES = 25
SCHEMA = schemathesis.openapi.from_dict(create_app().openapi())
# It signs the caller out, and the rest would be told 401; tests/identity holds it.
LEFT_OUT = "DELETE /v1/sessions/current"
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}
CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance, content_type_conformance]
CALLERS = ("employee", "cashier", "canteen_manager", "finance", "system_admin", "security_admin", "audit_admin", "till")


class Web:
    """One web process over a database with a little demo in it."""

    def __init__(self, url: str, card: Json) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)
        self.url = url
        self.card = card
        self.tokens = {role: self._sign_in(role) for role in CALLERS if role != "till"}
        self.tokens["till"] = card["terminals"][0]["token"]
        self.known = self._known()

    def _sign_in(self, role: str) -> str:
        staff = (person for person in self.card["staff"] if role in person["roles"])
        login = self.card["employees"][0] if role == "employee" else next(staff)
        sent = {"username": login["username"], "password": login["password"]}
        token: str = self.http.post("/v1/sessions", json=sent).json()["token"]
        return token

    def ask(self, caller: str, path: str) -> Any:
        answer = self.http.get(path, headers=self.as_caller(caller))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def as_caller(self, caller: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[caller]}"}

    def _known(self) -> dict[str, str]:
        """A real id for each name of a parameter."""
        canteen = self.card["terminals"][0]["canteen"]
        victim = next(
            person["id"]
            for person in self.ask("system_admin", "/v1/people?limit=100")["data"]
            if not person.get("username")
        )
        first = {
            name: self.ask("system_admin", f"/v1/{name}")["data"][-1]["id"]
            for name in ("regions", "organisations", "sites")
        }
        menu = self.ask("canteen_manager", f"/v1/canteens/{canteen}/menus")["data"][0]
        payment = self.ask("till", "/v1/terminals/me/payments")["data"][0]["id"]
        return {
            "region": first["regions"],
            "organisation": first["organisations"],
            "organisation_id": first["organisations"],
            "site": first["sites"],
            "who": victim,
            "person_id": victim,
            "terminal": self.card["terminals"][-1]["id"],
            "payment_id": payment,
            "payment": payment,
            "shift": self.ask("canteen_manager", f"/v1/canteens/{canteen}/shifts")["data"][0]["id"],
            "canteen": canteen,
            "menu": menu["id"],
            "dish": self.ask("canteen_manager", f"/v1/canteens/{canteen}/dishes")["data"][0]["id"],
        }


@pytest.fixture(scope="module")
def web(module_database_url: str, valkey_server: EmbeddedValkey) -> Iterator[Web]:
    with pytest.MonkeyPatch.context() as patched:
        # Four weeks would be the same again and again.
        patched.setattr(demo, "WEEKS", timedelta(days=3) / timedelta(weeks=1))
        card = asyncio.run(_seed(module_database_url))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | {
        "GUANJIA_DATABASE_URL": module_database_url,
        "GUANJIA_REDIS_URL": valkey_server.url,
        "GUANJIA_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "app.cli", "web"], env=environment, cwd=ROOT)
    try:
        opened = Web(_when_it_answers(f"http://127.0.0.1:{port}"), card)
        yield opened
        opened.http.close()
    finally:
        process.terminate()
        process.wait(30)


async def _seed(database_url: str) -> Json:
    db = Database(database_url)
    try:
        return await demo.seed_demo(db)
    finally:
        await db.close()


def _when_it_answers(url: str) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{url}/readyz")
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return url


class TestEveryAddress:
    @pytest.mark.parametrize("label", [label for label in OPERATIONS if label != LEFT_OUT])
    def test_answers_as_its_page_says_and_never_500(self, web: Web, label: str) -> None:
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=OPERATIONS[label].as_strategy(), caller=st.sampled_from(CALLERS), real=st.booleans())
        def ask(case: Any, caller: str, real: bool) -> None:
            if real:
                case.path_parameters.update({k: v for k, v in web.known.items() if k in case.path_parameters})
            response = case.call(base_url=web.url, headers=web.as_caller(caller))
            case.validate_response(response, checks=CHECKS)

        ask()

    def test_and_everybody_is_still_signed_in(self, web: Web) -> None:
        """Else the above would have held little but 401."""
        for caller in CALLERS:
            web.ask(caller, "/v1/terminals/me" if caller == "till" else "/v1/me")


class TestWhatNoPageAllows:
    """`POST /v1/payments` is read without the framework, so nothing but itself keeps it from nonsense."""

    @pytest.fixture
    def till(self, web: Web) -> dict[str, str]:
        return {**web.as_caller("till"), "Idempotency-Key": uuid4().hex, "Content-Type": "application/json"}

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\x00",
            b"\xff\xfe{}",
            b'"\xed\xa0\x80"',
            b'{"seq":1,"code":"\xff\xff"}',
            b'{"seq":1,"code":"7000000000000000000\x00"}',
            b'{"seq":1,"code":"7000000000000000000\\u0000"}',
            b'{"seq":1,"code":"\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800"}',
            b"[" * 10_000,
            b'{"a":' * 3000 + b"1" + b"}" * 3000,
            b'{"seq":' + b"9" * 5000 + b"}",
            b'{"seq":1e400}',
            b'{"seq":1,"amount_fen":-0,"code":"70000000000000000000"}',
            b'{"seq":NaN}',
            b"null",
            b"true",
            b"7",
            b"[]",
            b'[{"seq":1}]',
            b'"text"',
            b"{}",
            b'{"seq":1}{"seq":2}',
            b'{"seq":1,"code":null,"credential":null}',
            b'{"seq":1,"credential":{"kind":"palm","value":"x"}}',
            b'{"seq":1,"items":[' + b"{}," * 100 + b"{}]}",
            b'{"seq":1,"happened_at":"99999-01-01T00:00:00Z","code":"70000000000000000000"}',
            b"seq=1&code=2",
            b" " * 100_000,
            b'{"seq":1,"code":"' + b"7" * 100_000 + b'"}',
        ],
        ids=lambda body: repr(body[:24]),
    )
    def test_bodies_are_422(self, web: Web, till: dict[str, str], body: bytes) -> None:
        is_error(web.http.post("/v1/payments", content=body, headers=till), 422, "MALFORMED")

    @pytest.mark.parametrize(
        "happened_at", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59"]
    )
    def test_the_ends_of_time_are_no_500(self, web: Web, till: dict[str, str], happened_at: str) -> None:
        code = web.http.post("/v1/me/pay_codes", headers=web.as_caller("employee")).json()["code"]
        body = {"seq": uuid4().int >> 70, "code": code, "amount_fen": 5, "happened_at": happened_at}
        answer = web.http.post("/v1/payments", json=body, headers=till)

        assert answer.status_code in (201, 409, 422), answer.text

    def test_a_body_in_pieces_is_held_to_the_same_size(self, web: Web, till: dict[str, str]) -> None:
        pieces = (b" " * 1000 for _ in range(300))

        is_error(web.http.post("/v1/payments", content=pieces, headers=till), 422, "MALFORMED")

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense", ""])
    def test_another_content_type_is_read_as_json_all_the_same_or_refused(
        self, web: Web, till: dict[str, str], content_type: str
    ) -> None:
        answer = web.http.post("/v1/payments", content=b"{}", headers={**till, "Content-Type": content_type})

        assert answer.status_code in (415, 422), answer.text

    def test_headers_given_twice_or_of_any_bytes_are_no_500(self, web: Web, till: dict[str, str]) -> None:
        token = till["Authorization"].encode()
        strange: list[list[tuple[bytes, bytes]]] = [
            [(b"Authorization", token), (b"Authorization", b"Bearer x"), (b"Idempotency-Key", b"a")],
            [(b"Authorization", token), (b"Idempotency-Key", b"a"), (b"Idempotency-Key", b"b")],
            [(b"Authorization", token), (b"Idempotency-Key", b"\xff\xfe\xfd")],
            [(b"Authorization", token), (b"Idempotency-Key", b"x" * 20_000)],
            [(b"Authorization", b"Bearer \xff"), (b"Idempotency-Key", b"a")],
            [(b"Authorization", b"Bearer"), (b"Idempotency-Key", b"a")],
            [(b"Authorization", b"Bearer " + b"x" * 20_000), (b"Idempotency-Key", b"a")],
            [(b"Authorization", token), (b"Idempotency-Key", b"a"), (b"Accept-Language", b"\xff;q=x,,,")],
        ]
        for headers in strange:
            answer = web.http.post("/v1/payments", content=b"{}", headers=headers)
            assert 400 <= answer.status_code < 500, (headers, answer.text)
            assert set(answer.json()) == {"code", "message", "data", "request_id"}

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_other_methods_are_405(self, web: Web, till: dict[str, str], method: str) -> None:
        answer = web.http.request(method, "/v1/payments", headers=till)

        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"

    def test_a_payment_still_goes_through_afterwards(self, web: Web, till: dict[str, str]) -> None:
        code = web.http.post("/v1/me/pay_codes", headers=web.as_caller("employee")).json()["code"]
        body = {"seq": uuid4().int >> 70, "code": code, "amount_fen": 6}

        assert web.http.post("/v1/payments", json=body, headers=till).status_code == 201


def test_no_address_is_taken_in_by_another_before_it() -> None:
    """The router asks in order: with `{trigger}` before `top_ups` nobody would be served at the counter."""
    labels = list(OPERATIONS)
    patterns = [re.sub(r"\{[^/]+\}", "[^/]+", label) for label in labels]
    taken_in = [
        (labels[before], label)
        for at, label in enumerate(labels)
        for before in range(at)
        if re.fullmatch(patterns[before], label)
    ]

    assert taken_in == []


def test_the_page_that_was_fuzzed_is_the_page_that_is_served(web: Web) -> None:
    assert web.http.get("/openapi.json").json() == SCHEMA.raw_schema
    assert Path(ROOT / "frontend" / "src" / "generated" / "openapi.json").exists()
