"""Somebody who leaves is out everywhere within a minute, sockets included, and their money stays where it is."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from identity.access import today
from identity.errors import ImportHasBadCells
from identity.jobs import TIMERS
from identity.kinds import Role
from identity.people_imports import import_people
from identity.queries import membership_of
from identity.schemas import ImportReport
from kernel import clock, timers
from kernel.db import Database
from kernel.handlers import run_handler
from payments import api as payments
from payments.handlers import follow_people
from payments.service import purses_view
from realtime.client import RealtimeClient
from tests.identity.conftest import House, bearer
from tests.realtime.stories import web_process

HEADER = "工号,姓名,单位编码,人员类别,生效日期,截止日期,状态\n"
STAFF = "A1,张三,H-1,在编,2026-01-01,,\nA2,李四,H,在编,2026-01-01,,\nA3,王五,U,在编,2026-01-01,,\n"


async def bring(db: Database, rows: str, *, dry_run: bool = False, complete: bool = False) -> ImportReport:
    content = (HEADER + rows).encode()
    return await import_people(db, content, dry_run=dry_run, complete=complete, cover=None, actor="system")


async def person(db: Database, staff_number: str) -> tuple[UUID, str]:
    """Id and status."""
    async with db.session() as session:
        found = await session.execute(
            text("SELECT id, status FROM people WHERE staff_number = :number"), {"number": staff_number}
        )
        row = found.one()
        return row.id, row.status


async def belongs(db: Database, person_id: UUID, in_days: int = 0) -> bool:
    async with db.session() as session:
        return await membership_of(session, person_id, today() + timedelta(days=in_days)) is not None


async def is_signed_in(api: httpx.AsyncClient, token: str) -> bool:
    return (await api.get("/v1/me", headers=bearer(token))).status_code == 200


@pytest.mark.usefixtures("house")
class TestWhoLeaves:
    @pytest.mark.parametrize(
        "row", ["A1,张三,H-1,在编,2026-01-01,,离职\n", "A1,张三,H-1,在编,2026-01-01,{yesterday},\n"]
    )
    async def test_is_signed_out_at_once_and_belongs_nowhere_tomorrow(
        self, db: Database, house: House, api: httpx.AsyncClient, row: str
    ) -> None:
        await bring(db, STAFF)
        one, _ = await person(db, "A1")
        other, _ = await person(db, "A2")
        phone, desk, colleague = await house.token(one), await house.token(one), await house.token(other)
        rows = row.format(yesterday=today() - timedelta(days=1))

        preview = await bring(db, rows, dry_run=True)
        assert [(change.key, change.action) for change in preview.changes] == [("A1", "leave")]
        assert await is_signed_in(api, phone), "a preview changes nothing"

        assert (await bring(db, rows)).left == 1
        assert [await is_signed_in(api, token) for token in (phone, desk, colleague)] == [False, False, True]
        assert (await person(db, "A1"))[1] == "left"
        assert not await belongs(db, one, in_days=1)
        assert (await bring(db, rows)).unchanged == 1, "the same file again finds nobody to leave"

    async def test_on_a_last_day_to_come_works_until_its_evening(
        self, db: Database, house: House, api: httpx.AsyncClient
    ) -> None:
        last_day = today() + timedelta(days=2)
        await bring(db, f"A1,张三,H-1,在编,2026-01-01,{last_day},\n")
        one, _ = await person(db, "A1")
        clock.advance(timedelta(days=2))
        await timers.fire_due(db, TIMERS)
        token = await house.token(one)
        assert await is_signed_in(api, token)

        clock.advance(timedelta(days=1))
        assert await timers.fire_due(db, TIMERS) == 1
        assert not await is_signed_in(api, token)
        assert (await person(db, "A1"))[1] == "left"

    async def test_whose_contract_was_prolonged_stays(self, db: Database, house: House) -> None:
        last_day = today() + timedelta(days=2)
        await bring(db, f"A1,张三,H-1,在编,2026-01-01,{last_day},\n")
        await bring(db, "A1,张三,H-1,在编,2026-01-01,,\n")
        clock.advance(timedelta(days=3))
        await timers.fire_due(db, TIMERS)
        assert (await person(db, "A1"))[1] == "active"

    async def test_and_comes_back_when_a_later_list_says_so(self, db: Database) -> None:
        await bring(db, STAFF)
        await bring(db, "A1,张三,H-1,在编,2026-01-01,,离职\n")
        clock.advance(timedelta(days=30))
        back = await bring(db, f"A1,张三,U,编外,{today()},,在职\n")
        assert back.changes[0].fields == ["organisation_code", "status"]
        one, status = await person(db, "A1")
        assert status == "active"
        assert await belongs(db, one)


class TestACompleteList:
    async def test_lets_those_leave_whom_it_does_not_name_in_its_units_only(self, db: Database, house: House) -> None:
        await bring(db, STAFF)
        rows = "A2,李四,H,在编,2026-01-01,,\n"
        assert (await bring(db, rows)).left == 0, "a list that is not said to be complete lets nobody leave"
        preview = await bring(db, rows, dry_run=True, complete=True)
        assert [(change.row, change.key, change.action) for change in preview.changes] == [(None, "A1", "leave")]

        assert (await bring(db, rows, complete=True)).left == 1
        # A3 belongs to the university, of which the list says nothing.
        assert [(await person(db, number))[1] for number in ("A1", "A2", "A3")] == ["left", "active", "active"]

    async def test_ends_no_administrator_and_nobody_because_of_a_mistyped_row(self, db: Database, house: House) -> None:
        await bring(db, STAFF)
        one, _ = await person(db, "A1")
        async with db.session() as session:
            await session.execute(
                text(
                    "INSERT INTO role_grants (id, person_id, role, granted_at)"
                    " VALUES (gen_random_uuid(), :one, 'audit_admin', :at)"
                ),
                {"one": one, "at": clock.now()},
            )
        with pytest.raises(ImportHasBadCells):
            await bring(db, "A2,李四,H,外星人,2026-01-01,,\n", complete=True)
        assert (await bring(db, "A9,钱九,H,在编,2026-01-01,,\n", complete=True)).left == 1
        assert [(await person(db, number))[1] for number in ("A1", "A2")] == ["active", "left"]


class TestEverywhere:
    async def test_open_sockets_close_within_a_minute_and_the_balance_stays(
        self, db: Database, house: House, api: httpx.AsyncClient, valkey_url: str
    ) -> None:
        await bring(db, STAFF)
        one, _ = await person(db, "A1")
        while await run_handler(db, "payments.follow_people", follow_people):
            pass
        async with db.session() as session:
            await payments.create_partitions_around(session, clock.now())
            await payments.top_up_at_counter(session, one, 12_345, actor="test")
        admin = bearer(await house.token(await house.person("管理员", Role.SYSTEM_ADMIN)))
        token = await house.token(one)

        async with web_process(db, valkey_url) as web, RealtimeClient(web.url, token) as client:
            await client.subscribe("me")
            began = time.monotonic()
            content = HEADER + "A1,张三,H-1,在编,2026-01-01,,离职\n"
            answer = await api.post("/v1/imports/people", content=content, headers=admin)
            assert answer.json()["left"] == 1
            async with asyncio.timeout(60):
                async for _ in client.messages():
                    pass
            assert client.socket.close_code == 4001
            assert time.monotonic() - began < 60
        assert not await is_signed_in(api, token)
        async with db.session() as session:
            assert (await purses_view(session, one))["cash_fen"] == 12_345
