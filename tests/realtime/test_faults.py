"""What goes wrong costs delay and nothing else: Valkey gone or emptied, the relay killed, a reader that does not read."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession
from websockets.exceptions import ConnectionClosed

from app.embedded.valkey import EmbeddedValkey
from identity.api import Role
from kernel import clock, outbox
from kernel.db import Database
from kernel.events import encode_events
from realtime.api import Hub, HubLimits, channel_position, relay_lag_s
from realtime.client import EventFrame
from realtime.relay import Relay
from tests.identity.conftest import House
from tests.realtime.conftest import QUICK
from tests.realtime.stories import (
    NoteTold,
    Staff,
    Web,
    canteen_channel,
    events,
    numbers,
    relay_everything,
    relay_running,
    silence,
    staff,
    subscribed,
    tell,
    web_process,
)


@pytest.fixture
async def cashier(house: House) -> Staff:
    return await staff(house, "李强", Role.CASHIER)


async def tell_steadily(db: Database, channel: str, count: int, pause_s: float = 0.01) -> None:
    """A flow: one commit after the other."""
    for number in range(count):
        await tell(db, [channel], number)
        await asyncio.sleep(pause_s)


class TestValkey:
    @pytest.mark.usefixtures("relay")
    async def test_emptied_under_flow_nothing_is_lost(
        self, db: Database, web: Web, house: House, cashier: Staff, valkey_url: str
    ) -> None:
        channel = canteen_channel(house)
        async with web.client(cashier.token) as client, Redis.from_url(valkey_url) as valkey:
            await subscribed(client, channel)
            flow = asyncio.create_task(tell_steadily(db, channel, 60))
            for _ in range(5):
                await asyncio.sleep(0.1)
                await valkey.flushall()
            assert await numbers(client, 60) == list(range(60))
            await flow

    async def test_killed_and_started_again_under_flow_nothing_is_lost(
        self, db: Database, own_valkey: EmbeddedValkey, house: House, cashier: Staff
    ) -> None:
        channel = canteen_channel(house)
        async with (
            relay_running(db, own_valkey.url),
            web_process(db, own_valkey.url, QUICK) as web,
            web.client(cashier.token) as client,
        ):
            await subscribed(client, channel)
            await tell(db, [channel], 0)
            assert await numbers(client, 1) == [0]

            own_valkey.kill()
            await tell_steadily(db, channel, 30)
            assert await numbers(client, 30) == list(range(30))

            async with web.client(cashier.token) as late:
                assert await subscribed(late, channel, after=30) == 30
                assert await numbers(late, 1) == [29]

            await asyncio.to_thread(own_valkey.start)
            await tell_steadily(db, channel, 30)
            assert await numbers(client, 30) == list(range(30))
            await silence(client)

    async def test_frames_that_were_never_published_are_fetched(
        self, db: Database, web: Web, house: House, cashier: Staff
    ) -> None:
        channel = canteen_channel(house)
        async with web.client(cashier.token) as client:
            await subscribed(client, channel)
            await tell(db, [channel], 1, 2, 3)
            await relay_everything(db, valkey=None)
            assert await numbers(client, 3) == [1, 2, 3]


class TestRelayKilled:
    async def test_killed_again_and_again_under_flow_there_is_no_gap_and_no_repeat(
        self, db: Database, web: Web, house: House, cashier: Staff, valkey_url: str
    ) -> None:
        channel = canteen_channel(house)
        async with relay_running(db, valkey_url), relay_running(db, valkey_url), web.client(cashier.token) as client:
            await subscribed(client, channel)
            flow = asyncio.create_task(tell_steadily(db, channel, 150))
            killed = 0
            while not flow.done():
                await asyncio.sleep(0.15)
                killed += await kill_the_relay(db)
            heard = await events(client, 150)
            await silence(client)
        assert killed >= 3
        assert [event.position for event in heard] == list(range(1, 151))
        assert [event.data["number"] for event in heard] == list(range(150))

    async def test_killed_between_stamping_and_publishing_the_frames_are_still_heard(
        self, db: Database, web: Web, house: House, cashier: Staff
    ) -> None:
        channel = canteen_channel(house)

        class DiesBeforePublishing(Relay):
            def _hand_to_publisher(self, frames: object) -> None:
                raise ConnectionResetError

        async with web.client(cashier.token) as client:
            await subscribed(client, channel)
            await tell(db, [channel], 1, 2)
            dying = DiesBeforePublishing(db, None)
            await dying.connect()
            with pytest.raises(ConnectionResetError):
                await dying.relay_once()
            await dying.close()
            await relay_everything(db)
            assert await numbers(client, 2) == [1, 2]
            await silence(client)

    async def test_a_second_relay_waits_for_the_first_to_end(self, db: Database) -> None:
        first, second = Relay(db, None), Relay(db, None)
        await first.connect()
        waiting = asyncio.create_task(second.connect())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await first.close()
        await asyncio.wait_for(waiting, 5)
        await second.close()


async def kill_the_relay(db: Database) -> int:
    """End the backend that holds the relay's lock."""
    async with db.session() as session:
        killed = await session.scalars(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND objid = 4204208 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
        return len(killed.all())


class TestRelayAwake:
    async def test_what_the_office_has_written_wakes_it_without_a_look(self, db: Database, cashier: Staff) -> None:
        relay = Relay(db, None, poll_interval_s=3600)
        running = asyncio.create_task(relay.run())
        try:
            # Two could be found by looks: the first one, and the one that follows a find.
            for number in range(1, 5):
                await tell(db, [cashier.channel], number)
                await stamped(db, cashier.channel, number)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def stamped(db: Database, channel: str, count: int) -> None:
    """Wait until a channel has so many events."""
    async with asyncio.timeout(60):
        while True:
            async with db.session() as session:
                if await channel_position(session, channel) >= count:
                    return
            await asyncio.sleep(0.02)


class TestRelayStuck:
    async def test_a_row_it_cannot_read_stops_its_lane_and_no_other(self, db: Database, cashier: Staff) -> None:
        await relay_everything(db)
        async with db.session() as session:
            await session.execute(insert(outbox.Lane).values(lane=7, opened_at=clock.now()))
            await session.execute(
                insert(outbox.OutboxRow).values(
                    lane=7, n=1, recorded_at=clock.now(), events='[{"type":"not.known","version":1,"data":{}}]'
                )
            )
        await tell(db, [cashier.channel], 1)
        await relay_everything(db)
        async with db.session() as session:
            stamped = await session.scalars(text("SELECT event_id FROM channel_events"))
            assert [event_id.startswith("evt_0_") for event_id in stamped] == [True]
            assert await relay_lag_s(session) > 0

    async def test_a_stuck_lane_goes_on_where_it_stopped_once_the_row_can_be_read(
        self, db: Database, cashier: Staff
    ) -> None:
        await relay_everything(db)
        note = NoteTold(happened_at=clock.rfc3339(clock.now()), number=1, channels=[cashier.channel])
        good, unreadable = encode_events([note]), '[{"type":"not.known","version":1,"data":{}}]'
        async with db.session() as session:
            await session.execute(insert(outbox.Lane).values(lane=7, opened_at=clock.now()))
            for n, column in enumerate((good, unreadable, good), start=1):
                row = {"lane": 7, "n": n, "recorded_at": clock.now(), "events": column}
                await session.execute(insert(outbox.OutboxRow).values(**row))
        await relay_everything(db)
        assert await stamped_in_lane_7(db) == ["evt_7_1_0"]
        async with db.session() as session:
            await session.execute(text("UPDATE outbox SET events = :good WHERE lane = 7 AND n = 2"), {"good": good})
        await relay_everything(db)
        assert await stamped_in_lane_7(db) == ["evt_7_1_0", "evt_7_2_0", "evt_7_3_0"]


async def stamped_in_lane_7(db: Database) -> list[str]:
    """In the order of their positions."""
    async with db.session() as session:
        found = await session.scalars(
            text("SELECT event_id FROM channel_events WHERE event_id LIKE 'evt_7_%' ORDER BY position")
        )
        return list(found)


@pytest.mark.usefixtures("relay")
class TestSlowReader:
    @pytest.fixture
    async def strict(self, db: Database, valkey_url: str) -> AsyncIterator[Web]:
        async with web_process(db, valkey_url, HubLimits(buffer_bytes_max=64 * 1024, slow_after_s=0.5)) as running:
            yield running

    async def test_it_is_cut_with_4008_while_the_others_hear_everything(
        self, db: Database, strict: Web, house: House, cashier: Staff
    ) -> None:
        channel = canteen_channel(house)
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        narrow.connect((urlsplit(strict.url).hostname, urlsplit(strict.url).port))
        narrow.setblocking(False)
        slow = strict.client(cashier.token, max_queue=1, sock=narrow)
        await slow.connect()
        await subscribed(slow, channel)
        slow.socket.transport.pause_reading()
        async with strict.client(cashier.token) as quick:
            await subscribed(quick, channel)
            heard: list[int] = []
            for batch in range(20):
                await tell(db, [channel], *range(batch * 500, batch * 500 + 500))
                heard += await numbers(quick, 500, timeout_s=5)
            assert heard == list(range(10_000))
        slow.socket.transport.resume_reading()
        first_part = 0
        with contextlib.suppress(ConnectionClosed):
            while True:
                await slow.receive()
                first_part += 1
        assert slow.socket.close_code == 4008
        assert first_part < 10_000
        assert slow.positions[channel] == first_part

    async def test_a_replay_waits_for_its_reader_instead_of_cutting_it(
        self, db: Database, strict: Web, house: House, cashier: Staff
    ) -> None:
        channel = canteen_channel(house)
        await tell(db, [channel], *range(1000))
        await asyncio.sleep(0.5)
        async with strict.client(cashier.token) as client:
            await subscribed(client, channel, after=0)
            assert await numbers(client, 1000) == list(range(1000))


@pytest.mark.usefixtures("relay")
class TestComingAndGoing:
    async def test_who_is_cut_again_and_again_under_flow_hears_everything_once(
        self, db: Database, web: Web, house: House, cashier: Staff
    ) -> None:
        await self.come_and_go_under_flow(db, web, house, cashier, patience_s=0.03)

    async def test_and_also_where_the_database_answers_slowly(
        self, db: Database, valkey_url: str, house: House, cashier: Staff
    ) -> None:
        """Then much is published between a read and its answer."""

        class Sluggish(Hub):
            @asynccontextmanager
            async def _read(self) -> AsyncIterator[AsyncSession]:
                async with super()._read() as session:
                    yield session
                await asyncio.sleep(0.12)

        async with web_process(db, valkey_url, QUICK, Sluggish) as web:
            await self.come_and_go_under_flow(db, web, house, cashier, patience_s=0.5)

    async def come_and_go_under_flow(
        self, db: Database, web: Web, house: House, cashier: Staff, *, patience_s: float
    ) -> None:
        channel = canteen_channel(house)
        flow = asyncio.create_task(tell_steadily(db, channel, 300, pause_s=0.002))

        async def come_and_go(number: int) -> list[int]:
            heard: list[int] = []
            client = web.client(cashier.token)
            client.positions[channel] = 0
            while len(heard) < 300:
                await client.connect()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience_s * (1 + number / 3) if not flow.done() else 5):
                        while len(heard) < 300:
                            message = await client.receive()
                            if isinstance(message, EventFrame):
                                heard.append(message.position)
                await client.drop()
            return heard

        everybody = await asyncio.gather(*(come_and_go(number) for number in range(8)))
        await flow
        assert everybody == [list(range(1, 301))] * 8
