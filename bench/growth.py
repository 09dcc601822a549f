"""Does a payment cost more in a province that has been eating for weeks? A million accounts and five million past payments.

The rate is measured in the usual bench canteen with 10,000 accounts and no past, then in the very same database after it has
grown, paid by people drawn from all of the million. It is taken twice: right after a checkpoint, when PostgreSQL writes each
page that a payment touches to the log whole (all pages are other people's then), and in the middle of the time between two
checkpoints, which is nearly all of it: a lunch of 600 a second makes half a million payments in 15 minutes. What grows is written by SQL into the tables as they are, with all their
keys and checks, month by month where it belongs: accounts, purses, lots, payments, ledger lines, tills' requests, counters and
spent codes. What is dropped after days (stored answers, what was told) is not loaded: it does not grow.

Takes ten minutes and 14 GiB of disk (22 meanwhile), says so, and leaves nothing of it. Too long for every run, so only where it
is asked for: `make bench ONLY=growth`. For a trial: `GROWTH_HOLDERS=50000 GROWTH_PAYMENTS=200000 make bench ONLY=growth`.
"""

import asyncio
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
from sqlalchemy import text

from bench import http_payments, posting
from bench.load import drive
from bench.rig import CASH_FEN, HOLDERS, Rig, free_port, open_rig, running
from bench.rows import Row, at_most, compared, told
from kernel import clock
from payments import api
from payments.invariants import INVARIANTS, find_offenders

GROWN_HOLDERS: Final = int(os.environ.get("GROWTH_HOLDERS", "1000000"))
PAST_PAYMENTS: Final = int(os.environ.get("GROWTH_PAYMENTS", "5000000"))
MEASURED: Final = 15_000
# Most pages of the accounts have been touched once by then.
MIDWAY: Final = 120_000
POSTED: Final = 30_000
WARM_UP: Final = 3_000
GOAL: Final = 0.8
_LOT_FEN: Final = 35_200
_PAYMENTS_A_BATCH: Final = 500
# Nobody eats two lunches in a day here, and nobody has been eating for longer than two months.
_PER_HOLDER_MAX: Final = 10
_DAYS_APART: Final = 6
_BYTES_A_PAYMENT: Final = 3_000
_SCANNED_MAX: Final = 100
_AUDITED: Final = ("I1", "I2", "I5", "I6")
# Read from one end to the other during a payment, one of these tells of a plan that has gone wrong; its first row may be asked for.
_LARGE: Final = (
    "holders",
    "purses",
    "subsidy_lots",
    "payments",
    "ledger_lines",
    "terminal_requests",
    "usage_counters",
    "pay_codes",
)

Say = Callable[[str], None]


async def measure(say: Say) -> list[Row]:
    """Small, then grown; audited."""
    added = GROWN_HOLDERS - HOLDERS
    per_holder = -(-PAST_PAYMENTS // added) if added > 0 else 0
    if not 0 < per_holder <= _PER_HOLDER_MAX:
        raise RuntimeError(
            f"each new account makes {per_holder} payments: more GROWTH_HOLDERS, or fewer GROWTH_PAYMENTS"
        )
    async with open_rig() as rig:
        _refuse_small_disk(rig)
        http, queue = await _rates(rig)
        before = await _database_bytes(rig)
        say(f"{added:,} accounts and {PAST_PAYMENTS:,} payments are loaded ...")
        started = time.perf_counter()
        await _grow(rig, added, per_holder, say)
        loaded_s, bytes_added = time.perf_counter() - started, await _database_bytes(rig) - before
        scanned = await _rows_scanned(rig)
        fresh_http = (await _rates(rig))[0]
        say(f"{MIDWAY:,} payments, to stand midway between two checkpoints ...")
        for part in range(MIDWAY // POSTED):  # In parts, since a code is not good for long.
            await _draw_payers(rig, POSTED, seed=part)
            await posting.rate_of_queue(rig, POSTED, batch_max=400, waiting=posting.WAITING)
        await _draw_payers(rig, MEASURED, seed=-1)
        grown_http, grown_queue = await _rates(rig)
        scanned = await _rows_scanned(rig) - scanned
        say("auditing ...")
        await _refuse_unclean(rig)
    size = f"with {GROWN_HOLDERS:,} accounts and {PAST_PAYMENTS:,} past payments"
    return [
        compared(f"http payments {size}", grown_http, "payments/s", "with 10,000 and none", http, GOAL),
        compared(f"posting alone {size}", grown_queue, "payments/s", "with 10,000 and none", queue, GOAL),
        at_most("rows of large tables read by sequential scans meanwhile", scanned, "rows", _SCANNED_MAX),
        told(f"http payments {size}, the first after a checkpoint", fresh_http, "payments/s"),
        told("growth: loading", loaded_s, "s"),
        told("growth: disk", bytes_added / 2**30, "GiB"),
    ]


def _refuse_small_disk(rig: Rig) -> None:
    needed, free = PAST_PAYMENTS * _BYTES_A_PAYMENT + 8 * 2**30, shutil.disk_usage(rig.folder).free
    if free < needed:
        raise RuntimeError(f"{needed / 2**30:.0f} GiB of disk are needed at {rig.folder}, {free / 2**30:.0f} are free")


async def _rates(rig: Rig) -> tuple[float, float]:
    """Payments a second over HTTP, and through the queue alone."""
    port = free_port()
    async with running(["-m", "app.cli", "web"], rig.environment(port), port):
        await _pay(rig, port, WARM_UP)
        http = await _pay(rig, port, MEASURED)
    await posting.rate_of_queue(rig, WARM_UP, batch_max=400, waiting=posting.WAITING)
    return http, await posting.rate_of_queue(rig, POSTED, batch_max=400, waiting=posting.WAITING)


async def _pay(rig: Rig, port: int, count: int) -> float:
    requests, amounts = await http_payments.requests_for(rig, count)
    result = await asyncio.to_thread(drive, port, requests, connections=http_payments.CONNECTIONS)
    http_payments.check(result, amounts)
    return result.rate


async def _rows_scanned(rig: Rig) -> int:
    """By sequential scans of large tables and their partitions, so far."""
    await asyncio.sleep(1.5)  # Backends hand their statistics in once a second.
    names = "|".join(_LARGE)
    rows = await rig.fetch(f"""
        SELECT coalesce(sum(seq_tup_read), 0)::bigint AS n FROM pg_stat_user_tables
         WHERE relname ~ '^({names})(_|$)' AND n_live_tup > 10000
    """)
    return int(rows[0]["n"])


async def _database_bytes(rig: Rig) -> int:
    return int((await rig.fetch("SELECT pg_database_size(current_database()) AS n"))[0]["n"])


# ---- growing


async def _grow(rig: Rig, added: int, per_holder: int, say: Say) -> None:
    """Everything in the order of its keys, so that five million rows with all their indexes take minutes."""
    today = clock.now().replace(hour=4, minute=0, second=0, microsecond=0)
    async with rig.database.session() as session:
        for days in range(0, _DAYS_APART * (per_holder + 1) + 1, 20):
            await api.create_partitions_around(session, today - timedelta(days=days))
    async with _unhurried(rig) as connection:
        await connection.execute("CREATE TABLE bench_tills (n int PRIMARY KEY, id uuid)")
        await connection.copy_records_to_table("bench_tills", records=list(enumerate(rig.terminals)))
        await connection.execute("INSERT INTO lanes SELECT n, now() FROM generate_series(101, 102) AS n")
        for name, statement in _steps(rig, added, per_holder, today):
            started = time.perf_counter()
            await connection.execute(statement)
            say(f"  {name}: {time.perf_counter() - started:.0f} s")
        await connection.execute("VACUUM ANALYZE")
        await _settle_down(rig)
    await _draw_payers(rig, MEASURED, seed=-2)


def _steps(rig: Rig, added: int, per_holder: int, today: datetime) -> list[tuple[str, str]]:
    """Names and statements. Numbers and ids are our own; nothing comes from outside."""
    milliseconds = int((today - timedelta(days=_DAYS_APART * (per_holder + 1))).timestamp() * 1000)
    words = {
        "added": added,
        "payments": PAST_PAYMENTS,
        "per_holder": per_holder,
        "unit": rig.unit,
        "region": rig.region,
        "canteen": rig.canteen,
        "cash_fen": CASH_FEN,
        "lot_fen": _LOT_FEN,
        "today": today.date(),
        "opened": datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(),
        "apart": _DAYS_APART,
        "tills": len(rig.terminals),
        "batch": _PAYMENTS_A_BATCH,
    }
    opening = {"ms": str(milliseconds), "bucket": "h.bucket"}
    ids = {
        "holder_id": _ID.format(ms=milliseconds, bucket="g.n::bigint * 1000 / " + str(added), number="g.n::bigint * 4"),
        "lot_id": _ID.format(
            ms=milliseconds, bucket="g.n::bigint * 1000 / " + str(added), number="g.n::bigint * 4 + 1"
        ),
        "person_id": _ID.format(ms=milliseconds, bucket="0", number="g.n::bigint * 4 + 2"),
        "top_up_id": _ID.format(**opening, number="h.n::bigint * 4 + 3"),
        "grant_id": _ID.format(**opening, number="h.n::bigint * 4 + 4"),
        "payment_id": _ID.format(ms="d.ms", bucket="h.bucket", number="i + 100000000"),
        "code_id": _ID.format(ms="d.ms - 20000", bucket="h.bucket", number="i + 200000000"),
    }
    return [(name, statement.format(**words, **ids)) for name, statement in _STATEMENTS]


async def _settle_down(rig: Rig) -> None:
    """What is measured afterwards neither pays for the loading, nor begins with a memory that knows nobody.

    A server that has fed the million for weeks holds their accounts, purses and lots; one that was just loaded holds the last
    pages that were written.
    """
    superuser = await asyncpg.connect(rig.postgres.superuser_url.rpartition("/")[0] + f"/{rig.postgres.DATABASE}")
    try:
        await superuser.execute("CHECKPOINT", timeout=600)
        await superuser.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        await superuser.execute(_WARM, timeout=600)
    finally:
        await superuser.close()


_WARM: Final = """
SELECT pg_prewarm(oid::regclass) FROM pg_class
 WHERE relkind IN ('r', 'i') AND relpages > 0 AND relname ~ '^(holders|purses|subsidy_lots)(_|$)'
"""


async def _draw_payers(rig: Rig, count: int, *, seed: int) -> None:
    """Who pays next: anybody of the million."""
    dice = random.Random(seed)
    grown = GROWN_HOLDERS - HOLDERS
    numbers = ", ".join(str(number) for number in dice.sample(range(grown), min(count, grown)))
    rows = await rig.fetch(f"SELECT bucket, id FROM bench_holders WHERE n IN ({numbers})")
    rig.holders = [(row["bucket"], row["id"]) for row in rows]
    dice.shuffle(rig.holders)


@asynccontextmanager
async def _unhurried(rig: Rig) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await rig.database.raw_connection()
    try:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute("SET work_mem = '128MB'")
        yield connection
    finally:
        await connection.close()


_ID: Final = (
    "(lpad(to_hex(({ms})::bigint), 12, '0') || '7' || lpad(to_hex((({bucket})::bigint << 2)), 3, '0')"
    " || '8' || lpad(to_hex({number}), 15, '0'))::uuid"
)
# Payment i is made by holder i / per_holder, six days after the one before, at one of the tills.
_PAST: Final = """
  FROM generate_series(0::bigint, {payments}::bigint - 1) AS i
  JOIN LATERAL (SELECT (i / {per_holder})::int AS n, (i % {per_holder})::int AS j) AS p ON true
  JOIN bench_holders h ON h.n = p.n
  JOIN LATERAL (SELECT date '{today}' - 1 - p.n % {apart} - {apart} * p.j AS day) AS b ON true
  JOIN LATERAL (SELECT extract(epoch FROM b.day)::bigint * 1000 + 14400000 + i % 3600000 AS ms) AS d ON true
"""
_STATEMENTS: Final = (
    (
        "accounts",
        """
        CREATE TABLE bench_holders AS
        SELECT g.n, (g.n::bigint * 1000 / {added})::smallint AS bucket, {holder_id} AS id, {lot_id} AS lot_id,
               {person_id} AS person_id, greatest(0, least({per_holder}, {payments} - g.n::bigint * {per_holder})) AS meals
          FROM generate_series(0, {added} - 1) AS g(n);
        CREATE UNIQUE INDEX ON bench_holders (n);
        ANALYZE bench_holders;
        INSERT INTO holders (bucket, id, person_id, unit_id, region_id, person_class, label, state, opened_at, changed_at)
        SELECT bucket, id, person_id, '{unit}', '{region}', 'staff', '王*', 'active', '{opened}', '{opened}' FROM bench_holders;
        INSERT INTO holder_directory (person_id, bucket, holder_id) SELECT person_id, bucket, id FROM bench_holders;
        INSERT INTO purses (bucket, holder_id, kind, balance_fen, held_fen, version)
        SELECT bucket, id, 'cash', {cash_fen} - 200 * meals, 0, 1 + meals FROM bench_holders;
        INSERT INTO subsidy_lots (bucket, id, holder_id, unit_id, region_id, granted_fen, balance_fen, held_fen, granted_on,
                                  expires_on, scope, version)
        SELECT bucket, lot_id, id, '{unit}', '{region}', {lot_fen}, {lot_fen} - 1600 * meals, 0, date '{opened}',
               date '{today}' + 20, '{{}}', 1 + meals
          FROM bench_holders
        """,
    ),
    (
        "payments",
        """
        INSERT INTO payments (bucket, id, holder_id, person_id, unit_id, home_region_id, host_region_id, site_id, terminal_id,
                              epoch, seq, code_id, amount_fen, refunded_fen, status, legs, counters, context, trace,
                              business_date, accounting_period, happened_at, recorded_at, lane, n)
        SELECT h.bucket, {payment_id}, h.id, h.person_id, '{unit}', '{region}', '{region}', '{canteen}', t.id,
               1, 1000000000 + i, {code_id}, 1800, 0, 'succeeded',
               json_build_array(json_build_object('purse', 'subsidy', 'lot', h.lot_id, 'amount_fen', 1600),
                                json_build_object('purse', 'cash', 'lot', NULL, 'amount_fen', 200)),
               json_build_array('meal:' || b.day || ':lunch'), like_now.context, like_now.trace,
               b.day, to_char(b.day, 'YYYY-MM'), to_timestamp(d.ms / 1000.0), to_timestamp(d.ms / 1000.0),
               101 + (i / {batch}) % 2, 2 + i / ({batch} * 2)
        """
        + _PAST
        + """
          JOIN bench_tills t ON t.n = i % {tills}
         CROSS JOIN (SELECT context, trace FROM payments LIMIT 1) AS like_now
        """,
    ),
    (
        "ledger lines",
        """
        INSERT INTO ledger_lines (bucket, transfer_id, ordinal, kind, region_id, debit_kind, debit_owner, credit_kind,
                                  credit_owner, lot_id, amount_fen, business_date, accounting_period, lane, n)
        SELECT h.bucket, l.transfer_id, 0, l.kind, '{region}', l.debit_kind, l.debit_owner, l.credit_kind, h.id, l.lot_id,
               l.amount_fen, date '{opened}', to_char(date '{opened}', 'YYYY-MM'), 101, 1
          FROM bench_holders h
         CROSS JOIN LATERAL (VALUES ({top_up_id}, 'top_up', 'bank', uuid '{region}', 'cash', NULL::uuid, {cash_fen}),
                                    ({grant_id}, 'grant', 'unit_prefund', uuid '{unit}', 'subsidy', h.lot_id, {lot_fen}))
                    AS l(transfer_id, kind, debit_kind, debit_owner, credit_kind, lot_id, amount_fen);
        INSERT INTO ledger_lines (bucket, transfer_id, ordinal, kind, region_id, debit_kind, debit_owner, credit_kind,
                                  credit_owner, lot_id, amount_fen, business_date, accounting_period, lane, n)
        SELECT h.bucket, {payment_id}, l.ordinal, 'payment', '{region}', l.debit_kind, h.id, 'payable', '{canteen}', l.lot_id,
               l.amount_fen, b.day, to_char(b.day, 'YYYY-MM'), 101 + (i / {batch}) % 2, 2 + i / ({batch} * 2)
        """
        + _PAST
        + """
         CROSS JOIN LATERAL (VALUES (0, 'subsidy', h.lot_id, 1600), (1, 'cash', NULL, 200))
                    AS l(ordinal, debit_kind, lot_id, amount_fen)
        """,
    ),
    (
        "tills' requests",
        """
        INSERT INTO terminal_requests (terminal_id, epoch, seq, key, body_hash, payment_id, recorded_at)
        SELECT t.id, 1, 1000000000 + i, 'past-' || i, sha256(int8send(i)), {payment_id}, to_timestamp(d.ms / 1000.0)
        """
        + _PAST
        + " JOIN bench_tills t ON t.n = i % {tills}",
    ),
    (
        "counters",
        """
        INSERT INTO usage_counters (bucket, holder_id, key, count, amount_fen)
        SELECT h.bucket, h.id, 'meal:' || b.day || ':lunch', 1, 1800
        """
        + _PAST,
    ),
    (
        "codes",
        """
        INSERT INTO pay_codes (bucket, id, holder_id, secret, spend_key, expires_at, block_expires_at, used_by)
        SELECT h.bucket, {code_id}, h.id, i * 7919, i * 104729, to_timestamp(d.ms / 1000.0 + 40),
               to_timestamp(d.ms / 1000.0 + 40), {payment_id}
        """
        + _PAST,
    ),
    (
        "links and balances",
        """
        INSERT INTO ledger_batches (lane, n, line_count, hash, recorded_at)
        SELECT lane, n, count(*), sha256(convert_to(lane || ' ' || n, 'UTF8')), '{opened}'
          FROM ledger_lines WHERE lane IN (101, 102) GROUP BY lane, n;
        UPDATE unit_prefunds SET balance_fen = balance_fen - {added}::bigint * {lot_fen}, version = version + {added}
         WHERE unit_id = '{unit}';
        INSERT INTO account_checkpoints (region_id, kind, owner, balance_fen, entry_count)
        SELECT region_id, account_kind, account_owner, sum(amount_fen), count(*) FROM entries
         WHERE lane IN (101, 102) AND account_kind NOT IN ('cash', 'subsidy') GROUP BY 1, 2, 3
        ON CONFLICT (region_id, kind, owner) DO UPDATE
           SET balance_fen = account_checkpoints.balance_fen + excluded.balance_fen,
               entry_count = account_checkpoints.entry_count + excluded.entry_count
        """,
    ),
)


# ---- the audit


async def _refuse_unclean(rig: Rig) -> None:
    """The invariants that bear on what was loaded; the links of its chain are numbered and not computed."""
    async with rig.database.session() as session:
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        await session.execute(text("SET LOCAL work_mem = '256MB'"))
        findings = [await find_offenders(session, each) for each in INVARIANTS if each.name in _AUDITED]
    broken = [f"{each.invariant.name}: {each.offenders[:2]}" for each in findings if not each.holds]
    if broken:
        raise RuntimeError("; ".join(broken))
