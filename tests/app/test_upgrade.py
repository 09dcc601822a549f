"""A data folder of an older commit is brought up to date at the next start.

older_data/ keeps one small database for each schema that was ever released: a dump of the demo's places, named after its
revision. A new migration is tried on all of them. To keep another: pg_dump --no-owner --no-privileges | gzip -9.
"""

import asyncio
import gzip
import os
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from app import migrate
from app.embedded.postgres import BINARIES
from app.preparation import prepare_database
from kernel.db import Database
from kernel.settings import Settings
from tests.app.test_embedded_postgres import run_sql

KEPT = sorted(Path(__file__).with_name("older_data").glob("*.sql.gz"))


@pytest.mark.parametrize("dump", KEPT, ids=lambda dump: dump.name.partition(".")[0])
async def test_an_older_database_comes_to_this_version_with_everything_in_it(
    dump: Path, empty_database_url: str
) -> None:
    restore(dump, empty_database_url)
    assert await migrate.current_revision(empty_database_url) == dump.name.partition(".")[0]
    before = await count_places(empty_database_url)

    await in_a_thread(empty_database_url)

    assert await migrate.current_revision(empty_database_url) == migrate.head_revision()
    assert await count_places(empty_database_url) == before
    assert all(before)


def test_there_is_something_to_try() -> None:
    assert KEPT


def test_every_step_can_be_taken_alone(empty_database_url: str) -> None:
    """A start that was interrupted between two migrations goes on from there."""
    for revision in migrate.revisions():
        migrate.upgrade(empty_database_url, revision)
        assert run_sql(empty_database_url, "SELECT version_num FROM alembic_version") == revision


def restore(dump: Path, url: str) -> None:
    """With the wheel's own psql."""
    psql = [str(BINARIES / "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", url]
    text = gzip.decompress(dump.read_bytes())
    done = subprocess.run(psql, input=text, capture_output=True, check=False, env=os.environ | {"PSQLRC": "/dev/null"})
    assert done.returncode == 0, done.stderr.decode()


async def in_a_thread(url: str) -> None:
    """`guanjia migrate`, which has an event loop of its own."""
    settings = Settings(database_url=SecretStr(url))
    await asyncio.to_thread(prepare_database, settings, with_demo=False, say=lambda _sentence: None)


async def count_places(url: str) -> list[int]:
    """Regions, organisations, sites."""
    db = Database(url)
    connection = await db.raw_connection()
    try:
        return [
            await connection.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("regions", "organisations", "sites")
        ]
    finally:
        await connection.close()
        await db.close()
