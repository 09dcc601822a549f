"""A socket's life: signing in, hearing, resuming, being refused."""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed

from identity.api import Role, enrol_terminal, open_terminal
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id
from realtime.api import HubLimits, channel_position
from realtime.client import Pong, RealtimeClient, Refused, Resync
from realtime.partitions import keep_partitions
from tests.identity.conftest import House
from tests.realtime.stories import (
    Staff,
    Web,
    canteen_channel,
    events,
    numbers,
    relay_everything,
    silence,
    staff,
    subscribed,
    tell,
    web_process,
)

REVOKE_ALL_ROLES = text("UPDATE role_grants SET revoked_at = granted_at + interval '1 second'")
END_ALL_SESSIONS = text("UPDATE sessions SET revoked_at = expires_at")


@pytest.fixture
async def wang(house: House) -> Staff:
    return await staff(house, "王芳")


@pytest.fixture
async def cashier(house: House) -> Staff:
    return await staff(house, "李强", Role.CASHIER)


async def closed_with(client: RealtimeClient) -> int | None:
    """Read to the end; the code the server closed with."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.receive()
    return client.socket.close_code


@pytest.mark.usefixtures("relay")
class TestHearing:
    async def test_what_is_committed_is_heard_by_its_owner_as_me(self, db: Database, web: Web, wang: Staff) -> None:
        async with web.client(wang.token) as client:
            assert await subscribed(client, "me") == 0
            await tell(db, [wang.channel], 18)
            (event,) = await events(client, 1)
        assert (event.channel, event.position, event.type, event.version) == ("me", 1, "test.note_told", 1)
        assert event.data == {"number": 18}
        assert (event.id or "").startswith("evt_0_")
        assert event.happened_at.endswith("Z")

    async def test_two_web_processes_tell_the_same(
        self, db: Database, web: Web, house: House, cashier: Staff, valkey_url: str
    ) -> None:
        channel = canteen_channel(house)
        async with (
            web_process(db, valkey_url) as other,
            web.client(cashier.token) as first,
            other.client(cashier.token) as second,
        ):
            await subscribed(first, channel)
            await subscribed(second, channel)
            for number in range(20):
                await tell(db, [channel], number)
            assert await numbers(first, 20) == await numbers(second, 20) == list(range(20))

    async def test_one_event_has_a_position_of_its_own_in_each_channel(
        self, db: Database, web: Web, house: House, cashier: Staff
    ) -> None:
        channel = canteen_channel(house)
        async with web.client(cashier.token) as client:
            await subscribed(client, channel)
            await subscribed(client, "me")
            await tell(db, [channel], 1, 2)
            await tell(db, [channel, cashier.channel], 3)
            heard = await events(client, 4)
        assert sorted((event.channel, event.position) for event in heard) == [
            (channel, 1),
            (channel, 2),
            (channel, 3),
            ("me", 1),
        ]

    async def test_after_unsubscribing_there_is_silence(self, db: Database, web: Web, wang: Staff) -> None:
        async with web.client(wang.token) as client:
            await subscribed(client, "me")
            await client.unsubscribe("me")
            await tell(db, [wang.channel], 1)
            await silence(client)
            await client.ping()
            assert isinstance(await client.receive(), Pong)


@pytest.mark.usefixtures("relay")
class TestResume:
    async def test_after_a_position_comes_exactly_what_followed(self, db: Database, web: Web, wang: Staff) -> None:
        client = web.client(wang.token)
        await client.connect()
        await subscribed(client, "me")
        await tell(db, [wang.channel], 1, 2)
        assert await numbers(client, 2) == [1, 2]
        await client.drop()
        await tell(db, [wang.channel], 3)
        await tell(db, [wang.channel], 4)
        await client.connect()
        assert (await client.receive()).position == 2  # type: ignore[union-attr] # It is the answer to subscribe.
        assert await numbers(client, 2) == [3, 4]
        await tell(db, [wang.channel], 5)
        assert await numbers(client, 1) == [5]
        await silence(client)
        await client.close()

    async def test_after_0_is_from_the_start_and_null_is_from_now(self, db: Database, web: Web, wang: Staff) -> None:
        await tell(db, [wang.channel], 1, 2, 3)
        await asyncio.sleep(0.3)
        async with web.client(wang.token) as client:
            assert await subscribed(client, "me", after=None) == 3
            await silence(client)
            assert await subscribed(client, "me", after=0) == 0
            assert await numbers(client, 3) == [1, 2, 3]

    async def test_more_than_can_be_replayed_is_one_resync_and_then_it_goes_on(
        self, db: Database, web: Web, wang: Staff
    ) -> None:
        await tell(db, [wang.channel], *range(1001))
        await relay_done(db, wang.channel, 1001)
        async with web.client(wang.token) as client:
            await client.subscribe("me", after=0)
            answers = [await client.receive(), await client.receive()]
            assert [answer.position for answer in answers] == [1001, 1001]  # type: ignore[union-attr] # As above.
            assert isinstance(answers[1], Resync)
            await tell(db, [wang.channel], 7)
            assert [event.position for event in await events(client, 1)] == [1002]

    async def test_a_thousand_are_replayed(self, db: Database, web: Web, wang: Staff) -> None:
        await tell(db, [wang.channel], *range(1001))
        await relay_done(db, wang.channel, 1001)
        async with web.client(wang.token) as client:
            assert await subscribed(client, "me", after=1) == 1
            assert await numbers(client, 1000) == list(range(1, 1001))

    async def test_a_position_that_was_never_reached_is_a_resync(self, web: Web, wang: Staff) -> None:
        async with web.client(wang.token) as client:
            await client.subscribe("me", after=10**12)
            await client.receive()
            assert await client.receive() == Resync(channel="me", position=0)


class TestDroppedDays:
    async def test_what_was_dropped_with_its_day_is_a_resync(self, db: Database, web: Web, wang: Staff) -> None:
        await tell(db, [wang.channel], 1)
        await relay_everything(db)
        with clock.travelled(timedelta(days=16)):
            assert len(await keep_partitions(db)) == 1
            await tell(db, [wang.channel], 2)
            await relay_everything(db)
        async with web.client(wang.token) as client:
            await client.subscribe("me", after=0)
            await client.receive()
            assert await client.receive() == Resync(channel="me", position=2)
            assert await subscribed(client, "me", after=1) == 1
            assert await numbers(client, 1) == [2]


async def relay_done(db: Database, channel: str, position: int) -> None:
    """Wait until the relay has come that far."""
    async with asyncio.timeout(10):
        while True:
            async with db.session() as session:
                if await channel_position(session, channel) >= position:
                    return
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("relay")
class TestRights:
    @pytest.mark.parametrize(
        "channel",
        [
            "canteen:sit_" + "0" * 32,
            "canteen:nonsense",
            "region:reg_" + "0" * 32,
            "person:per_" + "0" * 32,
            "desk:canteen",
            "call:1",
            "anything",
        ],
    )
    async def test_a_channel_one_may_not_hear_is_forbidden(self, web: Web, cashier: Staff, channel: str) -> None:
        async with web.client(cashier.token) as client:
            for after in (None, 0):
                await client.subscribe(channel, after)
                assert await client.receive() == Refused(code="FORBIDDEN", channel=channel)

    async def test_a_till_hears_its_own_canteen_and_has_no_me(self, db: Database, web: Web, house: House) -> None:
        async with db.session() as session:
            _, code = await open_terminal(
                session, site_id=house.canteen, name="一号窗口", modes=["keyed"], actor="system"
            )
        token = (await enrol_terminal(db, code.code, "127.0.0.1"))["token"]
        async with web.client(token) as client:
            await subscribed(client, canteen_channel(house))
            await client.subscribe("me")
            assert await client.receive() == Refused(code="FORBIDDEN", channel="me")
            other = f"canteen:{public_id('sit', house.other_canteen)}"
            await client.subscribe(other)
            assert await client.receive() == Refused(code="FORBIDDEN", channel=other)
            async with db.session() as session:
                await session.execute(text("UPDATE terminals SET status = 'revoked'"))
            assert await client.receive(timeout_s=5) == Refused(code="UNAUTHENTICATED")
            assert await closed_with(client) == 4001

    async def test_an_employee_hears_no_canteen(self, web: Web, house: House, wang: Staff) -> None:
        async with web.client(wang.token) as client:
            await client.subscribe(canteen_channel(house))
            assert await client.receive() == Refused(code="FORBIDDEN", channel=canteen_channel(house))

    async def test_a_revoked_role_ends_its_subscription_within_five_seconds(
        self, db: Database, web: Web, house: House, cashier: Staff
    ) -> None:
        channel = canteen_channel(house)
        async with web.client(cashier.token) as client:
            await subscribed(client, channel)
            await subscribed(client, "me")
            async with db.session() as session:
                await session.execute(REVOKE_ALL_ROLES)
            assert await client.receive(timeout_s=5) == Refused(code="FORBIDDEN", channel=channel)
            await tell(db, [channel, cashier.channel], 1)
            assert [event.channel for event in await events(client, 1)] == ["me"]

    async def test_a_sign_in_that_ends_closes_its_socket_within_five_seconds(
        self, db: Database, web: Web, wang: Staff
    ) -> None:
        async with web.client(wang.token) as client:
            await subscribed(client, "me")
            async with db.session() as session:
                await session.execute(END_ALL_SESSIONS)
            assert await client.receive(timeout_s=5) == Refused(code="UNAUTHENTICATED")
            assert await closed_with(client) == 4001

    async def test_a_sign_in_that_runs_out_closes_its_socket(self, web: Web, wang: Staff) -> None:
        async with web.client(wang.token) as client:
            await subscribed(client, "me")
            clock.advance(timedelta(days=400))
            assert await closed_with(client) == 4001


class TestSigningIn:
    async def test_a_wrong_token_is_told_and_closed(self, web: Web) -> None:
        async with web.client("gjs_wrong") as client:
            assert await client.receive() == Refused(code="UNAUTHENTICATED")
            assert await closed_with(client) == 4001

    async def test_who_says_nothing_is_closed_at_the_deadline(self, db: Database, valkey_url: str) -> None:
        impatient = HubLimits(auth_deadline_s=0.5)
        async with web_process(db, valkey_url, impatient) as web, web.client(None) as client:
            assert await client.receive() == Refused(code="UNAUTHENTICATED")
            assert await closed_with(client) == 4001

    async def test_who_has_not_signed_in_may_ping_but_not_hear(self, web: Web) -> None:
        async with web.client(None) as client:
            await client.ping()
            assert isinstance(await client.receive(), Pong)
            await client.subscribe("me")
            assert await client.receive() == Refused(code="UNAUTHENTICATED", channel="me")

    async def test_the_cookie_is_enough_on_a_page_of_our_own(self, web: Web, wang: Staff) -> None:
        headers = {"Cookie": f"guanjia_session={wang.token}"}
        own = web.url.replace("ws://", "http://").removesuffix("/v1/realtime")
        async with web.client(None, additional_headers=headers, origin=own) as client:
            await subscribed(client, "me")
        async with web.client(None, additional_headers=headers, origin="https://elsewhere.example") as client:
            await client.subscribe("me")
            assert await client.receive() == Refused(code="UNAUTHENTICATED", channel="me")


class TestBadInput:
    @pytest.mark.parametrize(
        "message",
        [
            "",
            "hello",
            "[]",
            "null",
            "{}",
            '{"op":"dance"}',
            '{"op":"subscribe"}',
            '{"op":"subscribe","channel":7}',
            '{"op":"subscribe","channel":""}',
            '{"op":"subscribe","channel":"me","after":-1}',
            '{"op":"subscribe","channel":"me","after":1.5}',
            '{"op":"subscribe","channel":"me","after":true}',
            '{"op":"subscribe","channel":"me","after":99999999999999999999}',
            '{"op":"subscribe","channel":"canteen:\\u0000"}',
            '{"op":"auth","token":5}',
            '{"op":"ping"',
            b"\xff\xfe",
            "\x00",
        ],
    )
    async def test_it_is_told_and_the_socket_lives_on(self, web: Web, wang: Staff, message: str | bytes) -> None:
        async with web.client(wang.token) as client:
            await client.send_raw(message)
            assert await client.receive() == Refused(code="MALFORMED")
            await client.ping()
            assert isinstance(await client.receive(), Pong)

    async def test_a_document_is_too_large_a_message(self, web: Web, wang: Staff) -> None:
        async with web.client(wang.token) as client:
            await client.send_raw('{"op":"ping","x":"' + "a" * 5000 + '"}')
            assert await client.receive() == Refused(code="MESSAGE_TOO_LARGE")
            assert await closed_with(client) == 1009

    async def test_one_socket_has_only_so_many_channels(
        self, db: Database, valkey_url: str, house: House, cashier: Staff
    ) -> None:
        async with (
            web_process(db, valkey_url, HubLimits(subscriptions_max=1)) as web,
            web.client(cashier.token) as client,
        ):
            await subscribed(client, "me")
            await client.subscribe(canteen_channel(house))
            assert await client.receive() == Refused(code="TOO_MANY_SUBSCRIPTIONS", channel=canteen_channel(house))
            await client.unsubscribe("me")
            await subscribed(client, canteen_channel(house))
