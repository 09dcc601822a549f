"""The desk: who is there, what waits, what Valkey holds of it, and the watchdog that watches all of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
from redis.asyncio import Redis
from sqlalchemy import text

from app.embedded.valkey import EmbeddedValkey
from identity.api import Place, Role
from identity.roles import write_grant
from kernel import clock
from realtime.calls import presence
from realtime.calls.desk import MARK, PREFIX, DeskMirror, DeskQueues, Truth, read_truth
from realtime.calls.watchdog import Watchdog
from tests.identity.conftest import House
from tests.realtime.calls.switchroom import Somebody, Switchroom, open_switchroom, somebody


async def written(room: Switchroom, mirror: DeskMirror) -> Truth:
    """What PostgreSQL says, written to Valkey."""
    async with room.db.session() as session:
        truth = await read_truth(session, clock.now())
    await mirror.write(truth)
    return truth


async def found_in(valkey: Redis) -> tuple[dict[str, object], dict[str, object]]:
    """All that Valkey holds of calls: sorted sets and streams."""
    # As bytes or text: it is compared as text.
    reader: Any = valkey
    sets: dict[str, object] = {}
    streams: dict[str, object] = {}
    async for key in reader.scan_iter(match=PREFIX + "*"):
        kind, name = await reader.type(key), key.decode()
        if kind == b"zset":
            sets[name] = {member.decode(): score for member, score in await reader.zrange(key, 0, -1, withscores=True)}
        elif kind == b"stream":
            streams[name] = [
                (entry.decode(), {field.decode(): value.decode() for field, value in fields.items()})
                for entry, fields in await reader.xrange(key)
            ]
    return sets, streams


class TestPresence:
    async def test_a_lease_is_told_once_and_ends_by_itself(self, room: Switchroom) -> None:
        await room.page_open(room.lead, "laptop")
        await room.page_open(room.lead, "phone")
        desk = (await room.http.get(f"/v1/desks/{room.desk}", headers=room.lead.headers)).json()
        assert [(one["person"]["name"], one["devices"]) for one in desk["present"]] == [("李组长", 2)]
        clock.advance(timedelta(seconds=20))
        await room.page_open(room.lead, "phone")
        clock.advance(timedelta(seconds=15))
        assert await presence.sweep(room.db) == 1, "the laptop has said nothing for 35 seconds"
        clock.advance(timedelta(seconds=31))
        await presence.sweep(room.db)
        assert [told["is_present"] for told in await room.told("desk.presence_changed")] == [True, False]

    async def test_a_page_that_closes_says_so(self, room: Switchroom) -> None:
        await room.page_open(room.lead)
        body = {"device": "desk-1", "leave": True}
        await room.http.post(f"/v1/desks/{room.desk}/presence", json=body, headers=room.lead.headers)
        assert [told["is_present"] for told in await room.told("desk.presence_changed")] == [True, False]

    async def test_a_ring_goes_to_open_pages_and_outside_to_whoever_has_none(self, room: Switchroom) -> None:
        await _give_address(room, room.first, room.second)
        for who in (room.first, room.second):
            await _make_staff(room, who)
        await room.page_open(room.first)
        call = await room.placed()
        rung = (await room.http.get(f"/v1/calls/{call['id']}/receipts", headers=room.lead.headers)).json()
        assert {(one["person"]["name"], one["status"], one["device"]) for one in rung} == {
            ("甲值班", "sent", "desk-1"),
            ("乙值班", "rung", None),
        }
        assert [one["person_id"] for one in await room.deliveries()] == [room.second.id]

    async def test_after_the_clock_was_stepped_back_an_old_lease_proves_no_page(self, room: Switchroom) -> None:
        await _give_address(room, room.first)
        await _make_staff(room, room.first)
        await room.page_open(room.first)
        clock.advance(-timedelta(minutes=10))
        await room.placed()
        reached = [one["person_id"] for one in await room.deliveries()]
        assert reached == [room.first.id], "outside, as nobody knows of a page of theirs"
        assert await presence.sweep(room.db) == 1

    async def test_shown_is_the_pages_own_word_and_the_caller_sees_on_how_many_screens(self, room: Switchroom) -> None:
        call = await room.placed()
        path = f"/v1/calls/{call['id']}/receipts"
        body = {"device": "desk-1", "ring_round": 1, "status": "shown"}
        for device in ("desk-1", "desk-1", "phone"):
            body = {**body, "device": device}
            assert (await room.http.post(path, json=body, headers=room.first.headers)).status_code == 201
        assert (await room.seen(room.caller, call))["progress"]["shown"] == 2
        assert [told["shown"] for told in await room.told("call.receipt_noted")] == [1, 2]
        early = {"device": "phone", "ring_round": 2, "status": "shown"}
        assert (await room.http.post(path, json=early, headers=room.first.headers)).status_code == 422
        stranger = await somebody(room.house, "路人")
        assert (await room.http.post(path, json=body, headers=stranger.headers)).status_code == 403


async def _give_address(room: Switchroom, *people: Somebody) -> None:
    """A browser that allowed notices, for each."""
    async with room.db.session() as session:
        for number, who in enumerate(people):
            await session.execute(
                text("""
                    INSERT INTO push_devices (id, person_id, endpoint_hash, sealed_subscription, label, created_at)
                    VALUES (gen_random_uuid(), :person, :hash, :sealed, 'phone', :at)
                """),
                {"person": who.id, "hash": bytes([number]), "sealed": b"x", "at": clock.now()},
            )


async def _make_staff(room: Switchroom, who: Somebody) -> None:
    async with room.db.session() as session:
        place = Place(region_id=room.house.city)
        await write_grant(session, who.id, Role.DUTY_STAFF, place, granted_by=None)


class TestTheQueue:
    async def test_more_presses_come_first_and_the_caller_sees_how_many_are_ahead(self, room: Switchroom) -> None:
        other = await somebody(room.house, "另一个人")
        calm = await room.placed()
        clock.advance(timedelta(seconds=30))
        urgent = await room.placed(other)
        assert (await room.seen(other, urgent))["ahead"] == 1
        await room.press(other)
        assert ((await room.seen(other, urgent))["ahead"], (await room.seen(room.caller, calm))["ahead"]) == (0, 1)
        for source, mirror in (("database", None), ("valkey", DeskMirror(room.valkey))):
            if mirror is not None:
                await written(room, mirror)
            queue = (await room.http.get(f"/v1/desks/{room.desk}/queue", headers=room.lead.headers)).json()
            assert queue == {"calls": [urgent["id"], calm["id"]], "source": source}

    async def test_after_flushall_everything_is_made_again_from_the_database_and_equal(self, room: Switchroom) -> None:
        mirror = DeskMirror(room.valkey)
        await room.page_open(room.lead)
        callers = [await somebody(room.house, f"呼叫人{number}") for number in range(6)]
        await asyncio.gather(*[room.press(caller, kind="lift") for caller in callers])
        before = await written(room, mirror)
        assert await found_in(room.valkey) == (before.sets, before.streams)
        assert {key.split(":")[2] for key in (*before.sets, *before.streams)} == {
            "waiting",
            "present",
            "presses",
            "rings",
        }
        # Under load: presses and answers go on while Valkey forgets.
        call = (await room.press(callers[0])).json()
        presses = asyncio.gather(*[room.press(caller) for caller in callers[1:]])
        await room.valkey.flushall()
        assert await DeskQueues(room.valkey).waiting(room.region) is None, "who asks now is sent to the database"
        await presses
        await room.pulled(room.first, call, "acknowledge")
        began = asyncio.get_running_loop().time()
        after = await written(room, mirror)
        assert asyncio.get_running_loop().time() - began < 5
        assert await found_in(room.valkey) == (after.sets, after.streams)
        assert call["id"] not in await room.valkey.zrange(f"{PREFIX}waiting:{room.region}", 0, -1)

    async def test_what_an_earlier_worker_left_is_taken_away(self, room: Switchroom) -> None:
        await room.placed()
        await written(room, DeskMirror(room.valkey))
        await room.valkey.zadd(f"{PREFIX}waiting:reg_gone", {"call_gone": 1})
        truth = await written(room, DeskMirror(room.valkey))
        assert (await found_in(room.valkey))[0] == truth.sets
        assert await room.valkey.exists(MARK)

    async def test_the_board_names_nobody(self, room: Switchroom) -> None:
        await room.placed(words="我叫王病人")
        board = (await room.http.get(f"/v1/desks/{room.desk}", headers=room.lead.headers)).json()["board"]
        assert (board["waiting"], board["taken"], len(board["queue"])) == (1, 0, 1)
        assert "王病人" not in str(board)


class TestWithoutValkey:
    @asynccontextmanager
    async def dark(self, house: House, own: EmbeddedValkey) -> AsyncIterator[Switchroom]:
        own.stop()
        async with open_switchroom(house, own.url) as room:
            yield room

    async def test_nothing_is_lost(self, house: House, own_valkey: EmbeddedValkey) -> None:
        async with self.dark(house, own_valkey) as room:
            call = await room.placed(kind="medical")
            assert (await room.press()).json()["urgency"] == 2
            await room.wait(15)
            taken = await room.pulled(room.first, call, "acknowledge")
            assert (taken["state"], taken["step"]) == ("acknowledged", 2)
            queue = await room.http.get(f"/v1/desks/{room.desk}/queue", headers=room.lead.headers)
            assert queue.json() == {"calls": [], "source": "database"}
            # The window is counted in the database.
            answers: list[httpx.Response] = [await room.press() for _ in range(10)]
            assert max(answer.json()["urgency"] for answer in answers) == 9


class TestTheWatchdog:
    async def test_a_call_without_a_timer_is_told_and_gets_one(self, room: Switchroom) -> None:
        call = await room.placed()
        async with room.db.session() as session:
            await session.execute(text("DELETE FROM timers"))
        watchdog = Watchdog()
        found = await watchdog.step(room.db)
        assert [(alarm.name, alarm.detail) for alarm in found.alarms] == [("calls_without_timer", "1")]
        assert (await watchdog.step(room.db)).alarms == []
        assert [(told["name"], told["is_on"]) for told in await room.told("desk.alarm_changed")] == [
            ("calls_without_timer", True),
            ("calls_without_timer", False),
        ]
        await room.wait(15)
        assert (await room.seen(room.lead, call))["step"] == 2

    async def test_timers_that_lie_for_more_than_five_seconds_are_an_alarm_on_the_desk(self, room: Switchroom) -> None:
        await room.placed()
        clock.advance(timedelta(seconds=15 + 5))
        assert (await Watchdog().step(room.db)).alarms == []
        clock.advance(timedelta(seconds=1))
        assert [alarm.name for alarm in (await Watchdog().step(room.db)).alarms] == ["timers_late"]
        desk = (await room.http.get(f"/v1/desks/{room.desk}", headers=room.lead.headers)).json()
        assert [alarm["name"] for alarm in desk["board"]["alarms"]] == ["timers_late"]
