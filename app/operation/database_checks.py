"""What the doctor asks the database and Valkey: whether they are the right ones, durable, and whether the work keeps up."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import migrate
from app.embedded.postgres import MAJOR_VERSION
from app.operation.findings import Found, bad, ok, warn
from kernel import clock, handlers
from kernel.db import Database
from kernel.sealing import WrongSecretKey
from payments.credentials.trust import PUBLISHED_AHEAD, trust_list
from realtime.api import relay_lag_s

DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")
SKEW_WARN_S: Final = 0.5
SKEW_BAD_S: Final = 5.0
LAG_WARN_S: Final = 1.0
LAG_BAD_S: Final = 5.0
WAITING_SEALS_WARN: Final = 1000

_KEYS: Final = text("""
    SELECT count(*) AS keys, min(not_after) AS ends FROM (
        SELECT DISTINCT ON (region_id) not_after FROM signing_keys ORDER BY region_id, not_after DESC) last
""")
_ROOT: Final = text("SELECT made_at FROM root_key")
_TIMERS: Final = text("SELECT min(due_at) FROM timers WHERE due_at < :now")
_SEALS: Final = text("SELECT count(*) FROM (SELECT FROM audit_unsealed LIMIT 10000) waiting")
_HANDLERS: Final = text("SELECT DISTINCT handler FROM handler_cursors ORDER BY handler")
_CONNECTIONS: Final = text("""
    SELECT count(*) AS used, current_setting('max_connections')::int AS most FROM pg_stat_activity
    WHERE backend_type = 'client backend'
""")


async def check_server(url: str) -> AsyncIterator[Found]:
    """The server itself: its version, its clock, whether what it acknowledges is on disk."""
    connection: Any = await asyncpg.connect(url, timeout=5)
    try:
        version = await connection.fetchval("SHOW server_version")
        if str(version).partition(".")[0] == MAJOR_VERSION:
            yield ok("postgresql", f"version {version}")
        else:
            yield bad("postgresql", f"version {version}", f"Guanjia is made for PostgreSQL {MAJOR_VERSION}.")
        settings = {name: await connection.fetchval(f"SHOW {name}") for name in DURABLE}
        yield durability_finding(settings)
        there = await connection.fetchval("SELECT clock_timestamp()")
        yield skew_finding((there - clock.now()).total_seconds())
    finally:
        await connection.close()


def durability_finding(settings: dict[str, str]) -> Found:
    """What is acknowledged must survive a power cut."""
    words = ", ".join(f"{name} {value}" for name, value in settings.items())
    # Beyond `on` there are only settings that wait for more: remote_apply and the like.
    off = [name for name, value in settings.items() if value in ("off", "local")]
    if off:
        return bad("durability", words, f"Turn on {', '.join(off)}: a power cut would lose payments that were told.")
    return ok("durability", words)


def skew_finding(skew_s: float) -> Found:
    """Between this machine's clock and the database's."""
    words = f"the database's clock differs from this machine's by {skew_s:+.2f} s"
    advice = "Keep both clocks right by the same time servers (chrony)."
    if abs(skew_s) > SKEW_BAD_S:
        return bad("clock skew", words, advice)
    if abs(skew_s) > SKEW_WARN_S:
        return warn("clock skew", words, advice)
    return ok("clock skew", words)


async def check_schema(url: str) -> Found:
    """Whether this version's migrations are applied."""
    found, head = await migrate.current_revision(url), migrate.head_revision()
    if found == head:
        return ok("schema", f"{found}, the newest this version knows")
    if found is not None and found not in migrate.revisions():
        return bad("schema", f"{found}, unknown to this version", "A newer Guanjia has written it: start that one.")
    pending = len(migrate.revisions()) - (migrate.revisions().index(found) + 1 if found else 0)
    return bad(
        "schema",
        f"{found or 'none'}; {pending} migrations are pending",
        "Run `guanjia migrate`; `guanjia run` does so by itself.",
    )


async def check_work(db: Database, *, running: bool) -> AsyncIterator[Found]:
    """Keys, relay, handlers, timers, seals, connections. What waits while nothing runs is no fault."""
    async with db.session() as session:
        yield await _keys(session)
        yield await _sealed_keys(session)
        yield lag_finding("relay", await relay_lag_s(session), running=running)
        for name in (await session.scalars(_HANDLERS)).all():
            yield lag_finding(f"handler {name}", await handlers.lag_s(session, name), running=running)
        due: datetime | None = await session.scalar(_TIMERS, {"now": clock.now()})
        overdue_s = (clock.now() - due).total_seconds() if due is not None else 0.0
        yield lag_finding("timers", overdue_s, running=running)
        yield _seals(await session.scalar(_SEALS) or 0)
        used = (await session.execute(_CONNECTIONS)).one()
        yield connections_finding(used.used, used.most)


async def _keys(session: AsyncSession) -> Found:
    row = (await session.execute(_KEYS)).one()
    made_at: datetime | None = await session.scalar(_ROOT)
    if made_at is None or row.ends is None:
        return ok("keys", "none made yet; the first pay code makes them")
    root = f"root key {(clock.now() - made_at).days} days old"
    return keys_finding(root, row.keys, row.ends - clock.now())


def keys_finding(root: str, count: int, left: timedelta) -> Found:
    """A region's successor is made with the first code of the last week; where nobody pays, nobody makes it."""
    words = f"{root}; the newest keys of {count} regions are good for {left.days} days or more"
    if left < timedelta(0):
        advice = "No code was issued there since; the next one makes a key, which tills must then fetch first."
        return warn("keys", f"{root}; the key of a region has ended", advice)
    if left < PUBLISHED_AHEAD:
        return warn(
            "keys", words, "The next code that is issued there makes the next key; tills fetch it by themselves."
        )
    return ok("keys", words)


async def _sealed_keys(session: AsyncSession) -> Found:
    """Whether the secret key of these settings opens what the database holds."""
    try:
        await trust_list(session)
    except WrongSecretKey:
        return bad(
            "secret key",
            "the keys in the database were sealed with another one",
            "Set GUANJIA_SECRET_KEY to the one they were made with: without it no pay code can be signed.",
        )
    return ok("secret key", "opens the keys in the database")


def lag_finding(name: str, lag_s: float, *, running: bool) -> Found:
    """How long the oldest thing has waited."""
    if not running:
        return ok(name, f"nothing runs; {lag_s:.0f} s are waiting" if lag_s > LAG_WARN_S else "nothing is waiting")
    words = f"{lag_s:.1f} s behind"
    advice = "Is the worker running? Its log names the loop that fails (logs/worker.log)."
    if lag_s > LAG_BAD_S:
        return bad(name, words, advice)
    if lag_s > LAG_WARN_S:
        return warn(name, words, advice)
    return ok(name, words)


def _seals(waiting: int) -> Found:
    if waiting > WAITING_SEALS_WARN:
        return warn(
            "audit log", f"{waiting} rows wait for their seal", "Is the worker running? It seals within seconds."
        )
    return ok("audit log", f"{waiting} rows wait for their seal")


def connections_finding(used: int, most: int) -> Found:
    """Of the server's sessions."""
    words = f"{used} of {most} connections in use"
    if used * 10 > most * 9:
        return bad("connections", words, "Fewer web processes, or a larger max_connections.")
    if used * 10 > most * 7:
        return warn("connections", words, "Fewer web processes, or a larger max_connections.")
    return ok("connections", words)


def check_valkey(url: str | None) -> Found:
    """Payments do without it; news is late."""
    if url is None:
        return ok("valkey", "not running, as nothing else is")
    try:
        with Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3) as client:
            info: dict[str, Any] = client.info("server")
    except (RedisError, OSError) as error:
        return bad("valkey", f"does not answer ({type(error).__name__})", "Start it: news reaches nobody until then.")
    return ok("valkey", f"version {info.get('valkey_version') or info.get('redis_version')}")
