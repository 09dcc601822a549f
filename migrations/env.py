"""Runs the migrations. Called by app/migrate.py only, which hands over the address."""

import asyncio
from typing import Final

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# A migration that cannot get its lock gives up instead of queueing up the whole canteen behind it.
_SERVER_SETTINGS: Final = {
    "application_name": "guanjia migrate",
    "lock_timeout": "2s",
    "timezone": "UTC",
}

# Any number will do as long as it stays: two starts at once migrate one after the other.
_ONE_AT_A_TIME: Final = 4_204_204


def _migrate(connection: Connection) -> None:
    # One transaction each, so that a failure keeps the steps before it and leaves nothing half done.
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def _run(url: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"server_settings": _SERVER_SETTINGS})
    async with engine.connect() as gate, engine.connect() as connection:
        await gate.execute(text("SET LOCAL lock_timeout = '60s'"))
        await gate.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run(context.config.attributes["url"]))
