"""What one web process can tell how many: beside a bare broadcast, with 10,000 sockets, with a reader that does not read.

The bench takes the relay's place: it publishes frames to Valkey, and a delay counts from just before that until the
bytes are read at the other end. Every frame must have been heard by everybody; the bench fails where one was not.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec
import psutil

from bench import nchan
from bench.rig import Rig, free_port, running
from bench.rows import Row, at_most, compared_delay
from bench.sockets import STALLED, Audience, Ear, Heard, bare_ear, hub_ear
from kernel import clock
from kernel.ids import public_id
from kernel.valkey import open_valkey
from realtime.api import channel_position
from realtime.frames import event_frame

WORDS_BYTES: Final = 200
THOUSAND: Final = 1_000
TEN_THOUSAND: Final = 10_000
READERS: Final = 200
MESSAGES: Final = 80
# Two things that are level differ by less than two runs of one of them do.
_LEVEL: Final = 1.25


async def measure(rig: Rig, say: Callable[[str], None]) -> list[Row]:
    """All rows, each by a web process of its own."""
    rows = await _beside_the_fastest(rig, say)
    rows += await _ten_thousand(rig)
    return rows + await _stalled_reader(rig)


async def _beside_the_fastest(rig: Rig, say: Callable[[str], None]) -> list[Row]:
    """Beside a bare broadcast, and beside nchan where that is installed."""
    base_port, port, telling = free_port(), free_port(), Telling(rig)
    bare = [str(base_port), "10", str(WORDS_BYTES)]
    async with running(["-m", "bench.broadcasting", *bare], rig.environment(base_port), base_port):
        with Audience(base_port, [bare_ear("bare", "/")] * THOUSAND) as audience:
            await audience.wait_until_ready()
            await asyncio.sleep(8)
            heard, _closed = await audience.stop("sent")
    base = p99_ms(heard)
    async with _web(rig, port):
        with Audience(port, _ears(rig, THOUSAND)) as audience:
            await audience.wait_until_ready()
            await telling.tell(MESSAGES, every_s=0.1, size=WORDS_BYTES)
            heard, _closed = await audience.stop("sent")
    _require_all(heard, MESSAGES, THOUSAND)
    ours, name = p99_ms(heard), "1,000 sockets, 10 messages/s: p99"
    rows = [compared_delay(name, ours, "websockets.broadcast()", base, 1.5)]
    if not nchan.is_installed():
        say("nginx with nchan is not installed here (apt-get install nginx libnginx-mod-nchan): not compared with it")
        return rows
    return [*rows, compared_delay(f"{name}, beside nchan", ours, "nchan (nginx, C)", await _nchan_ms(), _LEVEL)]


async def _nchan_ms() -> float:
    async with nchan.running_nchan() as port:
        with Audience(port, [bare_ear("nchan", "/")] * THOUSAND) as audience:
            await audience.wait_until_ready()
            await nchan.tell(port, MESSAGES, every_s=0.1, size=WORDS_BYTES)
            heard, _closed = await audience.stop("sent")
    _require_all(heard, MESSAGES, THOUSAND)
    return p99_ms(heard)


async def _ten_thousand(rig: Rig) -> list[Row]:
    port, telling = free_port(), Telling(rig)
    async with _web(rig, port) as pid:
        process = psutil.Process(pid)
        before = process.memory_info().rss
        with Audience(port, _ears(rig, TEN_THOUSAND)) as audience:
            await audience.wait_until_ready()
            held = process.memory_info().rss - before
            await telling.tell(8, every_s=1.0, size=WORDS_BYTES)
            heard, closed = await audience.stop("sent")
    _require_all(heard, 8, TEN_THOUSAND - closed)
    return [
        at_most("10,000 sockets on one process, 1 message/s to all: p99", p99_ms(heard), "ms", 300),
        at_most("memory of a socket", held / TEN_THOUSAND / 1024, "KB", 40),
    ]


async def _stalled_reader(rig: Rig) -> list[Row]:
    delays: list[float] = []
    for stalled in (False, True):
        port, telling = free_port(), Telling(rig)
        ears = _ears(rig, READERS)
        if stalled:
            ears[0] = ears[0]._replace(kind=STALLED)
        async with _web(rig, port):
            with Audience(port, ears) as audience:
                await audience.wait_until_ready()
                await telling.tell(400, every_s=0.01, size=8_000)
                heard, closed = await audience.stop("sent")
        others = [one for one in heard if one.kind != STALLED]
        _require_all(others, 400, READERS - stalled)
        if closed > stalled:
            raise RuntimeError(f"{closed} sockets were closed")
        delays.append(p99_ms(others))
    return [
        compared_delay("200 readers, one of them stalled: p99 of the others", delays[1], "none stalled", delays[0], 1.5)
    ]


class Telling:
    """Publishes frames of the canteen's channel, as the relay does."""

    def __init__(self, rig: Rig) -> None:
        self._database = rig.database
        self._valkey = open_valkey(rig.valkey.url)
        self._channel = canteen_channel(rig)

    async def tell(self, count: int, *, every_s: float, size: int) -> None:
        """So many frames, on a schedule; then time for the last one to arrive."""
        async with self._database.session() as session:
            head = await channel_position(session, self._channel)
        began = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number * every_s - time.monotonic()))
            data = {"sent": time.time(), "words": "x" * size}  # noqa: TID251  the benches' own clock
            at = clock.rfc3339(clock.now())
            frame = event_frame(
                self._channel, head + number + 1, f"evt_0_0_{number}", "bench.told", 1, msgspec.json.encode(data), at
            )
            await self._valkey.publish(f"rt:{self._channel}", b"%d\t%b" % (head + number + 1, frame))
        await asyncio.sleep(1.5)
        await self._valkey.aclose()


def canteen_channel(rig: Rig) -> str:
    """What the tills hear."""
    return f"canteen:{public_id('can', rig.canteen)}"


def _ears(rig: Rig, count: int) -> list[Ear]:
    return [hub_ear("canteen", rig.tokens[number % len(rig.tokens)], canteen_channel(rig)) for number in range(count)]


def _web(rig: Rig, port: int) -> AbstractAsyncContextManager[int]:
    return running(["-m", "app.cli", "web"], rig.environment(port), port)


def p99_ms(heard: Sequence[Heard]) -> float:
    """Of the delays of everything that was heard."""
    delays = sorted(one.at - one.key for one in heard)
    p99_s: float = delays[int(len(delays) * 0.99)]
    return p99_s * 1000


def _require_all(heard: Sequence[Heard], messages: int, sockets: int) -> None:
    if len(heard) != messages * sockets:
        raise RuntimeError(f"{len(heard)} frames were heard instead of {messages * sockets}")
