"""Durable timers: something is due at an instant, and happens once, also after a crash.

A timer is a row, one live for each (kind, ref); scheduling it again moves it and raises its generation. To fire one is
one transaction: take the claim, run the handler, schedule what comes next, take the row away. The claim is an advisory
lock rather than the row's, and the row is touched last: use cases lock their business row first and then move or
cancel its timer, and so does firing, so the two cannot deadlock. Whoever changed the timer in between wins: the
generation differs, and what the handler did is rolled back.

Handlers are registered by kind in app/wiring.py. A handler that fails is noted at its timer and tried again later,
ever more slowly; the others go on. `oldest_overdue_s` is the watchdog's question.

A kind of which a thousand may be due in one second has a `BatchHandler`: hundreds are claimed, handled and taken away in one
transaction, under the same claims and generations. Where a batch fails or one of it was overtaken, all of it is undone and
each is fired by itself, so that only the guilty one is late.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
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
_BATCH_OF_ALIKE: Final = 500
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


@dataclass(frozen=True, slots=True)
class BatchHandler:
    """Handles many timers of its kind in one transaction. It returns the ids of those that it left alone because somebody else
    holds what they are about: they stay due. It never waits for a lock while it holds several (SKIP LOCKED)."""

    handle: Callable[[AsyncSession, Sequence[Timer]], Awaitable[Collection[int]]]


Handlers = Mapping[str, TimerHandler | BatchHandler]


_SCHEDULE_MANY: Final = text("""
    INSERT INTO timers (kind, ref, due_at, retry_at, generation, payload, attempts)
    SELECT :kind, w.ref, w.due_at, w.due_at, 1, '{}', 0
      FROM unnest(CAST(:refs AS text[]), CAST(:due AS timestamptz[])) AS w (ref, due_at)
    ON CONFLICT (kind, ref) DO UPDATE
       SET due_at = excluded.due_at, retry_at = excluded.retry_at, payload = excluded.payload, attempts = 0, last_error = NULL,
           generation = timers.generation + 1
    RETURNING ref, generation
""")
# The look is wider than the batch: whoever claims beside somebody else passes over what is claimed. The filter stands outside
# of the ordered look, so that no more is claimed than is taken.
_CLAIM_ALIKE: Final = text("""
    WITH due AS MATERIALIZED (
        SELECT id FROM timers WHERE kind = :kind AND retry_at <= :now AND attempts = 0
         ORDER BY retry_at, id LIMIT :look
    )
    SELECT id FROM due WHERE pg_try_advisory_xact_lock(:class, CAST(id % 2147483648 AS integer)) LIMIT :limit
""")
_TAKE_AWAY_MANY: Final = text("""
    DELETE FROM timers t
     USING unnest(CAST(:ids AS bigint[]), CAST(:generations AS integer[])) AS f (id, generation)
     WHERE t.id = f.id AND t.generation = f.generation
    RETURNING t.id
""")


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


async def schedule_many(session: AsyncSession, kind: str, due: Mapping[str, datetime]) -> None:
    """The same for many of a kind, by ref, in one statement."""
    if not due:
        return
    refs = sorted(due)
    rows = await session.execute(_SCHEDULE_MANY, {"kind": kind, "refs": refs, "due": [due[ref] for ref in refs]})
    noted = session.info.setdefault(_RESCHEDULED, {})
    for row in rows:
        noted[kind, row.ref] = row.generation


async def cancel_many(session: AsyncSession, kind: str, refs: Collection[str]) -> None:
    """Take timers of a kind away, those that are there."""
    await session.execute(delete(TimerRow).where(TimerRow.kind == kind, TimerRow.ref.in_(refs)))


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


async def fire_for_ever(db: Database, handlers: Handlers) -> None:
    """The worker's loops: fire what is due, and show how far behind that is. A flood of one kind holds up no other."""
    async with asyncio.TaskGroup() as loops:
        loops.create_task(_fire_single_for_ever(db, handlers))
        for kind, handler in handlers.items():
            if isinstance(handler, BatchHandler):
                loops.create_task(_fire_alike_for_ever(db, kind, handler))


async def _fire_single_for_ever(db: Database, handlers: Handlers) -> None:
    while True:
        fired = await _fire_single(db, handlers, _BATCH, _AT_ONCE)
        async with db.session() as session:
            _overdue.set(await oldest_overdue_s(session))
        if fired < _BATCH:
            await asyncio.sleep(_LOOK_EVERY_S)


async def _fire_alike_for_ever(db: Database, kind: str, handler: BatchHandler) -> None:
    while True:
        if await fire_batch(db, kind, handler) < _BATCH_OF_ALIKE:
            await asyncio.sleep(_LOOK_EVERY_S)


async def fire_due(db: Database, handlers: Handlers, *, limit: int = _BATCH, at_once: int = 1) -> int:
    """Fire what is due, so many transactions side by side; returns how many timers were fired."""
    fired = await _fire_single(db, handlers, limit, at_once)
    for kind, handler in handlers.items():
        if isinstance(handler, BatchHandler):
            fired += await fire_batch(db, kind, handler)
    return fired


async def fire_batch(db: Database, kind: str, handler: BatchHandler, *, limit: int = _BATCH_OF_ALIKE) -> int:
    """Fire up to so many of one kind in one transaction; returns how many were fired."""
    claimed: list[Timer] = []
    try:
        async with db.session() as session:
            claimed = await _claim_alike(session, kind, limit)
            if not claimed:
                return 0
            left = set(await handler.handle(session, claimed))
            await session.flush()
            fired = [timer for timer in claimed if timer.id not in left]
            await _finish_many(session, fired)
        return len(fired)
    except Exception as error:
        if not claimed:
            raise
        # Who was overtaken, or cannot be done, is found by firing each by itself.
        log.info("timers_fired_one_by_one", kind=kind, count=len(claimed), error=type(error).__name__)
    return sum([await _fire(db, {kind: handler}, timer.id) for timer in claimed])


async def _fire_single(db: Database, handlers: Handlers, limit: int, at_once: int) -> int:
    """Those without a batch, and of the others those that have failed before: each in a transaction of its own."""
    alike = [kind for kind, handler in handlers.items() if isinstance(handler, BatchHandler)]
    async with db.session() as session:
        due = await session.scalars(
            select(TimerRow.id)
            .where(TimerRow.retry_at <= clock.now(), TimerRow.kind.not_in(alike) | (TimerRow.attempts > 0))
            .order_by(TimerRow.retry_at, TimerRow.id)
            .limit(limit)
        )
    due_ids = iter(due.all())

    async def fire_next() -> int:
        return sum([await _fire(db, handlers, timer_id) for timer_id in due_ids])

    return sum(await asyncio.gather(*[fire_next() for _ in range(at_once)]))


async def _fire(db: Database, handlers: Handlers, timer_id: int) -> bool:
    timer: Timer | None = None
    try:
        async with db.session() as session:
            timer = await _claim(session, timer_id)
            if timer is None:
                return False
            if not await _handle(_handler_of(handlers, timer), session, timer):
                return False
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


async def _handle(handler: TimerHandler | BatchHandler, session: AsyncSession, timer: Timer) -> bool:
    """False where a batch's handler left it alone."""
    if isinstance(handler, BatchHandler):
        return not await handler.handle(session, [timer])
    await handler(session, timer)
    return True


async def _claim_alike(session: AsyncSession, kind: str, limit: int) -> list[Timer]:
    """As many of a kind as are due and free. Claimed first and read again afterwards: what the first look saw may be over."""
    asked = {"kind": kind, "now": clock.now(), "class": _CLAIM_CLASS, "limit": limit, "look": 4 * limit}
    claimed = (await session.scalars(_CLAIM_ALIKE, asked)).all()
    if not claimed:
        return []
    rows = await session.scalars(
        select(TimerRow)
        .where(TimerRow.id.in_(claimed), TimerRow.retry_at <= clock.now())
        .order_by(TimerRow.retry_at, TimerRow.id)
    )
    return [Timer(row.id, row.kind, row.ref, row.due_at, row.generation, row.payload, row.attempts) for row in rows]


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


def _handler_of(handlers: Handlers, timer: Timer) -> TimerHandler | BatchHandler:
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


async def _finish_many(session: AsyncSession, timers: Sequence[Timer]) -> None:
    """The same for a batch: one that was overtaken undoes all of it."""
    rescheduled = session.info.get(_RESCHEDULED, {})
    over: list[Timer] = []
    for timer in timers:
        next_generation = rescheduled.get((timer.kind, timer.ref))
        if next_generation is None:
            over.append(timer)
        elif next_generation != timer.generation + 1:
            raise _Overtaken
    asked = {"ids": [timer.id for timer in over], "generations": [timer.generation for timer in over]}
    gone = (await session.scalars(_TAKE_AWAY_MANY, asked)).all() if over else []
    if len(gone) != len(over):
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
    # What is due is tried again within so long: by the index of tries, and the many that are due some day are not read.
    within = clock.now() + timedelta(seconds=_RETRY_LONGEST_S)
    oldest: datetime | None = await session.scalar(select(func.min(TimerRow.due_at)).where(TimerRow.retry_at <= within))
    if oldest is None:
        return 0.0
    return max(0.0, (clock.now() - oldest).total_seconds())
