"""The life of a till: paired, enrolled, wiped, disabled, revoked; and how soon everybody knows."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from identity import terminals
from identity.access import authenticate_terminal
from identity.errors import PairingCodeUnknown
from identity.kinds import Role
from identity.principal import Place, Terminal
from identity.queries import load_terminals
from identity.terminals import ONLINE_FOR, PAIRING_LIFE, enrol_terminal, open_terminal
from identity.tokens import hash_token
from kernel import clock
from kernel.configuration import configuration_version
from kernel.db import Database
from kernel.errors import StateConflict, TooManyRequests, Unauthenticated
from kernel.outbox import read_after
from tests.identity.conftest import House, bearer

MODES = ["keyed", "menu"]


async def new_till(house: House, name: str = "1 号机") -> tuple[UUID, str]:
    """A till of the first canteen that waits to be paired, and its code."""
    async with house.db.session() as session:
        terminal_id, code = await open_terminal(session, site_id=house.canteen, name=name, modes=MODES, actor="system")
    return terminal_id, code.code


async def enrolled_till(house: House) -> tuple[UUID, str]:
    """A till that works, and its token."""
    terminal_id, code = await new_till(house)
    return terminal_id, (await enrol_terminal(house.db, code, "10.0.0.1"))["token"]


@pytest.fixture
async def admin(house: House) -> dict[str, str]:
    """The header of a system administrator of the city."""
    return bearer(await house.token(await house.person("管理员", Role.SYSTEM_ADMIN, Place(region_id=house.city))))


class TestPairing:
    async def test_an_administrator_opens_a_till_and_the_till_enrols_with_the_code(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        site = f"sit_{house.canteen.hex}"
        body = {"site": site, "name": "1 号机", "modes": MODES, "serial": "SN-1"}
        opened = (await api.post("/v1/terminals", json=body, headers=admin)).json()
        assert opened["terminal"]["status"] == "pairing"
        assert len(opened["pairing"]["code"]) == 8

        typed = f"{opened['pairing']['code'][:4].lower()} {opened['pairing']['code'][4:]}"
        enrolled = await api.post("/v1/terminals/enrol", json={"pairing_code": typed})

        assert enrolled.status_code == 201
        till = enrolled.json()
        assert till["id"] == opened["terminal"]["id"]
        assert till["seq_epoch"] == 1
        assert till["modes"] == MODES
        assert till["site"]["name_zh"] == "第一食堂"
        own = (await api.get("/v1/terminals/me", headers=bearer(till["token"]))).json()
        assert own["id"] == till["id"]
        assert own["server_time"].endswith("Z")

    async def test_a_code_works_once(self, house: House, db: Database) -> None:
        _, code = await new_till(house)
        await enrol_terminal(db, code, "10.0.0.1")
        with pytest.raises(PairingCodeUnknown):
            await enrol_terminal(db, code, "10.0.0.1")

    async def test_two_tills_that_type_the_same_code_at_once_do_not_both_get_in(
        self, house: House, db: Database
    ) -> None:
        _, code = await new_till(house)
        tries = [enrol_terminal(db, code, f"10.0.0.{n}") for n in range(5)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(answer, dict) for answer in answers) == 1
        assert sum(isinstance(answer, PairingCodeUnknown) for answer in answers) == 4

    async def test_a_code_is_good_for_a_quarter_of_an_hour(self, house: House, db: Database) -> None:
        _, code = await new_till(house)
        clock.advance(PAIRING_LIFE)
        with pytest.raises(PairingCodeUnknown):
            await enrol_terminal(db, code, "10.0.0.1")

    async def test_guesses_are_limited_by_where_they_come_from(self, house: House, db: Database) -> None:
        _, code = await new_till(house)
        for guess in range(10):
            with pytest.raises(PairingCodeUnknown):
                await enrol_terminal(db, f"AAAAAA{guess:02d}", "10.0.0.9")
        with pytest.raises(TooManyRequests) as refusal:
            await enrol_terminal(db, code, "10.0.0.9")
        assert 0 < refusal.value.data["retry_after_s"] <= 60
        assert (await enrol_terminal(db, code, "10.0.0.1"))["seq_epoch"] == 1

    async def test_the_code_is_not_stored(self, house: House, db: Database) -> None:
        _, code = await new_till(house)
        async with db.session() as session:
            row = (await session.execute(text("SELECT CAST(terminals AS text) AS everything FROM terminals"))).one()
        assert code not in row.everything

    async def test_neighbours_add_their_share(
        self, house: House, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def next_seq(_session: object, terminal: Terminal) -> dict[str, Any]:
            return {"next_seq": terminal.epoch * 100}

        monkeypatch.setattr(terminals, "_parts", [])
        terminals.register_terminal_configuration(next_seq)
        _, code = await new_till(house)
        assert (await enrol_terminal(db, code, "10.0.0.1"))["next_seq"] == 100


class TestWipedStorage:
    async def test_the_same_till_enrols_again_with_the_same_id_and_a_new_epoch(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        terminal_id, old_token = await enrolled_till(house)

        issued = await api.post(f"/v1/terminals/ter_{terminal_id.hex}/issue_code", headers=admin)
        assert (await api.get("/v1/terminals/me", headers=bearer(old_token))).status_code == 200

        again = await api.post("/v1/terminals/enrol", json={"pairing_code": issued.json()["code"]})
        assert again.json()["id"] == f"ter_{terminal_id.hex}"
        assert again.json()["seq_epoch"] == 2
        assert (await api.get("/v1/terminals/me", headers=bearer(old_token))).status_code == 401


class TestKnownEverywhere:
    async def test_every_change_raises_the_version_and_reaches_posting(
        self, house: House, db: Database, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        connection = await db.raw_connection()
        terminal_id, token = await enrolled_till(house)
        (known,) = await load_terminals(connection, 0)
        assert known.id == terminal_id
        assert known.token_hash == hash_token(token)
        assert known.region_id == house.city
        assert known.modes == {"keyed", "menu"}
        seen = known.configuration_version
        assert await load_terminals(connection, seen) == []

        path = f"/v1/terminals/ter_{terminal_id.hex}"
        for act, status in (("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")):
            answer = await api.post(f"{path}/{act}", headers=admin)
            assert answer.json()["status"] == status
            (changed,) = await load_terminals(connection, seen)
            assert changed.status == status
            async with db.session() as session:
                assert changed.configuration_version == await configuration_version(session) > seen
            seen = changed.configuration_version
        await connection.close()

    async def test_a_till_that_was_never_enrolled_is_none_of_postings_business(
        self, house: House, db: Database
    ) -> None:
        await new_till(house)
        connection = await db.raw_connection()
        assert await load_terminals(connection, 0) == []
        await connection.close()

    async def test_a_revoked_token_is_no_good_and_nothing_brings_it_back(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        terminal_id, token = await enrolled_till(house)
        await api.post(f"/v1/terminals/ter_{terminal_id.hex}/revoke", headers=admin)
        assert (await api.get("/v1/terminals/me", headers=bearer(token))).status_code == 401
        for act in ("enable", "disable", "issue_code", "rotate_token", "revoke"):
            refused = await api.post(f"/v1/terminals/ter_{terminal_id.hex}/{act}", headers=admin)
            assert refused.status_code == 409
            assert refused.json()["data"] == {"state": "revoked", "trigger": act, "allowed": []}

    async def test_a_disabled_till_may_say_that_it_is_there_and_take_up_a_new_token(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        terminal_id, token = await enrolled_till(house)
        await api.post(f"/v1/terminals/ter_{terminal_id.hex}/disable", headers=admin)
        own = await api.get("/v1/terminals/me", headers=bearer(token))
        assert own.json()["status"] == "disabled"
        beat = await api.post("/v1/terminals/me/heartbeat", json={}, headers=bearer(token))
        assert beat.json()["status"] == "disabled"
        rotation = await api.post("/v1/terminals/me/token", headers=bearer(token))
        assert rotation.status_code == 201

    async def test_its_canteen_is_told(self, house: House, db: Database) -> None:
        terminal_id, _ = await enrolled_till(house)
        async with db.session() as session:
            told = [stored.event for stored in (await read_after(session, {})).events]
        deliveries = [event.audience() for event in told if event.type == "terminal.changed"]
        assert [delivery[0].channel for delivery in deliveries] == [f"canteen:can_{house.canteen.hex}"] * 2
        assert [delivery[0].data["status"] for delivery in deliveries] == ["pairing", "active"]
        assert deliveries[0][0].data["terminal"] == f"ter_{terminal_id.hex}"


class TestRotatingTheToken:
    async def test_the_old_token_counts_until_the_new_one_is_used(
        self, house: House, db: Database, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        terminal_id, old = await enrolled_till(house)
        await api.post(f"/v1/terminals/ter_{terminal_id.hex}/rotate_token", headers=admin)
        beat = await api.post("/v1/terminals/me/heartbeat", json={"offline_queue": 0}, headers=bearer(old))
        assert beat.json()["rotate_token"] is True

        new = (await api.post("/v1/terminals/me/token", headers=bearer(old))).json()["token"]
        connection = await db.raw_connection()
        (before,) = await load_terminals(connection, 0)
        assert before.token_hash == hash_token(old)

        own = await api.get("/v1/terminals/me", headers=bearer(new))
        assert own.status_code == 200
        assert own.json()["seq_epoch"] == 1
        (after,) = await load_terminals(connection, before.configuration_version)
        assert after.token_hash == hash_token(new)
        await connection.close()
        assert (await api.get("/v1/terminals/me", headers=bearer(old))).status_code == 401
        beat = await api.post("/v1/terminals/me/heartbeat", json={}, headers=bearer(new))
        assert beat.json()["rotate_token"] is False

    async def test_an_answer_lost_on_its_way_locks_nobody_out(self, house: House, api: httpx.AsyncClient) -> None:
        _, old = await enrolled_till(house)
        lost = (await api.post("/v1/terminals/me/token", headers=bearer(old))).json()["token"]
        second = (await api.post("/v1/terminals/me/token", headers=bearer(old))).json()["token"]
        assert (await api.get("/v1/terminals/me", headers=bearer(lost))).status_code == 401
        assert (await api.get("/v1/terminals/me", headers=bearer(second))).status_code == 200


class TestHealth:
    async def test_a_till_is_online_while_its_heart_beats(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        terminal_id, token = await enrolled_till(house)
        state = {"program_version": "1.0", "offline_queue": 3, "scanner": True}
        beat = await api.post("/v1/terminals/me/heartbeat", json=state, headers=bearer(token))
        assert beat.json()["configuration_version"] > 1

        async def shown() -> dict[str, Any]:
            view: dict[str, Any] = (await api.get(f"/v1/terminals/ter_{terminal_id.hex}", headers=admin)).json()
            return view

        assert (await shown())["online"] is True
        assert (await shown())["health"] == state
        clock.advance(ONLINE_FOR + timedelta(seconds=1))
        assert (await shown())["online"] is False

    async def test_a_beat_is_no_change_of_configuration(
        self, house: House, db: Database, api: httpx.AsyncClient
    ) -> None:
        _, token = await enrolled_till(house)
        async with db.session() as session:
            before = await configuration_version(session)
        await api.post("/v1/terminals/me/heartbeat", json={}, headers=bearer(token))
        async with db.session() as session:
            assert await configuration_version(session) == before


class TestReach:
    async def test_an_administrator_of_another_city_neither_sees_nor_touches_it(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        terminal_id, _ = await enrolled_till(house)
        elsewhere = Place(region_id=house.other_city)
        stranger = bearer(await house.token(await house.person("外地", Role.SYSTEM_ADMIN, elsewhere)))
        path = f"/v1/terminals/ter_{terminal_id.hex}"
        assert (await api.get("/v1/terminals", headers=stranger)).json() == {"data": [], "has_more": False}
        assert (await api.get(path, headers=stranger)).status_code == 403
        assert (await api.post(f"{path}/revoke", headers=stranger)).status_code == 403

    async def test_a_canteens_manager_reads_only(self, house: House, api: httpx.AsyncClient) -> None:
        terminal_id, _ = await enrolled_till(house)
        here = Place(site_id=house.canteen)
        manager = bearer(await house.token(await house.person("经理", Role.CANTEEN_MANAGER, here)))
        path = f"/v1/terminals/ter_{terminal_id.hex}"
        assert (await api.get(path, headers=manager)).status_code == 200
        assert (await api.post(f"{path}/disable", headers=manager)).status_code == 403

    async def test_lists_are_newest_first_and_go_on_where_they_stopped(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        for number in range(5):
            clock.advance(timedelta(milliseconds=5))
            await new_till(house, f"{number} 号机")
        first = (await api.get("/v1/terminals?limit=3", headers=admin)).json()
        assert [till["name"] for till in first["data"]] == ["4 号机", "3 号机", "2 号机"]
        assert first["has_more"] is True
        rest = (await api.get(f"/v1/terminals?limit=3&starting_after={first['data'][-1]['id']}", headers=admin)).json()
        assert [till["name"] for till in rest["data"]] == ["1 号机", "0 号机"]
        assert rest["has_more"] is False

    async def test_a_serial_stands_on_one_till_only(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        body = {"site": f"sit_{house.canteen.hex}", "name": "机", "modes": MODES, "serial": "SN-1"}
        first = (await api.post("/v1/terminals", json=body, headers=admin)).json()["terminal"]
        second = await api.post("/v1/terminals", json=body, headers=admin)
        assert second.json()["code"] == "ALREADY_EXISTS"
        again = await api.patch(f"/v1/terminals/{first['id']}", json={"serial": "SN-1", "name": "新"}, headers=admin)
        assert again.json()["name"] == "新"


class TestTokens:
    async def test_a_persons_token_is_no_tills_token(self, house: House, db: Database) -> None:
        token = await house.token(await house.person("王小明"))
        async with db.session() as session:
            with pytest.raises(Unauthenticated):
                await authenticate_terminal(session, token)

    async def test_a_change_that_fails_leaves_no_trace(self, house: House, db: Database) -> None:
        terminal_id, _ = await enrolled_till(house)
        connection = await db.raw_connection()
        (before,) = await load_terminals(connection, 0)

        async def disable_twice() -> None:
            async with db.session() as session:
                await terminals.disable_terminal(session, terminal_id, actor="system")
                await terminals.disable_terminal(session, terminal_id, actor="system")

        with pytest.raises(StateConflict):
            await disable_twice()
        assert await load_terminals(connection, 0) == [before]
        await connection.close()
