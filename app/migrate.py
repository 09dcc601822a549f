"""Brings a database to the schema of this version (alembic, one linear chain in migrations/versions)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

ROOT = Path(__file__).resolve().parent.parent


def _configuration(url: str) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(ROOT / "migrations"))
    configuration.attributes["url"] = _asyncpg_url(url)
    return configuration


def _asyncpg_url(url: str) -> str:
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def upgrade(url: str, revision: str = "head") -> None:
    """Apply what is missing. Blocking, with an event loop of its own: call it from a thread when inside one."""
    command.upgrade(_configuration(url), revision)


def head_revision() -> str | None:
    """The newest schema version that this code knows."""
    return ScriptDirectory(str(ROOT / "migrations")).get_current_head()


def revisions() -> list[str]:
    """All schema versions that this code knows, the oldest first."""
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


async def current_revision(url: str) -> str | None:
    """The schema version of that database; None when it has none yet."""
    engine = create_async_engine(_asyncpg_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_read_revision)
    finally:
        await engine.dispose()


def _read_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
