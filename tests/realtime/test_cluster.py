"""Several web processes and nothing between them but Valkey: one server, a cluster of three, a Sentinel's primary."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from identity.api import Role
from kernel.db import Database
from kernel.valkey import close_valkey, open_valkey
from realtime.api import HubLimits
from realtime.boards import Boards
from realtime.client import BoardFrame
from tests.identity.conftest import House
from tests.realtime.cluster import Cluster, cluster, watched_primary
from tests.realtime.stories import (
    Staff,
    Web,
    canteen_channel,
    numbers,
    relay_running,
    silence,
    staff,
    subscribed,
    tell,
    web_process,
)

# Its look at PostgreSQL comes so late that what is heard sooner came by Valkey.
PATIENT = HubLimits(poll_interval_s=60)
QUICK = HubLimits(poll_interval_s=0.2)


@pytest.fixture
async def cashier(house: House) -> Staff:
    return await staff(house, "李强", Role.CASHIER)


@pytest.fixture(scope="module")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def listened_port(web: Web) -> int | None:
    """The port of the node that a hub hears, while it hears one."""
    pubsub = web.hub._listener._pubsub
    node = getattr(pubsub, "node", None)
    return node.port if node is not None and web.hub._listener.is_up else None


class TestCluster:
    async def test_two_web_processes_hear_the_same_by_a_cluster(
        self, db: Database, house: House, cashier: Staff, three_nodes: Cluster
    ) -> None:
        channel = canteen_channel(house)
        async with (
            relay_running(db, three_nodes.url),
            web_process(db, three_nodes.url, PATIENT) as one,
            web_process(db, three_nodes.url, PATIENT) as other,
            one.client(cashier.token) as here,
            other.client(cashier.token) as there,
        ):
            await one.hub.listening()
            await other.hub.listening()
            for client in (here, there):
                await subscribed(client, channel)
                await subscribed(client, "me")
            await tell(db, [channel, cashier.channel], *range(20))
            for client in (here, there):
                heard = await numbers(client, 40)
                assert sorted(heard) == sorted([*range(20), *range(20)])

    async def test_the_last_value_of_a_board_is_kept_on_whichever_node_has_its_slot(
        self, db: Database, house: House, three_nodes: Cluster
    ) -> None:
        manager = await staff(house, "赵敏", Role.CANTEEN_MANAGER)
        channel = canteen_channel(house)
        boards, valkey = Boards(), open_valkey(three_nodes.url)
        sending = asyncio.create_task(boards.run(db, valkey, {"region"}))
        async with web_process(db, three_nodes.url, PATIENT) as web, web.client(manager.token) as client:
            await web.hub.listening()
            await subscribed(client, channel)
            boards.publish_board(channel, "takings", {"count": 7})
            assert isinstance(told := await client.receive(), BoardFrame)
            async with web.client(manager.token) as late:
                await subscribed(late, channel)
                assert isinstance(kept := await late.receive(), BoardFrame)
            assert told.data == kept.data == {"count": 7}
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await close_valkey(valkey)

    async def test_the_node_that_a_hub_listens_to_is_killed_and_nothing_is_lost(
        self, db: Database, house: House, cashier: Staff, tmp_path: Path
    ) -> None:
        channel = canteen_channel(house)
        with cluster(tmp_path) as own:
            async with (
                relay_running(db, own.url),
                web_process(db, own.url, QUICK) as web,
                web.client(cashier.token) as client,
            ):
                await web.hub.listening()
                await subscribed(client, channel)
                await tell(db, [channel], 0)
                assert await numbers(client, 1) == [0]

                listened_to = listened_port(web)
                assert listened_to is not None
                own.node_at(listened_to).kill()
                for number in range(1, 30):
                    await tell(db, [channel], number)
                assert await numbers(client, 29) == list(range(1, 30))

                async with asyncio.timeout(20):
                    while listened_port(web) in (None, listened_to):  # noqa: ASYNC110  it comes back by itself
                        await asyncio.sleep(0.05)
                await tell(db, [channel], 30)
                assert await numbers(client, 1) == [30]
                await silence(client)


class TestSentinel:
    async def test_the_primary_is_found_by_its_name(
        self, db: Database, house: House, cashier: Staff, tmp_path: Path
    ) -> None:
        with watched_primary(tmp_path, "house") as (url, _primary):
            async with (
                relay_running(db, url),
                web_process(db, url, PATIENT) as web,
                web.client(cashier.token) as client,
            ):
                await web.hub.listening()
                await subscribed(client, canteen_channel(house))
                await tell(db, [canteen_channel(house)], 1, 2)
                assert await numbers(client, 2) == [1, 2]


class TestAddresses:
    @pytest.mark.parametrize(
        "url", ["redis+cluster://", "redis+cluster://one,,two", "redis+sentinel://one:26379", "http://one"]
    )
    async def test_one_that_cannot_be_understood_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"hosts|name|scheme"):
            open_valkey(url)
