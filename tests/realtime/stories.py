"""What the stories of real time are told with: an event that goes where it is told, and web processes with a hub."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Place, Role, Terminal
from kernel import clock, outbox
from kernel.db import Database
from kernel.errors import NotFound
from kernel.events import Delivery, Event
from kernel.ids import parse_public_id, public_id
from kernel.valkey import close_valkey, open_valkey
from realtime.api import Caller, ChannelPolicy, Hub, HubLimits, region_policy
from realtime.audio.switchboard import Switchboard
from realtime.client import EventFrame, RealtimeClient, Subscribed
from realtime.protocol import HubProtocol
from realtime.relay import Relay
from realtime.routes import router
from realtime.schemas import ServerMessage
from tests.identity.conftest import House


async def may_hear_site(_session: AsyncSession, caller: Caller, identifier: str) -> bool:
    """A site's own tills, and people with a role there."""
    try:
        site_id = parse_public_id("sit", identifier)
    except NotFound:
        return False
    if isinstance(caller, Terminal):
        return caller.site_id == site_id
    return caller.may(Role.CASHIER, Role.CANTEEN_MANAGER, site_id=site_id)


POLICIES = (
    ChannelPolicy("canteen", may_hear_site),
    region_policy("region", Role.CANTEEN_MANAGER),
)


# Who talks in a call of these stories: whoever stands in it.
TALKERS: dict[str, frozenset[UUID]] = {}


async def talkers_of(_session: AsyncSession, identifier: str) -> frozenset[UUID]:
    return TALKERS.get(identifier, frozenset())


LINES = {"call": talkers_of}


class NoteTold(Event, frozen=True, kw_only=True):
    """For these tests: a number, told to some channels."""

    type: ClassVar[str] = "test.note_told"
    number: int
    channels: list[str]

    def audience(self) -> Sequence[Delivery]:
        return [Delivery(channel, {"number": self.number}) for channel in self.channels]


async def tell(db: Database, channels: Sequence[str], *numbers: int) -> None:
    """One commit that tells these numbers to these channels."""
    async with db.session() as session:
        for number in numbers:
            happened_at = clock.rfc3339(clock.now())
            outbox.publish(session, NoteTold(happened_at=happened_at, number=number, channels=list(channels)))


@dataclass
class Web:
    """One web process's worth: a server on a port, and its hub."""

    url: str
    hub: Hub

    def client(self, token: str | None, **options: object) -> RealtimeClient:
        return RealtimeClient(self.url, token, **options)


@asynccontextmanager
async def web_process(
    db: Database, valkey_url: str, limits: HubLimits | None = None, hub_class: type[Hub] = Hub, *, port: int = 0
) -> AsyncIterator[Web]:
    """A hub behind a real server on a real socket."""
    valkey = open_valkey(valkey_url, socket_connect_timeout=1, socket_timeout=2)
    app = FastAPI()
    app.include_router(router)
    app.state.database = db
    hub = app.state.hub = hub_class(db, valkey, POLICIES, limits)
    switchboard = app.state.switchboard = Switchboard(db, valkey, LINES)
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    # What the operating system would hold for a slow reader is megabytes: small here, so that a story stays short.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
    config = uvicorn.Config(
        app, ws=HubProtocol, http="h11", log_config=None, lifespan="off", ws_per_message_deflate=False
    )
    server = uvicorn.Server(config)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(close_valkey, valkey)
        await stack.enter_async_context(hub.running())
        await stack.enter_async_context(switchboard.running())
        serving = asyncio.create_task(server._serve([listener]))
        try:
            while not server.started:  # noqa: ASYNC110  the library sets a flag, not an event
                await asyncio.sleep(0.01)
            yield Web(f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/realtime", hub)
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def relay_running(db: Database, valkey_url: str) -> AsyncIterator[Relay]:
    """The relay, as the worker runs it."""
    valkey = open_valkey(valkey_url, socket_connect_timeout=1, socket_timeout=2)
    relay = Relay(db, valkey)
    running = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await close_valkey(valkey)


async def relay_everything(db: Database, valkey: Redis | None = None) -> None:
    """A relay that lives until there is nothing left to do."""
    relay = Relay(db, valkey)
    await relay.connect()
    while await relay.relay_once():
        pass
    await relay.close()


@dataclass
class Staff:
    """Somebody with a sign-in."""

    person: str
    token: str

    @property
    def channel(self) -> str:
        return f"person:{self.person}"


async def staff(house: House, name: str, role: Role | None = None) -> Staff:
    """A person of the house; with a role at its first canteen if one is named."""
    place = Place(site_id=house.canteen)
    person_id = await (house.person(name, role, place) if role else house.person(name))
    return Staff(public_id("per", person_id), await house.token(person_id))


def canteen_channel(house: House) -> str:
    return f"canteen:{public_id('sit', house.canteen)}"


async def subscribed(client: RealtimeClient, channel: str, after: int | None = None) -> int:
    """Subscribe, and wait for the answer."""
    await client.subscribe(channel, after)
    answer = await client.receive()
    assert isinstance(answer, Subscribed), answer
    assert answer.channel == channel
    return answer.position


async def events(client: RealtimeClient, count: int, timeout_s: float = 10.0) -> list[EventFrame]:
    """The next so many messages, all of them events."""
    heard = [await client.receive(timeout_s) for _ in range(count)]
    assert all(isinstance(message, EventFrame) for message in heard), heard
    return [message for message in heard if isinstance(message, EventFrame)]


async def numbers(client: RealtimeClient, count: int, timeout_s: float = 10.0) -> list[int]:
    """What the next so many events say."""
    return [event.data["number"] for event in await events(client, count, timeout_s)]


async def silence(client: RealtimeClient, for_s: float = 0.3) -> None:
    """Nothing more comes."""
    heard: list[ServerMessage] = []
    with contextlib.suppress(TimeoutError):
        heard.append(await client.receive(for_s))
    assert heard == []
