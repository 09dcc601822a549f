"""What a process of ours holds while it runs: settings, the database, Valkey. Opened once, closed in reverse order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis

from app.problems import NotConfigured
from kernel.db import Database
from kernel.settings import Settings
from kernel.valkey import close_valkey, open_valkey


@dataclass(frozen=True)
class Services:
    """The shared pieces, handed to every loop and every part of the web application."""

    settings: Settings
    database: Database
    valkey: Redis


@asynccontextmanager
async def open_services(settings: Settings, *, pool_size: int = 10) -> AsyncIterator[Services]:
    """Connections are made when they are first used: a server that is still starting is waited for by its users."""
    if settings.database_url is None or settings.redis_url is None:
        raise NotConfigured(
            "This process needs GUANJIA_DATABASE_URL and GUANJIA_REDIS_URL. `guanjia run` sets both by itself."
        )
    database = Database(settings.database_url.get_secret_value(), pool_size=pool_size)
    valkey = open_valkey(settings.redis_url.get_secret_value())
    try:
        yield Services(settings, database, valkey)
    finally:
        await close_valkey(valkey)
        await database.close()
