"""The subsidy office of a unit: two officers of finance, people with staff numbers, and what is done there over HTTP."""

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet
from sqlalchemy import text

from identity.api import NewPerson, Place, Role, open_people
from identity.routes import approvals as approval_routes
from identity.sign_in import open_session
from kernel import clock
from kernel.ids import parse_public_id, public_id
from payments import api
from payments.subsidies import routes as subsidy_routes
from tests.payments.doors import Somebody, doors, officer
from tests.payments.world import World

Json = dict[str, Any]


@dataclass
class Office:
    """Who works here, and whom they pay."""

    world: World
    http: httpx.AsyncClient
    first: Somebody
    second: Somebody
    people: dict[str, UUID] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        return public_id("org", self.world.unit)

    async def employ(
        self, *numbers: str, since: date = date(2020, 1, 1), until: date | None = None, person_class: str = "staff"
    ) -> list[UUID]:
        """People of the unit with an account, by their staff numbers."""
        world = self.world
        async with world.db.session() as session:
            new = [
                NewPerson(f"人{n}", world.unit, person_class, since, valid_until=until, staff_number=n) for n in numbers
            ]
            ids = await open_people(session, new, actor="system")
            await api.open_holders(
                session, [api.NewHolder(each, world.unit, world.home, person_class, "人*") for each in ids]
            )
        self.people |= dict(zip(numbers, ids, strict=True))
        return ids

    async def phone(self, number: str) -> Json:
        """What `/v1/me/subsidies` shows on somebody's phone."""
        async with self.world.db.session() as session:
            token = (await open_session(session, self.people[number])).token
        answer = await self.http.get("/v1/me/subsidies", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    # ---- batches

    async def send(self, rows: Sequence[Sequence[object]] | bytes, **query: Any) -> httpx.Response:
        """A file of subsidies."""
        content = rows if isinstance(rows, bytes) else csv_of(("工号", "金额"), rows)
        expires_on = query.pop("expires_on", today() + timedelta(days=10))
        wanted: dict[str, Any] = {"unit": self.unit, "name": "加班补贴", "expires_on": str(expires_on), **query}
        return await self.http.post("/v1/subsidies/batches", params=wanted, content=content, headers=self.first.headers)

    async def prepare(self, rows: Sequence[Sequence[object]], **query: Any) -> str:
        """A file that is good; the batch's id."""
        answer = await self.send(rows, **query)
        assert answer.status_code == 201, answer.text
        batch: str = answer.json()["batch"]
        return batch

    async def ask(self, batch: str, trigger: str = "post", who: Somebody | None = None) -> httpx.Response:
        """The first of two people."""
        headers = (who or self.first).headers
        return await self.http.post(
            f"/v1/subsidies/batches/{batch}/{trigger}", json={"reason": "十一月"}, headers=headers
        )

    async def decide(self, approval: str, trigger: str = "approve", who: Somebody | None = None) -> httpx.Response:
        """The second of two people."""
        headers = (who or self.second).headers
        return await self.http.post(f"/v1/approvals/{approval}/{trigger}", headers=headers)

    async def carry_out(self, batch: str, trigger: str = "post") -> None:
        """Both of them."""
        asked = await self.ask(batch, trigger)
        assert asked.status_code == 202, asked.text
        decided = await self.decide(asked.json()["id"])
        assert decided.status_code == 200, decided.text

    async def grant(self, rows: Sequence[Sequence[object]], **query: Any) -> str:
        """From the file to the purses."""
        batch = await self.prepare(rows, **query)
        await self.carry_out(batch)
        return batch

    async def batch(self, batch: str) -> Json:
        found: Json = (await self.http.get(f"/v1/subsidies/batches/{batch}", headers=self.first.headers)).json()
        return found

    async def rows(self, batch: str) -> dict[str, Json]:
        """By staff number."""
        path = f"/v1/subsidies/batches/{batch}/rows"
        answer = await self.http.get(path, params={"limit": 100}, headers=self.first.headers)
        return {row["staff_number"]: row for row in answer.json()["data"]}

    # ---- rules and lists

    async def rule(self, **changes: Any) -> httpx.Response:
        """A schedule of 16.00 a work day, prepared on the third."""
        body = {
            "unit": self.unit,
            "name": "餐补",
            "basis": "ahead",
            "day_fen": 1600,
            "person_classes": ["staff"],
            "prepare_on": 3,
            "first_month": "2026-11",
            **changes,
        }
        return await self.http.post("/v1/subsidies/rules", json=body, headers=self.first.headers)

    async def attend(self, month: str, rows: Sequence[Sequence[object]], *, dry_run: bool = False) -> httpx.Response:
        """A month's list: number, attended, leave, field."""
        content = csv_of(("工号", "出勤天数", "请假天数", "外勤天数"), rows)
        query: dict[str, str | bool] = {"unit": self.unit, "month": month, "dry_run": dry_run}
        return await self.http.post(
            "/v1/subsidies/attendance", params=query, content=content, headers=self.first.headers
        )

    async def batches(self) -> list[Json]:
        """Newest first."""
        answer = await self.http.get("/v1/subsidies/batches", params={"unit": self.unit}, headers=self.first.headers)
        found: list[Json] = answer.json()["data"]
        return found

    async def terms(self) -> Json:
        found: Json = (await self.http.get(f"/v1/subsidies/terms/{self.unit}", headers=self.first.headers)).json()
        return found

    async def bill(self, limit_fen: int) -> None:
        """The unit is billed from now on: two people of the region's finance say so."""
        body = {"unit": self.unit, "funded_by": "unit_receivable", "limit_fen": limit_fen, "reason": "协议"}
        asked = await self.http.post("/v1/subsidies/terms", json=body, headers=self.first.headers)
        assert asked.status_code == 202, asked.text
        decided = await self.decide(asked.json()["id"])
        assert decided.status_code == 200, decided.text

    async def lunch(self, number: str, **arguments: Any) -> Json:
        return await self.world.lunch(self.people[number], **arguments)

    async def refund(self, payment: str, amount_fen: int) -> None:
        await self.world.refund(payment, amount_fen)


@asynccontextmanager
async def open_office(world: World) -> AsyncIterator[Office]:
    """Two of the region's finance, behind this process's own routes."""
    place = Place(region_id=world.home)
    first, second = await officer(world, Role.FINANCE, place), await officer(world, Role.FINANCE, place)
    async with world.db.session() as session:
        # The stories go over months; signing in is not what they are about.
        await session.execute(text("UPDATE sessions SET expires_at = '2100-01-01Z'"))
    async with doors(world, subsidy_routes, approval_routes) as http:
        yield Office(world, http, first, second)


def today() -> date:
    return clock.business_date(clock.now(), ZoneInfo("Asia/Shanghai"))


def csv_of(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    return "\n".join(",".join(str(cell) for cell in row) for row in (titles, *rows)).encode()


def xlsx_of(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for row in (titles, *rows):
        sheet.append(list(row))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def lot_of(leg: Json) -> UUID:
    return parse_public_id("lot", leg["lot"])
