"""Durable payments over HTTP into one canteen: 10,000 holders, 14 tills, 64 connections, every answer checked.

Beside it, from the same run: an empty FastAPI POST on the same server, and pgbench's simple update on the same
Postgres. A payment is acknowledged after its commit, with fsync and synchronous_commit on.
"""

import asyncio
import json
import os
import re
import subprocess
from uuid import uuid4

import psutil

from app.embedded.postgres import BINARIES
from bench.load import LoadResult, drive, post
from bench.rig import Rig, amount_of, free_port, running
from bench.rows import Row, at_most, compared, told

PAYMENTS = 50_000
WARM_UP = 2_000
CONNECTIONS = 64


async def measure(rig: Rig, posting_rate: float | None) -> list[Row]:
    """All rows of this file."""
    empty = await _measure_empty()
    port = free_port()
    async with running(["-m", "app.cli", "web"], rig.environment(port), port) as pid:
        await _pay(rig, port, WARM_UP)
        await rig.reset_statistics()
        web = psutil.Process(pid)
        cpu_before = sum(web.cpu_times()[:2]) + rig.postgres_cpu_s()
        wal_before = await _wal_bytes(rig)
        result = await _pay(rig, port, PAYMENTS)
        cpu_s = sum(web.cpu_times()[:2]) + rig.postgres_cpu_s() - cpu_before
        wal = await _wal_bytes(rig) - wal_before
        commits = (
            await rig.fetch("SELECT coalesce(sum(calls), 0) AS n FROM pg_stat_statements WHERE query = 'COMMIT'")
        )[0]["n"]
    pgbench = await asyncio.to_thread(_pgbench, rig)
    rows = [
        compared("http payments", result.rate, "payments/s", "empty FastAPI POST", empty.rate, 0.7),
        told("empty FastAPI POST", empty.rate, "requests/s"),
        at_most("commits per payment", commits / PAYMENTS, "commits", 0.3),
        told("http payments, p50", result.latency_ms(0.5), "ms"),
        told("http payments, p99", result.latency_ms(0.99), "ms"),
        told("cpu per payment, app and Postgres", cpu_s / PAYMENTS * 1000, "ms"),
        compared("http payments beside pgbench", result.rate, "payments/s", "pgbench simple update", pgbench, 1.0),
        told("wal per payment", wal / PAYMENTS, "bytes"),
        *await _bytes_per_payment(rig),
    ]
    if posting_rate is not None:
        rows.append(
            compared("http beside posting alone", result.rate, "payments/s", "posting alone", posting_rate, 0.5)
        )
    return rows


async def requests_for(rig: Rig, count: int, *, first_holders: int = 0) -> tuple[list[bytes], list[int]]:
    """Requests with fresh codes, and the amounts that their answers must say."""
    codes, _ = await rig.issue_codes(count, first_holders=first_holders)
    requests, amounts = [], []
    for number, code in enumerate(codes):
        seq = rig.next_seq()
        amounts.append(amount_of(seq))
        body = json.dumps({"code": code.code, "amount_fen": amounts[-1], "seq": seq}).encode()
        token = rig.tokens[number % len(rig.tokens)]
        requests.append(
            post("/v1/payments", body, {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex})
        )
    return requests, amounts


async def _pay(rig: Rig, port: int, count: int) -> LoadResult:
    requests, amounts = await requests_for(rig, count)
    result = await asyncio.to_thread(drive, port, requests, connections=CONNECTIONS)
    check(result, amounts)
    return result


def check(result: LoadResult, amounts: list[int]) -> None:
    """Every answer is a payment of its own, of the amount that was asked."""
    seen = set()
    for number, (status, body) in result.answers.items():
        answer = json.loads(body)
        if status != 201 or answer["amount_fen"] != amounts[number]:
            raise RuntimeError(f"request {number} was answered {status}: {body[:300]!r}")
        seen.add(answer["id"])
    if len(seen) != len(amounts):
        raise RuntimeError(f"{len(amounts)} requests made {len(seen)} payments")


async def _measure_empty() -> LoadResult:
    port = free_port()
    body = json.dumps({"code": "7" * 20, "amount_fen": 1800, "seq": 1}).encode()
    request = post("/v1/payments", body, {"Authorization": "Bearer " + "x" * 47, "Idempotency-Key": uuid4().hex})

    async with running(["-m", "bench.empty_app"], {**os.environ, "GUANJIA_PORT": str(port)}, port):
        await asyncio.to_thread(drive, port, [request] * WARM_UP, connections=CONNECTIONS)
        return await asyncio.to_thread(drive, port, [request] * PAYMENTS, connections=CONNECTIONS)


async def _wal_bytes(rig: Rig) -> int:
    return int((await rig.fetch("SELECT wal_bytes::bigint AS n FROM pg_stat_wal"))[0]["n"])


async def _bytes_per_payment(rig: Rig) -> list[Row]:
    rows = await rig.fetch("""
        SELECT sum(pg_table_size(c.oid)) AS tables, sum(pg_indexes_size(c.oid)) AS indexes,
               (SELECT count(*) FROM payments) AS payments
          FROM pg_class c
         WHERE c.relkind = 'r' AND c.relname ~ '^(payments|ledger_lines|ledger_batches|account_deltas|terminal_requests|stored_answers|usage_counters|pay_codes|outbox)'
    """)
    row = rows[0]
    return [
        told("tables per payment, with codes and answers", row["tables"] / row["payments"], "bytes"),
        told("indexes per payment", row["indexes"] / row["payments"], "bytes"),
    ]


def _pgbench(rig: Rig) -> float:
    """Transactions a second of pgbench's simple update, with as many clients, for ten seconds."""
    _run_pgbench(rig, ["--initialize", "--quiet", "--scale=10"])
    arguments = ["--builtin=simple-update", f"--client={CONNECTIONS}", "--jobs=2", "--time=10", "--no-vacuum"]
    printed = _run_pgbench(rig, arguments)
    found = re.search(r"tps = ([0-9.]+)", printed)
    if found is None:
        raise RuntimeError(printed)
    return float(found.group(1))


def _run_pgbench(rig: Rig, arguments: list[str]) -> str:
    done = subprocess.run(
        [str(BINARIES / "pgbench"), *arguments, rig.postgres.url],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout
