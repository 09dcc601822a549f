"""Work orders raised over HTTP, and a hundred thousand promises of time that fall due within one minute.

Orders are raised by signed-in people through the web process, with their clock, their steps and their event; each answer is
looked at. The promises are the clocks of orders as the product writes them, copied by SQL; a real worker fires them, and how
late the latest was is read from the table of timers while it works.
"""

import asyncio
import json
import os
import time
from typing import Final
from uuid import uuid4

from bench import repair_board
from bench.booking import office_of
from bench.load import drive, post
from bench.rig import Rig, free_port, running
from bench.rows import Row, at_least, at_most, told
from identity.api import principal_of
from kernel import clock
from repairs.orders.categories import open_category
from repairs.orders.schemas import CategoryRequest

ORDERS: Final = 1_000
CONNECTIONS: Final = 32
PEOPLE: Final = 200
# Smaller for a first try: BENCH_PROMISES=5000.
PROMISES: Final = int(os.environ.get("BENCH_PROMISES", "100000"))
_SPREAD_S: Final = 60
_HEAD_START_S: Final = 15
_PATIENCE_S: Final = 240
_LOOK_EVERY_S: Final = 0.1


async def measure(rig: Rig) -> list[Row]:
    """In this order: the promises copy the clock of an order, and leave a hundred thousand of them behind."""
    return [*await _measure_raising(rig), *await repair_board.measure(rig), *await _measure_promises(rig)]


async def _measure_raising(rig: Rig) -> list[Row]:
    category = await _open_category(rig)
    tokens = await rig.open_sessions(PEOPLE)
    port = free_port()
    async with running(["-m", "app.cli", "web"], rig.environment(port), port):
        await _raise(port, _requests(category, tokens, 300))
        rate, slow_ms = await _raise(port, _requests(category, tokens, ORDERS))
    return [
        at_least("work orders raised over HTTP", rate, "orders/s", 500),
        told("work orders raised over HTTP, p99", slow_ms, "ms"),
    ]


async def _open_category(rig: Rig) -> str:
    async with rig.database.session() as session:
        person = await principal_of(session, rig.people[0], clock.now().date())
        wanted = CategoryRequest(code="bench_lamp", name_zh="照明", name_en="Lighting")
        return f"rcat_{(await open_category(session, office_of(person), wanted)).id.hex}"


def _requests(category: str, tokens: list[str], count: int) -> list[bytes]:
    return [
        post(
            "/v1/work_orders",
            json.dumps({"client_id": str(uuid4()), "category": category, "words": f"灯不亮 {number}"}).encode(),
            {"Authorization": f"Bearer {tokens[number % len(tokens)]}"},
        )
        for number in range(count)
    ]


async def _raise(port: int, requests: list[bytes]) -> tuple[float, float]:
    result = await asyncio.to_thread(drive, port, requests, connections=CONNECTIONS)
    refused = [body for status, body in result.answers.values() if status != 201]
    if refused or len({json.loads(body)["id"] for _, body in result.answers.values()}) != len(requests):
        raise RuntimeError(f"{len(refused)} of {len(requests)} orders were refused, the first: {refused[:1]}")
    return result.rate, result.latency_ms(0.99)


async def _measure_promises(rig: Rig) -> list[Row]:
    await _copy_clocks(rig)
    port = free_port()
    async with running(["-m", "app.cli", "worker", "--health-port", str(port)], rig.environment(free_port()), port):
        latest_s = await _watch(rig)
    (row,) = await rig.fetch(_OUTCOME)
    if (row["breached"], row["told"], row["orders"]) != (PROMISES, PROMISES, PROMISES):
        raise RuntimeError(f"of {PROMISES} promises {row['breached']} were breached and {row['told']} told")
    return [at_most(f"{PROMISES:,} promises due within a minute, each told once: the latest", latest_s, "s late", 2)]


async def _copy_clocks(rig: Rig) -> None:
    connection = await rig.database.raw_connection()
    try:
        await connection.execute("SET statement_timeout = 0")
        for statement in _COPY:
            await connection.execute(statement.format(count=PROMISES, ahead=_HEAD_START_S, spread=_SPREAD_S))
    finally:
        await connection.close()


async def _watch(rig: Rig) -> float:
    """How late the latest one was, by looking ten times a second at the oldest that is due."""
    connection = await rig.database.raw_connection()
    latest_s, deadline = 0.0, time.monotonic() + _PATIENCE_S
    try:
        while time.monotonic() < deadline:
            due = await connection.fetchrow(_OLDEST)
            late_s = float(due["late_s"]) if due is not None else -1e9
            if late_s < -3600:
                return latest_s
            latest_s = max(latest_s, late_s)
            await asyncio.sleep(_LOOK_EVERY_S)
    finally:
        await connection.close()
    raise RuntimeError("the promises were not all told in time to be measured")


# As the product writes them, but for the id, the times, and promises that are still far away.
_COPY: Final = (
    "DELETE FROM timers WHERE kind = 'repairs.sla'",
    """
    CREATE TABLE bench_promises AS
    SELECT gen_random_uuid() AS id,
           clock_timestamp() + make_interval(secs => {ahead} + n::float / {count} * {spread}) AS due_at
      FROM generate_series(1, {count}) AS n
    """,
    """
    INSERT INTO sla_clocks
    SELECT (jsonb_populate_record(one.c, jsonb_build_object('order_id', p.id))).*
      FROM (SELECT c FROM sla_clocks AS c LIMIT 1) AS one, bench_promises AS p
    """,
    """
    INSERT INTO sla_milestones
    SELECT (jsonb_populate_record(m, jsonb_build_object(
               'order_id', p.id, 'warn_at', NULL, 'warned_at', NULL, 'breached_at', NULL, 'reached_at', NULL,
               'due_at', CASE m.milestone WHEN 'response' THEN p.due_at ELSE p.due_at + interval '2 days' END))).*
      FROM sla_milestones AS m, bench_promises AS p
     WHERE m.order_id = (SELECT order_id FROM sla_milestones LIMIT 1)
    """,
    """
    INSERT INTO timers (kind, ref, due_at, retry_at, generation, payload, attempts)
    SELECT 'repairs.sla', 'wo_' || replace(id::text, '-', ''), due_at, due_at, 1, '{{}}', 0 FROM bench_promises
     ORDER BY due_at
    """,
    "ANALYZE timers, sla_clocks, sla_milestones",
)
_OLDEST: Final = """
SELECT extract(epoch FROM clock_timestamp() - due_at) AS late_s FROM timers WHERE kind = 'repairs.sla'
 ORDER BY retry_at LIMIT 1
"""
_OUTCOME: Final = """
SELECT (SELECT count(*) FROM sla_milestones m JOIN bench_promises p ON p.id = m.order_id WHERE m.breached_at IS NOT NULL) AS breached,
       count(*) AS told, count(DISTINCT event -> 'data' ->> 'order') AS orders
  FROM outbox CROSS JOIN LATERAL json_array_elements(events::json) AS event
 WHERE event ->> 'type' = 'sla.breached'
"""
