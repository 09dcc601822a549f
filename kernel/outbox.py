"""The outbox: what happened is written in the transaction that made it happen, and told afterwards.

A row is (lane, n, list of events). Within a lane `n` is commit order without a gap: a posting lane has one writer;
the office lane (0) is locked by each transaction just before its commit. So a reader needs nothing but the last `n`
it has seen of each lane. Rows are never updated.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Index,
    SmallInteger,
    Text,
    bindparam,
    case,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from kernel import clock, db
from kernel.events import Event, StoredEvent, decode_events, encode_events
from kernel.request_ids import current_request_id

OFFICE_LANE = 0
# Who wants to read on at once listens here (LISTEN). Only a hint: whoever misses it finds the row by looking.
WRITTEN_CHANNEL = "outbox_written"
_BUFFER = "outbox_events"


class Lane(db.Base):
    """One sequence of commits: the office (0) or one posting process (1, 2, ...)."""

    __tablename__ = "lanes"

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class OutboxRow(db.Base):
    """The events of one commit."""

    __tablename__ = "outbox"

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    events: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("outbox_recorded_at_idx", "recorded_at", postgresql_using="brin"),)


def publish(session: AsyncSession, *events: Event) -> None:
    """Tell of something, if and when this session's transaction commits."""
    session.info.setdefault(_BUFFER, []).extend(events)


@asynccontextmanager
async def savepoint(session: AsyncSession) -> AsyncIterator[None]:
    """A part of a transaction that is undone by itself when it raises, together with what it had told of."""
    told = len(session.info.get(_BUFFER, []))
    try:
        async with session.begin_nested():
            yield
    except BaseException:
        del session.info.get(_BUFFER, [])[told:]
        raise


async def lock_office_lane(session: AsyncSession) -> None:
    """Take the office's place in commit order. Late: everything after it in this transaction holds up the office."""
    await session.execute(select(Lane.lane).where(Lane.lane == OFFICE_LANE).with_for_update())


# A statement of its own after the lock, so that it sees the row of whoever had the lock before.
_WRITE = text("""
    INSERT INTO outbox (lane, n, recorded_at, events)
    SELECT :lane, coalesce(max(n), 0) + 1, :recorded_at, :events FROM outbox WHERE lane = :lane
    RETURNING pg_notify(:channel, '')
""").bindparams(bindparam("lane", type_=SmallInteger), bindparam("recorded_at", type_=DateTime(timezone=True)))


async def write_published_events(session: AsyncSession) -> None:
    """Write what was published as one row; runs inside every office transaction just before its commit."""
    events: list[Event] = session.info.pop(_BUFFER, [])
    if not events:
        return
    await lock_office_lane(session)
    written = {"recorded_at": clock.now(), "events": encode_events(events, current_request_id())}
    await session.execute(_WRITE, {"lane": OFFICE_LANE, "channel": WRITTEN_CHANNEL, **written})


db.before_commit.append(write_published_events)


class Read(NamedTuple):
    """Events in lane order, the last `n` that was looked at in each lane, and whether a lane may hold more."""

    events: list[StoredEvent]
    reached: dict[int, int]
    has_more: bool


async def read_after(
    session: AsyncSession, vector: dict[int, int], limit_rows: int = 500, types: Collection[str] | None = None
) -> Read:
    """What follows a vector {lane: n}: what handlers read. With `types`, rows without any of them stay in the database."""
    lanes = (await session.scalars(select(Lane.lane).order_by(Lane.lane))).all()
    events: list[StoredEvent] = []
    reached: dict[int, int] = {}
    has_more = False
    for lane in lanes:
        found = await session.execute(
            select(OutboxRow.n, _events_with(types).label("events"))
            .where(OutboxRow.lane == lane, OutboxRow.n > vector.get(lane, 0))
            .order_by(OutboxRow.n)
            .limit(limit_rows)
        )
        rows = found.all()
        has_more = has_more or len(rows) == limit_rows
        for n, column in rows:
            reached[lane] = n
            if column is not None:
                events.extend(decode_events(lane, n, column, types))
    return Read(events, reached, has_more)


def _events_with(types: Collection[str] | None) -> InstrumentedAttribute[str] | ColumnElement[str | None]:
    """The column, or NULL where none of the types is mentioned in it; one that is only mentioned does no harm."""
    if types is None:
        return OutboxRow.events
    mentioned = or_(*(func.strpos(OutboxRow.events, f'"type":"{name}"') > 0 for name in sorted(types)))
    return case((mentioned, OutboxRow.events), else_=None)


async def heads(session: AsyncSession) -> dict[int, int]:
    """The last `n` of each lane: the outbox's present end."""
    rows = await session.execute(
        text("SELECT lane, coalesce((SELECT max(n) FROM outbox o WHERE o.lane = l.lane), 0) AS n FROM lanes l")
    )
    return {row.lane: row.n for row in rows}
