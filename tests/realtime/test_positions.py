"""Whatever is cut, killed or lost, in whatever order: a client hears every position once, in order."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis
from sqlalchemy import text

from identity.api import NewPerson, open_person
from identity.sign_in import open_session
from kernel.db import Database
from kernel.ids import public_id
from realtime.api import HubLimits
from realtime.client import EventFrame, RealtimeClient, Subscribed
from realtime.relay import Relay
from tests.realtime.stories import Staff, Web, relay_everything, tell, web_process

T = TypeVar("T")

# Nothing happens by itself: the rules decide when the hub asks PostgreSQL.
PATIENT = HubLimits(poll_interval_s=3600, recheck_interval_s=3600)


class Listener:
    """A client that writes down what it hears."""

    def __init__(self, client: RealtimeClient) -> None:
        self.client = client
        self.positions: list[int] = []
        self.is_connected = False


class Positions(RuleBasedStateMachine):
    """One person, two clients, a relay that may or may not reach Valkey."""

    database_url: str
    valkey_url: str
    ward: UUID

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.told = 0
        self.run(self.open())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(asyncio.wait_for(coroutine, 30))

    async def open(self) -> None:
        self.db = Database(self.database_url)
        self.stack.push_async_callback(self.db.close)
        self.wang = await self.open_person()
        self.valkey = await self.stack.enter_async_context(Redis.from_url(self.valkey_url))
        self.web: Web = await self.stack.enter_async_context(web_process(self.db, self.valkey_url, PATIENT))
        self.listeners = [Listener(self.web.client(self.wang.token)) for _ in range(2)]
        for listener in self.listeners:
            await self.connect_one(listener)

    async def open_person(self) -> Staff:
        """Somebody of this run's own, so that their channel begins at 0."""
        ward: UUID = self.ward
        async with self.db.session() as session:
            new = NewPerson("王芳", ward, "staff", date(2026, 1, 1))
            person_id = await open_person(session, new, actor="system")
        async with self.db.session() as session:
            token = (await open_session(session, person_id)).token
        return Staff(public_id("per", person_id), token)

    async def connect_one(self, listener: Listener) -> None:
        if not listener.positions and "me" not in listener.client.positions:
            listener.client.positions["me"] = 0
        await listener.client.connect()
        listener.is_connected = True
        answer = await listener.client.receive()
        assert isinstance(answer, Subscribed)
        assert answer.position == len(listener.positions)

    @rule(count=st.integers(1, 5), way=st.sampled_from(["published", "published", "unpublished", "waiting"]))
    def something_happens(self, count: int, way: str) -> None:
        """And the relay tells the hub, or cannot, or has not run yet."""
        self.run(tell(self.db, [self.wang.channel], *range(self.told, self.told + count)))
        self.told += count
        if way == "published":
            self.run(self.relay_and_publish())
        elif way == "unpublished":
            self.run(relay_everything(self.db))

    async def relay_and_publish(self) -> None:
        relay = Relay(self.db, self.valkey)
        await relay.connect()
        while await relay.relay_once():
            pass
        await relay.close()
        while not relay._to_publish.empty():
            assert await relay.publish(relay._to_publish.get_nowait())
        await asyncio.sleep(0.01)

    @rule()
    def the_hub_loses_its_line_to_valkey(self) -> None:
        self.run(self.cut_the_hub_off())

    async def cut_the_hub_off(self) -> None:
        await self.valkey.client_kill_filter(_type="pubsub")
        await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            while not self.web.hub._listener.is_up:  # noqa: ASYNC110  a flag of the hub's own
                await asyncio.sleep(0.01)

    @rule()
    def the_hub_asks_postgres(self) -> None:
        """Twice: once to see how far the channel is, once to see that it still is behind."""
        for _ in range(2):
            self.run(self.web.hub.poll())

    @rule(which=st.integers(0, 1))
    def a_client_reads(self, which: int) -> None:
        self.run(self.read_one(self.listeners[which]))

    async def read_one(self, listener: Listener) -> None:
        if not listener.is_connected:
            return
        try:
            while True:
                frame = await listener.client.receive(0.02)
                assert isinstance(frame, EventFrame), frame
                listener.positions.append(frame.position)
                assert frame.data == {"number": frame.position - 1}
        except TimeoutError:
            assert listener.positions == list(range(1, len(listener.positions) + 1))

    @rule(which=st.integers(0, 1))
    def a_client_is_cut(self, which: int) -> None:
        self.run(self.cut_one(self.listeners[which]))

    async def cut_one(self, listener: Listener) -> None:
        if listener.is_connected:
            listener.is_connected = False
            await listener.client.drop()

    @precondition(lambda self: not all(listener.is_connected for listener in self.listeners))
    @rule()
    def the_clients_come_back(self) -> None:
        for listener in self.listeners:
            if not listener.is_connected:
                self.run(self.connect_one(listener))

    def teardown(self) -> None:
        try:
            self.run(self.finish())
        finally:
            self.run(self.stack.aclose())
            self.runner.close()

    async def finish(self) -> None:
        """In the end everybody has heard everything."""
        await relay_everything(self.db)
        for listener in self.listeners:
            if not listener.is_connected:
                await self.connect_one(listener)
        for _ in range(2):
            await self.web.hub.poll()
        async with asyncio.timeout(10):
            while any(len(listener.positions) < self.told for listener in self.listeners):
                for listener in self.listeners:
                    await self.read_one(listener)
        for listener in self.listeners:
            assert listener.positions == list(range(1, self.told + 1))
            await listener.client.close()


async def find_ward(database_url: str) -> UUID:
    db = Database(database_url)
    async with db.session() as session:
        ward = await session.scalar(text("SELECT id FROM organisations WHERE code = 'H-1'"))
    await db.close()
    assert isinstance(ward, UUID)
    return ward


def test_positions_are_contiguous_under_arbitrary_disconnects(house_url: str, valkey_url: str) -> None:
    ward = asyncio.run(find_ward(house_url))
    machine = type("PositionsHere", (Positions,), {"database_url": house_url, "valkey_url": valkey_url, "ward": ward})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=18,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )
