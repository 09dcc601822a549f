"""The house of identity's stories, with halls in it and booking's addresses before it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from booking import calendar_routes, jobs, office_routes, routes
from identity.api import Place, Role
from kernel import clock, timers
from kernel.db import Database
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import public_id
from tests.identity.conftest import House, house, house_url

__all__ = ["house", "house_url"]

# A Monday, nine o'clock in Hangzhou.
MONDAY = datetime(2026, 11, 23, 1, tzinfo=UTC)
Json = dict[str, Any]


@dataclass
class Guest:
    """Somebody at the addresses of booking."""

    http: httpx.AsyncClient
    id: str

    async def book(self, hall: str, start: float, hours: float = 1, **more: Any) -> httpx.Response:
        """From so many hours after Monday nine o'clock."""
        body = {
            "bookable": hall,
            "starts_at": instant(start),
            "ends_at": instant(start + hours),
            "title": "例会",
            "request_id": str(uuid4()),
            **more,
        }
        return await self.http.post("/v1/bookings", json=body)

    async def holds(self, hall: str, start: float, hours: float = 1, **more: Any) -> Json:
        answer = await self.book(hall, start, hours, **more)
        assert answer.status_code == 201, answer.text
        held: Json = answer.json()
        return held

    async def pull(self, booking: Json | str, trigger: str, **body: Any) -> httpx.Response:
        identifier = booking if isinstance(booking, str) else booking["id"]
        return await self.http.post(f"/v1/bookings/{identifier}/{trigger}", json=body)

    async def pulls(self, booking: Json | str, trigger: str, **body: Any) -> Json:
        answer = await self.pull(booking, trigger, **body)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def sees(self, booking: Json) -> Json:
        found: Json = (await self.http.get(f"/v1/bookings/{booking['id']}")).json()
        return found


def instant(hours: float) -> str:
    return clock.rfc3339(MONDAY + timedelta(hours=hours))


@dataclass
class Campus:
    """Two colleagues, a stranger of another unit, the office, and a hall."""

    db: Database
    house: House
    wang: Guest
    zhou: Guest
    stranger: Guest
    office: Guest
    hall: str = ""
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def open(self, **more: Any) -> str:
        body = {
            "kind": "venue",
            "name_zh": "一号会议室",
            "region": public_id("reg", self.house.city),
            "capacity": 40,
            "opens_at": "08:00",
            "closes_at": "18:00",
            **more,
        }
        answer = await self.office.http.post("/v1/bookables", json=body)
        assert answer.status_code == 201, answer.text
        identifier: str = answer.json()["id"]
        return identifier

    async def until(self, hours: float) -> None:
        """Let the clock run to so many hours after Monday nine o'clock, and fire what is due."""
        clock.advance(MONDAY + timedelta(hours=hours) - clock.now())
        while await timers.fire_due(self.db, jobs.TIMERS):
            pass


@pytest.fixture
async def campus(db: Database, house: House) -> AsyncIterator[Campus]:
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    for part in (calendar_routes, office_routes, routes):
        app.include_router(part.router)
    app.state.database = db
    clients: list[httpx.AsyncClient] = []

    async def guest(name: str, role: Role | None = None, **more: Any) -> Guest:
        person_id = await house.person(name, role, Place(region_id=house.city), **more)
        headers = {"Authorization": f"Bearer {await house.token(person_id)}"}
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://booking", headers=headers, timeout=30
        )
        clients.append(http)
        return Guest(http, public_id("per", person_id))

    with clock.frozen(MONDAY):
        found = Campus(
            db,
            house,
            await guest("王芳"),
            await guest("周明"),
            await guest("李强", organisation=house.university),
            await guest("陈静", Role.DISPATCHER),
        )
        found.hall = await found.open()
        yield found
    for client in clients:
        await client.aclose()
