"""From `reach` to the other side: each protocol against a receiver that checks it, tries, urgency, limits, proofs."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from identity.api import EVERYWHERE, Role
from kernel import clock, mail
from kernel.db import Database
from kernel.ids import public_id, uuid7
from kernel.outgoing import AddressGuard, GuardedSender
from realtime.reaching.api import Kind, Target, Words, know, paths_to, reach
from realtime.reaching.channels import open_channel
from realtime.reaching.courier import Courier, follow_letters, forget_old_deliveries
from realtime.reaching.devices import add_device, push_key
from realtime.reaching.models import Delivery, DeliveryAttempt, PushDevice, ReachChannel
from realtime.reaching.schemas import ChannelRequest, DeviceRequest
from tests.identity.conftest import House
from tests.mailbox import mailbox
from tests.realtime.reaching.receivers import (
    DINGTALK_SECRET,
    GATEWAY_SECRET,
    Browser,
    Heard,
    dingtalk,
    gateway,
    push_service,
    receiver,
    wecom,
)

CALL = Words("电梯困人", "Somebody is stuck in a lift", "一号楼三层，请立即前往", "Building one, third floor", "/desk")


@asynccontextmanager
async def courier(db: Database) -> AsyncIterator[Courier]:
    sender = GuardedSender(AddressGuard(None), timeout_s=2)
    yield Courier(db, sender)
    await sender.close()


async def send_due(db: Database) -> int:
    """Everything that may be sent now."""
    async with courier(db) as running:
        taken = 0
        while step := await running.step():
            taken += step
            await running.settle()
        return taken


async def channel(house: House, kind: str, address: str, secret: str | None, team: UUID | None = None) -> UUID:
    async with house.db.session() as session:
        who = await house.principal(await house.person(f"管{uuid7().hex[-6:]}", Role.SYSTEM_ADMIN, EVERYWHERE))
        wanted = ChannelRequest.model_validate(
            {
                "kind": kind,
                "name": "值班群",
                "region": public_id("reg", house.city),
                "team": public_id("dty", team) if team else None,
                "address": address,
                "secret": secret,
            }
        )
        return (await open_channel(session, who, wanted)).id


async def say(house: House, target: Target, ref: str = "call:1", *, urgent: bool = True) -> list[UUID]:
    async with house.db.session() as session:
        return await reach(session, target=target, text=CALL, ref=ref, urgent=urgent)


async def deliveries(house: House) -> Sequence[Delivery]:
    async with house.db.session() as session:
        return (await session.scalars(select(Delivery).order_by(Delivery.id))).all()


async def only(house: House) -> Delivery:
    (delivery,) = await deliveries(house)
    return delivery


class TestRobots:
    async def test_dingtalk_takes_what_is_signed_as_it_wants_it(self, house: House) -> None:
        async with receiver(dingtalk) as robot:
            there = f"{robot.url}/robot/send?access_token=a-robot"
            await say(house, Target(channel_id=await channel(house, "dingtalk", there, DINGTALK_SECRET)))
            await send_due(house.db)
        (heard,) = robot.heard
        assert heard.json["text"]["content"].startswith("【电梯困人】\n一号楼三层")
        assert heard.json["at"] == {"isAtAll": True}
        assert (await only(house)).state == "sent"

    async def test_and_refuses_another_secret_for_good(self, house: House) -> None:
        async with receiver(dingtalk) as robot:
            there = f"{robot.url}/robot/send?access_token=a-robot"
            await say(house, Target(channel_id=await channel(house, "dingtalk", there, "SEC-of-another")))
            await send_due(house.db)
        delivery = await only(house)
        assert (delivery.state, len(robot.heard)) == ("failed", 1)
        assert "310000" in (delivery.last_error or "")

    async def test_wecom_takes_a_text_that_is_not_too_long(self, house: House) -> None:
        long = Words("通知", "Notice", "很长的话" * 500, "long", None)
        async with receiver(wecom) as robot:
            target = Target(
                channel_id=await channel(house, "wecom", f"{robot.url}/cgi-bin/webhook/send?key=693a91f6", None)
            )
            async with house.db.session() as session:
                await reach(session, target=target, text=long, ref="n:1", urgent=False)
            await send_due(house.db)
        assert (await only(house)).state == "sent"
        assert "mentioned_list" not in robot.heard[0].json["text"]

    async def test_a_robot_that_is_too_busy_is_asked_again_later(self, house: House) -> None:
        busy = True

        def answers(heard: Heard) -> tuple[int, bytes]:
            return (200, b'{"errcode": 130101, "errmsg": "send too fast"}') if busy else dingtalk(heard)

        async with receiver(answers) as robot:
            there = f"{robot.url}/robot/send?access_token=a-robot"
            await say(house, Target(channel_id=await channel(house, "dingtalk", there, DINGTALK_SECRET)))
            await send_due(house.db)
            busy = False
            assert await send_due(house.db) == 0
            clock.advance(timedelta(seconds=61))
            await send_due(house.db)
        assert (await only(house)).state == "sent"
        assert (await only(house)).attempts == 2

    async def test_no_more_than_twenty_in_a_minute_and_what_is_urgent_goes_first(self, house: House) -> None:
        async with receiver(wecom) as robot:
            target = Target(channel_id=await channel(house, "wecom", f"{robot.url}/send?key=693a91f6", None))
            for number in range(18):
                await say(house, target, f"calm:{number}", urgent=False)
            await send_due(house.db)
            assert len(robot.heard) == 15
            for number in range(8):
                await say(house, target, f"urgent:{number}")
            await send_due(house.db)
            assert len(robot.heard) == 20
            clock.advance(timedelta(seconds=61))
            await send_due(house.db)
        urgent = ["mentioned_list" in heard.json["text"] for heard in robot.heard]
        assert urgent[:20] == [False] * 15 + [True] * 5
        assert sorted(urgent[20:]) == [False] * 3 + [True] * 3

    async def test_a_team_has_its_own_robot_and_a_region_those_of_nobodys_team(self, house: House) -> None:
        team = uuid7()
        own = await channel(house, "wecom", "http://127.0.0.1:9/?key=1", None, team)
        all_ = await channel(house, "wecom", "http://127.0.0.1:9/?key=2", None)
        await say(house, Target(team_id=team))
        await say(house, Target(region_id=house.city))
        assert [delivery.channel_id for delivery in await deliveries(house)] == [own, all_]


class TestGateways:
    async def test_a_signed_message_to_the_telephone_of_a_person_and_its_receipt(self, house: House) -> None:
        person = await with_phone(house, "13800001234")
        async with receiver(gateway) as sms:
            await channel(house, "sms", f"{sms.url}/send", GATEWAY_SECRET)
            await say(house, Target(person_id=person))
            await send_due(house.db)
        (heard,) = sms.heard
        assert heard.json | {"id": "", "expires_at": 0} == {
            "version": 1,
            "id": "",
            "kind": "sms",
            "to": "13800001234",
            "text": "【电梯困人】\n一号楼三层，请立即前往",
            "language": "zh",
            "urgent": True,
            "expires_at": 0,
        }
        delivery = await only(house)
        assert (delivery.state, delivery.receipt, delivery.sealed_number) == ("sent", "sms-77", None)

    async def test_the_nearest_region_with_a_gateway_of_the_kind_serves(self, house: House) -> None:
        person = await with_phone(house, "13800001234")
        await channel(house, "sms", "http://127.0.0.1:9/city", GATEWAY_SECRET)
        async with house.db.session() as session:
            await session.execute(text("UPDATE reach_channels SET region_id = :id"), {"id": house.province})
        near = await channel(house, "sms", "http://127.0.0.1:9/near", GATEWAY_SECRET)
        await channel(house, "voice", "http://127.0.0.1:9/voice", GATEWAY_SECRET)
        async with house.db.session() as session:
            paths = await paths_to(session, Target(person_id=person))
        assert [path.kind for path in paths] == [Kind.SMS, Kind.VOICE]
        assert paths[0].channel_id == near
        assert paths[0].label == "138****1234"

    async def test_a_gateway_that_fails_is_tried_until_nobody_would_want_to_hear_it(self, house: House) -> None:
        person = await with_phone(house, "13800001234")
        async with receiver(lambda _: (503, b"")) as voice:
            await channel(house, "voice", voice.url, GATEWAY_SECRET)
            await say(house, Target(person_id=person))
            for _ in range(40):
                await send_due(house.db)
                clock.advance(timedelta(seconds=30))
            await send_due(house.db)
        delivery = await only(house)
        assert delivery.state == "failed"
        assert delivery.attempts > 10
        assert delivery.sealed_number is None


class TestMail:
    async def test_a_letter_goes_its_own_way_and_is_followed(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person = await house.person("信信")
        async with house.db.session() as session:
            await session.execute(text("UPDATE people SET email = 'x@y.test' WHERE id = :id"), {"id": person})
        async with mailbox(monkeypatch) as box:
            await say(house, Target(person_id=person))
            await follow_letters(house.db)
            assert (await only(house)).state == "pending"
            await mail.send_next(house.db)
            await follow_letters(house.db)
        assert box.letters[0]["Subject"] == "电梯困人"
        assert "https://card.test/desk" in box.letters[0].get_content()
        assert (await only(house)).state == "sent"

    async def test_where_there_is_no_mail_server_there_is_no_such_way(self, house: House) -> None:
        person = await house.person("信信")
        async with house.db.session() as session:
            await session.execute(text("UPDATE people SET email = 'x@y.test' WHERE id = :id"), {"id": person})
        assert await say(house, Target(person_id=person)) == []


class TestWebPush:
    async def test_only_that_browser_reads_it_and_the_service_knows_it_is_from_us(self, house: House) -> None:
        person, browser = await house.person("推推"), Browser()
        async with receiver(push_service) as service:
            await allow(house, person, browser, f"{service.url}/there")
            await say(house, Target(person_id=person))
            await send_due(house.db)
        (heard,) = service.heard
        delivery = await only(house)
        assert delivery.state == "sent"
        assert heard.headers["urgency"] == "high"
        assert "电梯".encode() not in heard.body
        notice = browser.read(heard.body)
        assert notice == {
            "title": "电梯困人",
            "body": "一号楼三层，请立即前往",
            "link": "/desk",
            "delivery": public_id("dlv", delivery.id),
            "urgent": True,
        }

    async def test_a_browser_that_took_its_word_back_is_forgotten(self, house: House) -> None:
        person = await house.person("推推")
        async with receiver(push_service) as service:
            await allow(house, person, Browser(), f"{service.url}/gone")
            await say(house, Target(person_id=person))
            await send_due(house.db)
        assert (await only(house)).state == "failed"
        async with house.db.session() as session:
            assert (await session.scalars(select(PushDevice))).all() == []

    async def test_the_key_is_one_for_all_who_ask_first(self, house: House) -> None:
        async def asks() -> str:
            async with house.db.session() as session:
                return (await push_key(session)).public_key

        assert len(set(await asyncio.gather(asks(), asks(), asks()))) == 1


class TestReach:
    async def test_the_same_thing_is_said_on_one_way_once(self, house: House) -> None:
        target = Target(channel_id=await channel(house, "wecom", "http://127.0.0.1:9/?key=1", None))
        first = await say(house, target)
        assert await say(house, target) == first
        assert await say(house, target, "call:2") != first
        assert len(await deliveries(house)) == 2

    async def test_what_is_rolled_back_is_not_said(self, house: House) -> None:
        target = Target(channel_id=await channel(house, "wecom", "http://127.0.0.1:9/?key=1", None))

        async def changes_its_mind() -> None:
            async with house.db.session() as session:
                await reach(session, target=target, text=CALL, ref="call:1", urgent=True)
                raise RuntimeError("after all not")

        with pytest.raises(RuntimeError, match="after all not"):
            await changes_its_mind()
        assert await deliveries(house) == []

    async def test_a_worker_that_died_on_the_way_is_followed_by_another(self, house: House) -> None:
        async with receiver(wecom) as robot:
            await say(house, Target(channel_id=await channel(house, "wecom", f"{robot.url}/?key=693a91f6", None)))
            async with courier(house.db) as dies:
                await dies.step()
                for task in dies._under_way:
                    task.cancel()
                await dies.settle()
            assert await send_due(house.db) == 0
            clock.advance(timedelta(seconds=61))
            await send_due(house.db)
        assert (await only(house)).state == "sent"
        assert (await only(house)).attempts == 2

    async def test_a_channel_that_was_switched_off_says_nothing_any_more(self, house: House) -> None:
        identifier = await channel(house, "wecom", "http://127.0.0.1:9/?key=1", None)
        await say(house, Target(channel_id=identifier))
        async with house.db.session() as session:
            (await session.get_one(ReachChannel, identifier)).state = "disabled"
        await send_due(house.db)
        assert (await only(house)).state == "failed"
        assert await say(house, Target(channel_id=identifier), "call:2") == []

    async def test_after_a_month_it_is_forgotten(self, house: House) -> None:
        await say(house, Target(channel_id=await channel(house, "wecom", "http://127.0.0.1:9/?key=1", None)))
        async with receiver(wecom):
            await send_due(house.db)
        clock.advance(timedelta(days=1))
        await send_due(house.db)
        clock.advance(timedelta(days=31))
        await forget_old_deliveries(house.db)
        assert await deliveries(house) == []
        async with house.db.session() as session:
            assert (await session.scalars(select(DeliveryAttempt))).all() == []

    async def test_a_target_is_one(self) -> None:
        for person, team in ((None, None), (uuid7(), uuid7())):
            with pytest.raises(ValueError, match="one person"):
                Target(person_id=person, team_id=team)


class TestProofs:
    async def test_what_arrives_proves_the_way_for_a_day(self, house: House) -> None:
        async with receiver(wecom) as robot:
            target = Target(channel_id=await channel(house, "wecom", f"{robot.url}/?key=693a91f6", None))
            assert not await is_proved(house, target)
            await say(house, target)
            await send_due(house.db)
        assert await is_proved(house, target)
        clock.advance(timedelta(hours=24, seconds=1))
        assert not await is_proved(house, target)

    async def test_what_fails_afterwards_takes_it_back(self, house: House) -> None:
        is_up = True
        async with receiver(lambda heard: wecom(heard) if is_up else (500, b"")) as robot:
            target = Target(channel_id=await channel(house, "wecom", f"{robot.url}/?key=693a91f6", None))
            await say(house, target)
            await send_due(house.db)
            is_up = False
            clock.advance(timedelta(minutes=5))
            await say(house, target, "call:2")
            await send_due(house.db)
        assert not await is_proved(house, target)


async def is_proved(house: House, target: Target) -> bool:
    async with house.db.session() as session:
        (known,) = await know(session, await paths_to(session, target))
        return known.is_proved(clock.now())


async def with_phone(house: House, number: str) -> UUID:
    person = await house.person("电电")
    async with house.db.session() as session:
        await session.execute(text("UPDATE people SET phone = :n WHERE id = :id"), {"id": person, "n": number})
    return person


async def allow(house: House, person: UUID, browser: Browser, endpoint: str) -> None:
    wanted: dict[str, Any] = browser.subscription(endpoint) | {"label": "手机"}
    async with house.db.session() as session:
        await add_device(session, person, DeviceRequest.model_validate_json(json.dumps(wanted)))
