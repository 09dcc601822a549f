"""Signals between those who talk in a call, and nobody else."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kernel.db import Database
from kernel.ids import parse_public_id
from realtime.client import Pong, RealtimeClient, Refused
from realtime.schemas import Signal, Signalled, Talk, Talking
from tests.identity.conftest import House
from tests.realtime.stories import TALKERS, Staff, Web, silence, staff, web_process

CALL = "call_11112222333344445555666677778888"
CHANNEL = f"call:{CALL}"
OFFER = {"kind": "offer", "sdp": "v=0"}


def _id(person: Staff) -> UUID:
    return parse_public_id("per", person.person)


@pytest.fixture
async def wang(house: House) -> Staff:
    return await staff(house, "王芳")


@pytest.fixture
async def zhou(house: House) -> Staff:
    return await staff(house, "周明")


@pytest.fixture
async def stranger(house: House) -> Staff:
    return await staff(house, "李强")


@pytest.fixture(autouse=True)
async def talking(wang: Staff, zhou: Staff) -> AsyncIterator[None]:
    TALKERS[CALL] = frozenset({_id(wang), _id(zhou)})
    yield
    TALKERS.clear()


async def say(client: RealtimeClient, message: Talk | Signal) -> None:
    await client.send_raw(msgspec.json.encode(message).decode())


async def joined(client: RealtimeClient, peer: str) -> None:
    await say(client, Talk(channel=CHANNEL, peer=peer))
    assert await client.receive() == Talking(channel=CHANNEL)


async def heard(client: RealtimeClient) -> tuple[str, str, dict[str, Any]]:
    message = await client.receive()
    assert isinstance(message, Signalled), message
    return message.sender, message.peer, message.data


async def refused(client: RealtimeClient) -> str:
    message = await client.receive()
    assert isinstance(message, Refused), message
    return message.code


class TestPassingOn:
    async def test_the_other_one_hears_it_and_the_sender_does_not(self, web: Web, wang: Staff, zhou: Staff) -> None:
        async with web.client(wang.token) as caller, web.client(zhou.token) as duty:
            await joined(caller, "phone-wang")
            await joined(duty, "desk-zhou")
            await say(duty, Signal(channel=CHANNEL, data=OFFER))
            assert await heard(caller) == (zhou.person, "desk-zhou", OFFER)
            await silence(duty)

    async def test_two_web_processes_are_one_switchboard(
        self, db: Database, web: Web, valkey_url: str, wang: Staff, zhou: Staff
    ) -> None:
        async with (
            web_process(db, valkey_url) as other,
            web.client(wang.token) as caller,
            other.client(zhou.token) as duty,
        ):
            await joined(caller, "phone-wang")
            await joined(duty, "desk-zhou")
            await say(caller, Signal(channel=CHANNEL, data=OFFER))
            assert await heard(duty) == (wang.person, "phone-wang", OFFER)

    async def test_a_signal_for_one_page_reaches_that_page_only(self, web: Web, wang: Staff, zhou: Staff) -> None:
        async with (
            web.client(wang.token) as phone,
            web.client(wang.token) as laptop,
            web.client(zhou.token) as duty,
        ):
            await joined(phone, "phone-wang")
            await joined(laptop, "laptop-wang")
            await joined(duty, "desk-zhou")
            await say(duty, Signal(channel=CHANNEL, data=OFFER, to="laptop-wang"))
            assert await heard(laptop) == (zhou.person, "desk-zhou", OFFER)
            await silence(phone)


class TestWhoMay:
    async def test_a_stranger_neither_joins_nor_speaks(self, web: Web, stranger: Staff) -> None:
        async with web.client(stranger.token) as client:
            await say(client, Talk(channel=CHANNEL, peer="stranger"))
            assert await refused(client) == "FORBIDDEN"
            await say(client, Signal(channel=CHANNEL, data=OFFER))
            assert await refused(client) == "FORBIDDEN"

    async def test_a_kind_of_channel_without_voices_has_no_line(self, web: Web, wang: Staff) -> None:
        async with web.client(wang.token) as client:
            await say(client, Talk(channel="canteen:can_1", peer="phone-wang"))
            assert await refused(client) == "FORBIDDEN"

    async def test_whoever_left_the_call_hears_and_says_no_more(self, web: Web, wang: Staff, zhou: Staff) -> None:
        async with web.client(wang.token) as caller, web.client(zhou.token) as duty:
            await joined(caller, "phone-wang")
            await joined(duty, "desk-zhou")
            TALKERS[CALL] = frozenset({_id(wang)})
            await say(caller, Signal(channel=CHANNEL, data=OFFER))
            await silence(duty)
            await say(duty, Signal(channel=CHANNEL, data=OFFER))
            assert await refused(duty) == "FORBIDDEN"

    async def test_a_page_that_floods_is_told_to_wait(self, web: Web, wang: Staff) -> None:
        async with web.client(wang.token) as client:
            await joined(client, "phone-wang")
            for _ in range(201):
                await say(client, Signal(channel=CHANNEL, data={}))
            assert await refused(client) == "TOO_MANY_SIGNALS"
            await client.ping()
            assert isinstance(await client.receive(), Pong)

    async def test_a_page_without_a_proper_name_is_not_understood(self, web: Web, wang: Staff) -> None:
        async with web.client(wang.token) as client:
            await client.send_raw(f'{{"op":"talk","channel":"{CHANNEL}","peer":"a b"}}')
            assert await refused(client) == "MALFORMED"


class TestWithoutValkey:
    async def test_the_page_is_told_at_once_that_there_is_no_audio(self, db: Database, wang: Staff) -> None:
        async with web_process(db, "redis://127.0.0.1:1/0") as deaf, deaf.client(wang.token) as client:
            await joined(client, "phone-wang")
            await say(client, Signal(channel=CHANNEL, data=OFFER))
            assert await refused(client) == "AUDIO_UNAVAILABLE"
