"""One press, and somebody comes: the life of a call from the button to the rating."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text

from identity.api import Role
from kernel import clock
from tests.realtime.calls.switchroom import Switchroom, somebody


class TestAPress:
    async def test_it_rings_for_those_on_duty_with_the_answer(self, room: Switchroom) -> None:
        call = await room.placed(kind="medical", words="有人晕倒")
        assert (call["state"], call["step"], call["urgency"], call["is_flagged"]) == ("ringing", 1, 1, False)
        assert call["allowed"] == ["cancel"]
        assert call["progress"]["people"] == 2
        (ringing,) = await room.told("call.ringing")
        assert set(ringing["people"]) == {room.first.public_id, room.second.public_id}
        assert [told["trigger"] for told in await room.told("call.changed")] == ["place", "ring"]

    async def test_again_while_it_is_open_it_is_more_urgent_and_no_second_call(self, room: Switchroom) -> None:
        call = await room.placed(kind="lift")
        again = await room.press(kind="medical")
        assert (again.status_code, again.json()["id"], again.json()["urgency"]) == (200, call["id"], 2)

    async def test_the_same_press_twice_is_one_call_and_no_more_urgent(self, room: Switchroom) -> None:
        client_id = str(uuid4())
        first, second = await asyncio.gather(
            room.press(kind="lift", client_id=client_id), room.press(kind="lift", client_id=client_id)
        )
        assert sorted([first.status_code, second.status_code]) == [200, 201]
        assert first.json()["id"] == second.json()["id"]
        assert (await room.seen(room.caller, first.json()))["urgency"] == 1

    async def test_ten_different_presses_at_once_are_one_call(self, room: Switchroom) -> None:
        answers = await asyncio.gather(*[room.press(kind="lift") for _ in range(8)])
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert (await room.seen(room.caller, answers[0].json()))["urgency"] == 8

    async def test_a_finger_that_will_not_stop_is_slowed_down_but_keeps_its_call(self, room: Switchroom) -> None:
        call = await room.placed()
        for _ in range(12):
            assert (await room.press()).status_code == 200
        assert (await room.seen(room.caller, call))["urgency"] == 9
        await room.pulled(room.caller, call, "cancel")
        assert (await room.press()).status_code == 429
        await room.wait(61)
        assert (await room.press()).status_code == 201

    async def test_who_has_no_region_is_asked_for_a_place(self, room: Switchroom) -> None:
        async with room.db.session() as session:
            await session.execute(text("DELETE FROM memberships WHERE person_id = :id"), {"id": room.caller.id})
        refused = await room.press()
        assert (refused.status_code, refused.json()["code"]) == (409, "NOWHERE_TO_CALL")


class TestComing:
    async def test_from_the_ring_to_the_rating(self, room: Switchroom) -> None:
        call = await room.placed(kind="lift")
        await room.pulled(room.first, call, "acknowledge", device="desk-1", eta_minutes=2)
        seen = await room.seen(room.caller, call)
        assert (seen["state"], seen["acker"]["name"], seen["eta_minutes"]) == ("acknowledged", "甲值班", 2)
        await room.pulled(room.first, call, "connect", way="text")
        await room.pulled(room.first, call, "arrive")
        await room.pulled(room.first, call, "resolve", words="已经解救")
        rated = await room.pulled(room.caller, call, "rate", rating=5)
        assert (rated["state"], rated["rating"]) == ("rated", 5)
        assert await room.history(call) == ["place", "ring", "acknowledge", "connect", "arrive", "resolve", "rate"]
        async with room.db.session() as session:
            assert await session.scalar(text("SELECT count(*) FROM timers")) == 0

    async def test_of_two_who_come_in_the_same_moment_one_has_it_and_the_other_is_told_who(
        self, room: Switchroom
    ) -> None:
        call = await room.placed()
        answers = await asyncio.gather(
            room.pull(room.first, call, "acknowledge"), room.pull(room.second, call, "acknowledge")
        )
        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert (won.status_code, lost.status_code, lost.json()["code"]) == (200, 409, "STATE_CONFLICT")
        assert lost.json()["data"]["taken_by"] == won.json()["acker"]
        (told,) = [told for told in await room.told("call.changed") if told["trigger"] == "acknowledge"]
        assert told["taken_by"] == won.json()["acker"], "and in the channel's sequence"

    async def test_whose_answer_got_lost_on_its_way_asks_again_and_still_has_it(self, room: Switchroom) -> None:
        call = await room.placed()
        await room.pulled(room.first, call, "acknowledge")
        again = await room.pulled(room.first, call, "acknowledge")
        assert again["acker"]["id"] == room.first.public_id
        assert (await room.history(call)).count("acknowledge") == 1

    async def test_an_acker_whose_network_dies_is_replaced_within_the_minute(self, room: Switchroom) -> None:
        call = await room.placed()
        await room.pulled(room.first, call, "acknowledge")
        await room.wait(59)
        assert (await room.seen(room.lead, call))["state"] == "acknowledged"
        await room.wait(1)
        seen = await room.seen(room.lead, call)
        assert (seen["state"], seen["acker"], seen["step"], seen["ring_round"]) == ("ringing", None, 1, 2)

    async def test_released_it_rings_again(self, room: Switchroom) -> None:
        call = await room.placed()
        await room.pulled(room.first, call, "acknowledge")
        released = await room.pulled(room.first, call, "release", words="走不开")
        assert (released["state"], released["acker"]) == ("ringing", None)
        assert (await room.pulled(room.second, call, "acknowledge"))["acker"]["id"] == room.second.public_id

    async def test_nobody_comes_to_their_own_call(self, room: Switchroom) -> None:
        call = await room.placed(room.first)
        assert (await room.pull(room.first, call, "acknowledge")).status_code == 403
        assert (await room.told("call.ringing"))[-1]["people"] == [room.second.public_id]

    async def test_still_on_it_is_asked_every_ten_minutes_and_no_answer_rings_again(self, room: Switchroom) -> None:
        call = await room.placed()
        await room.pulled(room.first, call, "acknowledge")
        await room.pulled(room.first, call, "connect")
        await room.wait(600)
        assert (await room.seen(room.first, call))["asked_at"] is not None
        assert (await room.pulled(room.first, call, "stay"))["asked_at"] is None
        await room.wait(600)
        await room.wait(600)
        assert (await room.seen(room.lead, call))["state"] == "ringing"

    async def test_on_site_a_silence_tells_the_lead_and_leaves_the_call_where_it_is(self, room: Switchroom) -> None:
        call = await room.placed()
        for trigger in ("acknowledge", "connect", "arrive"):
            await room.pulled(room.first, call, trigger)
        await room.wait(600)
        await room.wait(600)
        seen = await room.seen(room.lead, call)
        assert (seen["state"], seen["acker"]["id"]) == ("on_site", room.first.public_id)
        assert (await room.history(call))[-2:] == ["ask", "ask"]

    async def test_a_rating_is_the_callers_within_a_day_and_a_bad_one_says_why(self, room: Switchroom) -> None:
        call = await room.placed()
        for trigger in ("acknowledge", "connect", "resolve"):
            await room.pulled(room.first, call, trigger)
        assert (await room.pull(room.first, call, "rate", rating=5)).status_code == 403
        assert (await room.pull(room.caller, call, "rate", rating=2)).status_code == 422
        clock.advance(timedelta(hours=24, seconds=1))
        room.caller.token = await room.house.token(room.caller.id)
        late = await room.pull(room.caller, call, "rate", rating=2, words="太慢")
        assert (late.status_code, late.json()["code"]) == (409, "RATED_TOO_LATE")


class TestWhoSees:
    async def test_a_stranger_sees_nothing_and_a_desk_of_elsewhere_neither(self, room: Switchroom) -> None:
        call = await room.placed()
        stranger = await somebody(room.house, "路人")
        elsewhere = await somebody(room.house, "宁波值班", Role.DUTY_STAFF, room.house.other_city)
        for who in (stranger, elsewhere):
            answer = await room.http.get(f"/v1/calls/{call['id']}", headers=who.headers)
            assert answer.status_code == 403
            listed = await room.http.get("/v1/calls", headers=who.headers)
            assert listed.json()["data"] == []
            assert (await room.pull(who, call, "acknowledge")).status_code == 403
            desk = await room.http.get(f"/v1/desks/{room.desk}", headers=who.headers)
            assert desk.status_code == 403

    async def test_lists_are_by_what_one_is_to_a_call(self, room: Switchroom) -> None:
        call = await room.placed()
        for who in (room.caller, room.first, room.lead):
            (found,) = (await room.http.get("/v1/calls?stage=open", headers=who.headers)).json()["data"]
            assert found["id"] == call["id"]
        assert (await room.http.get("/v1/calls?mine=true", headers=room.first.headers)).json()["data"] == []

    async def test_they_write_to_each_other_once(self, room: Switchroom) -> None:
        call = await room.placed()
        client_id = str(uuid4())
        path, body = f"/v1/calls/{call['id']}/messages", {"client_id": client_id, "words": "在三楼"}
        for _ in range(2):
            assert (await room.http.post(path, json=body, headers=room.caller.headers)).status_code == 201
        clock.advance(timedelta(seconds=1))
        await room.http.post(path, json={"words": "马上到"}, headers=room.first.headers)
        page = (await room.http.get(path, headers=room.first.headers)).json()
        assert [(one["side"], one["words"]) for one in page["data"]] == [("staff", "马上到"), ("caller", "在三楼")]
        stranger = await somebody(room.house, "路人")
        assert (await room.http.post(path, json=body, headers=stranger.headers)).status_code == 403
