"""`guanjia backup FILE`: the whole installation in one file, from one instant, while it goes on working."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from app import migrate
from app.demo_logins import demo_file
from app.operation.archive import DEMO, DUMP, FORMAT, SECRET_KEY, Heads, Manifest, describe, write_archive
from app.operation.postgres_programs import find_program, surroundings
from app.operation.reach import fingerprint, installation_secret, reached_database
from app.problems import BackupFailed
from kernel import audit_log, clock
from kernel.db import Database
from kernel.settings import Settings

Connection = Any  # asyncpg's, which has no types of its own here.


def back_up(settings: Settings, file: Path, *, with_secrets: bool, say: Callable[[str], None]) -> Manifest:
    """Write the archive; what is on disk under this name is replaced only by a whole one."""
    if not file.parent.is_dir():
        raise BackupFailed(f"There is no folder {file.parent}.")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=file.parent) as name, reached_database(settings) as url:
        folder = Path(name)
        say("· Reading the database ...")
        facts = asyncio.run(_dump(url, folder / DUMP))
        if with_secrets:
            _copy_secrets(settings, folder)
        manifest = Manifest(
            format=FORMAT,
            made_at=clock.rfc3339(clock.now()),
            secret_key_fingerprint=fingerprint(installation_secret(settings)),
            members={
                member: describe(folder / member) for member in (SECRET_KEY, DEMO, DUMP) if (folder / member).exists()
            },
            **facts,
        )
        say("· Writing the archive ...")
        write_archive(file, manifest, folder)
        asyncio.run(_remember(url, manifest))
    note_backup(settings, file)
    return manifest


def _copy_secrets(settings: Settings, folder: Path) -> None:
    """Those of the data folder. A secret from the environment is kept by whoever set it."""
    kept = settings.data_dir / "secret_key"
    if settings.secret_key is None and kept.exists():
        shutil.copyfile(kept, folder / SECRET_KEY)
    if demo_file(settings.data_dir).exists():
        shutil.copyfile(demo_file(settings.data_dir), folder / DEMO)


async def _dump(url: str, target: Path) -> dict[str, Any]:
    """pg_dump and our own questions read the same snapshot, so that what is told of the dump is true of it."""
    revision = await migrate.current_revision(url)
    if revision is None:
        raise BackupFailed("This database holds nothing of Guanjia yet.")
    connection: Connection = await asyncpg.connect(url, server_settings={"idle_in_transaction_session_timeout": "0"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            facts = {
                "schema": revision,
                "postgres": await connection.fetchval("SHOW server_version"),
                "is_demo": await connection.fetchval("SELECT to_regclass('demo_seed') IS NOT NULL"),
                "heads": await read_heads(connection),
            }
            await asyncio.to_thread(_run_pg_dump, url, snapshot, target)
    finally:
        await connection.close()
    return facts


async def read_heads(connection: Connection) -> Heads:
    """Where the chains of this database end."""
    lanes = await connection.fetch("SELECT lane, max(n) AS n FROM ledger_batches GROUP BY lane ORDER BY lane")
    last = await connection.fetchrow("SELECT n, hash FROM audit_seals ORDER BY n DESC LIMIT 1")
    anchor = audit_log.Anchor(last["n"], last["hash"]) if last is not None else ""
    return Heads(ledger={str(row["lane"]): row["n"] for row in lanes}, audit_log=str(anchor))


def _run_pg_dump(url: str, snapshot: str, target: Path) -> None:
    # The extension is the server's, made by its superuser; a restore could not make it.
    options = ["--format=custom", "--no-owner", "--no-privileges", "--exclude-extension=pg_stat_statements"]
    command = [find_program("pg_dump"), *options, f"--snapshot={snapshot}", f"--file={target}"]
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(descriptor)
    done = subprocess.run(command, env=surroundings(url), capture_output=True, text=True, check=False)  # noqa: S603  our own program
    if done.returncode != 0:
        raise BackupFailed(f"pg_dump failed:\n{done.stderr.strip()}")


async def _remember(url: str, manifest: Manifest) -> None:
    db = Database(url)
    try:
        async with db.session() as session:
            await audit_log.record(
                session,
                actor="command-line",
                action="database.backed_up",
                subject="database",
                data={"made_at": manifest.made_at, "with_secrets": SECRET_KEY in manifest.members},
            )
    finally:
        await db.close()


# ---- when the last one was

LAST_BACKUP = "last_backup"


def note_backup(settings: Settings, file: Path) -> None:
    """For `guanjia doctor`. On a machine that only reaches a database elsewhere there may be no data folder."""
    if settings.data_dir.is_dir():
        (settings.data_dir / LAST_BACKUP).write_text(f"{clock.rfc3339(clock.now())} {file.absolute()}\n")
