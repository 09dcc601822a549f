"""A house with a workshop: places with labels, kinds of repair, two technicians, a lead, and short words for what they do."""

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import text

import identity.routes
import repairs.assets.routes
import repairs.orders.form_routes
import repairs.orders.routes
import repairs.statistics.routes
import repairs.stock.routes
import repairs.suggestions.routes
from identity.api import NewPlace, Place, Role, open_place, place_code_of
from kernel import clock, timers
from kernel.db import Database
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import public_id
from repairs.orders import jobs
from repairs.sla import jobs as sla_jobs
from tests.identity.conftest import House

# A Monday, ten o'clock in Hangzhou: office hours.
MONDAY = datetime(2026, 11, 23, 2, tzinfo=UTC)
Json = dict[str, Any]


def photo(colour: str = "#3F8273") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class Somebody:
    """A person at the addresses of repairs."""

    person_id: UUID
    http: httpx.AsyncClient

    @property
    def id(self) -> str:
        return public_id("per", self.person_id)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.http.post(f"/v1/{path}", json=body)

    async def raises(self, category: str, **body: Any) -> Json:
        answer = await self.post("work_orders", **{"words": "灯不亮", "category": category, **body})
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def pull(self, order: Json, trigger: str, **body: Any) -> httpx.Response:
        return await self.post(f"work_orders/{order['id']}/{trigger}", **body)

    async def pulls(self, order: Json, trigger: str, **body: Any) -> Json:
        answer = await self.pull(order, trigger, **body)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def sees(self, order: Json) -> Json:
        answer = await self.http.get(f"/v1/work_orders/{order['id']}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def sends_photo(self, colour: str = "#3F8273") -> str:
        answer = await self.http.post("/v1/files", content=photo(colour))
        assert answer.status_code == 201, answer.text
        found: str = answer.json()["id"]
        return found

    async def syncs(self, order: Json, *steps: Json) -> Json:
        answer = await self.post(f"work_orders/{order['id']}/sync", steps=list(steps))
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found


@dataclass
class Workshop:
    """Two people of a ward, two technicians, the lead, a stranger of another city, and nobody."""

    db: Database
    house: House
    wang: Somebody
    zhou: Somebody
    lamp: Somebody
    pipe: Somebody
    lead: Somebody
    stranger: Somebody
    guest: httpx.AsyncClient
    categories: dict[str, str] = field(default_factory=dict)
    places: dict[str, UUID] = field(default_factory=dict)

    def place(self, name: str) -> str:
        return public_id("pla", self.places[name])

    def label(self, name: str) -> str:
        return place_code_of(self.places[name], 1)

    async def raised(self, **body: Any) -> Json:
        """By Wang, of a kind about which the office decides."""
        return await self.wang.raises(self.categories["lamp"], place=self.place("office"), **body)

    async def assigned(self, **body: Any) -> Json:
        order = await self.raised(**body)
        await self.lead.pulls(order, "accept")
        return await self.lead.pulls(order, "assign", assignee=self.lamp.id)

    async def done(self, **body: Any) -> Json:
        order = await self.assigned(**body)
        await self.lamp.pulls(order, "start")
        return await self.lamp.pulls(order, "finish", words="换了灯管")

    async def confirmed(self) -> Json:
        return await self.wang.pulls(await self.done(), "confirm")

    async def wait(self, span: timedelta) -> None:
        """Time passes, and the worker looks."""
        clock.advance(span)
        while await timers.fire_due(self.db, {**jobs.TIMERS, **sla_jobs.TIMERS}):
            pass

    async def signs_in_again(self, who: Somebody) -> None:
        """Those with a role are signed out after some hours."""
        who.http.headers["Authorization"] = f"Bearer {await self.house.token(who.person_id)}"

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


async def _open_places(house: House) -> dict[str, UUID]:
    """A house with an office and a lobby that strangers may report from."""
    async with house.db.session() as session:

        async def place(code: str, kind: str, zh: str, parent: UUID | None = None, *, is_open: bool = False) -> UUID:
            new = NewPlace(code=code, kind=kind, name_zh=zh, name_en=code, open_to_strangers=is_open)
            where = {"parent_id": parent} if parent is not None else {"site_id": house.canteen}
            return (await open_place(session, new, actor="system", **where)).id

        campus = await place("H", "campus", "院区")
        tower = await place("H-1", "building", "一号楼", campus)
        office = await place("H-1-101", "room", "101", tower)
        lobby = await place("H-1-L", "area", "大厅", tower, is_open=True)
        return {"campus": campus, "tower": tower, "office": office, "lobby": lobby}


@asynccontextmanager
async def open_workshop(house: House) -> AsyncIterator[Workshop]:
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    for router in (
        identity.routes.router,
        repairs.assets.routes.router,
        repairs.statistics.routes.router,
        repairs.stock.routes.router,
        repairs.suggestions.routes.router,
        repairs.orders.form_routes.router,
        repairs.orders.routes.router,
    ):
        app.include_router(router)
    app.state.database = house.db
    async with AsyncExitStack() as clients:

        async def client(token: str | None = None) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            transport = httpx.ASGITransport(app=app)
            http = httpx.AsyncClient(transport=transport, base_url="http://repairs", headers=headers, timeout=30)
            return await clients.enter_async_context(http)

        async def somebody(name: str, role: Role | None = None, **more: Any) -> Somebody:
            person_id = await house.person(name, role, Place(region_id=house.city), **more)
            return Somebody(person_id, await client(await house.token(person_id)))

        with clock.frozen(MONDAY):
            shop = Workshop(
                house.db,
                house,
                await somebody("王芳"),
                await somebody("周明"),
                await somebody("灯师傅", Role.TECHNICIAN),
                await somebody("水师傅", Role.TECHNICIAN),
                await somebody("李组长", Role.DISPATCHER),
                await somebody("外人", organisation=house.university),
                await client(),
            )
            shop.places = await _open_places(house)
            await _open_kinds(shop, somebody)
            yield shop


async def _open_kinds(shop: Workshop, somebody: Any) -> None:
    administrator = Somebody(person := await shop.house.first_administrator("系统员", Role.SYSTEM_ADMIN), shop.guest)
    headers = {"Authorization": f"Bearer {await shop.house.token(person)}"}
    kinds: list[Json] = [
        {"code": "lamp", "skill": "electrical", "dispatch": "manual"},
        {"code": "pipe", "skill": "plumbing", "dispatch": "automatic", "problem_threshold": 3},
        {"code": "door", "dispatch": "pool"},
        {"code": "other", "dispatch": "manual"},
        {"code": "lift", "dispatch": "manual", "checklist": [{"zh": "断电"}, {"zh": "拍照", "is_required": False}]},
    ]
    for kind in kinds:
        body = {"name_zh": kind["code"], "name_en": kind["code"], **kind}
        answer = await administrator.http.post("/v1/repair_categories", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        shop.categories[kind["code"]] = answer.json()["id"]
    region = public_id("reg", shop.house.city)
    for who, skill in ((shop.lamp, "electrical"), (shop.pipe, "plumbing")):
        body = {"region": region, "skills": [skill]}
        answer = await shop.lead.http.put(f"/v1/technicians/{who.id}", json=body)
        assert answer.status_code == 200, answer.text


def change(kind: str, version: int, **more: Any) -> Json:
    """One change of a phone."""
    return {"client_id": str(uuid4()), "base_version": version, "kind": kind, **more}
