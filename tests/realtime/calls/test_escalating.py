"""Nobody answers: the next step, the next round, the loud path; each exactly once, whatever the clock and the workers do."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from kernel import clock, timers
from kernel.ids import public_id
from realtime.calls import hand_over, jobs
from realtime.calls.api import HandedCall, end_handed_over
from realtime.calls.policies import choose_policy
from realtime.calls.watchdog import Watchdog
from tests.realtime.calls.switchroom import Json, Switchroom, somebody

ALL_ON_DUTY = {"targets": [{"type": "role", "role": "duty_staff"}]}


async def policy(room: Switchroom, **changes: Any) -> Json:
    """A policy of the city, written by the lead."""
    body: Json = {
        "region": room.region,
        "name": "市里",
        "steps": [
            {"targets": [{"type": "person", "id": room.first.public_id}], "seconds": 10},
            {"targets": [{"type": "person", "id": room.second.public_id}], "seconds": 20},
        ],
        "fallback": {"targets": [{"type": "person", "id": room.lead.public_id}], "seconds": 30},
        "loops": 1,
        **changes,
    }
    answer = await room.http.post("/v1/call_policies", json=body, headers=room.lead.headers)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


class TestEscalation:
    async def test_step_by_step_by_the_second_then_again_then_missed(self, room: Switchroom) -> None:
        await policy(room)
        call = await room.placed()
        await room.wait(9)
        assert (await room.seen(room.lead, call))["step"] == 1
        steps = []
        for seconds in (1, 20, 10, 20):
            await room.wait(seconds)
            seen = await room.seen(room.lead, call)
            steps.append((seen["state"], seen["step"], seen["loop"]))
        assert steps == [("ringing", 2, 0), ("ringing", 1, 1), ("ringing", 2, 1), ("missed", 2, 1)]
        rung = [told["people"] for told in await room.told("call.ringing")]
        assert rung == [
            [room.first.public_id],
            [room.second.public_id],
            [room.first.public_id],
            [room.second.public_id],
            [room.lead.public_id],
        ]
        assert (await room.told("call.ringing"))[-1]["is_public"], "the loud path rings in the room as well"

    async def test_an_answer_ends_it_and_it_never_nags_again(self, room: Switchroom) -> None:
        await policy(room)
        call = await room.placed()
        await room.wait(10)
        await room.pulled(room.second, call, "acknowledge")
        await room.pulled(room.second, call, "connect")
        await room.wait(300)
        assert (await room.history(call)) == ["place", "ring", "escalate", "acknowledge", "connect"]

    async def test_four_workers_at_once_escalate_each_call_once(self, room: Switchroom) -> None:
        await policy(room)
        callers = [await somebody(room.house, f"呼叫人{number}") for number in range(12)]
        calls = [await room.placed(caller) for caller in callers]
        clock.advance(timedelta(seconds=10))
        fired = await asyncio.gather(*[timers.fire_due(room.db, jobs.TIMERS) for _ in range(4)])
        assert sum(fired) == 12
        for call in calls:
            assert (await room.history(call)) == ["place", "ring", "escalate"]

    async def test_an_answer_and_the_clock_in_the_same_moment_are_one_of_the_two(self, room: Switchroom) -> None:
        await policy(room)
        for number in range(6):
            call = await room.placed(await somebody(room.house, f"呼叫人{number}"))
            clock.advance(timedelta(seconds=10))
            await asyncio.gather(room.pull(room.first, call, "acknowledge"), room.fire())
            assert (await room.seen(room.lead, call))["state"] == "acknowledged"
            assert await room.history(call) in (
                ["place", "ring", "acknowledge"],
                ["place", "ring", "escalate", "acknowledge"],
            )

    async def test_a_clock_that_is_stepped_back_makes_nobody_wait_longer(self, room: Switchroom) -> None:
        await policy(room)
        call = await room.placed()
        clock.advance(-timedelta(hours=1))
        found = await Watchdog().step(room.db)
        assert [alarm.name for alarm in found.alarms] == ["clock_stepped_back"]
        await room.wait(10)
        assert (await room.history(call)) == ["place", "ring", "escalate"]

    async def test_a_stale_timer_of_an_earlier_state_does_nothing(self, room: Switchroom) -> None:
        await policy(room)
        call = await room.placed()
        async with room.db.session() as session:
            await timers.schedule(session, "calls.clock", call["id"], clock.now())
        await room.fire()
        assert (await room.history(call)) == ["place", "ring"]
        await room.wait(10)
        assert (await room.history(call)) == ["place", "ring", "escalate"]


class TestNobodyOnDuty:
    async def test_the_fallback_rings_at_once_and_the_call_is_flagged(self, room: Switchroom) -> None:
        for who in (room.first, room.second):
            await room.leave_duty(who)
        await policy(room, steps=[ALL_ON_DUTY])
        call = await room.placed()
        assert (call["state"], call["is_flagged"], call["step"]) == ("queued", True, 0)
        assert (await room.told("call.ringing"))[-1]["people"] == [room.lead.public_id]

    async def test_who_comes_on_duty_is_rung_at_the_next_look(self, room: Switchroom) -> None:
        for who in (room.first, room.second):
            await room.leave_duty(who)
        await policy(room, steps=[ALL_ON_DUTY])
        call = await room.placed()
        await room.sign_in_to_duty(room.second)
        await room.wait(30)
        seen = await room.seen(room.lead, call)
        assert (seen["state"], seen["step"], seen["is_flagged"]) == ("ringing", 1, True)
        assert (await room.told("call.ringing"))[-1]["people"] == [room.second.public_id]

    async def test_a_rota_with_a_hole_never_loses_a_call(self, room: Switchroom) -> None:
        async with room.db.session() as session:
            await session.execute(text("UPDATE duty_rotations SET ends_on = starts_on + 1"))
        call = await room.placed()
        assert (call["state"], call["is_flagged"]) == ("queued", True)
        for _ in range(3):
            await room.wait(30)
        assert (await room.seen(room.lead, call))["state"] == "missed"
        async with room.db.session() as session:
            assert await session.scalar(text("SELECT count(*) FROM timers")) == 1, "somebody is reminded of it"


class TestMissed:
    @pytest.fixture
    async def missed(self, room: Switchroom) -> Json:
        await policy(room, loops=0)
        call = await room.placed()
        await room.wait(10)
        await room.wait(20)
        seen = await room.seen(room.lead, call)
        assert seen["state"] == "missed"
        return seen

    async def test_it_ends_with_the_leads_written_cause_only(self, room: Switchroom, missed: Json) -> None:
        assert (await room.pull(room.first, missed, "resolve", cause="没听见")).status_code == 403
        refused = await room.pull(room.lead, missed, "resolve")
        assert (refused.status_code, refused.json()["code"]) == (422, "CAUSE_REQUIRED")
        resolved = await room.pulled(room.lead, missed, "resolve", cause="交接班时两人都离岗")
        assert (resolved["state"], resolved["cause"]) == ("resolved", "交接班时两人都离岗")

    async def test_the_lead_is_reminded_every_day(self, room: Switchroom, missed: Json) -> None:
        await room.wait(24 * 3600)
        await room.wait(24 * 3600)
        assert [told["trigger"] for told in await room.told("call.changed")][-2:] == ["remind", "remind"]

    async def test_its_caller_may_call_again(self, room: Switchroom, missed: Json) -> None:
        assert (await room.placed())["id"] != missed["id"]


class TestSeveral:
    async def test_the_ring_goes_on_until_all_who_are_needed_have_said_so(self, room: Switchroom) -> None:
        await policy(room, steps=[{**ALL_ON_DUTY, "acks_needed": 2, "seconds": 15}])
        call = await room.placed(kind="medical")
        joined = await room.pulled(room.first, call, "acknowledge")
        assert (joined["state"], [one["name"] for one in joined["joined"]]) == ("ringing", ["甲值班"])
        assert (await room.pulled(room.first, call, "acknowledge"))["state"] == "ringing", "the same one counts once"
        both = await room.pulled(room.second, call, "acknowledge")
        assert (both["state"], both["acker"]["name"]) == ("acknowledged", "甲值班")
        assert [one["name"] for one in both["joined"]] == ["乙值班"]


class Workshop:
    """A trade that takes calls over."""

    name, name_zh, name_en = "repair", "报修", "Repair"

    def __init__(self) -> None:
        self.taken: list[HandedCall] = []

    async def take_over(self, session: Any, call: HandedCall, actor: Any) -> str:
        self.taken.append(call)
        return "wo_1"


class TestHandingOver:
    @pytest.fixture
    async def connected(self, room: Switchroom) -> Json:
        call = await room.placed(kind="lift", words="电梯停了")
        await room.pulled(room.first, call, "acknowledge")
        return await room.pulled(room.first, call, "connect")

    async def test_to_a_team_which_rings_and_takes_it(self, room: Switchroom, connected: Json) -> None:
        team = public_id("dty", room.crew.team_id)
        handed = await room.pulled(room.first, connected, "hand_over", team=team)
        assert (handed["state"], handed["acker"], handed["handed_to"]) == ("handed_over", None, team)
        taken = await room.pulled(room.second, connected, "acknowledge")
        assert (taken["state"], taken["acker"]["name"]) == ("acknowledged", "乙值班")

    async def test_a_team_that_does_not_answer_leaves_it_to_the_policy(self, room: Switchroom, connected: Json) -> None:
        await room.pulled(room.first, connected, "hand_over", team=public_id("dty", room.crew.team_id))
        await room.wait(60)
        assert (await room.seen(room.lead, connected))["state"] == "ringing"

    async def test_to_another_trade_with_everything_kept(
        self, room: Switchroom, connected: Json, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hand_over, "_targets", {})
        refused = await room.pull(room.first, connected, "hand_over", target="repair")
        assert (refused.status_code, refused.json()["code"]) == (409, "TARGET_UNKNOWN")
        workshop = Workshop()
        monkeypatch.setattr(hand_over, "_targets", {"repair": workshop})
        (offered,) = (await room.http.get("/v1/calls/targets", headers=room.first.headers)).json()
        assert offered["name"] == "repair"
        handed = await room.pulled(room.first, connected, "hand_over", target="repair")
        assert (handed["state"], handed["handed_to"]) == ("handed_over", "wo_1")
        (kept,) = workshop.taken
        assert (kept.kind, kept.words, kept.caller_id) == ("lift", "电梯停了", room.caller.id)
        # What the workshop goes on with keeps nobody from calling again.
        assert (await room.placed())["state"] == "ringing"
        async with room.db.session() as session:
            await end_handed_over(session, kept.call_id, actor="wo_1", words="已修好")
        assert (await room.seen(room.caller, connected))["state"] == "resolved"


class TestPolicies:
    async def test_the_narrowest_one_counts(self, room: Switchroom) -> None:
        await policy(room)
        await policy(room, name="电梯", kind="lift")
        for kind, name in (("lift", "电梯"), ("medical", "市里")):
            preview = await room.http.get(
                f"/v1/call_policies/preview?region={room.region}&kind={kind}", headers=room.lead.headers
            )
            assert preview.json()["name"] == name
            assert [one["name"] for one in preview.json()["steps"][0]["people"]] == ["甲值班"]

    async def test_it_counts_by_local_hours_past_midnight_too(self, room: Switchroom) -> None:
        # 22:00 to 06:00, from Mondays on; in China, eight hours ahead.
        await policy(room, name="夜间", weekdays=[1], from_minute=22 * 60, until_minute=6 * 60)
        names = {}
        for label, at in (
            ("Monday noon", "2026-11-23T04:00:00+00:00"),
            ("Monday 23:00", "2026-11-23T15:00:00+00:00"),
            ("Tuesday 05:00", "2026-11-23T21:00:00+00:00"),
            ("Tuesday 23:00", "2026-11-24T15:00:00+00:00"),
        ):
            async with room.db.session() as session:
                chosen = await choose_policy(
                    session, region_id=room.house.city, place_id=None, kind="other", at=datetime.fromisoformat(at)
                )
            names[label] = chosen.name
        assert names == {
            "Monday noon": "默认策略",
            "Monday 23:00": "夜间",
            "Tuesday 05:00": "夜间",
            "Tuesday 23:00": "默认策略",
        }

    async def test_a_call_keeps_the_policy_that_it_was_placed_under(self, room: Switchroom) -> None:
        written = await policy(room)
        call = await room.placed()
        changed = {key: value for key, value in written.items() if key not in ("id", "is_retired", "changed_at")}
        changed["steps"] = [{**ALL_ON_DUTY, "seconds": 300}]
        answer = await room.http.put(f"/v1/call_policies/{written['id']}", json=changed, headers=room.lead.headers)
        assert (answer.status_code, answer.json()["version"]) == (200, 2)
        stale = await room.http.put(f"/v1/call_policies/{written['id']}", json=changed, headers=room.lead.headers)
        assert stale.status_code == 409
        await room.wait(10)
        assert (await room.seen(room.lead, call))["step"] == 2

    async def test_one_that_would_leave_calls_unanswered_is_refused_with_every_reason(self, room: Switchroom) -> None:
        gone = public_id("per", room.house.city)
        body = {
            "region": room.region,
            "name": "坏策略",
            "steps": [
                {"targets": [{"type": "person", "id": gone}], "seconds": 3600, "acks_needed": 2},
                {"targets": [{"type": "team", "id": public_id("dty", room.house.city)}]},
            ],
            "fallback": {"targets": [{"type": "role"}]},
        }
        answer = await room.http.post("/v1/call_policies", json=body, headers=room.lead.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "POLICY_UNSOUND")
        problems = [(one["where"], one["what"]) for one in answer.json()["data"]["problems"]]
        assert problems == [
            ("steps", "a call would ring for more than 900 s before it is missed"),
            ("steps.1", "this person is not here any more"),
            ("steps.1", "needs more people than it rings"),
            ("steps.2", "no such team"),
            ("fallback", "a role is not named"),
            ("fallback", "rings nobody"),
        ]

    async def test_only_who_keeps_the_region_writes_it(self, room: Switchroom) -> None:
        body = {"region": room.region, "name": "x", "steps": [ALL_ON_DUTY], "fallback": ALL_ON_DUTY}
        for who in (room.first, room.caller):
            answer = await room.http.post("/v1/call_policies", json=body, headers=who.headers)
            assert answer.status_code == 403
            assert (await room.http.get("/v1/call_policies", headers=who.headers)).status_code == 403


class TestButtons:
    async def test_a_button_on_a_wall_places_calls_and_can_do_nothing_else(self, room: Switchroom) -> None:
        body = {"region": room.region, "name": "一楼电梯厅按钮", "kind": "lift"}
        made = (await room.http.post("/v1/call_buttons", json=body, headers=room.lead.headers)).json()
        headers = {"Authorization": f"Bearer {made['token']}"}
        call = await room.http.post("/v1/calls", headers=headers)
        assert (call.status_code, call.json()["kind"], call.json()["place_text"]) == (201, "lift", "一楼电梯厅按钮")
        again = await room.http.post("/v1/calls", headers=headers)
        assert (again.status_code, again.json()["urgency"]) == (200, 2)
        assert (await room.http.get("/v1/calls", headers=headers)).status_code == 401
        seen = await room.seen(room.first, call.json())
        assert (seen["caller"]["name"], seen["caller"]["is_button"]) == ("一楼电梯厅按钮", True)

        await room.http.post(f"/v1/call_buttons/{made['id']}/revoke", headers=room.lead.headers)
        assert (await room.http.post("/v1/calls", headers=headers)).status_code == 401
        await room.pulled(room.first, call.json(), "acknowledge")
