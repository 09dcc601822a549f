"""Event handlers in the worker: each sees every event once in effect, in the order of its lane.

A handler is a name and a function. Its place in the outbox is a vector {lane: n}, stored in the transaction in which
the function has written: both happen, or neither does. So a handler needs no memory of event ids of its own, as long
as all it does is in `session`.

Name the types that a handler cares for: rows without any of them are passed over in the database and never decoded.
Payments are many and most handlers want none of them; decoded by each, they would hold up the relay beside them.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import BigInteger, SmallInteger, Text, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from structlog.contextvars import bound_contextvars

from kernel import clock, outbox
from kernel.db import Base, Database
from kernel.events import Event, StoredEvent

EventHandler = Callable[[AsyncSession, list[StoredEvent]], Awaitable[None]]

_ONE_AT_A_TIME: Final = 4_204_207
# Two workers (one just being replaced) must not both do the same batch. Nor does anybody wait for the disk here: should
# the server die before it has written, work and place are both gone, and both come again; what others have built upon
# it in the meantime was written with it.
_BEGIN: Final = text("""
    SELECT pg_try_advisory_xact_lock(:class, hashtext(:name)) AS is_free, set_config('synchronous_commit', 'off', true)
""")

log = structlog.get_logger(__name__)


class HandlerCursor(Base):
    """Up to which row of a lane a handler has seen."""

    __tablename__ = "handler_cursors"

    handler: Mapped[str] = mapped_column(Text, primary_key=True)
    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger)


async def run_handler(
    db: Database,
    name: str,
    fn: EventHandler,
    *,
    types: Collection[type[Event]] | None = None,
    limit_rows: int = 500,
) -> int:
    """Give a handler what it has not seen yet; returns the number of events. Raises what the handler raises.

    With `types` it is given events of these classes only. When a batch fails, it is tried again row by row, so that
    what stands before the guilty row is done and the handler's lag points at the row itself.
    """
    names = None if types is None else frozenset(event_class.type for event_class in types)
    try:
        return await _run_until_something(db, name, fn, names, limit_rows)
    except Exception:
        if limit_rows == 1:
            raise
        log.warning("handler_batch_failed", handler=name, exc_info=True)
    done = 0
    while events := await _run_until_something(db, name, fn, names, 1):
        done += events
    return done


async def _run_until_something(
    db: Database, name: str, fn: EventHandler, types: frozenset[str] | None, limit_rows: int
) -> int:
    """Past full batches that hold nothing for this handler, each in a transaction of its own.

    Only full ones: while others go on writing there is always a row more, and no handler should run after each of them.
    """
    while True:
        events, has_more = await _run_batch(db, name, fn, types, limit_rows)
        if events or not has_more:
            return events


async def _run_batch(
    db: Database, name: str, fn: EventHandler, types: frozenset[str] | None, limit_rows: int
) -> tuple[int, bool]:
    """The number of events that the handler was given, and whether there may be more."""
    async with db.session() as session:
        free = await session.scalar(_BEGIN, {"class": _ONE_AT_A_TIME, "name": name})
        if not free:
            return 0, False
        vector = await cursor_of(session, name)
        events, reached, has_more = await outbox.read_after(session, vector, limit_rows, types)
        if not reached:
            return 0, False
        if events:
            with bound_contextvars(handler=name, **_origin(events)):
                try:
                    await fn(session, events)
                except Exception:
                    if limit_rows == 1:
                        log.exception("handler_row_failed")
                    raise
        await _store_cursor(session, name, reached)
        return len(events), has_more


def _origin(events: list[StoredEvent]) -> dict[str, str]:
    """Where a single row's events came from, for the log lines of its handler."""
    if len({(event.lane, event.n) for event in events}) != 1:
        return {}
    origin = {"event_id": events[0].id}
    return origin if events[0].request_id is None else origin | {"request_id": events[0].request_id}


async def cursor_of(session: AsyncSession, name: str) -> dict[int, int]:
    """A handler's place in the outbox; an unknown handler stands at the beginning."""
    rows = await session.execute(select(HandlerCursor.lane, HandlerCursor.n).where(HandlerCursor.handler == name))
    return {row.lane: row.n for row in rows}


async def _store_cursor(session: AsyncSession, name: str, reached: dict[int, int]) -> None:
    insertion = insert(HandlerCursor).values([{"handler": name, "lane": lane, "n": n} for lane, n in reached.items()])
    await session.execute(
        insertion.on_conflict_do_update(
            index_elements=[HandlerCursor.handler, HandlerCursor.lane], set_={"n": insertion.excluded.n}
        )
    )


async def lag_s(session: AsyncSession, name: str) -> float:
    """For how long the oldest event that this handler has not seen has been waiting; 0.0 when there is none."""
    oldest: datetime | None = await session.scalar(
        text("""
            SELECT min(waiting.recorded_at) FROM lanes
            LEFT JOIN handler_cursors seen ON seen.handler = :name AND seen.lane = lanes.lane
            CROSS JOIN LATERAL (
                SELECT recorded_at FROM outbox
                WHERE outbox.lane = lanes.lane AND outbox.n > coalesce(seen.n, 0) ORDER BY n LIMIT 1
            ) waiting
        """),
        {"name": name},
    )
    return max(0.0, (clock.now() - oldest).total_seconds()) if oldest is not None else 0.0
