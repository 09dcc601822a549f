"""A town to tell stories in: a region, two units, a canteen with hours and prices, its manager, a till, and the API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from canteen.canteens import NewWindow, open_canteen, set_timetable
from canteen.meals import DayType, Meal
from canteen.menus import open_dish
from canteen.prices import NewLadder, Serving, set_prices
from canteen.pricing import CanteenPricing
from identity import roles, sign_in
from identity.api import (
    NewPerson,
    Place,
    Role,
    enrol_terminal,
    open_organisation,
    open_person,
    open_region,
    open_site,
    open_terminal,
)
from kernel.db import Database
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import parse_public_id, public_id
from payments.api import Payer

LONG_AGO = date(2026, 1, 1)
ROUND_THE_CLOCK = (
    NewWindow(Meal.BREAKFAST, DayType.ANY, 300, 600),
    NewWindow(Meal.LUNCH, DayType.ANY, 600, 900),
    NewWindow(Meal.DINNER, DayType.ANY, 900, 1260),
    NewWindow(Meal.NIGHT, DayType.ANY, 1260, 1740),
)


@dataclass
class Town:
    """The places and people that the stories begin with, and shortcuts to make more."""

    db: Database
    region: UUID
    hospital: UUID
    school: UUID
    canteen: UUID
    site_without_canteen: UUID

    async def person(
        self, name: str, role: Role | None = None, place: Place | None = None, person_class: str = "staff"
    ) -> UUID:
        """Somebody of the hospital, with a role if one is named."""
        async with self.db.session() as session:
            person = NewPerson(name, self.hospital, person_class, LONG_AGO)
            person_id = await open_person(session, person, actor="system")
            if role is not None:
                await roles.write_grant(session, person_id, role, place or Place(), granted_by=None)
            return person_id

    async def headers(self, person_id: UUID) -> dict[str, str]:
        """A sign-in of somebody."""
        async with self.db.session() as session:
            return {"Authorization": f"Bearer {(await sign_in.open_session(session, person_id)).token}"}

    async def manager(self) -> dict[str, str]:
        """The manager of the canteen, signed in."""
        return await self.headers(await self.person("陈主任", Role.CANTEEN_MANAGER, Place(site_id=self.canteen)))

    async def administrator(self) -> dict[str, str]:
        """A system administrator of everything, signed in."""
        return await self.headers(await self.person("系统管理员", Role.SYSTEM_ADMIN))

    async def diner(self) -> dict[str, str]:
        """Somebody who only eats here, signed in."""
        return await self.headers(await self.person("王小明"))

    async def till(self, site_id: UUID | None = None) -> dict[str, Any]:
        """An enrolled till: its id, token and configuration."""
        async with self.db.session() as session:
            _, code = await open_terminal(
                session, site_id=site_id or self.canteen, name="1号机", modes=["fixed", "keyed", "menu"], actor="system"
            )
        return await enrol_terminal(self.db, code.code, "127.0.0.1")

    async def dish(self, name_zh: str, price_fen: int, name_en: str = "A dish") -> UUID:
        async with self.db.session() as session:
            return await open_dish(
                session,
                self.canteen,
                name_zh=name_zh,
                name_en=name_en,
                category="meat",
                price_fen=price_fen,
                nutrition={"energy_kcal": 420},
                allergens=["soy"],
                actor="system",
            )

    async def pricing(self, rule: CanteenPricing | None = None, since: int = 0) -> CanteenPricing:
        """The posting rule as posting would have it now."""
        rule = rule or CanteenPricing()
        connection = await self.db.raw_connection()
        try:
            await rule.refresh(connection, since)
        finally:
            await connection.close()
        return rule

    def payer(self, person_class: str = "staff", unit_id: UUID | None = None) -> Payer:
        return Payer(UUID(int=9), person_class, unit_id or self.hospital, self.region)

    @property
    def path(self) -> str:
        """The canteen's address."""
        return f"/v1/canteens/{public_id('can', self.canteen)}"


@pytest.fixture
async def town(db: Database) -> Town:
    async with db.session() as session:
        region = await open_region(
            session, code="3301", name_zh="杭州", name_en="Hangzhou", timezone="Asia/Shanghai", actor="system"
        )
        hospital, school = [
            await open_organisation(
                session, code=code, name_zh=zh, name_en=en, kind="unit", home_region_id=region, actor="system"
            )
            for code, zh, en in (("H", "第一医院", "First Hospital"), ("S", "实验中学", "Model School"))
        ]
        canteen, other = [
            await open_site(
                session,
                code=code,
                name_zh=zh,
                name_en=en,
                kind=kind,
                region_id=region,
                operator_id=hospital,
                actor="system",
            )
            for code, zh, en, kind in (
                ("C1", "西湖食堂", "West Lake Canteen", "canteen"),
                ("V1", "礼堂", "Hall", "venue"),
            )
        ]
    async with db.session() as session:
        await open_canteen(session, canteen, open_to_all=False, unit_ids=[hospital], seats=120, actor="system")
        await set_timetable(session, canteen, ROUND_THE_CLOCK, actor="system")
        ladders = [
            NewLadder(person_class, meal, [Serving(1800, share_fen)])
            for person_class, share_fen in (("staff", 1600), ("visitor", 0))
            for meal in Meal
        ]
        await set_prices(session, None, ladders, actor="system")
    return Town(db, region, hospital, school, canteen, other)


@pytest.fixture
async def api(db: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The addresses of the canteens, and those where a second person decides, as they are served."""
    from canteen.covers import routes as covers
    from canteen.routes import router
    from identity.routes import approvals

    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    app.include_router(router)
    app.include_router(covers.router)
    app.include_router(approvals.router)
    app.state.database = db
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://guanjia.test") as client:
        yield client


def uuid_of(public: str) -> UUID:
    """The UUID behind a public id, whatever its prefix."""
    return parse_public_id(public.partition("_")[0], public)
