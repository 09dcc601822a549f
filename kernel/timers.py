"""Durable timers: something is due at an instant, and happens once, also after a crash.

A timer is a row, one live for each (kind, ref); scheduling it again moves it and raises its generation. To fire one is
one transaction: take the claim, run the handler, schedule what comes next, take the row away. The claim is an advisory
lock rather than the row's, and the row is touched last: use cases lock their business row first and then move or
cancel its timer, and so does firing, so the two cannot deadlock. Whoever changed the timer in between wins: the
generation differs, and what the handler did is rolled back.

Handlers are registered by kind in app/wiring.py. A handler that fails is noted at its timer and tried again later,
ever more slowly; the others go on. `oldest_overdue_s` is the watchdog's question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from prometheus_client import Gauge
from sqlalchemy import BigInteger, DateTime, Identity, Integer, Text, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.db import Base, Database

_CLAIM_CLASS: Final = 4_204_206
_RETRY_FIRST_S: Final = 1
_RETRY_LONGEST_S: Final = 300
_RESCHEDULED: Final = "timers_rescheduled"
_LOOK_EVERY_S: Final = 0.2
_BATCH: Final = 100
# Of the worker: when hundreds are due in one second, the later ones must not wait for each of the earlier.
_AT_ONCE: Final = 4

log = structlog.get_logger(__name__)
_overdue = Gauge(
    "guanjia_timers_overdue_seconds", "For how long the oldest due timer has waited", multiprocess_mode="livemax"
)


class TimerRow(Base):
    """One thing that is going to happen. `retry_at` is `due_at` until a handler has failed."""

    __tablename__ = "timers"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    ref: Mapped[str] = mapped_column(Text)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    retry_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    generation: Mapped[int] = mapped_column(Integer)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    attempts: Mapped[int] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Timer:
    """What a handler is told. It looks at the state of `ref` under that row's lock before it acts."""

    id: int
    kind: str
    ref: str
    due_at: datetime
    generation: int
    payload: dict[str, Any]
    attempts: int


TimerHandler = Callable[[AsyncSession, Timer], Awaitable[None]]


class _Overtaken(Exception):
    """The timer was moved, cancelled or fired by somebody else while its handler ran."""


async def schedule(
    session: AsyncSession, kind: str, ref: str, due_at: datetime, payload: dict[str, Any] | None = None
) -> int:
    """Let `kind` happen to `ref` at `due_at`; a live timer of the same name is moved. Returns its generation."""
    fresh = {"due_at": due_at, "retry_at": due_at, "payload": payload or {}, "attempts": 0, "last_error": None}
    generation: int | None = await session.scalar(
        insert(TimerRow)
        .values(kind=kind, ref=ref, generation=1, **fresh)
        .on_conflict_do_update(
            index_elements=[TimerRow.kind, TimerRow.ref], set_={**fresh, "generation": TimerRow.generation + 1}
        )
        .returning(TimerRow.generation)
    )
    assert generation is not None
    session.info.setdefault(_RESCHEDULED, {})[kind, ref] = generation
    return generation


async def cancel(session: AsyncSession, kind: str, ref: str) -> bool:
    """Take a timer away; False where there was none."""
    gone = await session.scalar(
        delete(TimerRow).where(TimerRow.kind == kind, TimerRow.ref == ref).returning(TimerRow.id)
    )
    return gone is not None


async def waiting(session: AsyncSession, kind: str, name: str, values: Collection[str]) -> list[Timer]:
    """The timers of a kind whose payload has one of these values under a name, the next one first."""
    rows = await session.scalars(
        select(TimerRow)
        .where(TimerRow.kind == kind, TimerRow.payload[name].astext.in_(values))
        .order_by(TimerRow.due_at, TimerRow.id)
    )
    return [Timer(row.id, row.kind, row.ref, row.due_at, row.generation, row.payload, row.attempts) for row in rows]


async def fire_for_ever(db: Database, handlers: Mapping[str, TimerHandler]) -> None:
    """The worker's loop: fire what is due, and show how far behind that is."""
    while True:
        fired = await fire_due(db, handlers, at_once=_AT_ONCE)
        async with db.session() as session:
            _overdue.set(await oldest_overdue_s(session))
        if fired < _BATCH:
            await asyncio.sleep(_LOOK_EVERY_S)


async def fire_due(db: Database, handlers: Mapping[str, TimerHandler], *, limit: int = _BATCH, at_once: int = 1) -> int:
    """Fire what is due, each in a transaction of its own, so many side by side; returns how many were fired. Run by the worker."""
    async with db.session() as session:
        due = await session.scalars(
            select(TimerRow.id)
            .where(TimerRow.retry_at <= clock.now())
            .order_by(TimerRow.retry_at, TimerRow.id)
            .limit(limit)
        )
    due_ids = iter(due.all())

    async def fire_next() -> int:
        return sum([await _fire(db, handlers, timer_id) for timer_id in due_ids])

    return sum(await asyncio.gather(*[fire_next() for _ in range(at_once)]))


async def _fire(db: Database, handlers: Mapping[str, TimerHandler], timer_id: int) -> bool:
    timer: Timer | None = None
    try:
        async with db.session() as session:
            timer = await _claim(session, timer_id)
            if timer is None:
                return False
            await _handler_of(handlers, timer)(session, timer)
            # What the handler only noted down must fail here, where it is still this timer's failure.
            await session.flush()
            await _finish(session, timer)
    except _Overtaken:
        return False
    except Exception as error:
        if timer is None:
            raise
        await _note_failure(db, timer, error)
        return False
    return True


async def _claim(session: AsyncSession, timer_id: int) -> Timer | None:
    """The timer, if it is still due and nobody else is firing it."""
    free = await session.scalar(
        text("SELECT pg_try_advisory_xact_lock(:class, :id)"), {"class": _CLAIM_CLASS, "id": timer_id % 2**31}
    )
    if not free:
        return None
    row = await session.scalar(select(TimerRow).where(TimerRow.id == timer_id, TimerRow.retry_at <= clock.now()))
    if row is None:
        return None
    return Timer(row.id, row.kind, row.ref, row.due_at, row.generation, row.payload, row.attempts)


def _handler_of(handlers: Mapping[str, TimerHandler], timer: Timer) -> TimerHandler:
    handler = handlers.get(timer.kind)
    if handler is None:
        raise LookupError(f"no handler is registered for timers of kind {timer.kind!r}")
    return handler


async def _finish(session: AsyncSession, timer: Timer) -> None:
    """Take the fired timer away, unless the handler itself has scheduled the next one under its name."""
    next_generation = session.info.get(_RESCHEDULED, {}).get((timer.kind, timer.ref))
    if next_generation is not None:
        if next_generation != timer.generation + 1:
            raise _Overtaken
        return
    gone = await session.scalar(
        delete(TimerRow).where(TimerRow.id == timer.id, TimerRow.generation == timer.generation).returning(TimerRow.id)
    )
    if gone is None:
        raise _Overtaken


async def _note_failure(db: Database, timer: Timer, error: Exception) -> None:
    wait_s = min(_RETRY_FIRST_S * 2 ** min(timer.attempts, 20), _RETRY_LONGEST_S)
    log.warning("timer_failed", kind=timer.kind, ref=timer.ref, attempts=timer.attempts + 1, exc_info=error)
    async with db.session() as session:
        await session.execute(
            update(TimerRow)
            .where(TimerRow.id == timer.id, TimerRow.generation == timer.generation)
            .values(
                attempts=TimerRow.attempts + 1,
                last_error=f"{type(error).__name__}: {error}"[:2000],
                retry_at=func.greatest(TimerRow.due_at, clock.now() + timedelta(seconds=wait_s)),
            )
        )


async def oldest_overdue_s(session: AsyncSession) -> float:
    """For how long the oldest due timer has been waiting, failing ones included; 0.0 when none is."""
    oldest: datetime | None = await session.scalar(select(func.min(TimerRow.due_at)))
    if oldest is None:
        return 0.0
    return max(0.0, (clock.now() - oldest).total_seconds())
