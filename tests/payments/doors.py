"""The HTTP of payments in this process, and people with a sign-in: for stories that begin at a phone or in the office."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from uuid import UUID

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from identity.api import NewPerson, Place, Role, open_person, today
from identity.roles import write_grant
from identity.sign_in import open_session
from kernel.http import RequestIds, install_error_handlers
from payments import account_routes, api, routes
from payments.channels.channel import Channel
from payments.wall_codes import place_code_routes
from tests.payments.world import World


@dataclass(frozen=True)
class Somebody:
    """A person who is signed in."""

    id: UUID
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


async def employee(
    world: World, *, cash_fen: int = 0, staff_number: str | None = None, person_class: str = "staff"
) -> Somebody:
    """Somebody of the unit with an account and a phone."""
    async with world.db.session() as session:
        person = NewPerson("王小明", world.unit, person_class, today(), staff_number=staff_number)
        person_id = await open_person(session, person, actor="system")
        await api.open_holders(session, [api.NewHolder(person_id, world.unit, world.home, person_class, "王*明")])
        if cash_fen:
            await api.top_up_at_counter(session, person_id, cash_fen, actor="test")
        return Somebody(person_id, (await open_session(session, person_id)).token)


async def officer(world: World, role: Role, place: Place) -> Somebody:
    """Somebody who holds a role."""
    async with world.db.session() as session:
        person_id = await open_person(session, NewPerson("钱", world.unit, "staff", today()), actor="system")
        await write_grant(session, person_id, role, place, granted_by=None)
        return Somebody(person_id, (await open_session(session, person_id)).token)


@asynccontextmanager
async def doors(
    world: World, *also: ModuleType, channels: Mapping[str, Channel] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of this process's own routes; `also` are the routes of packages that only some stories need."""
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    for part in (routes, account_routes, place_code_routes, *also):
        app.include_router(part.router)
    app.state.channels = channels or {}
    app.state.database, app.state.posting_rule, app.state.posting = world.db, world.rule, world.posting
    tills = api.PaymentsEndpoint(world.db, world.posting, world.terminals)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        """The tills' endpoint stands before the framework, as app/hot_path.py puts it."""
        is_sale = scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", tills.path)
        await (tills if is_sale else app)(scope, receive, send)

    transport = httpx.ASGITransport(app=either)
    async with httpx.AsyncClient(transport=transport, base_url="https://guanjia.test") as client:
        yield client
