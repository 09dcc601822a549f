"""Who hears what: a call's channel and the desk's, on sockets; and nobody else, on replay too, and not a moment longer."""

from typing import Any

import pytest
from sqlalchemy import delete

from identity.api import Role
from identity.roles import end_grant, list_grants
from realtime.api import Hub, HubLimits, desk_policy, region_desk
from realtime.calls.api import CALL_CHANNEL, DESK_OF_CALLS
from realtime.client import EventFrame, RealtimeClient, Refused
from realtime.duty.models import DutyMember
from tests.realtime.calls.switchroom import Somebody, Switchroom, somebody
from tests.realtime.stories import relay_everything, silence, subscribed, web_process

QUICK = HubLimits(poll_interval_s=0.1, recheck_interval_s=0.2)


# Another trade's desk in the same region.
REPAIRS = region_desk("repairs", Role.DISPATCHER)


class CallsHub(Hub):
    """With the channels of calls."""

    def __init__(self, db: Any, valkey: Any, _policies: Any, limits: HubLimits | None = None, **more: Any) -> None:
        super().__init__(db, valkey, (CALL_CHANNEL, desk_policy(DESK_OF_CALLS, REPAIRS)), limits, **more)


async def refused(client: RealtimeClient, channel: str, after: int | None = None) -> bool:
    await client.subscribe(channel, after)
    answer = await client.receive()
    return isinstance(answer, Refused) and answer.code == "FORBIDDEN"


async def test_caller_and_rung_hear_the_call_and_a_stranger_does_not_even_afterwards(
    room: Switchroom, valkey_url: str
) -> None:
    call = await room.placed()
    await room.pulled(room.first, call, "acknowledge")
    await relay_everything(room.db)
    stranger = await somebody(room.house, "路人")
    elsewhere = await somebody(room.house, "宁波值班", Role.DUTY_STAFF, room.house.other_city)
    channel = f"call:{call['id']}"
    async with web_process(room.db, valkey_url, QUICK, CallsHub) as web:
        for who in (room.caller, room.second, room.lead):
            async with web.client(who.token) as client:
                await subscribed(client, channel, 0)
                frames = [await client.receive() for _ in range(3)]
                assert [frame.data["trigger"] for frame in frames if isinstance(frame, EventFrame)] == [
                    "place",
                    "ring",
                    "acknowledge",
                ]
        for who in (stranger, elsewhere):
            async with web.client(who.token) as client:
                assert await refused(client, channel, 0)
                assert await refused(client, f"desk:{room.desk}", 0)
                await room.press()
                await relay_everything(room.db)
                await silence(client)


async def test_who_is_taken_off_the_desk_hears_no_more(room: Switchroom, valkey_url: str) -> None:
    leaver = await somebody(room.house, "调岗的人", Role.DUTY_STAFF)
    async with web_process(room.db, valkey_url, QUICK, CallsHub) as web, web.client(leaver.token) as client:
        await subscribed(client, f"desk:{room.desk}", 0)
        async with room.db.session() as session:
            (grant,) = await list_grants(session, leaver.id, also_revoked=False)
            await end_grant(session, leaver.id, grant.id, by=room.lead.id)
        told = await client.receive()
        assert isinstance(told, Refused), told
        assert told.code == "FORBIDDEN"
        await room.placed()
        await relay_everything(room.db)
        await silence(client)


async def test_whom_it_rang_sees_and_hears_no_more_of_it_once_they_leave_the_team(
    room: Switchroom, valkey_url: str
) -> None:
    call, before = await room.placed(), await room.placed(room.lead)
    channel = f"call:{call['id']}"
    assert await sees(room, room.second) == {call["id"], before["id"]}
    async with web_process(room.db, valkey_url, QUICK, CallsHub) as web, web.client(room.second.token) as client:
        await relay_everything(room.db)
        await subscribed(client, channel)
        await leave_the_team(room, room.second)
        told = await client.receive()
        assert isinstance(told, Refused), told
        assert told.code == "FORBIDDEN"
        # Nor on replay, and nothing of it comes on their own channel.
        assert await refused(client, channel, 0)
        await subscribed(client, "me")
        await room.pulled(room.first, call, "acknowledge")
        await relay_everything(room.db)
        await silence(client)
    assert room.second.public_id not in (await room.told("call.changed"))[-1]["people"]
    assert await sees(room, room.second) == set()
    for path in ("", "/messages", "/receipts"):
        answer = await room.http.get(f"/v1/calls/{call['id']}{path}", headers=room.second.headers)
        assert answer.status_code == 403, path
    assert (await room.pull(room.second, call, "acknowledge")).status_code == 403
    written = {"words": "我来", "client_id": None}
    answer = await room.http.post(f"/v1/calls/{call['id']}/messages", json=written, headers=room.second.headers)
    assert answer.status_code == 403


async def test_who_took_part_sees_it_for_good(room: Switchroom) -> None:
    acked, written = await room.placed(), await room.placed(room.lead)
    await room.pulled(room.second, acked, "acknowledge")
    await room.pulled(room.second, acked, "release")
    words = {"words": "在路上"}
    answer = await room.http.post(f"/v1/calls/{written['id']}/messages", json=words, headers=room.second.headers)
    assert answer.status_code == 201
    await leave_the_team(room, room.second)
    assert await sees(room, room.second) == {acked["id"], written["id"]}
    await room.seen(room.second, acked)
    await room.seen(room.second, written)


async def test_whom_a_policy_names_sees_it_until_it_is_over(room: Switchroom) -> None:
    named = await somebody(room.house, "被点名的人")
    target = [{"targets": [{"type": "person", "id": named.public_id}]}]
    policy = {"region": room.region, "name": "点名", "steps": target, "fallback": target[0]}
    answer = await room.http.post("/v1/call_policies", json=policy, headers=room.lead.headers)
    assert answer.status_code == 201, answer.text
    call = await room.placed()
    assert await sees(room, named) == {call["id"]}
    await room.pulled(room.caller, call, "cancel")
    assert await sees(room, named) == set()
    assert (await room.http.get(f"/v1/calls/{call['id']}", headers=named.headers)).status_code == 403


async def sees(room: Switchroom, who: Somebody) -> set[str]:
    """The calls in somebody's list."""
    answer = await room.http.get("/v1/calls", headers=who.headers)
    return {call["id"] for call in answer.json()["data"]}


async def leave_the_team(room: Switchroom, who: Somebody) -> None:
    async with room.db.session() as session:
        await session.execute(delete(DutyMember).where(DutyMember.person_id == who.id))


async def test_each_service_of_the_desks_has_its_own_listeners(room: Switchroom, valkey_url: str) -> None:
    dispatcher = await somebody(room.house, "派工员", Role.DISPATCHER)
    guard = await somebody(room.house, "值班员", Role.DUTY_STAFF)
    region = room.desk.removeprefix("calls-")
    async with web_process(room.db, valkey_url, QUICK, CallsHub) as web:
        async with web.client(dispatcher.token) as client:
            await subscribed(client, f"desk:repairs-{region}")
            for unknown in ("desk:repairs", "desk:nothing", f"desk:nothing-{region}", "desk:repairs-reg_0"):
                assert await refused(client, unknown), unknown
        async with web.client(guard.token) as client:
            await subscribed(client, f"desk:calls-{region}")
            assert await refused(client, f"desk:repairs-{region}")


def test_a_service_of_the_desks_has_one_policy() -> None:
    with pytest.raises(ValueError, match="one policy"):
        desk_policy(DESK_OF_CALLS, DESK_OF_CALLS)
