"""A slip of paper, a link, and a password that nobody but its owner has ever known."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from identity.activation import VALID_FOR
from identity.kinds import Role
from identity.people import edit_person
from identity.principal import Place
from identity.sign_in import sign_in
from kernel import clock
from kernel.db import Database
from tests.identity.conftest import PASSWORD, House, bearer

CHOSEN = "a password of my own"


class Desk:
    """The system administrator at the counter where slips are printed."""

    def __init__(self, api: httpx.AsyncClient, token: str) -> None:
        self.api, self.headers = api, bearer(token)

    async def print(self, body: dict[str, Any]) -> httpx.Response:
        return await self.api.post("/v1/activations", json=body, headers=self.headers)

    async def slip(self, who: UUID) -> dict[str, Any]:
        answer = await self.print({"people": [f"per_{who.hex}"]})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()["data"][0]
        return found


@pytest.fixture
async def desk(house: House, api: httpx.AsyncClient) -> Desk:
    return Desk(api, await house.token(await house.person("系统", Role.SYSTEM_ADMIN)))


async def use(api: httpx.AsyncClient, code: str, password: str = CHOSEN) -> httpx.Response:
    return await api.post("/v1/activations/use", json={"code": code, "password": password})


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["code"]
    return code


async def numbered(house: House, db: Database, name: str, staff_number: str) -> UUID:
    who = await house.person(name)
    async with db.session() as session:
        await edit_person(session, who, {"staff_number": staff_number}, actor="system")
    return who


class TestASlip:
    async def test_lets_its_owner_choose_a_password_once(
        self, house: House, api: httpx.AsyncClient, db: Database, desk: Desk
    ) -> None:
        slip = await desk.slip(await numbered(house, db, "王小明", "A007"))
        assert slip["username"] == "a007"
        assert slip["link"] == f"http://guanjia.test/activate/{slip['code']}"
        assert slip["qr_svg"].startswith("<?xml")

        shown = await api.post("/v1/activations/show", json={"code": slip["code"].lower().replace("-", " ")})
        assert (shown.json()["name"], shown.json()["username"]) == ("王*明", "a007")
        assert (await use(api, slip["code"], "short")).status_code == 422
        assert (await use(api, slip["code"])).json() == {"username": "a007"}
        assert (await sign_in(db, "A007", CHOSEN)).principal.name == "王小明"

        again = await use(api, slip["code"], "another password of mine")
        assert (again.status_code, code_of(again)) == (404, "ACTIVATION_UNKNOWN")
        assert (await sign_in(db, "A007", CHOSEN)).principal.name == "王小明"

    async def test_stands_in_the_database_as_a_hash_only(self, house: House, db: Database, desk: Desk) -> None:
        slip = await desk.slip(await house.person("王小明"))
        async with db.session() as session:
            rows = await session.execute(text("SELECT a::text FROM activations a"))
            log = await session.execute(text("SELECT data FROM audit_log WHERE action = 'activation.issue'"))
            kept = str(rows.all()) + str(log.all())
        for secret in (slip["code"], slip["code"].replace("-", "")):
            assert secret not in kept
            assert secret.lower() not in kept

    async def test_used_by_ten_at_once_sets_one_password(
        self, house: House, api: httpx.AsyncClient, db: Database, desk: Desk
    ) -> None:
        slip = await desk.slip(await house.person("王小明"))
        answers = await asyncio.gather(*[use(api, slip["code"], f"password number {n}") for n in range(10)])
        (winner,) = [n for n, answer in enumerate(answers) if answer.status_code == 200]
        assert (await sign_in(db, slip["username"], f"password number {winner}")).principal.name == "王小明"

    async def test_is_worth_nothing_when_too_old_or_replaced_or_its_owner_is_suspended(
        self, house: House, api: httpx.AsyncClient, desk: Desk, db: Database
    ) -> None:
        wang, li = await house.person("王小明"), await house.person("李四")
        first, second = await desk.slip(wang), await desk.slip(wang)
        assert code_of(await use(api, first["code"])) == "ACTIVATION_UNKNOWN"
        lis = await desk.slip(li)
        await api.post(f"/v1/people/per_{li.hex}/suspend", headers=desk.headers)
        assert code_of(await use(api, lis["code"])) == "ACTIVATION_UNKNOWN"
        clock.advance(VALID_FOR)
        assert code_of(await use(api, second["code"])) == "ACTIVATION_UNKNOWN"

    async def test_resets_a_forgotten_password_and_ends_the_old_sign_ins(
        self, house: House, api: httpx.AsyncClient, db: Database, desk: Desk
    ) -> None:
        wang = await house.person("王小明")
        await house.credential(wang, "wang")
        token = await house.token(wang)
        slip = await desk.slip(wang)
        assert slip["username"] == "wang"
        # Nothing is lost before the slip is used: it may never reach anybody.
        assert (await sign_in(db, "wang", PASSWORD)).principal.person_id == wang
        assert (await use(api, slip["code"])).status_code == 200
        assert (await api.get("/v1/me", headers=bearer(token))).status_code == 401
        assert (await sign_in(db, "wang", CHOSEN)).principal.person_id == wang

    async def test_guessed_in_vain_twenty_times_has_to_wait(self, house: House, api: httpx.AsyncClient) -> None:
        codes = [(await use(api, f"ABCD-EFGH-JKMN-{n:04}")).status_code for n in range(22)]
        assert codes[:20] == [404] * 20
        assert codes[-1] == 429


class TestAUnit:
    async def test_gets_a_sheet_for_all_who_have_no_password_yet(
        self, house: House, api: httpx.AsyncClient, db: Database, desk: Desk
    ) -> None:
        wang, li = await numbered(house, db, "王小明", "A1"), await house.person("李四")
        await house.credential(li, "li")
        await house.person("外人", organisation=house.university)
        await house.first_administrator("审计", Role.AUDIT_ADMIN)
        answer = await desk.print({"organisation": f"org_{house.hospital.hex}"})
        body = answer.json()
        named = {slip["name"]: slip for slip in body["data"]}
        # The system administrator themself has no password here either, and is an administrator.
        assert (set(named), body["more"]) == ({"王小明"}, False)
        assert named["王小明"]["organisation_zh"] == "儿科"
        assert named["王小明"]["person"] == f"per_{wang.hex}"

    async def test_of_two_with_one_name_gives_each_a_user_name_of_their_own(
        self, house: House, api: httpx.AsyncClient, db: Database, desk: Desk
    ) -> None:
        people = [await house.person("王小明") for _ in range(2)]
        body = {"people": [f"per_{who.hex}" for who in people]}
        slips = (await desk.print(body)).json()["data"]
        assert len({slip["username"] for slip in slips}) == 2
        for slip in slips:
            assert (await use(api, slip["code"])).status_code == 200

    async def test_is_one_within_ones_reach(self, house: House, api: httpx.AsyncClient) -> None:
        here = Place(region_id=house.other_city)
        local = Desk(api, await house.token(await house.person("市", Role.SYSTEM_ADMIN, here)))
        assert (await local.print({"organisation": f"org_{house.hospital.hex}"})).status_code == 403
        wang = await house.person("王小明")
        assert (await local.print({"people": [f"per_{wang.hex}"]})).status_code == 403


class TestWhoseSlipItIsToGive:
    @pytest.mark.parametrize(
        ("giver", "receiver", "may"),
        [
            (Role.SYSTEM_ADMIN, Role.FINANCE, True),
            # Whoever grants roles must not be able to sign in as the one who holds them.
            (Role.SECURITY_ADMIN, Role.FINANCE, False),
            (Role.AUDIT_ADMIN, Role.FINANCE, False),
            (Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, False),
            (Role.AUDIT_ADMIN, Role.SECURITY_ADMIN, True),
            (Role.SECURITY_ADMIN, Role.SYSTEM_ADMIN, False),
            (Role.AUDIT_ADMIN, Role.SYSTEM_ADMIN, True),
            (Role.SECURITY_ADMIN, Role.AUDIT_ADMIN, True),
            (Role.SYSTEM_ADMIN, Role.AUDIT_ADMIN, False),
            (Role.FINANCE, Role.CASHIER, False),
        ],
    )
    async def test_nobody_opens_a_door_behind_which_lies_the_other_half_of_their_power(
        self, house: House, api: httpx.AsyncClient, giver: Role, receiver: Role, may: bool
    ) -> None:
        desk = Desk(api, await house.token(await house.person("甲", giver)))
        answer = await desk.print({"people": [f"per_{(await house.person('乙', receiver)).hex}"]})
        assert answer.status_code == (201 if may else 403), answer.text

    async def test_an_administrator_who_has_a_password_keeps_it_and_nobody_serves_themselves(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        auditor, security = (
            await house.person("审计", Role.AUDIT_ADMIN),
            await house.person("安全", Role.SECURITY_ADMIN),
        )
        await house.credential(security, "security")
        desk = Desk(api, await house.token(auditor))
        assert code_of(await desk.print({"people": [f"per_{security.hex}"]})) == "SAME_PERSON"
        assert code_of(await desk.print({"people": [f"per_{auditor.hex}"]})) == "SAME_PERSON"
