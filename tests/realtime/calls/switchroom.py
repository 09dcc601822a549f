"""Somebody who calls, those on duty, a lead, and short words for what they do; time passes as the worker would see it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy import text

from identity.api import Place, Role
from kernel import clock, timers
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import public_id, uuid7
from realtime.calls import jobs, routes
from realtime.calls.desk import DeskQueues
from realtime.duty.models import DutySignIn
from tests.identity.conftest import House
from tests.realtime.duty.crew import Crew, crew

Json = dict[str, Any]


@dataclass
class Somebody:
    """A person with a sign-in."""

    id: UUID
    name: str
    token: str

    @property
    def public_id(self) -> str:
        return public_id("per", self.id)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Switchroom:
    """The city's desk: two on duty, one lead, and somebody in the ward who may need them."""

    house: House
    valkey: Redis
    http: httpx.AsyncClient
    caller: Somebody
    first: Somebody
    second: Somebody
    lead: Somebody
    crew: Crew
    tokens: dict[UUID, str] = field(default_factory=dict)

    @property
    def db(self) -> Any:
        return self.house.db

    @property
    def region(self) -> str:
        return public_id("reg", self.house.city)

    @property
    def desk(self) -> str:
        return f"calls-{self.region}"

    async def press(self, who: Somebody | None = None, **body: Any) -> httpx.Response:
        body.setdefault("client_id", str(uuid4()))
        return await self.http.post("/v1/calls", json=body, headers=(who or self.caller).headers)

    async def placed(self, who: Somebody | None = None, **body: Any) -> Json:
        answer = await self.press(who, **body)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def pull(self, who: Somebody, call: Json, trigger: str, **body: Any) -> httpx.Response:
        return await self.http.post(f"/v1/calls/{call['id']}/{trigger}", json=body, headers=who.headers)

    async def pulled(self, who: Somebody, call: Json, trigger: str, **body: Any) -> Json:
        answer = await self.pull(who, call, trigger, **body)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def seen(self, who: Somebody, call: Json) -> Json:
        answer = await self.http.get(f"/v1/calls/{call['id']}", headers=who.headers)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def history(self, call: Json) -> list[str]:
        """The triggers of its life."""
        return [step["trigger"] for step in (await self.seen(self.lead, call))["history"]]

    async def fire(self) -> int:
        """The worker fires what is due."""
        fired = 0
        while done := await timers.fire_due(self.db, jobs.TIMERS):
            fired += done
        return fired

    async def wait(self, seconds: float) -> int:
        """Time passes, and the worker looks."""
        clock.advance(timedelta(seconds=seconds))
        return await self.fire()

    async def page_open(self, who: Somebody, device: str = "desk-1") -> None:
        """Somebody's page is at the desk."""
        body = {"device": device}
        answer = await self.http.post(f"/v1/desks/{self.desk}/presence", json=body, headers=who.headers)
        assert answer.status_code == 200, answer.text

    async def told(self, kind: str) -> list[Json]:
        """The data of every event of a type, in order."""
        async with self.db.session() as session:
            rows = await session.execute(
                text("""
                    SELECT event -> 'data' AS data FROM outbox CROSS JOIN LATERAL json_array_elements(events::json) AS event
                     WHERE event ->> 'type' = :kind ORDER BY lane, n
                """),
                {"kind": kind},
            )
            return [row.data for row in rows]

    async def deliveries(self) -> list[Json]:
        """What was to leave outside of our pages."""
        async with self.db.session() as session:
            rows = await session.execute(text("SELECT ref, kind, title, person_id FROM reach_deliveries ORDER BY id"))
            return [dict(row._mapping) for row in rows]

    async def sign_in_to_duty(self, who: Somebody, hours: int = 24) -> None:
        now = clock.now()
        async with self.db.session() as session:
            session.add(DutySignIn(id=uuid7(), person_id=who.id, started_at=now, until=now + timedelta(hours=hours)))

    async def leave_duty(self, who: Somebody) -> None:
        async with self.db.session() as session:
            await session.execute(
                text(
                    "UPDATE duty_sign_ins SET ended_at = greatest(:at, started_at), ended_by = 'person' WHERE person_id = :id"
                ),
                {"at": clock.now(), "id": who.id},
            )


async def somebody(house: House, name: str, role: Role | None = None, region: UUID | None = None) -> Somebody:
    """A person of the ward, with a role in the city if one is named."""
    person_id = (
        await house.person(name, role, Place(region_id=region or house.city)) if role else await house.person(name)
    )
    return Somebody(person_id, name, await house.token(person_id))


@asynccontextmanager
async def open_switchroom(house: House, valkey_url: str) -> AsyncIterator[Switchroom]:
    """Two seats round the clock, both taken and signed in."""
    team = await crew(house, "甲值班", "乙值班", seats=2, advance=0)
    first, second = [
        Somebody(person, name, await house.token(person))
        for person, name in zip(team.people, ("甲值班", "乙值班"), strict=True)
    ]
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    app.include_router(routes.router)
    valkey = Redis.from_url(valkey_url, socket_connect_timeout=1, socket_timeout=2)
    app.state.database, app.state.desk_queues = house.db, DeskQueues(valkey)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://guanjia.test") as http:
        room = Switchroom(
            house,
            valkey,
            http,
            await somebody(house, "王病人"),
            first,
            second,
            await somebody(house, "李组长", Role.DISPATCHER),
            team,
        )
        for who in (first, second):
            await room.sign_in_to_duty(who)
        yield room
    await valkey.aclose()
