"""The client in Python: it comes back after a cut, misses nothing, and gives up where trying again would not help."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kernel import clock, outbox
from kernel.db import Database
from payments.events import PaymentSucceeded
from realtime.client import EventFrame, Resync, SignedOut
from realtime.schemas import ServerMessage
from tests.identity.conftest import House
from tests.realtime.conftest import QUICK
from tests.realtime.stories import Staff, Web, staff, subscribed, tell, web_process

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "listening.md").read_text(encoding="utf-8")


@pytest.fixture
async def wang(house: House) -> Staff:
    return await staff(house, "王小明")


async def told_numbers(heard: AsyncIterator[ServerMessage], count: int) -> list[int]:
    """What the next so many events say; other messages are passed over."""
    found: list[int] = []
    async with asyncio.timeout(15):
        async for message in heard:
            if isinstance(message, EventFrame):
                found.append(message.data["number"])
            if len(found) == count:
                break
    return found


@pytest.mark.usefixtures("relay")
class TestListening:
    async def test_cut_again_and_again_it_misses_nothing_and_hears_nothing_twice(
        self, db: Database, web: Web, wang: Staff
    ) -> None:
        async with web.client(wang.token) as client:
            await subscribed(client, "me")
            heard = client.listen(retry_first_s=0.01)
            for round_number in range(4):
                numbers = range(round_number * 10, round_number * 10 + 10)
                await tell(db, [wang.channel], *numbers)
                assert await told_numbers(heard, 10) == list(numbers)
                client.socket.transport.abort()

    async def test_it_waits_for_a_server_that_is_away_and_goes_on_where_it_stopped(
        self, db: Database, valkey_url: str, wang: Staff
    ) -> None:
        async with web_process(db, valkey_url, QUICK) as first:
            port = int(first.url.rpartition(":")[2].partition("/")[0])
            client = first.client(wang.token)
            await client.connect()
            await subscribed(client, "me")
            heard = client.listen(retry_first_s=0.01)
            await tell(db, [wang.channel], 1)
            assert await told_numbers(heard, 1) == [1]
        waiting = asyncio.create_task(told_numbers(heard, 2))
        await tell(db, [wang.channel], 2, 3)
        async with web_process(db, valkey_url, QUICK, port=port):
            assert await waiting == [2, 3]
            await client.close()

    async def test_what_cannot_be_replayed_is_left_to_the_callback(self, web: Web, wang: Staff, db: Database) -> None:
        snapshots: list[int] = []

        async def fetch_snapshot(message: Resync) -> None:
            snapshots.append(message.position)

        async with web.client(wang.token) as client:
            await subscribed(client, "me", after=77)
            heard = client.listen(on_resync=fetch_snapshot)
            await tell(db, [wang.channel], 5)
            assert await told_numbers(heard, 1) == [5]
        assert snapshots == [0]

    async def test_a_token_that_is_no_good_is_not_tried_for_ever(self, web: Web) -> None:
        async with web.client("ses_no_such_token") as client:
            with pytest.raises(SignedOut):
                async for _message in client.listen(retry_first_s=0.01):
                    pass


async def test_the_sample_of_the_page_runs(db: Database, web: Web, wang: Staff, relay: None) -> None:
    (sample,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    known: dict[str, Any] = {}
    exec(compile(sample, "docs/listening.md", "exec"), known)
    shown: asyncio.Queue[str] = asyncio.Queue()

    async def fetch_snapshot(_message: Resync) -> None:
        raise AssertionError("nothing is missing here")

    watching = asyncio.create_task(known["watch"](web.url, wang.token, shown.put_nowait, fetch_snapshot))
    async with web.client(wang.token) as other:
        await subscribed(other, "me")
    paid = PaymentSucceeded(
        happened_at=clock.rfc3339(clock.now()),
        payment="pay_1",
        person=wang.person,
        payer_label="王*",
        canteen="can_1",
        canteen_name="一食堂",
        terminal=None,
        amount_fen=1250,
        legs=[],
        business_date="2026-11-23",
        meal=None,
        purses={},
    )
    while shown.empty():
        async with db.session() as session:
            outbox.publish(session, paid)
        await asyncio.sleep(0.2)
    assert shown.get_nowait().endswith(": 1250 fen at 一食堂")
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
