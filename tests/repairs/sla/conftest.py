"""The house with a room in it whose lamps may break, in an hour of a Monday morning that stands still."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI

from identity.api import NewPlace, Role, open_place
from identity.principal import Place
from kernel import clock, timers
from kernel.calendar import seed_calendar
from kernel.db import Database
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import public_id, uuid7
from kernel.outbox import read_after
from repairs.sla import jobs
from repairs.sla.api import SlaView, sla_views, start_sla
from repairs.sla.routes import router
from tests.identity.conftest import House, house, house_url

__all__ = ["House", "house", "house_url"]

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    """Local wall time of the house."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


MONDAY = at("2026-11-23T09:00")


@pytest.fixture(autouse=True)
def _still() -> Iterator[None]:
    """Time passes when a story says so."""
    with clock.frozen(MONDAY):
        yield


@dataclass
class Workshop:
    """A room, a lead, and shortcuts to raise orders and let time pass."""

    house: House
    db: Database
    room: UUID
    lead: UUID

    async def raised(self, urgency: str = "normal", *, at: datetime | None = None) -> UUID:
        """An order's clock has begun."""
        order_id = uuid7()
        async with self.db.session() as session:
            await start_sla(
                session, order_id, category_id=None, urgency=urgency, place_id=self.room, at=at or clock.now()
            )
        return order_id

    async def view(self, order_id: UUID) -> SlaView:
        async with self.db.session() as session:
            return (await sla_views(session, [order_id]))[order_id]

    async def pass_until(self, text: str) -> int:
        """Let time pass and the worker fire; returns how many strikes there were."""
        clock.advance(at(text) - clock.now())
        fired = 0
        while count := await timers.fire_due(self.db, jobs.TIMERS):
            fired += count
        return fired

    @property
    def lead_name(self) -> str:
        return public_id("per", self.lead)

    async def leads_told(self) -> list[tuple[str, list[str]]]:
        """(order, those who lead) of every breach."""
        async with self.db.session() as session:
            read = await read_after(session, {0: 0}, 10_000, ["sla.breached"])
        return [(stored.event.data()["order"], stored.event.data()["leads"]) for stored in read.events]

    async def told(self, kind: str) -> list[tuple[str, str]]:
        """(order, milestone) of every event of a kind, in order."""
        async with self.db.session() as session:
            read = await read_after(session, {0: 0}, 10_000, [kind])
        return [(stored.event.data()["order"], stored.event.data()["milestone"]) for stored in read.events]


def order_name(order_id: UUID) -> str:
    return public_id("wo", order_id)


@pytest.fixture
async def workshop(db: Database, house: House) -> Workshop:
    async with db.session() as session:
        await seed_calendar(session)
        building = await open_place(
            session, NewPlace(code="B1", kind="building", name_zh="一号楼"), site_id=house.canteen, actor="system"
        )
        room = await open_place(
            session, NewPlace(code="R101", kind="room", name_zh="101"), parent_id=building.id, actor="system"
        )
    lead = await house.person("钱主任", Role.DISPATCHER, Place(region_id=house.city))
    return Workshop(house, db, room.id, lead)


@pytest.fixture
async def office(workshop: Workshop) -> AsyncIterator[httpx.AsyncClient]:
    """The addresses of promises, as the lead uses them."""
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    app.include_router(router)
    app.state.database = workshop.db
    token = await workshop.house.token(workshop.lead)
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://house", headers=headers) as client:
        yield client


HOUR = timedelta(hours=1)
