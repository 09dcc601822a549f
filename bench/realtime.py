"""600 payments a second while 1,000 people hear their own and 10 boards hear the canteen's, relay and handlers on.

A payment's way to a socket is counted from the beginning of its transaction (`recorded_at`), so the figure is an
upper bound of commit to socket. Every event is counted: each payer hears each payment once, and so does each board.
"""

import asyncio
import time
from collections import Counter
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final

import uvloop

from bench.http_payments import check, requests_for
from bench.load import drive
from bench.rig import Rig, free_port, running
from bench.rows import Row, at_least, at_most, told
from kernel.ids import public_id
from realtime.api import relay_lag_s
from realtime.client import RealtimeClient

PAYMENTS_PER_S: Final = 600
SECONDS: Final = 15
SOCKETS: Final = 1_000
BOARDS: Final = 10
_CONNECTIONS: Final = 32


async def measure(rig: Rig) -> list[Row]:
    """Latency of payments and of what sockets hear."""
    port, worker_port = free_port(), free_port()
    environment = rig.environment(port)
    tokens = await rig.open_sessions(SOCKETS)
    async with (
        running(["-m", "app.cli", "web"], environment, port),
        running(["-m", "app.cli", "worker", "--health-port", str(worker_port)], environment, worker_port),
    ):
        await _wait_for_relay(rig)
        listeners = _Listeners(port, tokens, rig.tokens[:BOARDS], public_id("can", rig.canteen))
        try:
            await asyncio.to_thread(listeners.wait_until_ready)
            requests, amounts = await requests_for(rig, PAYMENTS_PER_S * SECONDS, first_holders=SOCKETS)
            result = await asyncio.to_thread(
                drive, port, requests, connections=_CONNECTIONS, rate=float(PAYMENTS_PER_S)
            )
            check(result, amounts)
            await asyncio.sleep(2)
            heard = await asyncio.to_thread(listeners.stop)
        finally:
            listeners.end()
    return await _rows(rig, result.latency_ms(0.99), len(requests), heard, len(amounts) / result.seconds)


async def _wait_for_relay(rig: Rig) -> None:
    """Benches before this one ran without a worker: what they have told is delivered first."""
    async with asyncio.timeout(120):
        while True:
            async with rig.database.session() as session:
                if await relay_lag_s(session) < 1:
                    return
            await asyncio.sleep(0.5)


async def _rows(
    rig: Rig, payment_p99_ms: float, count: int, heard: dict[str, list[tuple[str, float]]], rate: float
) -> list[Row]:
    found = await rig.fetch(f"SELECT id, recorded_at FROM payments ORDER BY id DESC LIMIT {count}")
    recorded = {public_id("pay", row["id"]): row["recorded_at"].timestamp() for row in found}
    for name, times in (("me", 1), ("canteen", BOARDS)):
        counted = Counter(payment for payment, _ in heard[name] if payment in recorded)
        wrong = [payment for payment in recorded if counted[payment] != times]
        if wrong:
            raise RuntimeError(f"{len(wrong)} payments were not heard {times} times on {name}, the first {wrong[0]}")
    delays = sorted(at - recorded[payment] for name in heard for payment, at in heard[name] if payment in recorded)
    return [
        at_least("payments a second beside 1,000 sockets", rate, "payments/s", PAYMENTS_PER_S * 0.98),
        at_most("payment p99 beside 1,000 sockets", payment_p99_ms, "ms", 30),
        at_most("transaction to socket, p99", delays[int(len(delays) * 0.99)] * 1000, "ms", 100),
        told("transaction to socket, p50", delays[len(delays) // 2] * 1000, "ms"),
    ]


class _Listeners:
    """All sockets, in one process of their own."""

    def __init__(self, port: int, people: list[str], boards: list[str], canteen: str) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_listen, args=(theirs, port, people, boards, canteen))
        self._process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Every socket has been told that it is subscribed."""
        if not self._pipe.poll(60) or self._pipe.recv() != "ready":
            raise TimeoutError("the sockets were not subscribed within a minute")

    def stop(self) -> dict[str, list[tuple[str, float]]]:
        """What each kind of socket has heard: (payment, unix time)."""
        self._pipe.send("stop")
        heard: dict[str, list[tuple[str, float]]] = self._pipe.recv()
        return heard

    def end(self) -> None:
        """Make sure that the process is gone."""
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _listen(pipe: "Connection[Any, Any]", port: int, people: list[str], boards: list[str], canteen: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_hear_all(pipe, port, people, boards, canteen))


async def _hear_all(
    pipe: "Connection[Any, Any]", port: int, people: list[str], boards: list[str], canteen: str
) -> None:
    heard: dict[str, list[tuple[str, float]]] = {"me": [], "canteen": []}
    ready = asyncio.Semaphore(0)
    url = f"ws://127.0.0.1:{port}/v1/realtime"

    async def hear(token: str, channel: str, into: list[tuple[str, float]]) -> None:
        async with RealtimeClient(url, token) as client:
            await client.subscribe(channel)
            async for message in client.messages():
                kind = type(message).__name__
                if kind == "Subscribed":
                    ready.release()
                elif kind == "EventFrame" and message.type == "payment.succeeded":  # type: ignore[union-attr]  # by its name
                    into.append((message.data["payment"], time.time()))  # type: ignore[union-attr]  # noqa: TID251  the benches' own clock

    tasks = [asyncio.create_task(hear(token, "me", heard["me"])) for token in people]
    tasks += [asyncio.create_task(hear(token, f"canteen:{canteen}", heard["canteen"])) for token in boards]
    for _ in tasks:
        await ready.acquire()
    pipe.send("ready")
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    for task in tasks:
        task.cancel()
    pipe.send(heard)
