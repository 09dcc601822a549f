"""Boards: only the latest value, seldom enough for eyes, at once for who comes late."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from identity.api import Place, Role
from kernel.db import Database
from kernel.ids import public_id
from realtime.boards import Boards, take_position
from realtime.client import BoardFrame, EventFrame, RealtimeClient, Resync, Subscribed
from tests.identity.conftest import House
from tests.realtime.stories import Staff, Web, canteen_channel, numbers, silence, staff, subscribed, tell


@pytest.fixture
async def boards(db: Database, valkey_url: str) -> AsyncIterator[Boards]:
    """The worker's boards, with their loop."""
    boards = Boards()
    async with Redis.from_url(valkey_url) as valkey:
        running = asyncio.create_task(boards.run(db, valkey, {"region"}))
        yield boards
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
async def manager(house: House) -> Staff:
    return await staff(house, "赵敏", Role.CANTEEN_MANAGER)


@pytest.fixture
async def head_of_city(house: House) -> Staff:
    person_id = await house.person("钱多", Role.CANTEEN_MANAGER, Place(region_id=house.city))
    return Staff(public_id("per", person_id), await house.token(person_id))


async def next_board(client: RealtimeClient) -> BoardFrame:
    frame = await client.receive()
    assert isinstance(frame, BoardFrame), frame
    return frame


class TestCanteenBoard:
    async def test_many_changes_become_at_most_four_frames_a_second_and_the_last_one_wins(
        self, web: Web, boards: Boards, house: House, manager: Staff
    ) -> None:
        channel = canteen_channel(house)
        async with web.client(manager.token) as client:
            await subscribed(client, channel)
            began = time.monotonic()
            frames = 0
            for count in range(100):
                boards.publish_board(channel, "takings", {"count": count})
                await asyncio.sleep(0.01)
            while True:
                frames += 1
                if (await next_board(client)).data == {"count": 99}:
                    break
            assert frames <= 4 * (time.monotonic() - began) + 2
            await silence(client)

    async def test_who_comes_late_gets_the_last_value_at_once(
        self, web: Web, boards: Boards, house: House, manager: Staff
    ) -> None:
        channel = canteen_channel(house)
        boards.publish_board(channel, "takings", {"count": 7})
        boards.publish_board(channel, "terminals", {"online": 2})
        await asyncio.sleep(0.8)
        for _ in range(2):
            async with web.client(manager.token) as client:
                await subscribed(client, channel)
                shown = {(frame := await next_board(client)).type: frame.data for _ in range(2)}
                assert shown == {"takings": {"count": 7}, "terminals": {"online": 2}}
                await silence(client, 0.1)

    @pytest.mark.usefixtures("relay")
    async def test_boards_between_events_leave_their_positions_alone(
        self, db: Database, web: Web, boards: Boards, house: House, manager: Staff
    ) -> None:
        channel = canteen_channel(house)
        async with web.client(manager.token) as client:
            await subscribed(client, channel)
            for number in range(5):
                boards.publish_board(channel, "takings", {"count": number})
                await tell(db, [channel], number)
                await asyncio.sleep(0.3)
            heard = [await client.receive() for _ in range(10)]
        assert [frame.position for frame in heard if isinstance(frame, EventFrame)] == [1, 2, 3, 4, 5]
        assert sum(isinstance(frame, BoardFrame) for frame in heard) == 5

    @pytest.mark.usefixtures("relay")
    async def test_with_valkey_emptied_the_board_is_stale_until_its_next_change(
        self, db: Database, web: Web, boards: Boards, house: House, manager: Staff, valkey_url: str
    ) -> None:
        channel = canteen_channel(house)
        boards.publish_board(channel, "takings", {"count": 1})
        await asyncio.sleep(0.3)
        async with Redis.from_url(valkey_url) as valkey:
            await valkey.flushall()
        async with web.client(manager.token) as client:
            await subscribed(client, channel)
            await silence(client)
            boards.publish_board(channel, "takings", {"count": 2})
            assert (await next_board(client)).data == {"count": 2}
            await tell(db, [channel], 5)
            assert await numbers(client, 1) == [5]


class TestRegionBoard:
    async def test_its_frames_have_positions_and_a_late_comer_sees_the_last_one(
        self, web: Web, boards: Boards, house: House, head_of_city: Staff
    ) -> None:
        channel = f"region:{public_id('reg', house.city)}"
        async with web.client(head_of_city.token) as first:
            assert await subscribed(first, channel) == 0
            for count in range(3):
                boards.publish_board(channel, "map", {"count": count})
                frame = await first.receive()
                assert isinstance(frame, EventFrame)
                assert (frame.position, frame.data) == (count + 1, {"count": count})
            async with web.client(head_of_city.token) as late:
                assert await subscribed(late, channel, after=1) == 2
                shown = await late.receive()
                assert isinstance(shown, EventFrame)
                assert (shown.position, shown.data) == (3, {"count": 2})

    async def test_a_frame_that_was_lost_on_its_way_is_told_by_a_resync(
        self, db: Database, web: Web, boards: Boards, house: House, head_of_city: Staff
    ) -> None:
        channel = f"region:{public_id('reg', house.city)}"
        async with web.client(head_of_city.token) as client:
            await subscribed(client, channel)
            boards.publish_board(channel, "map", {"count": 1})
            await client.receive()
            assert await take_position(db, channel) == 2
            boards.publish_board(channel, "map", {"count": 3})
            frames = [await client.receive(), await client.receive()]
        assert frames[0] == Resync(channel=channel, position=2)
        assert isinstance(frames[1], EventFrame)
        assert (frames[1].position, frames[1].data) == (3, {"count": 3})

    async def test_only_its_own_region_is_shown(self, web: Web, house: House, head_of_city: Staff) -> None:
        async with web.client(head_of_city.token) as client:
            await client.subscribe(f"region:{public_id('reg', house.other_city)}")
            assert not isinstance(await client.receive(), Subscribed)
