"""`guanjia migrate`: makes a database ready for this version of the code."""

import asyncio
from collections.abc import Callable

import uvloop
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from app import migrate
from app.problems import MigrationFailed, NotConfigured
from app.production import refuse_demo_secrets, refuse_weak_settings
from app.seeding import seed_demo_if_empty
from kernel.db import Database
from kernel.settings import Settings


def prepare_database(settings: Settings, *, with_demo: bool, say: Callable[[str], None]) -> None:
    """Bring the schema to this version, and the demo into an empty database if asked to."""
    refuse_weak_settings(settings)
    if settings.database_url is None:
        raise NotConfigured("GUANJIA_DATABASE_URL is needed; `guanjia run` sets it by itself.")
    url = settings.database_url.get_secret_value()
    bring_to_head(url, say=say)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_look_after_demo(settings, url, with_demo=with_demo, say=say))


def bring_to_head(url: str, *, say: Callable[[str], None]) -> None:
    """Apply what is missing, in words where that cannot be done."""
    head, found = migrate.head_revision(), None
    try:
        found = asyncio.run(migrate.current_revision(url))
        if found == head:
            return
        say(f"· Bringing the database from schema {found or 'none'} to {head} ...")
        migrate.upgrade(url)
    except CommandError as error:
        raise MigrationFailed(
            f"The database is at schema {found}, which this version of Guanjia does not know ({error}). "
            "It was written by a newer version: start that one."
        ) from error
    except (DBAPIError, OSError) as error:
        raise MigrationFailed(f"The database could not be brought to schema {head}: {error}") from error


async def _look_after_demo(settings: Settings, url: str, *, with_demo: bool, say: Callable[[str], None]) -> None:
    db = Database(url)
    try:
        # Here too, so that the operator is told in one sentence before any process is started.
        await refuse_demo_secrets(settings, db)
        if with_demo and not settings.production:
            await seed_demo_if_empty(db, settings.data_dir, say=say)
    finally:
        await db.close()
