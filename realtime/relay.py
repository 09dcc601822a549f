"""The relay: gives every event its position in each channel that hears it, and tells the hubs.

There is one at a time, by an advisory lock that its connection holds; when that connection goes, the lock goes, and
nothing that the connection had not committed has happened. What it stamps, the new heads of the channels and its own
place in the outbox are one statement: a crash leaves neither gap nor repeat. Only what is committed is published, so
nobody hears a position that could be given again.

What the office has written wakes it at once (NOTIFY, delivered with the commit); payments, which come by the hundred, are found
by looking fifty times a second, and so is whatever a lost notice was about.

It never writes to the outbox, and it does not wait for Valkey: frames that could not be published are found by the
hubs in PostgreSQL.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kernel import clock
from kernel.clock import rfc3339
from kernel.db import Database
from kernel.events import decode_events
from kernel.outbox import WRITTEN_CHANNEL
from kernel.valkey import publish_many
from realtime.frames import event_frame
from realtime.partitions import ensure_day

ONE_RELAY: Final = 4_204_208
VALKEY_PREFIX: Final = "rt:"
_HEADS_REMEMBERED_MAX: Final = 200_000
_PUBLISH_TIMEOUT_S: Final = 1.0
_RESTART_PAUSE_S: Final = 0.2
_STUCK_PAUSE_S: Final = 1.0

log = structlog.get_logger(__name__)
_lag = Gauge(
    "guanjia_relay_lag_seconds",
    "Age of the oldest event that the relay has not stamped yet",
    multiprocess_mode="livemax",
)
_stamped = Counter("guanjia_relay_events_total", "Events that the relay has stamped, counted once for each channel")
_unpublished = Counter("guanjia_relay_unpublished_total", "Frames that Valkey did not take; the hubs fetch them")

_READ: Final = """
    SELECT l.lane, waiting.n, waiting.recorded_at, waiting.events
    FROM lanes l LEFT JOIN relay_cursors c ON c.lane = l.lane
    CROSS JOIN LATERAL (
        SELECT n, recorded_at, events FROM outbox o
        WHERE o.lane = l.lane AND o.n > coalesce(c.n, 0) ORDER BY n LIMIT $1
    ) waiting
    WHERE l.lane <> ALL($2::smallint[])
    ORDER BY l.lane, waiting.n
"""

_HEADS: Final = "SELECT channel, position FROM channel_heads WHERE channel = ANY($1::text[])"

_WRITE: Final = """
    WITH stamped AS (
        INSERT INTO channel_events (day, channel, position, event_id, type, version, data, happened_at)
        SELECT $1, * FROM unnest(
            $2::text[], $3::bigint[], $4::text[], $5::text[], $6::smallint[], $7::text[], $8::timestamptz[])
    ), heads AS (
        INSERT INTO channel_heads (channel, position) SELECT * FROM unnest($9::text[], $10::bigint[])
        ON CONFLICT (channel) DO UPDATE SET position = excluded.position
    )
    INSERT INTO relay_cursors (lane, n) SELECT * FROM unnest($11::smallint[], $12::bigint[])
    ON CONFLICT (lane) DO UPDATE SET n = excluded.n
"""


class _Delivery(msgspec.Struct, frozen=True):
    """One event for one channel, before it has a position."""

    channel: str
    event_id: str
    type: str
    version: int
    data: bytes
    happened_at: datetime


@dataclass
class _Batch:
    """What was read: deliveries in the order of their positions, and how far each lane has come."""

    deliveries: list[_Delivery] = field(default_factory=list)
    reached: dict[int, int] = field(default_factory=dict)
    oldest_at: datetime | None = None


class Relay:
    """`run()` for ever in the worker; `relay_once()` is one batch, for the tests."""

    def __init__(
        self, db: Database, valkey: "Redis | None", *, poll_interval_s: float = 0.02, batch_rows: int = 300
    ) -> None:
        self._db = db
        self._valkey = valkey
        self._poll_interval_s = poll_interval_s
        self._batch_rows = batch_rows
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._heads: dict[str, int] = {}
        self._day: date | None = None
        self._stuck_at: dict[int, int] = {}
        self._stuck_until = 0.0
        self._woken = asyncio.Event()
        self._to_publish: asyncio.Queue[dict[str, list[bytes]]] = asyncio.Queue(maxsize=200)

    async def run(self) -> None:
        """Relay until cancelled; a lost database is waited for."""
        publisher = asyncio.create_task(self._publish_for_ever(), name="relay publisher")
        try:
            while True:
                try:
                    await self._relay_while_connected()
                except Exception:  # A connection can die in many ways; with a new one it begins where it was.
                    log.warning("relay_begins_anew", exc_info=True)
                await asyncio.sleep(_RESTART_PAUSE_S)
        finally:
            publisher.cancel()
            await asyncio.gather(publisher, return_exceptions=True)
            await self.close()

    async def _relay_while_connected(self) -> None:
        try:
            await self.connect()
            while True:
                # Before the look: what is written during it wakes the next one.
                self._woken.clear()
                if not await self.relay_once():
                    await self._wait_for_more()
        finally:
            await self.close()

    async def _wait_for_more(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_interval_s):
                await self._woken.wait()

    def _wake(self, *_notice: object) -> None:
        self._woken.set()

    async def connect(self) -> None:
        """Become the one relay: waits until there is no other."""
        await self.close()
        self._connection = await self._db.raw_connection()
        waits = False
        while not await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", ONE_RELAY):
            if not waits:
                log.info("relay_waits_for_another_to_end")
            waits = True
            await asyncio.sleep(0.2)
        # Remembered positions are as good as the lock under which they were read.
        self._heads.clear()
        self._day = None
        await self._connection.add_listener(WRITTEN_CHANNEL, self._wake)

    async def close(self) -> None:
        """Stop being the relay."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def relay_once(self) -> int:
        """Stamp and publish one batch; returns the number of outbox rows that it took."""
        connection = self._connected
        rows = await connection.fetch(_READ, self._batch_rows, self._lanes_to_leave())
        batch = self._read_batch(rows)
        _lag.set(max(0.0, (clock.now() - batch.oldest_at).total_seconds()) if batch.oldest_at else 0.0)
        if not batch.reached:
            return 0
        published = await self._stamp(connection, batch)
        if published:
            self._hand_to_publisher(published)
        return len(rows)

    @property
    def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None:
            raise asyncpg.InterfaceError("the relay is not connected")
        return self._connection

    def _lanes_to_leave(self) -> list[int]:
        """A lane that is stuck is tried again every second, not fifty times in one."""
        if time.monotonic() < self._stuck_until:
            return list(self._stuck_at)
        return []

    def _read_batch(self, rows: Sequence[asyncpg.Record]) -> _Batch:
        batch = _Batch(oldest_at=min((row["recorded_at"] for row in rows), default=None))
        for row in _by_time(rows):
            lane, n = row["lane"], row["n"]
            if lane in self._stuck_at and self._stuck_at[lane] < n:
                continue
            try:
                batch.deliveries.extend(list(_deliveries_of(lane, n, row["events"])))
            except Exception:
                # A row that this version cannot read stops its lane, loudly, and nothing else; it is never skipped.
                if self._stuck_at.get(lane) != n:
                    log.exception("relay_cannot_read_row", lane=lane, n=n)
                self._stuck_at[lane] = n
                self._stuck_until = time.monotonic() + _STUCK_PAUSE_S
                continue
            self._stuck_at.pop(lane, None)
            batch.reached[lane] = n
        return batch

    async def _stamp(self, connection: "asyncpg.Connection[asyncpg.Record]", batch: _Batch) -> dict[str, list[bytes]]:
        today = clock.now().astimezone(UTC).date()
        if today != self._day:
            await ensure_day(connection, today)
            self._day = today
        await self._load_heads(connection, {delivery.channel for delivery in batch.deliveries})
        heads = self._heads
        frames: dict[str, list[bytes]] = {}
        columns: list[tuple[Any, ...]] = []
        touched: dict[str, int] = {}
        for each in batch.deliveries:
            position = touched[each.channel] = touched.get(each.channel, heads.get(each.channel, 0)) + 1
            columns.append(
                (
                    each.channel,
                    position,
                    each.event_id,
                    each.type,
                    each.version,
                    each.data.decode(),
                    each.happened_at,
                )
            )
            frame = event_frame(
                each.channel, position, each.event_id, each.type, each.version, each.data, rfc3339(each.happened_at)
            )
            frames.setdefault(each.channel, []).append(b"%d\t%b" % (position, frame))
        by_column = zip(*columns, strict=True) if columns else [()] * 7
        await connection.execute(
            _WRITE,
            today,
            *map(list, by_column),
            list(touched),
            list(touched.values()),
            list(batch.reached),
            list(batch.reached.values()),
        )
        heads.update(touched)
        _stamped.inc(len(columns))
        return frames

    async def _load_heads(self, connection: "asyncpg.Connection[asyncpg.Record]", channels: set[str]) -> None:
        if len(self._heads) > _HEADS_REMEMBERED_MAX:
            self._heads.clear()
        unknown = [channel for channel in channels if channel not in self._heads]
        if unknown:
            self._heads.update(dict.fromkeys(unknown, 0))
            self._heads.update({row["channel"]: row["position"] for row in await connection.fetch(_HEADS, unknown)})

    # ---- telling the hubs

    def _hand_to_publisher(self, frames: dict[str, list[bytes]]) -> None:
        try:
            self._to_publish.put_nowait(frames)
        except asyncio.QueueFull:
            _unpublished.inc(sum(map(len, frames.values())))

    async def _publish_for_ever(self) -> None:
        silent_until = 0.0
        while True:
            frames = await self._to_publish.get()
            if time.monotonic() < silent_until or not await self.publish(frames):
                _unpublished.inc(sum(map(len, frames.values())))
                silent_until = max(silent_until, time.monotonic() + 0.2)

    async def publish(self, frames: dict[str, list[bytes]]) -> bool:
        """One message for each channel, all in one round trip; False when Valkey did not take them."""
        if self._valkey is None:
            return False
        messages = [(VALKEY_PREFIX + channel, b"\n".join(lines)) for channel, lines in frames.items()]
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                await publish_many(self._valkey, messages)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("relay_could_not_publish", error=type(error).__name__)
            return False
        return True


def _by_time(rows: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """Lanes merged by time as far as that keeps each lane's own order: a refund comes after its payment."""
    latest: dict[int, datetime] = {}
    keyed = []
    for row in rows:
        at = latest[row["lane"]] = max(row["recorded_at"], latest.get(row["lane"], row["recorded_at"]))
        keyed.append(((at, row["lane"], row["n"]), row))
    keyed.sort(key=lambda pair: pair[0])
    return [row for _, row in keyed]


def _deliveries_of(lane: int, n: int, column: str) -> Iterator[_Delivery]:
    for stored in decode_events(lane, n, column):
        event = stored.event
        happened_at = datetime.fromisoformat(event.happened_at)
        for channel, data in event.audience():
            yield _Delivery(channel, stored.id, event.type, event.version, msgspec.json.encode(data), happened_at)
