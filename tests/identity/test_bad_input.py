"""Nothing that is sent to us ends in a fault of ours: every refusal is one of ours, with a code."""

import json
from typing import Any

import httpx
import pytest

from identity.kinds import Role
from tests.identity.conftest import House, bearer

POISON = [
    "\x00",
    "a\x00b",
    "\ud800",
    "\u202e",
    "😀" * 100,
    "x" * 100_000,
    "' OR 1=1 --",
    "../../etc/passwd",
    "",
    " ",
    0,
    -1,
    2**63,
    10**400,
    1.5,
    True,
    None,
    [],
    {},
    "9999999-01-01",
    "0001-01-01",
    "per_" + "0" * 32,
    "per_" + "g" * 32,
    "org_" + "0" * 32,
    "sit_" + "0" * 32,
]
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/sessions", {"username": "wang", "password": "x"}),
    ("POST", "/v1/regions", {"code": "x", "name_zh": "新", "name_en": "New", "timezone": "UTC", "parent": None}),
    ("POST", "/v1/people", {"name": "张三", "organisation": "{ward}", "valid_from": "2026-01-01", "phone": "12345"}),
    ("PATCH", "/v1/people/{person}", {"name": "李四", "staff_number": "7"}),
    ("POST", "/v1/people/{person}/membership", {"organisation": "{ward}", "valid_from": "2026-06-01"}),
    ("POST", "/v1/people/{person}/roles", {"role": "cashier", "site": "{canteen}", "reason": "x"}),
    ("POST", "/v1/activations", {"people": ["{person}"], "organisation": "{ward}"}),
    ("POST", "/v1/activations/show", {"code": "ABCD-EFGH-JKMN-PQRS"}),
    ("POST", "/v1/activations/use", {"code": "ABCD-EFGH-JKMN-PQRS", "password": "a long password"}),
    ("POST", "/v1/sessions/second_factor", {"token": "gjp_x", "code": "123456"}),
    ("POST", "/v1/sessions/enrolment", {"token": "gjp_x"}),
    ("POST", "/v1/me/second_factor", {"password": "x"}),
    ("POST", "/v1/me/second_factor/confirm", {"code": "123456"}),
    ("POST", "/v1/terminals", {"site": "{canteen}", "name": "机", "modes": ["keyed"], "serial": "S"}),
    ("POST", "/v1/terminals/enrol", {"pairing_code": "ABCD2345"}),
]
QUERIES = ["/v1/people?q={}", "/v1/people?starting_after={}", "/v1/regions?limit={}", "/v1/organisations?q={}"]


@pytest.fixture
async def named(house: House) -> dict[str, str]:
    return {
        "{ward}": f"org_{house.ward.hex}",
        "{canteen}": f"sit_{house.canteen.hex}",
        "{person}": f"per_{(await house.person('王小明')).hex}",
    }


@pytest.fixture(params=[Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN])
async def caller(house: House, request: pytest.FixtureRequest) -> dict[str, str]:
    return bearer(await house.token(await house.person("管理员", request.param)))


def refused_in_words(answer: httpx.Response) -> bool:
    """Taken, or refused with a code of ours."""
    return answer.status_code < 500 and (answer.status_code < 400 or set(answer.json()) >= {"code", "message", "data"})


class TestPoison:
    async def test_every_field_of_every_body_takes_its_poison(
        self, api: httpx.AsyncClient, named: dict[str, str], caller: dict[str, str]
    ) -> None:
        for method, path, template in BODIES:
            body = {
                field: named.get(value, value) if isinstance(value, str) else value for field, value in template.items()
            }
            place = path.replace("{person}", named["{person}"])
            for field in body:
                for poison in POISON:
                    content = json.dumps(body | {field: poison})
                    answer = await api.request(method, place, content=content, headers=caller)
                    assert refused_in_words(answer), (method, path, field, str(poison)[:40], answer.text)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":' * 5000, b"NaN", b"1e999"])
    async def test_what_is_no_body_at_all_is_malformed(self, api: httpx.AsyncClient, content: bytes) -> None:
        answer = await api.post("/v1/sessions", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED")

    @pytest.mark.parametrize("name", ["\ud800", "\x00", "x" * 10_000, ""])
    async def test_a_field_that_nobody_knows_is_named_in_the_refusal(self, api: httpx.AsyncClient, name: str) -> None:
        content = json.dumps({"username": "wang", "password": "x", name: 1})
        answer = await api.post("/v1/sessions", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED")

    async def test_addresses_and_questions_take_it_too(self, api: httpx.AsyncClient, caller: dict[str, str]) -> None:
        for poison in ("%00", "%ff", "%ED%A0%80", "9" * 400, "-1", "x" * 5000, "per_" + "0" * 32, "%25", "_", "1e3"):
            for query in QUERIES:
                assert refused_in_words(await api.get(query.format(poison), headers=caller)), (query, poison)
            for path in (f"/v1/people/{poison}", f"/v1/terminals/{poison}", f"/v1/approvals/{poison}"):
                assert refused_in_words(await api.get(path, headers=caller)), path

    @pytest.mark.parametrize(
        "value", ["", "Bearer", "Bearer ", "Basic x", "Bearer " + "x" * 5000, "Bearer \xff", "Bearer gjs_é"]
    )
    async def test_a_strange_token_is_simply_no_token(self, api: httpx.AsyncClient, value: str) -> None:
        answer = await api.get("/v1/me", headers=[(b"Authorization", value.encode("latin-1"))])
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
