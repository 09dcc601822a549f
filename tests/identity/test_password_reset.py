"""A forgotten password: a link by mail, once and for half an hour; and nobody learns from it whose name is whose."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from identity.jobs import TIMERS
from identity.kinds import Role
from identity.people import edit_person
from kernel import clock, mail, timers
from kernel.db import Database
from tests.identity.conftest import PASSWORD, House, bearer
from tests.mailbox import Mailbox, mailbox

CHOSEN, ADDRESS = "a password of my own", "wang@example.test"


@pytest.fixture
async def box(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mailbox]:
    async with mailbox(monkeypatch) as found:
        yield found


async def somebody(house: House, username: str = "wang", *, email: str | None = ADDRESS) -> UUID:
    who = await house.person("王小明")
    await house.credential(who, username)
    async with house.db.session() as session:
        await edit_person(session, who, {"email": email}, actor="system")
    return who


async def ask(api: httpx.AsyncClient, username: str = "wang") -> httpx.Response:
    return await api.post("/v1/password_resets", json={"username": username})


async def worker(db: Database) -> None:
    """What the worker does in its next second."""
    await timers.fire_due(db, TIMERS)
    while await mail.send_next(db):
        pass


async def code_from(box: Mailbox) -> str:
    found = re.search(r"https://card\.test/activate/(\S+)", box.letters[-1].get_content())
    assert found, box.letters[-1].get_content()
    return found[1]


async def use(api: httpx.AsyncClient, code: str) -> httpx.Response:
    return await api.post("/v1/activations/use", json={"code": code, "password": CHOSEN})


async def sign_in(api: httpx.AsyncClient, password: str, username: str = "wang") -> int:
    return (await api.post("/v1/sessions", json={"username": username, "password": password})).status_code


class TestALink:
    async def test_sets_a_new_password_once_and_ends_what_was_signed_in(
        self, house: House, api: httpx.AsyncClient, db: Database, box: Mailbox
    ) -> None:
        token = await house.token(await somebody(house))
        assert (await api.get("/v1/sign_in_options")).json()["password_reset"] is True
        assert (await ask(api)).status_code == 202
        await worker(db)
        assert box.letters[0]["To"] == ADDRESS
        code = await code_from(box)
        shown = (await api.post("/v1/activations/show", json={"code": code})).json()
        assert (shown["name"], shown["username"]) == ("王*明", "wang")
        assert await sign_in(api, PASSWORD) == 201, "until then nothing has changed"

        assert (await use(api, code)).json() == {"username": "wang"}
        assert (await use(api, code)).json()["code"] == "ACTIVATION_UNKNOWN"
        assert [await sign_in(api, PASSWORD), await sign_in(api, CHOSEN)] == [401, 201]
        assert (await api.get("/v1/me", headers=bearer(token))).status_code == 401

    async def test_is_good_for_half_an_hour_and_ends_with_the_next_one(
        self, house: House, api: httpx.AsyncClient, db: Database, box: Mailbox
    ) -> None:
        await somebody(house)
        await ask(api)
        await worker(db)
        first = await code_from(box)
        await ask(api)
        await worker(db)
        assert (await use(api, first)).status_code == 404
        clock.advance(timedelta(minutes=31))
        assert (await use(api, await code_from(box))).status_code == 404

    async def test_stands_nowhere_in_the_database_once_it_is_sent(
        self, house: House, api: httpx.AsyncClient, db: Database, box: Mailbox
    ) -> None:
        await somebody(house)
        await ask(api)
        await worker(db)
        code = await code_from(box)
        async with db.session() as session:
            for table in ("mails", "activations", "timers", "audit_log"):
                kept = await session.scalar(text(f"SELECT string_agg(t::text, '') FROM {table} t"))
                assert code not in str(kept), table

    async def test_comes_in_the_readers_language(
        self, house: House, api: httpx.AsyncClient, db: Database, box: Mailbox
    ) -> None:
        who = await somebody(house)
        async with db.session() as session:
            await edit_person(session, who, {"language": "en"}, actor="system")
        await ask(api)
        await worker(db)
        assert box.letters[0]["Subject"] == "Choose a new password"


class TestNobody:
    async def test_learns_whose_name_it_is(
        self, house: House, api: httpx.AsyncClient, db: Database, box: Mailbox
    ) -> None:
        await somebody(house)
        await somebody(house, "silent", email=None)
        answers = [await ask(api, name) for name in ("wang", "silent", "nobody-at-all")]
        assert {(answer.status_code, answer.text) for answer in answers} == {(202, '{"status":"asked"}')}
        async with db.session() as session:
            written = await session.scalar(text("SELECT count(*) FROM timers WHERE kind = 'password.reset'"))
        assert written == 3, "the same work for each"
        await worker(db)
        assert [letter["To"] for letter in box.letters] == [ADDRESS]

    async def test_asks_for_ever(self, house: House, api: httpx.AsyncClient, db: Database, box: Mailbox) -> None:
        await somebody(house)
        known = [(await ask(api)).status_code for _ in range(5)]
        unknown = [(await ask(api, "nobody-at-all")).status_code for _ in range(5)]
        assert known == unknown == [202, 202, 202, 429, 429]
        await worker(db)
        assert len(box.letters) == 3

    async def test_who_is_suspended_or_administers_gets_a_link(
        self, house: House, api: httpx.AsyncClient, db: Database, box: Mailbox
    ) -> None:
        suspended = await somebody(house)
        async with db.session() as session:
            await session.execute(text("UPDATE people SET status = 'suspended' WHERE id = :id"), {"id": suspended})
        chief = await house.first_administrator("系统", Role.SYSTEM_ADMIN)
        await house.credential(chief, "chief")
        async with db.session() as session:
            await edit_person(session, chief, {"email": "chief@example.test"}, actor="system")
        for name in ("wang", "chief"):
            await ask(api, name)
        await worker(db)
        (letter,) = box.letters
        assert letter["To"] == "chief@example.test"
        assert "另外两位管理员" in letter.get_content()
        assert "/activate/" not in letter.get_content()

    async def test_is_offered_it_where_no_mail_is_sent(self, house: House, api: httpx.AsyncClient) -> None:
        assert (await api.get("/v1/sign_in_options")).json()["password_reset"] is False
        assert (await ask(api)).status_code == 404


class TestAnAddress:
    async def test_is_given_with_ones_password_or_by_the_system_administrator(
        self, house: House, api: httpx.AsyncClient, box: Mailbox
    ) -> None:
        who = await somebody(house, email=None)
        mine = bearer(await house.token(who))
        wrong = await api.put("/v1/me/email", json={"email": ADDRESS, "present": "not mine"}, headers=mine)
        right = await api.put("/v1/me/email", json={"email": ADDRESS, "present": PASSWORD}, headers=mine)
        assert (wrong.status_code, right.json()) == (401, {"email": ADDRESS})
        assert (await api.get("/v1/me/email", headers=mine)).json() == {"email": ADDRESS}

        office = bearer(await house.token(await house.person("系统", Role.SYSTEM_ADMIN)))
        path = f"/v1/people/per_{who.hex}"
        edited = await api.patch(path, json={"email": "other@example.test"}, headers=office)
        assert edited.json()["email"] == "other@example.test"

    @pytest.mark.parametrize(
        "email", ["wang", "wang@", "a b@c.d", "a@b.c\r\nBcc: x@y.z", "<a@b.c>", "a,b@c.d", "王@c.d", ""]
    )
    async def test_is_one_address_and_nothing_else(
        self, house: House, api: httpx.AsyncClient, box: Mailbox, email: str
    ) -> None:
        mine = bearer(await house.token(await somebody(house)))
        answer = await api.put("/v1/me/email", json={"email": email, "present": PASSWORD}, headers=mine)
        assert answer.status_code == 422
