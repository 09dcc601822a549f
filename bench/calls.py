"""From a press to the ring on the desks' screens: over HTTP, through the database, the relay and Valkey, onto the sockets.

Fifty screens listen; people press one after the other, each once. Beside it, in the same run, one bare message from a publisher to a
subscriber of the same Valkey: what no ring can be faster than. Then those without a page and those before one
(`calls_reached.py`), and how late the clock of calls strikes.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio import Redis

from bench import calls_reached
from bench.pressing import Desk, Line, Pressed, open_desk, quantile
from bench.rig import Rig
from bench.rows import Row, at_most, told
from bench.sockets import Audience, Heard, hub_ear
from kernel.ids import public_id
from realtime.calls.events import desk_channel, desk_id

DESKS: Final = 50
PRESSES: Final = 400
WARM_UP: Final = 20
LATE_CALLS: Final = 200
_STEP_S: Final = 5
_A_SECOND: Final = 20
_BARE: Final = 1_000
_GOAL_MS: Final = 50
_LATE_GOAL_S: Final = 1
_HELD_FOR_S: Final = 10


async def measure(rig: Rig, say: Callable[[str], None]) -> list[Row]:
    """All rows of calls, on one running product."""
    callers = WARM_UP + PRESSES + calls_reached.AWAY + calls_reached.BEFORE_A_PAGE + LATE_CALLS
    async with calls_reached.outside() as there, open_desk(rig, callers, **there.settings) as desk:
        rows = await measure_ring(desk)
        say("somebody who has no page open ...")
        rows += await calls_reached.measure_away(desk, there)
        say("a page that rings ...")
        rows += await calls_reached.measure_shown(desk, say)
        say("calls that nobody answers ...")
        return rows + await measure_lateness(desk)


async def measure_ring(desk: Desk) -> list[Row]:
    """Press to ring, and a bare publish."""
    ears = [hub_ear("desk", desk.duty, desk_channel(desk.region))] * DESKS
    held = asyncio.create_task(_hold_presence(desk))
    try:
        with Audience(desk.port, ears) as audience:
            await audience.wait_until_ready()
            async with Line(desk.port) as line:
                warm_up = await line.press_all(desk.some(WARM_UP), "other", a_second=_A_SECOND)
                pressed = await line.press_all(desk.some(PRESSES), "other", a_second=_A_SECOND)
                await asyncio.sleep(2)
                heard, _closed = await audience.stop("call")
                await line.cancel_all(warm_up + pressed)
    finally:
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
    async with Line(desk.port) as line:
        await line.ask("POST", _presence(desk), desk.duty, {"device": "bench", "leave": True})
    bare_ms = await _bare_publish(desk.rig)
    delays_ms = _delays_ms(pressed, heard)
    return [
        at_most("press to ring frame on 50 screens, p99", quantile(delays_ms, 0.99), "ms", _GOAL_MS),
        told("press to ring frame on 50 screens, p50", quantile(delays_ms, 0.5), "ms"),
        told("press to its answer, p99", quantile([(one.answered - one.began) * 1000 for one in pressed], 0.99), "ms"),
        told("one bare Valkey publish to its subscriber, p99", quantile(bare_ms, 0.99), "ms"),
    ]


async def _hold_presence(desk: Desk) -> None:
    """Whoever is on duty has a page open: nobody need be reached elsewhere."""
    async with Line(desk.port) as line:
        while True:
            await line.ask("POST", _presence(desk), desk.duty, {"device": "bench"})
            await asyncio.sleep(_HELD_FOR_S)


def _presence(desk: Desk) -> str:
    return f"/v1/desks/{desk_id(desk.region)}/presence"


def _delays_ms(pressed: list[Pressed], heard: list[Heard]) -> list[float]:
    """Of each press and screen, the first frame about it: what one commit tells is one write to a socket, the ring included."""
    began = {one.call: one.began for one in pressed}
    first: dict[tuple[Any, int], float] = {}
    for each in heard:
        if each.key in began:
            first.setdefault((each.key, each.socket), each.at)
    if len(first) != len(pressed) * DESKS:
        raise RuntimeError(f"{len(first)} frames of {len(pressed) * DESKS} were heard")
    return [(at - began[call]) * 1000 for (call, _), at in first.items()]


async def _bare_publish(rig: Rig) -> list[float]:
    delays: list[float] = []
    publisher, listener = Redis.from_url(rig.valkey.url), Redis.from_url(rig.valkey.url)
    try:
        async with listener.pubsub() as channel:
            await channel.subscribe("bench-bare")
            await channel.get_message(timeout=5)
            for _ in range(_BARE):
                began = time.perf_counter()
                await publisher.publish("bench-bare", b"x" * 600)
                while await channel.get_message(ignore_subscribe_messages=True, timeout=5) is None:
                    pass
                delays.append((time.perf_counter() - began) * 1000)
    finally:
        await publisher.aclose()
        await listener.aclose()
    return delays


async def measure_lateness(desk: Desk) -> list[Row]:
    """Two steps of five seconds that nobody answers: when each was due, and when it was recorded."""
    target = {"targets": [{"type": "person", "id": public_id("per", desk.rig.people[0])}], "seconds": _STEP_S}
    policy = {"region": desk.region, "kind": "lift", "name": "bench", "loops": 0}
    async with Line(desk.port) as line:
        await line.ask(
            "POST", "/v1/call_policies", desk.duty, {**policy, "steps": [target, target], "fallback": target}
        )
        await line.press_all(desk.some(LATE_CALLS), "lift", a_second=_A_SECOND)
    late_s = await _lateness_s(desk.rig)
    return [
        at_most(
            f"{LATE_CALLS} calls nobody answers: an escalation after it was due, p99", quantile(late_s, 0.99), "s", 1
        ),
        told(f"{LATE_CALLS} calls nobody answers: an escalation after it was due, p50", quantile(late_s, 0.5), "s"),
        at_most(f"{LATE_CALLS} calls nobody answers: the latest escalation", max(late_s), "s", _LATE_GOAL_S),
    ]


_STRUCK: Final = f"""
    SELECT extract(epoch FROM s.recorded_at - before.recorded_at) - {_STEP_S} AS late_s
      FROM calls c JOIN call_steps s ON s.call_id = c.id AND s.trigger IN ('escalate', 'miss')
      JOIN call_steps before ON before.call_id = s.call_id AND before.ordinal = s.ordinal - 1
     WHERE c.kind = 'lift'
"""


async def _lateness_s(rig: Rig) -> list[float]:
    """Of every strike: a step's clock is set in the same transaction that records it."""
    async with asyncio.timeout(30):
        while True:
            found = await rig.fetch(_STRUCK)
            if len(found) == 2 * LATE_CALLS:
                return [float(row["late_s"]) for row in found]
            await asyncio.sleep(0.5)
