"""What people do with differences, over HTTP: see those of their places, explain them, and close what another has explained."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI, Request

from identity import access
from identity.api import Cover, Principal, Role, RoleGrant
from kernel import clock
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import public_id
from payments.reconciliation import metrics, routes
from payments.reconciliation.jobs import show_open
from tests.payments.banking.samples import camt
from tests.payments.reconciliation.day import Day

Json = dict[str, Any]


@dataclass
class Office:
    """Three people of finance: two of everywhere, one of the other region; and somebody of none."""

    day: Day
    http: httpx.AsyncClient
    people: dict[UUID, Principal]

    async def call(self, who: UUID, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who.hex}"}
        return await self.http.request(method, f"/v1/reconciliation{path}", headers=headers, **how)

    async def get(self, who: UUID, path: str = "") -> Json:
        answer = await self.call(who, "GET", path)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def plant(self) -> None:
        """A shift that was signed for a yuan too much."""
        await self.day.sql("UPDATE shifts SET sheet = jsonb_set(sheet, '{sales_fen}', '5500')")


ANNA, BEN, AWAY, NOBODY = (uuid4() for _ in range(4))


@pytest.fixture
async def office(day: Day) -> AsyncIterator[Office]:
    world = day.shop.world
    everywhere = (RoleGrant(Role.FINANCE),)
    away = (RoleGrant(Role.FINANCE, region_id=world.away, cover=Cover(regions=frozenset({world.away}))),)
    roles = {ANNA: everywhere, BEN: everywhere, AWAY: away, NOBODY: ()}
    people = {
        who: Principal(who, "某", None, granted, "staff", None, world.unit, world.home)
        for who, granted in roles.items()
    }
    app = FastAPI()
    app.state.database, app.state.channels = world.db, {"alipay": day.shop.channel}
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    app.include_router(routes.router)

    async def person_of(request: Request) -> Principal:
        return people[UUID(access.token_of(request))]

    app.dependency_overrides[access.current_person] = person_of
    app.dependency_overrides[access.current_person_apart] = person_of
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://guanjia.test") as http:
        yield Office(day, http, people)


class TestADifference:
    async def test_is_explained_by_one_and_closed_by_another(self, office: Office) -> None:
        await office.plant()
        ran = await office.call(ANNA, "POST", "/runs", json={"day": office.day.on.isoformat()})
        assert [(run["level"], run["opened"]) for run in ran.json()["data"]] == [
            (level, int(level == 1)) for level in range(7)
        ]
        (row,) = (await office.get(ANNA, "/differences?state=live&level=1"))["data"]
        assert (row["kind"], row["amount_fen"], row["allowed"], row["age_days"]) == ("amount", 100, ["explain"], 0)
        assert (row["owner"]["role"], row["owner"]["person"]) == ("canteen_manager", None)
        path = f"/differences/{row['id']}"

        too_early = await office.call(BEN, "POST", f"{path}/close", json={"text": "fine"})
        assert (too_early.status_code, too_early.json()["data"]["allowed"]) == (409, ["explain", "vanish"])
        told = await office.call(ANNA, "POST", f"{path}/explain", json={"text": "keyed twice"})
        assert (told.json()["state"], told.json()["owner"]["person"]) == ("explained", public_id("per", ANNA))
        own = await office.call(ANNA, "POST", f"{path}/close", json={"text": "fine"})
        assert (own.status_code, own.json()["code"]) == (409, "OWNER_CLOSES")
        unsaid = await office.call(BEN, "POST", f"{path}/close", json={"text": "  "})
        assert unsaid.status_code == 422
        closed = await office.call(BEN, "POST", f"{path}/close", json={"text": "sheet corrected on paper"})
        assert (closed.json()["state"], closed.json()["closed_by"]) == ("closed", public_id("per", BEN))

        await office.call(ANNA, "POST", "/runs", json={"day": office.day.on.isoformat(), "levels": [1]})
        assert (await office.get(ANNA, "/differences?state=live"))["data"] == []
        audited = await office.day.sql("SELECT action FROM audit_log WHERE action LIKE 'difference.%' ORDER BY id")
        assert audited == [("difference.explain",), ("difference.close",)]
        told_of = await office.day.sql("SELECT events FROM outbox WHERE events LIKE '%difference.closed%'")
        assert len(told_of) == 1

    async def test_that_was_closed_and_grows_is_a_new_one(self, office: Office) -> None:
        await office.plant()
        run = {"day": office.day.on.isoformat(), "levels": [1]}
        await office.call(ANNA, "POST", "/runs", json=run)
        (row,) = (await office.get(ANNA, "/differences"))["data"]
        await office.call(ANNA, "POST", f"/differences/{row['id']}/explain", json={"text": "x"})
        await office.call(BEN, "POST", f"/differences/{row['id']}/close", json={"text": "y"})
        await office.day.sql("UPDATE shifts SET sheet = jsonb_set(sheet, '{sales_fen}', '5600')")
        await office.call(ANNA, "POST", "/runs", json=run)
        states = sorted(each["state"] for each in (await office.get(ANNA, "/differences"))["data"])
        assert states == ["closed", "open"]

    async def test_is_seen_by_finance_of_its_place_only(self, office: Office) -> None:
        await office.plant()
        await office.call(ANNA, "POST", "/runs", json={"day": office.day.on.isoformat(), "levels": [1]})
        (row,) = (await office.get(ANNA, "/differences"))["data"]
        assert (await office.get(AWAY, "/differences"))["data"] == []
        assert (await office.call(AWAY, "GET", f"/differences/{row['id']}")).status_code == 404
        assert (
            await office.call(AWAY, "POST", f"/differences/{row['id']}/explain", json={"text": "x"})
        ).status_code == 404
        for path in ("", "/differences", "/runs", "/bills", "/bank_statements", "/hr_lists"):
            assert (await office.call(NOBODY, "GET", path)).status_code == 403
        assert (await office.call(AWAY, "GET", "/bills")).status_code == 403


class TestTheOverview:
    async def test_says_of_each_level_what_is_open_and_how_old(self, office: Office) -> None:
        await office.plant()
        await office.call(ANNA, "POST", "/runs", json={"day": office.day.on.isoformat()})
        clock.advance(timedelta(days=3, hours=1))
        levels = (await office.get(ANNA))["levels"]
        assert [level["open"] for level in levels] == [0, 1, 0, 0, 0, 0, 0]
        assert (levels[1]["open_fen"], levels[1]["oldest_age_days"]) == (100, 3)
        assert all(level["last_run"]["day"] for level in levels)
        await show_open(office.day.db)
        assert metrics.OPEN.labels("L1", "3")._value.get() == 1
        assert metrics.OPEN.labels("L1", "0")._value.get() == 0
        assert metrics.OPEN_FEN.labels("L1")._value.get() == 100


class TestFilesFromOutside:
    async def test_bill_statement_and_list_come_over_http_and_are_compared_at_once(self, office: Office) -> None:

        day, home = office.day, public_id("reg", office.day.shop.world.home)
        billed = await office.call(ANNA, "POST", "/bills", json={"channel": "alipay", "day": day.on.isoformat()})
        assert (billed.status_code, billed.json()["net_fen"], billed.json()["paid_at"]) == (201, 11_755, None)
        on = day.on + timedelta(days=1)
        content = camt("S1", on, on, 0, [day.payout()])
        taken = await office.call(ANNA, "POST", f"/bank_statements?region={home}", content=content)
        assert (taken.status_code, taken.json()["line_count"]) == (201, 1)
        assert (await office.get(ANNA, "/bills"))["data"][0]["paid_at"]
        again = await office.call(ANNA, "POST", f"/bank_statements?region={home}", content=content)
        assert (again.status_code, again.json()["code"]) == (409, "STATEMENT_TAKEN")
        other = await office.call(AWAY, "POST", f"/bank_statements?region={home}", content=content)
        assert other.status_code == 403

        unit = public_id("org", day.shop.world.unit)
        path = f"/hr_lists?unit={unit}&month={day.month:%Y-%m}"
        wrong = await office.call(ANNA, "POST", path, content="工号,姓名,应发补贴\nA1,王,三百\n".encode())
        assert (wrong.status_code, wrong.json()["data"]["cells"][0]["cell"]) == (422, "C2")
        listed = await office.call(ANNA, "POST", path, content="工号,姓名,应发补贴\nA1,王小明,352\n".encode())
        assert (listed.status_code, listed.json()["row_count"]) == (201, 1)
        assert (await office.get(ANNA, "/differences?state=live"))["data"] == []
        assert [
            (await office.call(ANNA, "GET", f"/templates/{what}")).status_code for what in ("bank_statement", "hr_list")
        ] == [200, 200]

    async def test_a_bill_that_is_not_there_yet_says_so(self, office: Office) -> None:
        tomorrow = (office.day.on + timedelta(days=1)).isoformat()
        answer = await office.call(ANNA, "POST", "/bills", json={"channel": "alipay", "day": tomorrow})
        assert (answer.status_code, answer.json()["code"]) == (409, "BILL_NOT_READY")
        unknown = await office.call(ANNA, "POST", "/bills", json={"channel": "x", "day": tomorrow})
        assert (unknown.status_code, unknown.json()["code"]) == (409, "CHANNEL_UNAVAILABLE")
