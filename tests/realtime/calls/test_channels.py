"""Who hears what: a call's channel and the desk's, on sockets; and nobody else, on replay too, and not a moment longer."""

from typing import Any

import pytest

from identity.api import Role
from identity.roles import end_grant, list_grants
from realtime.api import Hub, HubLimits, desk_policy, region_desk
from realtime.calls.api import CALL_CHANNEL, DESK_OF_CALLS
from realtime.client import EventFrame, RealtimeClient, Refused
from tests.realtime.calls.switchroom import Switchroom, somebody
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
