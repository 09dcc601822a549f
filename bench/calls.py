"""From a press to the ring on the desks' screens: over HTTP, through the database, the relay and Valkey, onto the sockets.

Fifty screens listen; people press one after the other, each once. Beside it, in the same run, one bare message from a publisher
to a subscriber of the same Valkey: what no ring can be faster than.
"""

import asyncio
import time
from typing import Any, Final
from uuid import uuid4

import httpx
from redis.asyncio import Redis

from bench.rig import Rig, free_port, running
from bench.rows import Row, at_most, told
from bench.sockets import Audience, Heard, hub_ear
from identity.api import Place, Role
from identity.roles import write_grant
from kernel.ids import public_id
from realtime.calls.events import desk_channel

DESKS: Final = 50
PRESSES: Final = 400
WARM_UP: Final = 20
_PRESSES_PER_S: Final = 20
_BARE: Final = 1_000
_GOAL_MS: Final = 50


async def measure(rig: Rig) -> list[Row]:
    """Press to ring, and a bare publish."""
    port, worker_port = free_port(), free_port()
    environment = rig.environment(port)
    tokens = await rig.open_sessions(PRESSES + WARM_UP + 1)
    await _put_on_duty(rig)
    async with (
        running(["-m", "app.cli", "web"], environment, port),
        running(["-m", "app.cli", "worker", "--health-port", str(worker_port)], environment, worker_port),
    ):
        ears = [hub_ear("desk", tokens[0], desk_channel(public_id("reg", rig.region)))] * DESKS
        with Audience(port, ears) as audience:
            await audience.wait_until_ready()
            pressed = await _press_all(port, tokens[1:])
            await asyncio.sleep(2)
            heard, _closed = await audience.stop("call")
    bare_ms = await _bare_publish(rig)
    delays_ms = _delays_ms(pressed, heard)
    return [
        at_most("press to ring frame on 50 screens, p99", _quantile(delays_ms, 0.99), "ms", _GOAL_MS),
        told("press to ring frame on 50 screens, p50", _quantile(delays_ms, 0.5), "ms"),
        told("one bare Valkey publish to its subscriber, p99", _quantile(bare_ms, 0.99), "ms"),
    ]


async def _put_on_duty(rig: Rig) -> None:
    async with rig.database.session() as session:
        await write_grant(session, rig.people[0], Role.DUTY_STAFF, Place(region_id=rig.region), granted_by=None)


async def _press_all(port: int, tokens: list[str]) -> dict[str, float]:
    """{call: when it was pressed}; the first ones warm everything up and are not counted."""
    pressed: dict[str, float] = {}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
        for number, token in enumerate(tokens):
            began = time.time()  # noqa: TID251  the benches' own clock
            answer = await http.post(
                "/v1/calls",
                json={"client_id": str(uuid4()), "kind": "other"},
                headers={"Authorization": f"Bearer {token}"},
            )
            if answer.status_code != 201:
                raise RuntimeError(f"a press was answered {answer.status_code}: {answer.text[:300]}")
            if number >= WARM_UP:
                pressed[answer.json()["id"]] = began
            await asyncio.sleep(max(0.0, 1 / _PRESSES_PER_S - (time.time() - began)))  # noqa: TID251  as above
    return pressed


def _delays_ms(pressed: dict[str, float], heard: list[Heard]) -> list[float]:
    """Of each press and screen, the first frame about it."""
    first: dict[tuple[Any, int], float] = {}
    for each in heard:
        if each.key in pressed:
            first.setdefault((each.key, each.socket), each.at)
    if len(first) != len(pressed) * DESKS:
        raise RuntimeError(f"{len(first)} frames of {len(pressed) * DESKS} were heard")
    return [(at - pressed[call]) * 1000 for (call, _), at in first.items()]


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


def _quantile(values: list[float], quantile: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * quantile))]
