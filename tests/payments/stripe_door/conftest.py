"""A merchant with a secret key, the door served on loopback, and the official clients that knock on it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
import requests
import stripe
import uvicorn

from kernel.db import Database
from payments import api
from payments.stripe_door.api import Confirmations, KeyCache, MadeKey, StripeDoor, make_key
from tests.payments.conftest import assert_books_are_right
from tests.payments.world import World, open_world


@dataclass
class Shop:
    """A merchant's program: its key, its clients, and the till's world behind the door."""

    world: World
    made: MadeKey
    door: StripeDoor
    confirmations: Confirmations
    url: str = ""
    _sessions: list[requests.Session] = field(default_factory=list)
    _asynchronous: list[stripe.HTTPXClient] = field(default_factory=list)

    @property
    def db(self) -> Database:
        return self.world.db

    @property
    def key(self) -> str:
        return self.made.secret

    @property
    def site_id(self) -> UUID:
        return self.world.canteen

    def client(self, key: str | None = None, **options: Any) -> Any:
        """The official client, pointed at us; untyped, because what it is sent here is wrong on purpose at times."""
        session = requests.Session()
        self._sessions.append(session)
        http = stripe.RequestsClient(session=session)
        return stripe.StripeClient(key or self.key, base_addresses={"api": self.url}, http_client=http, **options)

    def asynchronous(self) -> Any:
        """The same, for its `..._async` calls."""
        http = stripe.HTTPXClient()
        self._asynchronous.append(http)
        return stripe.StripeClient(self.key, base_addresses={"api": self.url}, http_client=http)

    async def close(self) -> None:
        """Hang up, all of them."""
        for session in self._sessions:
            session.close()
        for client in self._asynchronous:
            await client.close_async()  # type: ignore[no-untyped-call]  # the library has no types here

    async def ask(self, call: Callable[[Any], Any], **options: Any) -> Any:
        """A call of the synchronous client, in a thread, as a program would make it."""
        return await self.ask_of(self.client(**options), call)

    async def ask_of(self, client: Any, call: Callable[[Any], Any]) -> Any:
        """The same of a client that is there already."""
        return await asyncio.to_thread(call, client)

    async def fails(self, call: Callable[[Any], Any], **options: Any) -> Any:
        """The error that a call raised."""
        try:
            answer = await self.ask(call, **options)
        except stripe.StripeError as error:
            return error
        raise AssertionError(f"it was answered: {answer}")

    @contextlib.asynccontextmanager
    async def http(self, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """Plain HTTP with the key, for what the official client hides."""
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        async with httpx.AsyncClient(base_url=self.url, headers=sent, timeout=30) as client:
            yield client

    async def person(self, cash_fen: int = 100_00) -> UUID:
        """Somebody with cash."""
        return await self.world.person(cash_fen=cash_fen)

    async def code(self, person_id: UUID) -> str:
        """A fresh pay code, 20 digits."""
        return (await self.world.code(person_id)).code

    async def cash(self, person_id: UUID) -> int:
        """What somebody has left."""
        left: int = (await self.world.purses(person_id))["cash_fen"]
        return left

    async def paid(self, person_id: UUID, amount_fen: int = 1000) -> Any:
        """An intent that was created and paid in one act."""
        code = await self.code(person_id)
        return await self.ask(
            lambda client: client.v1.payment_intents.create(
                {"amount": amount_fen, "currency": "cny", "confirm": True, **method(code)}
            )
        )

    async def made_key(self, name: str = "another") -> MadeKey:
        """One more key of the same merchant."""
        async with self.db.session() as session:
            return await make_key(session, self.site_id, name, actor="test")


def method(code: str) -> Any:
    """The parameters that say: pay with this code."""
    return {"payment_method_data": {"type": "one_card", "one_card": {"code": code}}}


@contextlib.asynccontextmanager
async def serving(application: Any) -> AsyncIterator[str]:
    """An ASGI application on a loopback port of its own."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the signals are pytest's
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110  the library has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@pytest.fixture
async def shop(db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """The door is open. Whatever the story was, the books are right afterwards."""
    monkeypatch.setattr(stripe, "enable_telemetry", False)
    world = await open_world(db)
    await world.posting.stop()
    keys = KeyCache()
    world.terminals = keys
    async with db.session() as session:
        made = await make_key(session, world.canteen, "print shop", actor="test")
    world.posting = api.Posting(db, world.rule, keys)
    await world.posting.start()
    confirmations = Confirmations(db, world.posting)
    confirmations.start()
    door = StripeDoor(db, confirmations, keys, world.rule)
    async with serving(door) as url:
        opened = Shop(world, made, door, confirmations, url)
        yield opened
        await opened.close()
    await confirmations.stop()
    await world.posting.stop()
    await assert_books_are_right(db)
