"""Signing in: a person at a phone or a desk, and somebody who guesses."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, text

from identity.errors import AlreadyExists, SignInLocked, WrongCredentials
from identity.kinds import Role
from identity.models import Credential, SignInSession
from identity.passwords import verify_password
from identity.sign_in import DESK_LIFE, EMPLOYEE_LIFE, sign_in
from identity.tokens import hash_token
from kernel import clock
from kernel.db import Database
from kernel.outbox import read_after
from tests.identity.conftest import PASSWORD, House, bearer


class TestSigningIn:
    async def test_a_person_signs_in_and_asks_who_they_are(self, house: House, api: httpx.AsyncClient) -> None:
        wang = await house.person("王小明", Role.CASHIER)
        await house.credential(wang, "Wang.XM")

        answer = await api.post("/v1/sessions", json={"username": " wang.xm ", "password": PASSWORD})

        assert answer.status_code == 201
        signed_in = answer.json()
        assert signed_in["person"] == {"id": f"per_{wang.hex}", "name": "王小明", "roles": ["employee", "cashier"]}
        cookie = answer.headers["set-cookie"]
        assert "guanjia_session=" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie

        api.cookies.clear()
        me = (await api.get("/v1/me", headers=bearer(signed_in["token"]))).json()
        assert me["class"] == "staff"
        assert me["organisation"]["name_zh"] == "儿科"
        assert me["unit"]["name_en"] == "First Hospital"
        assert me["region"]["name_en"] == "Hangzhou"
        assert me["roles"] == ["employee", "cashier"]
        assert me["language"] == "zh"

    async def test_the_cookie_alone_is_enough_and_signing_out_ends_both(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        await house.credential(await house.person("李四"), "li")
        token = (await api.post("/v1/sessions", json={"username": "li", "password": PASSWORD})).json()["token"]

        assert (await api.get("/v1/me")).status_code == 200
        assert (await api.delete("/v1/sessions/current")).status_code == 204
        assert (await api.get("/v1/me", headers=bearer(token))).status_code == 401
        assert (await api.get("/v1/me")).json()["code"] == "UNAUTHENTICATED"

    async def test_neither_password_nor_token_is_stored(self, house: House, db: Database) -> None:
        wang = await house.person("王小明")
        await house.credential(wang, "wang")
        signed_in = await sign_in(db, "wang", PASSWORD)
        async with db.session() as session:
            stored = await session.scalar(select(Credential.password_hash).where(Credential.person_id == wang))
            hashes = (await session.scalars(select(SignInSession.token_hash))).all()
        assert stored is not None
        assert stored.startswith("$argon2id$")
        assert list(hashes) == [hash_token(signed_in.token)]

    async def test_a_phone_stays_signed_in_for_a_month_and_a_desk_for_a_day_of_work(
        self, house: House, db: Database
    ) -> None:
        await house.credential(await house.person("王小明"), "phone")
        await house.credential(await house.person("李四", Role.FINANCE), "desk")
        phone, desk = await sign_in(db, "phone", PASSWORD), await sign_in(db, "desk", PASSWORD)
        assert abs(phone.expires_at - clock.now() - EMPLOYEE_LIFE) < timedelta(minutes=1)
        assert abs(desk.expires_at - clock.now() - DESK_LIFE) < timedelta(minutes=1)

    async def test_a_session_ends_by_the_clock(self, house: House, api: httpx.AsyncClient) -> None:
        token = await house.token(await house.person("王小明"))
        assert (await api.get("/v1/me", headers=bearer(token))).status_code == 200
        clock.advance(EMPLOYEE_LIFE)
        assert (await api.get("/v1/me", headers=bearer(token))).status_code == 401


class TestGuessing:
    async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        await house.credential(await house.person("王小明"), "wang")
        wrong = await api.post("/v1/sessions", json={"username": "wang", "password": "not this one"})
        unknown = await api.post("/v1/sessions", json={"username": "nobody", "password": "not this one"})
        assert wrong.status_code == unknown.status_code == 401
        assert {**wrong.json(), "request_id": None} == {**unknown.json(), "request_id": None}

    @pytest.mark.parametrize("username", ["wang", "nobody"])
    async def test_after_five_wrong_ones_even_the_right_one_has_to_wait(
        self, house: House, db: Database, username: str
    ) -> None:
        await house.credential(await house.person("王小明"), "wang")
        for _ in range(5):
            with pytest.raises(WrongCredentials):
                await sign_in(db, username, "not this one")
        with pytest.raises(SignInLocked) as locked:
            await sign_in(db, username, PASSWORD)
        assert 0 < locked.value.data["retry_after_s"] <= 60

    async def test_the_lock_outlives_a_restart_and_opens_by_itself(
        self, house: House, db: Database, database_url: str
    ) -> None:
        await house.credential(await house.person("王小明"), "wang")
        for _ in range(5):
            with pytest.raises(WrongCredentials):
                await sign_in(db, "wang", "not this one")

        restarted = Database(database_url)
        with pytest.raises(SignInLocked):
            await sign_in(restarted, "wang", PASSWORD)
        clock.advance(timedelta(seconds=61))
        assert (await sign_in(restarted, "wang", PASSWORD)).principal.name == "王小明"
        await restarted.close()

    async def test_each_further_wrong_one_locks_for_twice_as_long_and_success_forgets(
        self, house: House, db: Database
    ) -> None:
        await house.credential(await house.person("王小明"), "wang")
        waits = []
        for _ in range(8):
            with pytest.raises((WrongCredentials, SignInLocked)) as refusal:
                await sign_in(db, "wang", "not this one")
            if isinstance(refusal.value, SignInLocked):
                waits.append(refusal.value.data["retry_after_s"])
                clock.advance(timedelta(seconds=waits[-1]))
        assert waits[0] <= 60 < waits[1] <= 120

        clock.advance(timedelta(minutes=15))
        await sign_in(db, "wang", PASSWORD)
        with pytest.raises(WrongCredentials):
            await sign_in(db, "wang", "not this one")
        await sign_in(db, "wang", PASSWORD)

    async def test_a_hundred_guesses_at_once_count_as_a_hundred(self, house: House, db: Database) -> None:
        await house.credential(await house.person("王小明"), "wang")
        guesses = [sign_in(db, "wang", f"guess number {n}") for n in range(100)]
        answers = await asyncio.gather(*guesses, return_exceptions=True)
        assert sum(isinstance(answer, WrongCredentials) for answer in answers) == 5
        assert sum(isinstance(answer, SignInLocked) for answer in answers) == 95

    async def test_the_right_password_sent_thirty_times_at_once_locks_nobody_out(
        self, house: House, db: Database
    ) -> None:
        await house.credential(await house.person("王小明"), "wang")
        await asyncio.gather(*[sign_in(db, "wang", PASSWORD) for _ in range(30)])

    async def test_the_refusal_says_when_to_come_back(self, api: httpx.AsyncClient) -> None:
        for _ in range(5):
            await api.post("/v1/sessions", json={"username": "nobody", "password": "not this one"})
        locked = await api.post("/v1/sessions", json={"username": "nobody", "password": "not this one"})
        assert locked.status_code == 429
        assert locked.json()["code"] == "SIGN_IN_LOCKED"
        assert 0 < int(locked.headers["retry-after"]) <= 60

    async def test_not_even_the_stand_in_password_of_nobody_opens_anything(self) -> None:
        assert await verify_password(None, "nobody has this password") is False

    async def test_a_name_belongs_to_one_person(self, house: House) -> None:
        people = [await house.person(name) for name in ("王小明", "李四")]
        given = await asyncio.gather(*[house.credential(who, "Same") for who in people], return_exceptions=True)
        (refused,) = [answer for answer in given if answer is not None]
        assert isinstance(refused, AlreadyExists)
        assert refused.data == {"field": "username", "value": "same"}


class TestChangingThePassword:
    async def test_it_ends_every_other_sign_in_and_tells(
        self, house: House, api: httpx.AsyncClient, db: Database
    ) -> None:
        wang = await house.person("王小明")
        await house.credential(wang, "wang")
        here, elsewhere = await house.token(wang), await house.token(wang)

        change = {"present": PASSWORD, "new": "another long password"}
        assert (await api.post("/v1/me/password", json=change, headers=bearer(here))).status_code == 204

        assert (await api.get("/v1/me", headers=bearer(here))).status_code == 200
        assert (await api.get("/v1/me", headers=bearer(elsewhere))).status_code == 401
        assert (await sign_in(db, "wang", "another long password")).principal.person_id == wang
        async with db.session() as session:
            told = [stored.event for stored in (await read_after(session, {})).events]
        assert "session.ended" in [event.type for event in told]

    async def test_it_wants_the_present_one_and_a_decent_new_one(self, house: House, api: httpx.AsyncClient) -> None:
        wang = await house.person("王小明")
        await house.credential(wang, "wang.xiaoming")
        headers = bearer(await house.token(wang))

        async def code_for(present: str, new: str) -> str:
            answer = await api.post("/v1/me/password", json={"present": present, "new": new}, headers=headers)
            code: str = answer.json()["code"]
            return code

        assert await code_for("not this one", "another long password") == "WRONG_CREDENTIALS"
        assert await code_for(PASSWORD, "short") == "PASSWORD_TOO_WEAK"
        assert await code_for(PASSWORD, "Wang.XiaoMing") == "PASSWORD_TOO_WEAK"


class TestBeingSuspended:
    async def test_a_suspended_person_is_out_at_once_and_cannot_come_back(
        self, house: House, api: httpx.AsyncClient, db: Database
    ) -> None:
        wang = await house.person("王小明")
        await house.credential(wang, "wang")
        token = await house.token(wang)
        admin = bearer(await house.token(await house.person("管理员", Role.SECURITY_ADMIN)))

        suspended = await api.post(f"/v1/people/per_{wang.hex}/suspend", headers=admin)
        assert suspended.json()["status"] == "suspended"
        assert suspended.json()["triggers"] == ["resume", "leave"]
        assert (await api.get("/v1/me", headers=bearer(token))).status_code == 401
        with pytest.raises(WrongCredentials):
            await sign_in(db, "wang", PASSWORD)

        again = await api.post(f"/v1/people/per_{wang.hex}/suspend", headers=admin)
        assert again.status_code == 409
        assert again.json()["data"]["allowed"] == ["resume", "leave"]
        await api.post(f"/v1/people/per_{wang.hex}/resume", headers=admin)
        assert (await sign_in(db, "wang", PASSWORD)).principal.person_id == wang

    async def test_what_was_done_stands_in_the_audit_log(
        self, house: House, api: httpx.AsyncClient, db: Database
    ) -> None:
        wang, admin = await house.person("王小明"), await house.person("管理员", Role.SECURITY_ADMIN)
        await api.post(f"/v1/people/per_{wang.hex}/suspend", headers=bearer(await house.token(admin)))
        async with db.session() as session:
            row = (
                await session.execute(text("SELECT actor, subject FROM audit_log WHERE action = 'person.suspend'"))
            ).one()
        assert (row.actor, row.subject) == (f"per_{admin.hex}", f"per_{wang.hex}")
