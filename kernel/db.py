"""The database: one transaction at a time, committed in one place.

A function that takes `session` joins the caller's transaction. A function that takes `db` opens its own short ones.
`commit()` stands here and in payments/posting.py only; a test looks for others.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import asyncpg
from fastapi import Depends, Request
from sqlalchemy import MetaData, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import QueuePool

_NAMING: Final = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}

# Nothing in here waits for a lock or runs for long: a stuck statement is an error to tell, not a hang.
_SERVER_SETTINGS: Final = {
    "application_name": "guanjia",
    "lock_timeout": "10s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "jit": "off",
}


class Base(DeclarativeBase):
    """The base of every table's class."""

    metadata = MetaData(naming_convention=_NAMING)

    def __repr__(self) -> str:
        identity = inspect(self).identity
        return f"<{type(self).__name__} {identity}>"


class Database:
    """One PostgreSQL database: sessions for the office, a plain asyncpg connection for the hot path."""

    def __init__(self, url: str, *, pool_size: int = 10, commits_may_be_lost: bool = False) -> None:
        """`commits_may_be_lost` is for who makes made-up data anew after a crash: nothing waits for the disk, and the next
        commit of anybody else writes it all down."""
        self.url = make_url(url).set(drivername="postgresql")
        self._server_settings = _SERVER_SETTINGS | ({"synchronous_commit": "off"} if commits_may_be_lost else {})
        self.engine: AsyncEngine = create_async_engine(
            self.url.set(drivername="postgresql+asyncpg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            # A connection that died with its server is replaced before use instead of failing one request.
            pool_pre_ping=True,
            connect_args={"server_settings": self._server_settings, "timeout": 10},
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=True)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """One transaction: everything inside is committed together at the end, or not at all."""
        async with self._sessions() as session:
            try:
                yield session
                await session.flush()
                for finish in before_commit:
                    await finish(session)
                await session.commit()
            except BaseException:
                await session.rollback()
                raise

    @property
    def connections_in_use(self) -> int:
        """Of the pool's."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    async def raw_connection(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection outside of the pool, for the one caller that keeps it: posting, the relay, COPY."""
        return await asyncpg.connect(
            self.url.render_as_string(hide_password=False),
            server_settings=self._server_settings,
            timeout=10,
        )

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()


# Always look up by key, never plan again. A table that is young when its plan is made would otherwise be read whole each
# time; with pages that cost nothing, a look-up by key is the cheapest plan whatever the statistics say.
LOOK_UP_BY_KEY: Final = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off; "
    "SET plan_cache_mode = force_generic_plan; SET random_page_cost = 0.01; SET jit = off"
)


class CommittingConnection:
    """A plain connection that one committer of a process keeps: sets of rows, one transaction at a time.

    For batches that a session would cost more than their rows; nothing is published from here.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Everything inside is committed together at the end, or not at all. A lost connection is replaced the next time."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.raw_connection()
        connection = self._connection
        begun = connection.transaction()
        await begun.start()
        try:
            yield connection
        except BaseException:
            try:
                await begun.rollback()
            except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                # In whatever state it is: a transaction begun on it later would not be one.
                connection.terminate()
            raise
        await begun.commit()

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            await connection.close(timeout=2)


# What must happen inside every transaction just before its commit (the outbox registers its flush here).
before_commit: list[Any] = []


async def _session_of_request(request: Request) -> AsyncIterator[AsyncSession]:
    database: Database = request.app.state.database
    async with database.session() as session:
        yield session


# scope="function": the commit happens before the response leaves, so nobody is told of what did not happen.
SessionDep = Annotated[AsyncSession, Depends(_session_of_request, scope="function")]


async def database_of(request: Request) -> Database:
    """The database, for a route whose use case opens its own short transactions."""
    # A coroutine although it waits for nothing: what is none would be called in another thread.
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(database_of)]
