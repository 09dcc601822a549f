"""`/v1/realtime` by the contract: what a socket hears of a payment, and in which order."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.contract.test_addresses import TIME
from tests.product import Diner, Json, Product, Till, fresh_amount_fen


@pytest.fixture(scope="module")
def till(product: Product) -> Till:
    return product.new_till()


@pytest.fixture(scope="module")
def diner(product: Product) -> Diner:
    return product.diner(10)


class Socket:
    """A client as short as the contract."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def say(self, **message: Any) -> None:
        await self._connection.send(json.dumps(message))

    async def hear(self, timeout_s: float = 5) -> Json:
        """The next message that is no frame of a board: those are latest-value and come when they like."""
        async with asyncio.timeout(timeout_s):
            while True:
                heard: Json = json.loads(await self._connection.recv())
                if heard["op"] != "board":
                    return heard

    async def hears_nothing(self, for_s: float = 0.4) -> None:
        with pytest.raises(TimeoutError):
            await self.hear(for_s)

    async def subscribe(self, channel: str, after: int | None = None) -> int:
        await self.say(op="subscribe", channel=channel, after=after)
        answer = await self.hear()
        assert answer["op"] == "subscribed", answer
        assert answer["channel"] == channel
        position: int = answer["position"]
        return position

    async def events(self, count: int, channel: str) -> list[Json]:
        """The next so many, which stand without a gap."""
        heard = [await self.hear() for _ in range(count)]
        assert {message["op"] for message in heard} <= {"event"}, heard
        assert {message["channel"] for message in heard} <= {channel}
        positions = [message["position"] for message in heard]
        assert positions == list(range(positions[0], positions[0] + count)) if positions else True
        return heard


@asynccontextmanager
async def socket(product: Product, token: str | None, **options: Any) -> AsyncIterator[Socket]:
    async with connect(product.socket_url, proxy=None, max_queue=None, **options) as connection:
        opened = Socket(connection)
        if token:
            await opened.say(op="auth", token=token)
        yield opened


async def pay(till: Till, diner: Diner, amount_fen: int | None = None) -> Json:
    body = {"code": diner.code()["code"], "amount_fen": amount_fen or fresh_amount_fen()}
    answer = await asyncio.to_thread(till.pay, body)
    assert answer.status_code == 201, answer.text
    paid: Json = answer.json()
    return paid


class TestAPaymentIsTold:
    async def test_to_its_payer_and_to_the_canteen_within_a_second(
        self, product: Product, till: Till, diner: Diner
    ) -> None:
        channel = f"canteen:{till.canteen}"
        async with socket(product, diner.token) as phone, socket(product, till.card["token"]) as board:
            mine, canteens = await phone.subscribe("me"), await board.subscribe(channel)
            paid = await pay(till, diner)
            async with asyncio.timeout(1):
                on_phone, on_board = await phone.hear(), await board.hear()

        for event, position in ((on_phone, mine), (on_board, canteens)):
            assert (event["op"], event["type"]) == ("event", "payment.succeeded")
            assert event["position"] == position + 1
            assert TIME.match(event["happened_at"])
            assert {"id", "version"} <= set(event)
            assert isinstance(event["version"], int)
            assert event["data"]["payment"] == paid["id"]
            assert event["data"]["amount_fen"] == paid["amount_fen"]
        assert (on_phone["channel"], on_board["channel"]) == ("me", channel)
        assert on_phone["data"]["purses"] == paid["purses"]
        assert "purses" not in on_board["data"], "what somebody has is nobody else's business"
        assert "person" not in on_board["data"]

    async def test_and_so_are_refunds_and_voids(self, product: Product, till: Till, diner: Diner) -> None:
        async with socket(product, diner.token) as phone, socket(product, till.card["token"]) as board:
            channel = f"canteen:{till.canteen}"
            await phone.subscribe("me")
            await board.subscribe(channel)
            first, second = await pay(till, diner, 640), await pay(till, diner, 641)
            for path, body in (
                (f"{first['id']}/void", None),
                (f"{second['id']}/refunds", {"amount_fen": 5, "reason": "x"}),
            ):
                sent = {"Idempotency-Key": uuid4().hex}
                answer = await asyncio.to_thread(till.http.post, f"/v1/payments/{path}", json=body, headers=sent)
                assert answer.status_code == 201, answer.text
            for hearer, name in ((phone, "me"), (board, channel)):
                heard = await hearer.events(4, name)
                assert [event["type"] for event in heard] == [
                    "payment.succeeded",
                    "payment.succeeded",
                    "payment.voided",
                    "payment.refunded",
                ]
                assert heard[2]["data"]["payment"] == first["id"]
                assert heard[3]["data"]["payment"] == second["id"]


class TestPositions:
    async def test_after_nothing_begins_now_and_after_a_position_goes_on_there(
        self, product: Product, till: Till, diner: Diner
    ) -> None:
        async with socket(product, diner.token) as phone:
            before = await phone.subscribe("me")
            await phone.hears_nothing()
            paid = [(await pay(till, diner))["id"] for _ in range(4)]
            last = (await phone.events(4, "me"))[-1]["position"]
            assert last == before + 4
        async with socket(product, diner.token) as phone:
            assert await phone.subscribe("me", last - 3) == last - 3
            heard = await phone.events(3, "me")
            await phone.hears_nothing()
        assert [event["data"]["payment"] for event in heard] == paid[1:]

    async def test_after_zero_begins_at_the_start_or_says_what_is_gone(
        self, product: Product, till: Till, diner: Diner
    ) -> None:
        """Four weeks of demo meals are older than what is kept: then `resync` gives the place to go on from."""
        await pay(till, diner)
        async with socket(product, diner.token) as phone:
            await phone.say(op="subscribe", channel="me", after=0)
            first = await phone.hear()
            assert first["op"] in ("subscribed", "resync"), first
            assert isinstance(first["position"], int)
            if first["op"] == "subscribed":
                assert first["position"] == 0
                assert (await phone.hear())["position"] == 1

    async def test_after_what_never_was_is_a_resync_from_which_it_goes_on(
        self, product: Product, till: Till, diner: Diner
    ) -> None:
        async with socket(product, diner.token) as phone:
            now = await phone.subscribe("me")
            await phone.say(op="unsubscribe", channel="me")
            await phone.say(op="subscribe", channel="me", after=now + 10_000)
            heard = await phone.hear()
            if heard["op"] == "subscribed":
                heard = await phone.hear()
            assert (heard["op"], heard["channel"], heard["position"]) == ("resync", "me", now)
            await pay(till, diner)
            assert (await phone.hear())["position"] == now + 1

    async def test_a_phone_that_comes_and_goes_misses_nothing_and_hears_nothing_twice(
        self, product: Product, till: Till, diner: Diner
    ) -> None:
        async with socket(product, diner.token) as phone:
            position = await phone.subscribe("me")
        paid: list[str] = []
        heard: list[str] = []

        async def keep_paying() -> None:
            while len(paid) < 12:
                paid.append((await pay(till, diner))["id"])

        paying = asyncio.create_task(keep_paying())
        while not paying.done() or len(heard) < 12:
            async with socket(product, diner.token) as phone:
                assert await phone.subscribe("me", position) == position
                for _ in range(2):
                    if len(heard) < 12:
                        event = await phone.hear()
                        assert event["position"] == position + 1
                        position = event["position"]
                        heard.append(event["data"]["payment"])
        await paying
        assert heard == paid


class TestWhoMayHear:
    async def test_a_stranger_is_told_so_and_may_go_on(self, product: Product, diner: Diner) -> None:
        canteen = product.till().canteen
        async with socket(product, diner.token) as phone:
            for channel in (
                f"canteen:{canteen}",
                "canteen:nonsense",
                "region:" + "0" * 9,
                "desk:canteen",
                "call:x",
            ):
                await phone.say(op="subscribe", channel=channel, after=0)
                answer = await phone.hear()
                assert (answer["op"], answer["code"]) == ("error", "FORBIDDEN"), channel
            await phone.subscribe("me")

    async def test_another_canteens_till_neither(self, product: Product) -> None:
        async with socket(product, product.card["terminals"][13]["token"]) as till:
            await till.say(op="subscribe", channel=f"canteen:{product.till().canteen}", after=None)
            assert (await till.hear())["code"] == "FORBIDDEN"

    async def test_a_bad_token_is_refused(self, product: Product) -> None:
        async with socket(product, "nonsense") as nobody:
            answer = await nobody.hear()
            assert (answer["op"], answer["code"]) == ("error", "UNAUTHENTICATED")

    async def test_nobody_hears_anything_before_signing_in(self, product: Product) -> None:
        async with socket(product, None) as nobody:
            await nobody.say(op="subscribe", channel="me", after=None)
            assert (await nobody.hear())["op"] == "error"

    async def test_a_page_is_signed_in_by_its_cookie_but_not_from_another_site(
        self, product: Product, diner: Diner
    ) -> None:
        cookie = {"Cookie": f"guanjia_session={diner.token}"}
        async with socket(product, None, additional_headers=cookie, origin=product.url) as own:
            await own.subscribe("me")
        async with socket(product, None, additional_headers=cookie, origin="http://evil.example") as other:
            await other.say(op="subscribe", channel="me", after=None)
            assert (await other.hear())["op"] == "error"


class TestManners:
    async def test_a_ping_gets_a_pong(self, product: Product, diner: Diner) -> None:
        async with socket(product, diner.token) as phone:
            await phone.say(op="ping")
            assert (await phone.hear())["op"] == "pong"

    async def test_nonsense_is_an_error_and_no_end(self, product: Product, diner: Diner) -> None:
        nonsense: list[str | bytes] = [
            "",
            "{",
            "[]",
            "null",
            '{"op":"sing"}',
            '{"op":"subscribe"}',
            '{"op":"subscribe","channel":7}',
            '{"op":"subscribe","channel":""}',
            '{"op":"subscribe","channel":"me","after":"x"}',
            '{"op":"subscribe","channel":"me","after":-1}',
            '{"op":"subscribe","channel":"me","after":1e400}',
            '{"op":"subscribe","channel":"me","after":' + "9" * 40 + "}",
            "[" * 2000,
            b"\x00\xff",
            '{"op":"subscribe","channel":"\\u0000","after":0}',
        ]
        async with connect(product.socket_url, proxy=None) as connection:
            phone = Socket(connection)
            await phone.say(op="auth", token=diner.token)
            for text in nonsense:
                await connection.send(text)
                answer = await phone.hear()
                assert answer["op"] == "error", (text, answer)
            await phone.say(op="ping")
            assert (await phone.hear())["op"] == "pong"

    async def test_unsubscribing_ends_it(self, product: Product, till: Till, diner: Diner) -> None:
        async with socket(product, diner.token) as phone:
            await phone.subscribe("me")
            await phone.say(op="unsubscribe", channel="me")
            await pay(till, diner)
            await phone.hears_nothing(1)
