"""The posting queue: how thousands of payments a second become a few hundred commits.

Each web process has one queue, one committer, one connection and one lane. A request waits in the queue until the
committer takes it; everything that is waiting then (up to `batch_max`) is posted in one transaction. Only after the
commit do the futures resolve and the answers leave. If a batch fails, its requests are posted one by one, so that
only the guilty one is refused.

The lane is leased by an advisory lock on the very connection that commits: if the connection is gone so is the lane,
and nobody can write behind the back of its next holder.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg
import structlog

from identity.api import Terminal
from kernel import clock
from kernel.db import Database
from kernel.errors import GuanjiaError, TooManyRequests, TryAgain
from kernel.idempotency import Answer
from payments import hot_statements as sql
from payments import metrics
from payments.batch import Batch, Item, LaneHead
from payments.batch_writing import write
from payments.errors import QueueFull
from payments.lines import GENESIS
from payments.posting_rule import PostingRule
from payments.tables import create_partitions_around

log = structlog.get_logger()

GUESSES_A_MINUTE: Final = 10
IDLE_REFRESH_S: Final = 0.5
_LANE_MAX: Final = 999
_PARTITION_MISSING: Final = "23514"
# After these the connection is useless and the lane must be leased again.
_LOST: Final = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)
_RETRYABLE: Final = (
    *_LOST,
    TimeoutError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
)


class TerminalDirectory(Protocol):
    """The tills, as this process knows them."""

    def by_id(self, terminal_id: UUID) -> Terminal | None: ...

    async def refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", since_version: int) -> None: ...


class Posting:
    """One process's queue and committer. `start` it, `submit` to it, `stop` it."""

    def __init__(
        self,
        database: Database,
        rule: PostingRule,
        terminals: TerminalDirectory,
        *,
        batch_max: int = 400,
        queue_max: int = 4000,
    ) -> None:
        self._database = database
        self._rule = rule
        self._terminals = terminals
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._wake = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._prepared: dict[str, Any] = {}
        self._head = LaneHead(0, 0, GENESIS, 0)
        self._version = 0
        self._blocked_until: dict[UUID, datetime] = {}
        self._stopping = False

    @property
    def lane(self) -> int:
        """The lane that this process writes; 0 while it has none."""
        return self._head.lane

    @property
    def is_ready(self) -> bool:
        """Whether a lane is leased and payments can be posted now."""
        return self._connection is not None and not self._connection.is_closed()

    async def start(self) -> None:
        """Lease a lane and begin. Fails where the database cannot be reached."""
        await self._connect()
        self._committer = asyncio.create_task(self._run(), name="posting")

    async def stop(self) -> None:
        """Post what is waiting, then give the lane back."""
        self._stopping = True
        self._wake.set()
        if self._committer is not None:
            with suppress(asyncio.CancelledError):
                await self._committer
        await self._disconnect()

    async def submit(self, item: Item) -> Answer:
        """Post one request: its answer, once it is durable. Raises what the caller is to be told instead."""
        blocked_until = self._blocked_until.get(item.terminal.id)
        if blocked_until is not None:
            left = (blocked_until - clock.now()).total_seconds()
            if left > 0:
                raise TooManyRequests(retry_after_s=int(left) + 1)
            del self._blocked_until[item.terminal.id]
        if self._stopping or len(self._waiting) >= self._queue_max:
            raise QueueFull()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._wake.set()
        return await future

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                if self._stopping:
                    return
                self._wake.clear()
                await self._wait_for_work()
                continue
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_max))]
            metrics.BATCH_SIZE.observe(len(taken))
            try:
                await self._post_all([item for item, _ in taken])
            except BaseException as error:
                # Whatever happens here, no caller may be left waiting.
                log.exception("posting.failed")
                for item, _ in taken:
                    item.outcome = item.outcome or TryAgain()
                if not isinstance(error, Exception):
                    _resolve(taken)
                    raise
            self._requeue_or_resolve(taken)

    async def _wait_for_work(self) -> None:
        """Until somebody submits; while nobody does, still learn of new and revoked tills within the second."""
        try:
            async with asyncio.timeout(IDLE_REFRESH_S):
                await self._wake.wait()
        except TimeoutError:
            if self._connection is not None and not self._connection.is_closed():
                with suppress(*_RETRYABLE):
                    await self._refresh(self._connection, None)

    def _requeue_or_resolve(self, taken: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        waiting = [(item, future) for item, future in taken if item.outcome is None]
        self._waiting.extendleft(reversed(waiting))
        _resolve([(item, future) for item, future in taken if item.outcome is not None])

    async def _post_all(self, items: list[Item]) -> None:
        """One transaction for all; after a failure, one for each."""
        try:
            await self._post(items)
            return
        except Exception as error:  # noqa: BLE001  whatever it was, each request is tried by itself next
            log.warning("posting.batch_failed", size=len(items), error=repr(error))
            await self._recover(error)
        for item in items:
            item.outcome = None
            try:
                await self._post([item])
            except Exception as error:  # noqa: BLE001  its caller is told; the others go on
                await self._recover(error)
                item.outcome = TryAgain() if isinstance(error, _RETRYABLE) else GuanjiaError()
                log.warning("posting.item_failed", key=item.key, error=repr(error))

    async def _recover(self, error: Exception) -> None:
        """Make the connection fit for the next transaction."""
        if getattr(error, "sqlstate", None) == _PARTITION_MISSING and "no partition" in str(error):
            async with self._database.session() as session:
                await create_partitions_around(session, clock.now())
        if self._connection is None or self._connection.is_closed() or isinstance(error, _LOST):
            await self._disconnect()
            with suppress(*_RETRYABLE, GuanjiaError):
                await self._connect()

    async def _post(self, items: Sequence[Item]) -> None:
        """One transaction. Outcomes are set on the items only once it is committed."""
        if self._connection is None or self._connection.is_closed():
            await self._connect()
        connection, at = self._connection, clock.now()
        assert connection is not None
        batch = Batch(self._prepared, self._rule, self._terminals, items)
        await connection.execute("BEGIN")
        try:
            await self._refresh(connection, await batch.lock_holders(at))
            winners = await batch.claim(at)
            await batch.load(winners, at)
            written = batch.decide(winners)
            head = await write(connection, self._prepared, written, self._head, at)
            guesses = await batch.count_guesses(written, at) if written.guesses else {}
            await connection.execute("COMMIT")
        except BaseException:
            for item in items:
                item.outcome = None
            if not connection.is_closed():
                with suppress(*_RETRYABLE):
                    await connection.execute("ROLLBACK")
            raise
        self._head = head
        self._slow_down(guesses)
        metrics.PAYMENTS.inc(len(written.accepted))
        metrics.COMMITS.inc()

    async def _refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", version: int | None) -> None:
        """Reload what the configuration changed since this process last looked."""
        if version is None:
            version = await self._prepared["CONFIGURATION_VERSION"].fetchval()
        if version != self._version:
            await self._terminals.refresh(connection, self._version)
            await self._rule.refresh(connection, self._version)
            self._version = version

    def _slow_down(self, guesses: dict[UUID, tuple[int, datetime]]) -> None:
        for terminal_id, (count, first_at) in guesses.items():
            if count >= GUESSES_A_MINUTE:
                self._blocked_until[terminal_id] = first_at + timedelta(seconds=60)

    async def _connect(self) -> None:
        connection = await self._database.raw_connection()
        try:
            await connection.execute(sql.SESSION_SETTINGS)
            self._head = await _lease_lane(connection)
            self._prepared = {
                name: await connection.prepare(text)
                for name, text in sql.HOT_STATEMENTS.items()
                if not name.endswith("_LANE")
            }
            # A fresh connection may follow a restored database: begin from everything.
            self._version = 0
            await self._refresh(connection, None)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        log.info("posting.lane_leased", lane=self._head.lane, n=self._head.n)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            with suppress(*_RETRYABLE):
                await connection.close(timeout=2)


def _resolve(taken: Sequence[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
    for item, future in taken:
        if future.done():
            # The caller has gone away; what was posted stays posted, and the key finds it again.
            continue
        if isinstance(item.outcome, Answer):
            future.set_result(item.outcome)
        else:
            future.set_exception(item.outcome or TryAgain())


async def _lease_lane(connection: "asyncpg.Connection[asyncpg.Record]") -> LaneHead:
    for lane in range(1, _LANE_MAX + 1):
        if await connection.fetchval(sql.TRY_LANE, lane):
            await connection.execute(sql.OPEN_LANE, lane, clock.now())
            row = await connection.fetchrow(sql.READ_LANE, lane)
            assert row is not None
            return LaneHead(lane, row["n"] or 0, row["hash"] or GENESIS, row["outbox_n"])
    raise TryAgain(reason="every lane is leased")
