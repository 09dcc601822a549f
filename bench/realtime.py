"""600 payments a second while 1,000 people hear their own and 10 boards hear the canteen's, relay and handlers on.

A payment's way to a socket is counted from the beginning of its transaction (`recorded_at`), so the figure is an
upper bound of commit to socket. Every event is counted: each payer hears each payment once, and so does each board.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.http_payments import check, requests_for
from bench.load import drive
from bench.rig import Rig, free_port, running
from bench.rows import Row, at_least, at_most, told
from bench.sockets import Audience, Heard, hub_ear
from kernel.ids import public_id
from realtime.api import relay_lag_s

PAYMENTS_PER_S: Final = 600
SECONDS: Final = 15
SOCKETS: Final = 1_000
BOARDS: Final = 10
EVERYBODY: Final = 10_000
SECONDS_OF_ALL: Final = 8
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
        canteen = f"canteen:{public_id('can', rig.canteen)}"
        ears = [hub_ear("me", token, "me") for token in tokens]
        ears += [hub_ear("canteen", token, canteen) for token in rig.tokens[:BOARDS]]
        with Audience(port, ears) as audience:
            await audience.wait_until_ready()
            requests, amounts = await requests_for(rig, PAYMENTS_PER_S * SECONDS, first_holders=SOCKETS)
            result = await asyncio.to_thread(
                drive, port, requests, connections=_CONNECTIONS, rate=float(PAYMENTS_PER_S)
            )
            check(result, amounts)
            await asyncio.sleep(2)
            heard, _closed = await audience.stop("payment")
    return await _rows(rig, result.latency_ms(0.99), len(requests), heard, len(amounts) / result.seconds)


async def measure_me(rig: Rig) -> list[Row]:
    """10,000 people on their own `me`, each told of their own payments only; then the first thousand come back, all at once."""
    port, worker_port = free_port(), free_port()
    environment = rig.environment(port)
    tokens = await rig.open_sessions(EVERYBODY)
    async with (
        running(["-m", "app.cli", "web"], environment, port),
        running(["-m", "app.cli", "worker", "--health-port", str(worker_port)], environment, worker_port),
    ):
        await _wait_for_relay(rig)
        with Audience(port, [hub_ear("me", token, "me") for token in tokens]) as audience:
            await audience.wait_until_ready()
            requests, amounts = await requests_for(rig, PAYMENTS_PER_S * SECONDS_OF_ALL, first_holders=EVERYBODY)
            result = await asyncio.to_thread(
                drive, port, requests, connections=_CONNECTIONS, rate=float(PAYMENTS_PER_S)
            )
            check(result, amounts)
            await asyncio.sleep(2)
            heard, _closed = await audience.stop("payment")
        storm_s, questions = await _come_back(rig, port, tokens[:SOCKETS])
    _, _, delay, _ = await _rows(rig, 0.0, len(requests), heard, 0.0, kinds=(("me", 1),))
    return [
        replace(delay, name="10,000 on their own `me`, 600 payments/s: transaction to socket, p99"),
        at_most("1,000 come back at once: all caught up", storm_s, "s", 5),
        at_most("1,000 come back at once: questions about channels for each of them", questions, "", 1),
    ]


# Statements that read heads or events of channels; the relay's own, which is asked by text[] alone, is idle meanwhile.
_QUESTIONS: Final = """
    SELECT coalesce(sum(calls), 0) AS asked FROM pg_stat_statements
     WHERE query ILIKE 'SELECT%' AND (query LIKE '%channel_heads%' OR query LIKE '%channel_events%')
       AND query NOT LIKE '%pg_stat_statements%'
"""


async def _come_back(rig: Rig, port: int, tokens: Sequence[str]) -> tuple[float, float]:
    """Each names the beginning as the last position seen. Seconds until all are caught up, and questions for each."""
    await rig.reset_statistics()
    ears = [hub_ear("me", token, "me", after=0) for token in tokens]
    with Audience(port, ears, at_once=SOCKETS) as storm:
        storm_s = await storm.wait_until_ready()
        (row,) = await rig.fetch(_QUESTIONS)
        await storm.stop("payment")
    return storm_s, float(row["asked"]) / len(tokens)


async def _wait_for_relay(rig: Rig) -> None:
    """Benches before this one ran without a worker: what they have told is delivered first."""
    async with asyncio.timeout(120):
        while True:
            async with rig.database.session() as session:
                if await relay_lag_s(session) < 1:
                    return
            await asyncio.sleep(0.5)


async def _rows(
    rig: Rig,
    payment_p99_ms: float,
    count: int,
    heard: list[Heard],
    rate: float,
    *,
    kinds: tuple[tuple[str, int], ...] = (("me", 1), ("canteen", BOARDS)),
) -> list[Row]:
    found = await rig.fetch(f"SELECT id, recorded_at FROM payments ORDER BY id DESC LIMIT {count}")
    recorded = {public_id("pay", row["id"]): row["recorded_at"].timestamp() for row in found}
    for name, times in kinds:
        counted = Counter(one.key for one in heard if one.kind == name and one.key in recorded)
        wrong = [payment for payment in recorded if counted[payment] != times]
        if wrong:
            raise RuntimeError(f"{len(wrong)} payments were not heard {times} times on {name}, the first {wrong[0]}")
    delays = sorted(one.at - recorded[one.key] for one in heard if one.key in recorded)
    return [
        at_least("payments a second beside 1,000 sockets", rate, "payments/s", PAYMENTS_PER_S * 0.98),
        at_most("payment p99 beside 1,000 sockets", payment_p99_ms, "ms", 30),
        at_most("transaction to socket, p99", delays[int(len(delays) * 0.99)] * 1000, "ms", 100),
        told("transaction to socket, p50", delays[len(delays) // 2] * 1000, "ms"),
    ]
