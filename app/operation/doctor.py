"""`guanjia doctor`: whether all is well here, line by line, with what to do where it is not."""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg

from app.demo_logins import base_url
from app.embedded.valkey import EmbeddedValkey
from app.operation.database_checks import check_schema, check_server, check_valkey, check_work
from app.operation.findings import Found, bad, warn
from app.operation.machine_checks import check_machine, check_port
from app.operation.reach import reached_database
from app.problems import NotConfigured, Problem
from kernel.db import Database
from kernel.settings import Settings


def examine(settings: Settings) -> Iterator[Found]:
    """Every line, in order; one that fails does not keep the others from being asked."""
    yield from check_machine(settings)
    running = is_running(settings)
    if running or settings.database_url is not None:
        yield check_port(settings, base_url(settings))
    with ExitStack() as stack:
        try:
            url = stack.enter_context(reached_database(settings))
        except NotConfigured as problem:
            yield warn("postgresql", str(problem), "Start it: `guanjia run`.")
            return
        except Problem as problem:
            yield bad("postgresql", "cannot be started", str(problem))
            return
        yield from asyncio.run(_ask_database(url, running=running or settings.database_url is not None))
        yield check_valkey(_valkey_url(settings))


def is_running(settings: Settings) -> bool:
    """Whether a supervisor holds the data folder."""
    lock = settings.data_dir / "supervisor.lock"
    return lock.exists() and not _can_lock(lock)


def _can_lock(file: Path) -> bool:
    with file.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _valkey_url(settings: Settings) -> str | None:
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    valkey = EmbeddedValkey(settings.data_dir)
    if valkey.attach() or is_running(settings):
        return valkey.url
    return None


async def _ask_database(url: str, *, running: bool) -> list[Found]:
    found: list[Found] = []
    try:
        found += [line async for line in check_server(url)]
        schema = await check_schema(url)
        found.append(schema)
        if not schema.advice:
            found += await _ask_work(url, running=running)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        found.append(bad("postgresql", f"does not answer ({type(error).__name__})", "Start it: payments wait for it."))
    return found


async def _ask_work(url: str, *, running: bool) -> list[Found]:
    db = Database(url, pool_size=1)
    try:
        return [line async for line in check_work(db, running=running)]
    finally:
        await db.close()
