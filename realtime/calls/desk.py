"""What Valkey holds of calls, and how each of it is made again from PostgreSQL, whole, within a second.

| what | key | members |
|---|---|---|
| a desk's waiting queue, in the order to take them | sorted set `rt:{calls}:waiting:<reg>` | call id, score = rank |
| leases of pages at a desk | sorted set `rt:{calls}:present:<reg>` | person and device, score = until |
| presses of a caller within the last minute | sorted set `rt:{calls}:presses:<caller>` | call and number, score = when |
| the last rings of a desk, at most 200 of the last hour | stream `rt:{calls}:rings:<reg>` | call, round, person |

The worker compares twice a second what PostgreSQL says with what it wrote the last time, and writes the difference, each key
in one step. A mark (`rt:{calls}:mark`) tells it that Valkey has forgotten everything: then it writes all of it. Readers that find
no mark, or no Valkey, ask PostgreSQL; so without Valkey everything is slower and nothing is lost.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.ids import public_id
from realtime.api import publish_board
from realtime.calls import queries, schemas, watchdog
from realtime.calls.events import desk_channel
from realtime.calls.models import Call, CallRing
from realtime.calls.service import PRESSES_MAX, PRESSES_WINDOW

# One slot of a cluster: what belongs together is written in one step.
PREFIX: Final = "rt:{calls}:"
MARK: Final = PREFIX + "mark"
RINGS_MAX: Final = 200
RINGS_WITHIN: Final = timedelta(hours=1)
BOARD: Final = "desk.board"
_ASK_TIMEOUT_S: Final = 0.3
_EVERY_S: Final = 0.5

log = structlog.get_logger(__name__)

SortedSet = dict[str, float]
Stream = list[tuple[str, dict[str, str]]]


@dataclass(slots=True)
class Truth:
    """What Valkey should hold: by key. And each desk's figures."""

    sets: dict[str, SortedSet] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)


async def read_truth(session: AsyncSession, now: datetime) -> Truth:
    """From PostgreSQL alone."""
    truth = Truth()
    for region_id in await queries.regions_in_use(session, now):
        region = public_id("reg", region_id)
        waiting = await queries.waiting_at(session, region_id)
        present = await queries.present_at(session, region_id, now)
        rings = await queries.recent_rings(session, region_id, now, RINGS_WITHIN, RINGS_MAX)
        truth.sets[f"{PREFIX}waiting:{region}"] = {
            public_id(queries.PREFIX, call.id): queries.rank_of(call) for call in waiting
        }
        truth.sets[f"{PREFIX}present:{region}"] = {
            f"{public_id('per', one.person_id)}:{one.device}": _score(one.until) for one in present
        }
        truth.streams[f"{PREFIX}rings:{region}"] = stream_of(rings)
        truth.boards[region] = (await board_of(session, region_id, waiting=waiting)).model_dump(mode="json")
    for press in await queries.recent_presses(session, now - PRESSES_WINDOW):
        window = truth.sets.setdefault(f"{PREFIX}presses:{press.actor}", {})
        window[press_name(public_id(queries.PREFIX, press.call_id), press.ordinal)] = _score(press.recorded_at)
    truth.sets = {key: members for key, members in truth.sets.items() if members}
    truth.streams = {key: entries for key, entries in truth.streams.items() if entries}
    return truth


def press_name(call: str, number: int) -> str:
    """One press in a caller's window."""
    return f"{call}:{number}"


def _score(at: datetime) -> float:
    return round(at.timestamp() * 1000)


def stream_of(rings: Sequence[CallRing]) -> Stream:
    """Entries with ids of their own instant, numbered where several share it."""
    entries: Stream = []
    last_ms, number = 0, 0
    for ring in rings:
        at_ms = max(int(ring.rung_at.timestamp() * 1000), last_ms)
        number = number + 1 if at_ms == last_ms else 0
        last_ms = at_ms
        fields = {
            "call": public_id(queries.PREFIX, ring.call_id),
            "round": str(ring.ring_round),
            "person": public_id("per", ring.person_id),
        }
        entries.append((f"{at_ms}-{number}", fields))
    return entries


async def board_of(
    session: AsyncSession, region_id: UUID, *, waiting: Sequence[Call] | None = None
) -> schemas.DeskBoard:
    """A desk's figures and queue: what the wall shows, without names."""
    queue = await queries.waiting_at(session, region_id) if waiting is None else waiting
    counts = await queries.counts_at(session, region_id)
    present = await queries.present_at(session, region_id, clock.now())
    found = await watchdog.look(session)
    return schemas.DeskBoard(
        waiting=counts.waiting,
        taken=counts.taken,
        missed=counts.missed,
        oldest_waiting_at=clock.rfc3339(counts.oldest_waiting_at) if counts.oldest_waiting_at else None,
        present=len({one.person_id for one in present}),
        queue=[
            schemas.WaitingView.model_validate(
                {
                    "call": public_id(queries.PREFIX, call.id),
                    "state": call.state,
                    "kind": call.kind,
                    "place_text": call.place_text,
                    "urgency": call.urgency,
                    "placed_at": clock.rfc3339(call.placed_at),
                }
            )
            for call in queue[:50]
        ],
        alarms=[
            schemas.AlarmView.model_validate({"name": alarm.name, "detail": alarm.detail}) for alarm in found.alarms
        ],
    )


class DeskMirror:
    """The worker's writer: one for the house."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey
        self._mark = secrets.token_hex(8)
        self._written = Truth()

    async def run(self, db: Database) -> None:
        """Until cancelled. While Valkey is down, readers ask PostgreSQL."""
        while True:
            async with db.session() as session:
                truth = await read_truth(session, clock.now())
            try:
                await self.write(truth)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("desk_mirror_not_written", error=type(error).__name__)
            await asyncio.sleep(_EVERY_S)

    async def write(self, truth: Truth) -> None:
        """Only what differs; everything where Valkey has forgotten."""
        async with asyncio.timeout(2):
            if await self._valkey.get(MARK) != self._mark.encode():
                await self._forget_all()
            await self._write_differences(truth)
            await self._valkey.set(MARK, self._mark)
        for region, board in truth.boards.items():
            if self._written.boards.get(region) != board:
                publish_board(desk_channel(region), BOARD, board)
        self._written = truth

    async def _forget_all(self) -> None:
        """Whatever an earlier writer has left."""
        self._written = Truth()
        # In a cluster all of it is in one slot: one node is asked. A single server has no such question.
        node_of = getattr(self._valkey, "get_node_from_key", None)
        where: dict[str, Any] = {"target_nodes": node_of(MARK)} if node_of is not None else {}
        stale = [key async for key in self._valkey.scan_iter(match=PREFIX + "*", count=1000, **where)]
        if stale:
            await self._valkey.delete(*stale)

    async def _write_differences(self, truth: Truth) -> None:
        pipeline = self._valkey.pipeline(transaction=True)
        before, now = {**self._written.sets, **self._written.streams}, {**truth.sets, **truth.streams}
        for key in before.keys() - now.keys():
            pipeline.delete(key)
        for key, members in truth.sets.items():
            if self._written.sets.get(key) != members:
                pipeline.delete(key)
                pipeline.zadd(key, members)
        for key, entries in truth.streams.items():
            if self._written.streams.get(key) != entries:
                pipeline.delete(key)
                for entry, fields in entries:
                    pipeline.xadd(key, cast("dict[Any, Any]", fields), id=entry, maxlen=RINGS_MAX, approximate=False)
        await pipeline.execute()


# ---- reading


class DeskQueues:
    """A web process's reader. None means: ask PostgreSQL."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey

    async def waiting(self, region: str) -> list[str] | None:
        """Ids of the waiting calls, the next one first."""
        pipeline = self._valkey.pipeline(transaction=True)
        pipeline.exists(MARK)
        pipeline.zrange(f"{PREFIX}waiting:{region}", 0, -1)
        answer = await self._ask(pipeline.execute())
        return [member.decode() for member in answer[1]] if answer is not None and answer[0] else None

    async def is_hasty(self, caller_key: str) -> bool | None:
        """Whether a caller has pressed as often within a minute as counts."""
        since = _score(clock.now() - PRESSES_WINDOW)
        pipeline = self._valkey.pipeline(transaction=True)
        pipeline.exists(MARK)
        pipeline.zcount(f"{PREFIX}presses:{caller_key}", since, "+inf")
        answer = await self._ask(pipeline.execute())
        return bool(answer[1] >= PRESSES_MAX) if answer is not None and answer[0] else None

    async def note_press(self, caller_key: str, call: Call, number: int) -> None:
        """After its commit; the worker would do it half a second later."""
        member = press_name(public_id(queries.PREFIX, call.id), number)
        key = f"{PREFIX}presses:{caller_key}"
        pipeline = self._valkey.pipeline(transaction=True)
        pipeline.zadd(key, {member: _score(call.changed_at)})
        # Should the worker never hear of it.
        pipeline.expire(key, int(PRESSES_WINDOW.total_seconds()) * 2)
        await self._ask(pipeline.execute())

    async def _ask(self, question: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_S):
                return await question
        except (RedisError, OSError, TimeoutError):
            return None
