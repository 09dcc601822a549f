"""Brings the demo's people, canteens and money into an empty database, and keeps their logins for `guanjia demo`."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from app.demo_logins import read_demo_logins, write_demo_logins
from app.memory import settle_memory
from app.problems import SeedingRefused
from kernel import clock
from kernel.db import Database


async def seed_demo_if_empty(db: Database, data_dir: Path, *, say: Callable[[str], None]) -> bool:
    """True if it was brought in now."""
    if await _is_seeded(db):
        if read_demo_logins(data_dir) is None:
            say("! This database holds the demo, but its logins were kept in another data folder.")
        return False
    from app import demo  # Imports every domain; a start that finds the demo in place need not wait for that.

    say("· Bringing in the demo: people, canteens, menus, money ...")
    settle_memory()
    await mark_as_demo(db)
    # What a crash would take away is half a demo, which no start accepts anyway; the mark at the end is written to disk, and
    # with it everything before.
    hurried = Database(db.url.render_as_string(hide_password=False), commits_may_be_lost=True)
    try:
        write_demo_logins(data_dir, await demo.seed_demo(hurried, say))
    finally:
        await hurried.close()
    await _mark_as_complete(db)
    return True


async def _is_seeded(db: Database) -> bool:
    async with db.session() as session:
        if await session.scalar(text("SELECT to_regclass('demo_seed') IS NULL")):
            return False
        if await session.scalar(text("SELECT completed_at IS NULL FROM demo_seed")):
            raise SeedingRefused(
                "An earlier start was interrupted while it brought in the demo, so this database is half filled. "
                "Delete the data folder and start again."
            )
    return True


async def mark_as_demo(db: Database) -> None:
    """First and by itself: whatever happens afterwards, production mode will know this database. Not part of the product's
    schema: a database without the demo has no such table."""
    async with db.session() as session:
        if await session.scalar(text("SELECT to_regclass('demo_seed') IS NOT NULL")):
            return
        await session.execute(
            text("CREATE TABLE demo_seed (started_at timestamptz NOT NULL, completed_at timestamptz)")
        )
        await session.execute(text("INSERT INTO demo_seed VALUES (:at, NULL)"), {"at": clock.now()})


async def _mark_as_complete(db: Database) -> None:
    async with db.session() as session:
        await session.execute(text("UPDATE demo_seed SET completed_at = :at"), {"at": clock.now()})
