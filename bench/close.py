"""Closing a month of a province: bulk-loaded ledger lines of 3,500 canteens in 11 regions, counted, stated and hashed.

The measure beside it is one bare GROUP BY over the same rows, by the same server, in the same kind of session. Memory is what
the closing process and the server's backends hold for themselves while it runs. Payments go on meanwhile, in the month after.

The lines are written by SQL, not by posting, and so is what the audit compares them with (checkpoints, lots, purses): I1, I2
and I8 are asked of them afterwards. Their links of the hash chain are numbered and not computed.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from bench.rig import Rig, amount_of, open_rig
from bench.rows import Row, at_most, told
from canteen.api import CanteenPricing
from kernel import clock
from kernel.db import Database
from kernel.ids import first_id_at, uuid7
from kernel.partitions import partition_name
from payments import api
from payments.invariants import INVARIANTS, find_offenders
from payments.settlement import queries, service
from payments.settlement.periods import period_of

# As `CLOSE_PAYMENTS=1000000,2500000 make bench ONLY=close`.
SIZES: Final = tuple(int(size) for size in os.environ.get("CLOSE_PAYMENTS", "1000000,2500000,5000000").split(","))
PROVINCE: Final = 17_400_000
REGIONS, CANTEENS, UNITS, HOLDERS = 11, 3_500, 1_100, 100_000
PAYMENTS_A_BATCH: Final = 500
RATE_MEANWHILE: Final = 100
_QUIET_S: Final = 20
_AUDITED: Final = ("I1", "I2", "I8")
_MEMORY_GOAL_MIB: Final = 1024


@dataclass
class Loaded:
    """A month in the past, and how much of it is there."""

    period: str
    begins: datetime
    partition: str
    regions: list[UUID]
    payments: int = 0


@dataclass
class Memory:
    """The most that the closing process and the server's backends held for themselves at once."""

    rig: Rig
    peak_mib: float = 0.0

    def _now_mib(self) -> float:
        assert self.rig.postgres.pid is not None
        server = psutil.Process(self.rig.postgres.pid)
        total = psutil.Process().memory_info().rss
        for process in server.children(recursive=True):
            try:
                memory = process.memory_info()
            except psutil.NoSuchProcess:
                continue
            total += max(0, memory.rss - memory.shared)
        return total / 2**20

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Sample five times a second."""

        async def sample() -> None:
            while True:
                self.peak_mib = max(self.peak_mib, await asyncio.to_thread(self._now_mib))
                await asyncio.sleep(0.2)

        sampling = asyncio.create_task(sample())
        try:
            yield
        finally:
            sampling.cancel()


async def measure() -> list[Row]:
    """Each size in turn, then payments beside the largest."""
    rows: list[Row] = []
    async with open_rig() as rig:
        month = await _prepare(rig)
        last = 0.0
        for size in SIZES:
            await _load(rig, month, size)
            bare_s = await _bare_group_by(rig, month)
            memory = Memory(rig)
            async with memory.watched():
                close_s = await _close(rig.database, month)
            name = f"close of {size / 1e6:g} million payments"
            rows += [
                told(f"{name}: the bare GROUP BY", bare_s, "s"),
                Row(
                    name,
                    round(close_s, 2),
                    "s",
                    "one bare GROUP BY over the same rows",
                    round(close_s / bare_s, 2),
                    "ratio <= 3",
                    close_s <= 3 * bare_s,
                ),
                at_most(f"{name}: memory, process and server's backends", memory.peak_mib, "MiB", _MEMORY_GOAL_MIB),
            ]
            last = close_s / size
        rows.append(told(f"close of a province's {PROVINCE / 1e6:g} million, by the slope", last * PROVINCE, "s"))
        rows += await _meanwhile(rig, month)
        await _refuse_unclean(rig)
    return rows


async def _prepare(rig: Rig) -> Loaded:
    """Places and people of the province, as far as a close and its audit look at them, with money to spend."""
    now = clock.now()
    first = (now.replace(day=1) - timedelta(days=1)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    async with rig.database.session() as session:
        await api.create_partitions_around(session, first + timedelta(days=3))
    regions = [uuid7() for _ in range(REGIONS)]
    month = Loaded(period_of(first.date()), first, partition_name("ledger_lines", first, "month"), regions)
    async with _unhurried(rig) as connection:
        for table, ids in (
            ("bench_regions", regions),
            ("bench_canteens", [uuid7() for _ in range(CANTEENS)]),
            ("bench_units", [uuid7() for _ in range(UNITS)]),
        ):
            await connection.execute(f"CREATE TABLE {table} (n int PRIMARY KEY, id uuid)")
            await connection.copy_records_to_table(table, records=list(enumerate(ids)))
        for statement in (_HOLDERS, _ACCOUNTS, _PURSES, _PREFUNDS):
            await connection.execute(statement)
        await connection.execute(_LOTS, first.date(), (first + timedelta(days=60)).date())
        await connection.execute("INSERT INTO lanes SELECT n, now() FROM generate_series(101, 102) AS n")
    return month


# Holder n lives in region n % 11 and belongs to a unit of it.
_HOLDERS: Final = f"""
CREATE TABLE bench_holders AS
SELECT g.n, (g.n % 1000)::smallint AS bucket, gen_random_uuid() AS id, gen_random_uuid() AS lot_id, r.id AS region_id,
       u.id AS unit_id
  FROM generate_series(0, {HOLDERS - 1}) AS g(n)
  JOIN bench_regions r ON r.n = g.n % {REGIONS}
  JOIN bench_units u ON u.n = g.n % {UNITS}
"""
_ACCOUNTS: Final = """
INSERT INTO holders (bucket, id, person_id, unit_id, region_id, person_class, label, state, opened_at, changed_at)
SELECT bucket, id, gen_random_uuid(), unit_id, region_id, 'staff', '王*', 'active', now(), now() FROM bench_holders
"""
_PURSES: Final = """
INSERT INTO purses (bucket, holder_id, kind, balance_fen, held_fen, version) SELECT bucket, id, 'cash', 0, 0, 0 FROM bench_holders
"""
_PREFUNDS: Final = f"""
INSERT INTO unit_prefunds (unit_id, region_id, balance_fen, version)
SELECT u.id, r.id, 0, 0 FROM bench_units u JOIN bench_regions r ON r.n = u.n % {REGIONS}
"""
_LOTS: Final = """
INSERT INTO subsidy_lots (bucket, id, holder_id, unit_id, region_id, granted_fen, balance_fen, held_fen, granted_on,
                          expires_on, scope, version)
SELECT bucket, lot_id, id, unit_id, region_id, 100000000, 0, 0, $1, $2, '{}', 0 FROM bench_holders
"""


@asynccontextmanager
async def _unhurried(rig: Rig) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection that may take its time."""
    connection = await rig.database.raw_connection()
    try:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute("SET maintenance_work_mem = '512MB'")
        yield connection
    finally:
        await connection.close()


async def _load(rig: Rig, month: Loaded, size: int) -> None:
    """Bring the month to `size` payments. The partition's key is taken away meanwhile and made anew at the end."""
    following = (month.begins + timedelta(days=40)).replace(day=1)
    bounds = f"FROM ('{first_id_at(month.begins)}') TO ('{first_id_at(following)}')"
    async with _unhurried(rig) as connection:
        await connection.execute(f"ALTER TABLE ledger_lines DETACH PARTITION {month.partition}")
        await connection.execute(f"ALTER TABLE {month.partition} DROP CONSTRAINT {month.partition}_pkey")
        names = {"partition": month.partition, "period": month.period}
        milliseconds = int(month.begins.timestamp() * 1000)
        if not month.payments:
            await connection.execute(_OPENING.format(**names), milliseconds, month.begins.date())
        await connection.execute(_LINES.format(**names), month.payments, size - 1, milliseconds, month.begins.date())
        await connection.execute(f"ALTER TABLE ledger_lines ATTACH PARTITION {month.partition} FOR VALUES {bounds}")
        await connection.execute(_LINKS.format(**names), clock.now())
        await connection.execute(f"VACUUM ANALYZE {month.partition}")
        await connection.execute("ANALYZE subsidy_lots")
    month.payments = size


_ID: Final = """
(lpad(to_hex({milliseconds}), 12, '0') || '7' || lpad(to_hex(h.bucket::int << 2), 3, '0') || '8' || lpad(to_hex({number}), 15, '0'))::uuid
"""
_COLUMNS: Final = """
(bucket, transfer_id, ordinal, kind, region_id, debit_kind, debit_owner, credit_kind, credit_owner, lot_id, amount_fen,
 business_date, accounting_period, lane, n)
"""
# Each holder gets a million yuan of each kind, so that nobody runs out: one line of the bank, one of the unit, one of a grant.
_OPENING: Final = f"""
INSERT INTO {{partition}} {_COLUMNS}
SELECT h.bucket, {_ID.format(milliseconds="$1::bigint", number="h.n::bigint * 4 + l.ordinal")}, 0, l.kind, h.region_id,
       l.debit_kind, l.debit_owner, l.credit_kind, l.credit_owner, l.lot_id, 100000000, $2::date, '{{period}}', 101, 1
  FROM bench_holders h
 CROSS JOIN LATERAL (VALUES (0, 'top_up', 'bank', h.region_id, 'cash', h.id, NULL::uuid),
                            (1, 'prefund', 'bank', h.region_id, 'unit_prefund', h.unit_id, NULL),
                            (2, 'grant', 'unit_prefund', h.unit_id, 'subsidy', h.id, h.lot_id))
            AS l(ordinal, kind, debit_kind, debit_owner, credit_kind, credit_owner, lot_id)
"""
# Nine meals of ten are eaten at home. 18.00, of which the unit bears 16.00: two lines, and a third in the other book.
_LINES: Final = f"""
INSERT INTO {{partition}} {_COLUMNS}
SELECT h.bucket, {_ID.format(milliseconds="$3::bigint + (p.i % 26) * 86400000 + 14400000 + p.i % 3600000", number="p.i + 1000000")},
       l.ordinal, 'payment', l.region_id, l.debit_kind, l.debit_owner, l.credit_kind, l.credit_owner, l.lot_id, l.amount_fen,
       $4::date + (p.i % 26)::int, '{{period}}', 101 + (p.i / {PAYMENTS_A_BATCH} % 2), 2 + p.i / {PAYMENTS_A_BATCH * 2}
  FROM (SELECT i, (i * 7919 % {HOLDERS})::int AS holder,
               ((i * 7919 % {HOLDERS}) % {REGIONS} + CASE WHEN i % 10 = 0 THEN 1 + i / 10 % {REGIONS - 1} ELSE 0 END) % {REGIONS} AS host
          FROM generate_series($1::bigint, $2::bigint) AS i) AS p
  JOIN bench_holders h ON h.n = p.holder
  JOIN bench_canteens c ON c.n = p.host + {REGIONS} * (p.i / 97 % {CANTEENS // REGIONS})
  JOIN bench_regions r ON r.n = p.host
 CROSS JOIN LATERAL (VALUES
       (0, h.region_id, 'subsidy', h.id, CASE WHEN r.id = h.region_id THEN 'payable' ELSE 'due_to' END,
        CASE WHEN r.id = h.region_id THEN c.id ELSE r.id END, h.lot_id, 1600),
       (1, h.region_id, 'cash', h.id, CASE WHEN r.id = h.region_id THEN 'payable' ELSE 'due_to' END,
        CASE WHEN r.id = h.region_id THEN c.id ELSE r.id END, NULL, 200),
       (2, CASE WHEN r.id = h.region_id THEN NULL ELSE r.id END, 'due_from', h.region_id, 'payable', c.id, NULL, 1800))
            AS l(ordinal, region_id, debit_kind, debit_owner, credit_kind, credit_owner, lot_id, amount_fen)
 WHERE l.region_id IS NOT NULL
"""
_LINKS: Final = """
INSERT INTO ledger_batches (lane, n, line_count, hash, recorded_at)
SELECT lane, n, count(*), sha256(convert_to(lane || ' ' || n, 'UTF8')), $1 FROM {partition} GROUP BY lane, n
ON CONFLICT (lane, n) DO NOTHING
"""


# ---- measuring

_BARE: Final = """
SELECT region_id, kind, debit_kind, credit_kind, credit_owner, sum(amount_fen), count(*)
  FROM ledger_lines WHERE accounting_period = $1 AND transfer_id >= $2 AND transfer_id < $3 GROUP BY 1, 2, 3, 4, 5
"""


async def _bare_group_by(rig: Rig, month: Loaded) -> float:
    """The faster of two, so that neither it nor the close that follows reads from a cold disk."""
    following = (month.begins + timedelta(days=40)).replace(day=1)
    best = float("inf")
    async with _unhurried(rig) as connection:
        await connection.execute("SET work_mem = '128MB'")
        for _ in range(2):
            started = time.perf_counter()
            rows = await connection.fetch(_BARE, month.period, first_id_at(month.begins), first_id_at(following))
            best = min(best, time.perf_counter() - started)
            if not rows:
                raise RuntimeError("nothing was loaded")
    return best


async def _close(database: Database, month: Loaded) -> float:
    """Cut off and count all regions; seconds. What an earlier close of the same month has written goes first."""
    async with database.session() as session:
        ids = await _begin_again(session, month)
    async with database.session() as session:
        await service.cut_off(session, ids, actor="bench")
    started = time.perf_counter()
    async with database.session() as session:
        await service.reconcile(session, ids, actor="bench")
    return time.perf_counter() - started


async def _begin_again(session: AsyncSession, month: Loaded) -> list[UUID]:
    for table in ("totals", "unit_totals", "statements", "steps"):
        await session.execute(text(f"TRUNCATE settlement_{table}"))
    await session.execute(text("DELETE FROM accounting_periods"))
    await service.open_settlements(session, month.period, month.regions)
    rows = await queries.list_settlements(session, regions=None, period=month.period, limit=REGIONS)
    return [row.id for row in rows]


async def _meanwhile(rig: Rig, month: Loaded) -> list[Row]:
    """Payments of this month at a steady rate, alone and while the past one is closed."""
    terminals = api.TerminalCache()
    posting = api.Posting(rig.database, CanteenPricing(), terminals)
    await posting.start()
    try:
        alone_ms = await _p99_ms(rig, posting, terminals, asyncio.sleep(_QUIET_S))
        async with _closing_apart(rig, month) as close:
            beside_ms = await _p99_ms(rig, posting, terminals, close())
    finally:
        await posting.stop()
    name = f"{RATE_MEANWHILE} payments/s while {month.payments / 1e6:g} million are closed, p99"
    ratio = beside_ms / alone_ms
    return [
        told(f"{RATE_MEANWHILE} payments/s alone, p99", alone_ms, "ms"),
        Row(name, round(beside_ms, 2), "ms", "alone", round(ratio, 2), "ratio <= 2", ratio <= 2),
    ]


@asynccontextmanager
async def _closing_apart(rig: Rig, month: Loaded) -> AsyncIterator[Callable[[], Coroutine[Any, Any, object]]]:
    """A process that has been running for a while, as the worker has, and closes when it is told: posting is in this one."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_close_when_told, args=(theirs, rig.postgres.url, month))
    child.start()
    theirs.close()
    try:
        await asyncio.to_thread(ours.recv)

        async def close() -> None:
            ours.send("close")
            if (complaint := await asyncio.to_thread(ours.recv)) is not None:
                raise RuntimeError(complaint)

        yield close
    finally:
        ours.close()
        await asyncio.to_thread(child.join, 10)
        child.kill()


def _close_when_told(pipe: "Connection[Any, Any]", url: str, month: Loaded) -> None:
    async def wait_and_close() -> None:
        database = Database(url)
        async with database.session() as session:
            await session.execute(text("SELECT 1"))
        pipe.send("ready")
        try:
            await asyncio.to_thread(pipe.recv)
            await _close(database, month)
        except Exception as error:  # noqa: BLE001  told to the bench, which fails with it
            pipe.send(repr(error))
        else:
            pipe.send(None)
        finally:
            await database.close()

    asyncio.run(wait_and_close())


async def _p99_ms(
    rig: Rig, posting: api.Posting, terminals: api.TerminalCache, other: Coroutine[Any, Any, object]
) -> float:
    """The 99th percentile of payments sent one after the other at their time, as long as something else lasts."""
    codes, _ = await rig.issue_codes(RATE_MEANWHILE * 60)
    beside = asyncio.create_task(other)
    latencies: list[float] = []
    sent: set[asyncio.Task[None]] = set()
    started = time.perf_counter()
    for number, code in enumerate(codes):
        if beside.done():
            break
        await asyncio.sleep(max(0.0, started + number / RATE_MEANWHILE - time.perf_counter()))
        sent.add(asyncio.create_task(_pay(rig, posting, terminals, code, latencies)))
    await beside
    await asyncio.gather(*sent)
    return sorted(latencies)[int(len(latencies) * 0.99)] * 1000


async def _pay(
    rig: Rig, posting: api.Posting, terminals: api.TerminalCache, code: api.IssuedCode, latencies: list[float]
) -> None:
    seq = rig.next_seq()
    till = terminals.by_id(rig.terminals[seq % len(rig.terminals)])
    assert till is not None
    request = api.PaymentRequest(seq=seq, code=code.code, amount_fen=amount_of(seq))
    item = api.queue_item(till, uuid4().hex, request, request_id="req_bench", language="zh")
    started = time.perf_counter()
    answer = await posting.submit(item)
    latencies.append(time.perf_counter() - started)
    if answer.status != 201:
        raise RuntimeError(answer.body)


# ---- the audit


async def _refuse_unclean(rig: Rig) -> None:
    """Bring what stands beside the owners to what the lines say, by one sum each; then ask."""
    async with _unhurried(rig) as connection:
        for statement in _BALANCES:
            await connection.execute(statement)
    async with rig.database.session() as session:
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        broken = [
            finding
            for invariant in INVARIANTS
            if invariant.name in _AUDITED and not (finding := await find_offenders(session, invariant)).holds
        ]
    if broken:
        raise RuntimeError("; ".join(f"{finding.invariant.name}: {finding.offenders[:2]}" for finding in broken))


_BALANCES: Final = (
    """
    CREATE TABLE bench_folded AS
    SELECT e.region_id, e.account_kind AS kind, e.account_owner AS owner, e.lot_id, sum(e.amount_fen)::bigint AS fen,
           count(*) AS entries
      FROM entries e WHERE e.lane IN (101, 102) GROUP BY 1, 2, 3, 4
    """,
    """
    UPDATE purses p SET balance_fen = -f.fen, version = f.entries
      FROM bench_folded f WHERE f.kind = 'cash' AND p.holder_id = f.owner AND p.kind = 'cash'
    """,
    """
    UPDATE subsidy_lots l SET balance_fen = -f.fen, version = f.entries
      FROM bench_folded f WHERE f.kind = 'subsidy' AND l.id = f.lot_id
    """,
    """
    UPDATE unit_prefunds u SET balance_fen = -f.fen, version = f.entries
      FROM (SELECT owner, sum(fen) AS fen, sum(entries) AS entries FROM bench_folded WHERE kind = 'unit_prefund' GROUP BY 1) AS f
     WHERE u.unit_id = f.owner
    """,
    """
    INSERT INTO account_checkpoints (region_id, kind, owner, balance_fen, entry_count)
    SELECT region_id, kind, owner, sum(fen), sum(entries) FROM bench_folded
     WHERE kind NOT IN ('cash', 'subsidy') GROUP BY 1, 2, 3
    """,
)
