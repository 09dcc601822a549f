"""Two factors for the three administrators: a code opens once, guesses are counted, and production lets nobody by."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from identity.kinds import ADMINISTRATORS, Role
from identity.second_factor import forget_factor
from identity.sign_in import PENDING_LIFE
from kernel import clock
from kernel.db import Database
from kernel.errors import NotFound
from kernel.settings import get_settings
from tests.identity.conftest import PASSWORD, House, bearer

Json = dict[str, Any]


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "production", True)
    monkeypatch.setattr(get_settings(), "secret_key", SecretStr("a secret key of more than 32 letters"))


@pytest.fixture(autouse=True)
def beginning_of_a_step() -> None:
    """The authenticator's step must not end between the reading of a code and its use."""
    clock.advance(timedelta(seconds=31 - clock.now().timestamp() % 30))


def code_at(secret: str, steps: int = 0) -> str:
    """What the authenticator shows now, or some steps of 30 seconds away."""
    return pyotp.TOTP(secret).generate_otp(int(clock.now().timestamp()) // 30 + steps)


class Guard:
    """The door, as a browser stands before it."""

    def __init__(self, api: httpx.AsyncClient) -> None:
        self.api = api

    async def password(self, username: str, password: str = PASSWORD) -> Json:
        answer = await self.api.post("/v1/sessions", json={"username": username, "password": password})
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def code(self, token: str, code: str) -> httpx.Response:
        return await self.api.post("/v1/sessions/second_factor", json={"token": token, "code": code})

    async def is_in(self, token: str) -> bool:
        return (await self.api.get("/v1/me", headers=bearer(token))).status_code == 200

    async def enrol(self, token: str) -> tuple[str, list[str]]:
        """Set a second factor up while signed in: its secret and the recovery codes."""
        headers = bearer(token)
        told = await self.api.post("/v1/me/second_factor", json={"password": PASSWORD}, headers=headers)
        secret: str = told.json()["secret"]
        confirmed = await self.api.post("/v1/me/second_factor/confirm", json={"code": code_at(secret)}, headers=headers)
        assert confirmed.status_code == 201, confirmed.text
        # The step that confirmed it is used up.
        clock.advance(timedelta(seconds=30))
        return secret, confirmed.json()["recovery_codes"]


@pytest.fixture
def guard(api: httpx.AsyncClient) -> Guard:
    return Guard(api)


@pytest.fixture
async def security(house: House) -> UUID:
    person_id = await house.first_administrator("安全", Role.SECURITY_ADMIN)
    await house.credential(person_id, "security")
    return person_id


@pytest.mark.usefixtures("security")
class TestSigningIn:
    async def test_with_a_second_factor_takes_password_and_code(self, guard: Guard) -> None:
        first = await guard.password("security")
        assert first["waits_for"] is None, "not enrolled, and not in production: as before"
        secret, _ = await guard.enrol(first["token"])

        half = await guard.password("security")
        assert half["waits_for"] == "code"
        assert not await guard.is_in(half["token"]), "half a sign-in opens nothing"
        whole = await guard.code(half["token"], code_at(secret))
        assert (whole.status_code, whole.json()["waits_for"]) == (201, None)
        assert await guard.is_in(whole.json()["token"])
        assert (await guard.code(half["token"], code_at(secret, 1))).json()["code"] == "SIGN_IN_GONE"

    async def test_a_code_opens_once_and_no_older_one_after_it(self, guard: Guard) -> None:
        secret, _ = await guard.enrol((await guard.password("security"))["token"])
        older, now = code_at(secret, -1), code_at(secret)
        assert (await guard.code((await guard.password("security"))["token"], now)).status_code == 201
        again = (await guard.password("security"))["token"]
        for replayed in (now, older):
            refused = await guard.code(again, replayed)
            assert (refused.status_code, refused.json()["code"]) == (401, "WRONG_SECOND_FACTOR")
        clock.advance(timedelta(seconds=30))
        assert (await guard.code(again, code_at(secret))).status_code == 201

    async def test_one_code_sent_ten_times_at_once_opens_once(self, guard: Guard) -> None:
        secret, _ = await guard.enrol((await guard.password("security"))["token"])
        halves = [await guard.password("security") for _ in range(4)]
        answers = await asyncio.gather(*[guard.code(half["token"], code_at(secret)) for half in halves])
        assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]

    @pytest.mark.parametrize(("off", "opens"), [(-2, False), (-1, True), (1, True), (2, False)])
    async def test_a_clock_may_be_half_a_minute_off(self, guard: Guard, off: int, opens: bool) -> None:
        secret, _ = await guard.enrol((await guard.password("security"))["token"])
        clock.advance(timedelta(minutes=2))
        half = await guard.password("security")
        assert ((await guard.code(half["token"], code_at(secret, off))).status_code == 201) is opens

    async def test_five_wrong_codes_lock_and_a_restart_does_not_forget(self, guard: Guard) -> None:
        secret, _ = await guard.enrol((await guard.password("security"))["token"])
        half = (await guard.password("security"))["token"]
        wrong = [(await guard.code(half, f"{n:06}")).json()["code"] for n in range(5)]
        assert wrong == ["WRONG_SECOND_FACTOR"] * 5
        other_half = (await guard.password("security"))["token"]
        locked = await guard.code(other_half, code_at(secret))
        assert (locked.status_code, locked.json()["code"]) == (429, "SIGN_IN_LOCKED")
        clock.advance(timedelta(seconds=61))
        assert (await guard.code(other_half, code_at(secret))).status_code == 201

    async def test_a_recovery_code_opens_once(self, guard: Guard, api: httpx.AsyncClient) -> None:
        _, codes = await guard.enrol((await guard.password("security"))["token"])
        assert len(set(codes)) == 10
        opened = await guard.code((await guard.password("security"))["token"], codes[0].lower())
        assert opened.status_code == 201
        again = await guard.code((await guard.password("security"))["token"], codes[0])
        assert again.json()["code"] == "WRONG_SECOND_FACTOR"
        headers = bearer(opened.json()["token"])
        assert (await api.get("/v1/me/second_factor", headers=headers)).json() == {
            "enrolled": True,
            "recovery_codes_left": 9,
        }

    async def test_half_a_sign_in_does_not_wait_for_ever(self, guard: Guard) -> None:
        secret, _ = await guard.enrol((await guard.password("security"))["token"])
        half = (await guard.password("security"))["token"]
        clock.advance(PENDING_LIFE)
        assert (await guard.code(half, code_at(secret))).json()["code"] == "SIGN_IN_GONE"


class TestSettingItUp:
    async def test_takes_the_password_and_counts_only_once_a_code_was_typed(
        self, guard: Guard, security: UUID, api: httpx.AsyncClient
    ) -> None:
        headers = bearer((await guard.password("security"))["token"])
        wrong = await api.post("/v1/me/second_factor", json={"password": "not this one"}, headers=headers)
        assert wrong.json()["code"] == "WRONG_CREDENTIALS"
        told = await api.post("/v1/me/second_factor", json={"password": PASSWORD}, headers=headers)
        assert told.json()["uri"].startswith("otpauth://totp/")
        assert (await guard.password("security"))["waits_for"] is None
        refused = await api.post("/v1/me/second_factor/confirm", json={"code": "000000"}, headers=headers)
        assert refused.json()["code"] == "WRONG_SECOND_FACTOR"

    async def test_stands_in_the_database_sealed(self, guard: Guard, security: UUID, db: Database) -> None:
        secret, codes = await guard.enrol((await guard.password("security"))["token"])
        async with db.session() as session:
            row = (await session.execute(text("SELECT sealed_secret, recovery_hashes FROM second_factors"))).one()
        assert secret.encode() not in row.sealed_secret
        assert all(len(kept) == 32 for kept in row.recovery_hashes)
        assert codes[0].encode() not in b"".join(row.recovery_hashes)

    async def test_lost_for_good_it_takes_two_others_to_take_it_away(
        self, guard: Guard, security: UUID, house: House, api: httpx.AsyncClient
    ) -> None:
        token = (await guard.password("security"))["token"]
        await guard.enrol(token)
        system = bearer(await house.token(await house.first_administrator("系统", Role.SYSTEM_ADMIN)))
        second = bearer(await house.token(await house.first_administrator("安全二", Role.SECURITY_ADMIN)))
        path = f"/v1/people/per_{security.hex}/second_factor/reset"
        approval = (await api.post(path, json={"reason": "手机丢失"}, headers=system)).json()["approval"]
        approve = f"/v1/approvals/{approval}/approve"
        assert (await api.post(approve, headers=system)).json()["code"] == "SAME_PERSON"
        assert (await api.post(approve, headers=bearer(token))).json()["code"] == "SAME_PERSON"
        assert (await api.post(approve, headers=second)).status_code == 200
        assert not await guard.is_in(token), "whoever holds the lost telephone is out"
        assert (await guard.password("security"))["waits_for"] is None

    async def test_with_nobody_left_to_agree_the_command_line_takes_it_away(
        self, guard: Guard, security: UUID, db: Database
    ) -> None:
        token = (await guard.password("security"))["token"]
        await guard.enrol(token)
        async with db.session() as session:
            with pytest.raises(NotFound):
                await forget_factor(session, "nobody", actor="command-line")
        async with db.session() as session:
            await forget_factor(session, "Security", actor="command-line")
        assert not await guard.is_in(token)
        assert (await guard.password("security"))["waits_for"] is None


@pytest.mark.usefixtures("production")
class TestInProduction:
    @pytest.mark.parametrize("role", sorted(ADMINISTRATORS))
    async def test_an_administrator_sets_it_up_before_anything_else(
        self, house: House, guard: Guard, api: httpx.AsyncClient, role: Role
    ) -> None:
        await house.credential(await house.person("管理员", role), "admin")
        half = await guard.password("admin")
        assert half["waits_for"] == "enrolment"
        assert not await guard.is_in(half["token"])
        assert (await guard.code(half["token"], "123456")).json()["code"] == "SIGN_IN_GONE"

        told = (await api.post("/v1/sessions/enrolment", json={"token": half["token"]})).json()
        confirm = {"token": half["token"], "code": code_at(told["secret"])}
        whole = await api.post("/v1/sessions/enrolment/confirm", json=confirm)
        assert (whole.status_code, len(whole.json()["recovery_codes"])) == (201, 10)
        assert await guard.is_in(whole.json()["token"])
        assert (await guard.password("admin"))["waits_for"] == "code"

    async def test_others_need_none(self, house: House, guard: Guard) -> None:
        await house.credential(await house.person("财务", Role.FINANCE), "finance")
        assert (await guard.password("finance"))["waits_for"] is None

    async def test_who_becomes_an_administrator_signs_in_anew(
        self, house: House, guard: Guard, security: UUID, api: httpx.AsyncClient
    ) -> None:
        wang = await house.person("王小明")
        await house.credential(wang, "wang")
        token = (await guard.password("wang"))["token"]
        asked = await api.post(
            f"/v1/people/per_{wang.hex}/roles",
            json={"role": "system_admin"},
            headers=bearer(await house.token(security)),
        )
        second = bearer(await house.token(await house.first_administrator("安全二", Role.SECURITY_ADMIN)))
        approval = asked.json()["approval"]
        assert (await api.post(f"/v1/approvals/{approval}/approve", headers=second)).status_code == 200
        assert not await guard.is_in(token)
        assert (await guard.password("wang"))["waits_for"] == "enrolment"
