"""The campus of booking's stories with a hotel, cars, a canteen, and meetings' addresses before it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

import booking.meetings.jobs
import booking.meetings.routes
import booking.office_routes
import booking.routes
import canteen.covers.routes
from booking import jobs
from booking.meetings.api import OWN_LINES, register_meeting_line
from canteen.api import (
    Capacities,
    DayType,
    Meal,
    MeetingMeals,
    NewWindow,
    open_canteen,
    set_capacities,
    set_timetable,
)
from identity.api import NewPlace, Place, Role, open_place, open_site
from kernel import clock, timers
from kernel.db import Database
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import public_id
from tests.booking.conftest import MONDAY, instant
from tests.identity.conftest import House, house

__all__ = ["house"]

Json = dict[str, Any]
# Rooms that the hotel has of each type.
ROOMS = {"single": 4, "twin": 2}

for each in (*OWN_LINES, MeetingMeals()):
    register_meeting_line(each)


@dataclass
class Caller:
    """Somebody at the addresses of meetings."""

    http: httpx.AsyncClient
    id: str
    person_id: UUID

    async def asks(self, *lines: Json, **more: Any) -> httpx.Response:
        body = {"request_id": str(uuid4()), "title": "年会", "attendees": 30, "lines": list(lines), **more}
        return await self.http.post("/v1/meetings", json=body)

    async def holds(self, *lines: Json, **more: Any) -> Json:
        return told(await self.asks(*lines, **more), 201)

    async def pull(self, meeting: Json, trigger: str, **body: Any) -> httpx.Response:
        return await self.http.post(f"/v1/meetings/{meeting['id']}/{trigger}", json=body)

    async def pulls(self, meeting: Json, trigger: str, **body: Any) -> Json:
        return told(await self.pull(meeting, trigger, **body))

    async def sees(self, meeting: Json) -> Json:
        return told(await self.http.get(f"/v1/meetings/{meeting['id']}"))

    async def has(self, *lines: Json, **more: Any) -> Json:
        """Held and confirmed."""
        return await self.pulls(await self.holds(*lines, **more), "confirm")

    async def invites(self, meeting: Json, *guests: Json) -> list[Json]:
        url = f"/v1/meetings/{meeting['id']}/guests"
        return [told(await self.http.post(url, json=guest), 201) for guest in guests]

    async def scans(self, meeting: Json, line: Json, *codes: str, **more: Any) -> list[Json]:
        at = clock.rfc3339(clock.now())
        scans = [{"code": code, "line": line["id"], "nonce": str(uuid4()), "happened_at": at, **more} for code in codes]
        answer = told(await self.http.post(f"/v1/meetings/{meeting['id']}/scans", json={"scans": scans}))
        results: list[Json] = answer["results"]
        return results


def told(answer: httpx.Response, status: int = 200) -> Json:
    assert answer.status_code == status, answer.text
    found: Json = answer.json()
    return found


@dataclass
class Campus:
    """Two organisers of one unit, the office, a kitchen's manager, and what can be had."""

    db: Database
    house: House
    wang: Caller
    zhou: Caller
    office: Caller
    kitchen: Caller
    driver: Caller
    canteen: str
    halls: list[str] = field(default_factory=list)
    rooms: dict[str, list[str]] = field(default_factory=dict)
    cars: list[str] = field(default_factory=list)
    guide: httpx.AsyncClient | None = None

    async def open(self, **more: Any) -> str:
        body = {"kind": "venue", "name_zh": "会议室", "region": public_id("reg", self.house.city), "capacity": 40}
        identifier: str = told(await self.office.http.post("/v1/bookables", json={**body, **more}), 201)["id"]
        return identifier

    def hall(self, at: int = 0, start: float = 1, hours: float = 2, **more: Any) -> Json:
        """From so many hours after Monday nine o'clock."""
        times = {"starts_at": instant(start), "ends_at": instant(start + hours)}
        return {"kind": "venue", "bookable": self.halls[at], "title": "主会场", **times, **more}

    def car(self, start: float = 0.5, hours: float = 1, **more: Any) -> Json:
        times = {"starts_at": instant(start), "ends_at": instant(start + hours)}
        return {"kind": "car", "seats": 5, "from_text": "东站", "to_text": "会议中心", **times, **more}

    def sleep(self, count: int = 2, room_type: str = "single", **more: Any) -> Json:
        return {"kind": "rooms", "room_type": room_type, "count": count, "first_night": "2026-11-23", **more}

    def meal(self, covers: int = 30, **more: Any) -> Json:
        day = {"business_date": "2026-11-23", "meal": "lunch"}
        return {"kind": "meals", "canteen": self.canteen, "covers": covers, **day, **more}

    async def until(self, hours: float) -> None:
        """Let the clock run to so many hours after Monday nine o'clock, and fire what is due."""
        clock.advance(MONDAY + timedelta(hours=hours) - clock.now())
        while await timers.fire_due(self.db, {**jobs.TIMERS, **booking.meetings.jobs.TIMERS}):
            pass
        for caller in (self.wang, self.zhou, self.office, self.kitchen):
            # A sign-in does not last for days.
            caller.http.headers["Authorization"] = f"Bearer {await self.house.token(caller.person_id)}"

    async def holds_now(self) -> int:
        """How many bookings and covers keep others out."""
        connection = await self.db.raw_connection()
        try:
            bookings: int = await connection.fetchval("SELECT count(*) FROM bookings WHERE blocks")
            covers: int = await connection.fetchval("SELECT count(*) FROM covers WHERE state <> 'released'")
            return bookings + covers
        finally:
            await connection.close()


@pytest.fixture
async def campus(db: Database, house: House) -> AsyncIterator[Campus]:
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    for router in (
        booking.routes.router,
        booking.office_routes.router,
        booking.meetings.routes.router,
        canteen.covers.routes.router,
    ):
        app.include_router(router)
    app.state.database = db
    clients: list[httpx.AsyncClient] = []

    def client(headers: dict[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app)
        http = httpx.AsyncClient(transport=transport, base_url="http://meetings", headers=headers, timeout=60)
        clients.append(http)
        return http

    async def caller(name: str, role: Role | None = None, place: Place | None = None) -> Caller:
        person_id = await house.person(name, role, place or Place(region_id=house.city))
        headers = {"Authorization": f"Bearer {await house.token(person_id)}"}
        return Caller(client(headers), public_id("per", person_id), person_id)

    with clock.frozen(MONDAY):
        found = Campus(
            db,
            house,
            await caller("王芳"),
            await caller("周明"),
            await caller("陈静", Role.DISPATCHER),
            await caller("孙师傅", Role.CANTEEN_MANAGER, Place(site_id=house.canteen)),
            await caller("老马"),
            public_id("can", house.canteen),
        )
        found.guide = client({})
        await _furnish(found)
        yield found
    for http in clients:
        await http.aclose()


async def _furnish(campus: Campus) -> None:
    async with campus.db.session() as session:
        canteen = campus.house.canteen
        await open_canteen(session, canteen, open_to_all=True, seats=120, actor="system")
        await set_timetable(session, canteen, [NewWindow(Meal.LUNCH, DayType.ANY, 660, 780)], actor="system")
        await set_capacities(session, canteen, Capacities(lunch=50), actor="system")
        venue = await open_site(
            session,
            code="V1",
            name_zh="会议中心",
            name_en="Conference centre",
            kind="venue",
            region_id=campus.house.city,
            operator_id=campus.house.university,
            actor="system",
        )
        tower = await open_place(
            session,
            NewPlace(code="V1-1", kind="building", name_zh="一号楼", name_en="Tower 1"),
            site_id=venue,
            actor="system",
        )
        room = await open_place(
            session,
            NewPlace(code="V1-101", kind="room", name_zh="101室", name_en="Room 101"),
            parent_id=tower.id,
            actor="system",
        )
    place = {"place": public_id("pla", room.id), "rate_fen": 10_000, "rate_per": "hour", "minutes_max": 44_640}
    campus.halls = [await campus.open(name_zh=f"{n}号厅", **place) for n in (1, 2)]
    night = {"kind": "hotel_room", "minutes_max": 44_640, "arrive_at": "14:00", "leave_at": "12:00", "capacity": 2}
    money = {"place": public_id("pla", room.id), "rate_fen": 30_000, "rate_per": "night"}
    for room_type, count in ROOMS.items():
        campus.rooms[room_type] = [
            await campus.open(name_zh=f"{room_type} {n}", room_type=room_type, **night, **money) for n in range(count)
        ]
    car = {"kind": "car", "capacity": 7, "plate": "浙A00001", "with_driver": True}
    campus.cars = [await campus.open(name_zh="商务车", **car)]
    url = f"/v1/bookables/{campus.cars[0]}/drivers"
    told(await campus.office.http.put(url, json={"people": [campus.driver.id]}))
