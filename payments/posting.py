"""A posting lane: one connection that turns a batch of requests into one durable transaction.

The lane is leased by an advisory lock on the very connection that commits: if the connection is gone so is the lane,
and nobody can write behind the back of its next holder. If a batch fails, its requests are posted one by one, so that
only the guilty one is refused. After a lost connection the outcome of a COMMIT is unknown; posting its requests again
finds their keys taken if it had succeeded, and does the work if it had not.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg
import structlog

from identity.api import Terminal
from kernel import clock
from kernel.db import Database
from kernel.errors import GuanjiaError, TryAgain
from payments import hot_statements as sql
from payments import metrics
from payments.batch import Batch, Item, LaneHead
from payments.batch_writing import write
from payments.guesses import GuessWatch
from payments.lines import GENESIS
from payments.posting_rule import PostingRule
from payments.settlement.periods import CLOSED_PERIODS, NONE_CLOSED, ClosedPeriods, closed_periods, period_of
from payments.tables import create_partitions_around

log = structlog.get_logger()

LANE_MAX: Final = 999
_PARTITION_MISSING: Final = "23514"
# Longer than a sale can be late and still be booked without anybody's asking.
_PERIODS_LOOK_BACK: Final = timedelta(days=40)
# A plan that was made when a table had a dozen rows reads all of it, whatever it has grown to since. Planning again takes
# some milliseconds.
_PLANS_LAST: Final = timedelta(seconds=10)
# After these the connection is useless and a lane must be leased again.
_LOST: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
RETRYABLE: Final = (
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


class Knowledge:
    """What a process keeps in memory of the configuration: tills, prices and closed periods, up to a version."""

    def __init__(self, rule: PostingRule, terminals: TerminalDirectory) -> None:
        self.rule = rule
        self.terminals = terminals
        # A cut-off raises the version while nobody posts: what a batch reads behind the gate holds until its commit.
        self.closed: ClosedPeriods = NONE_CLOSED
        self._version = 0
        self._reloading = asyncio.Lock()

    async def refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", version: int) -> None:
        """Reload what changed, if `version` is newer than what is known. Lanes take turns; each reads, none waits on rows."""
        if version <= self._version:
            return
        async with self._reloading:
            if version > self._version:
                await self.terminals.refresh(connection, self._version)
                await self.rule.refresh(connection, self._version)
                since = period_of((clock.now() - _PERIODS_LOOK_BACK).date())
                rows = await connection.fetch(CLOSED_PERIODS, since)
                self.closed = closed_periods((row["region_id"], row["period"]) for row in rows)
                self._version = version

    def forget(self) -> None:
        """Begin from everything at the next refresh: a new connection may follow a restored database."""
        self._version = 0


class Lane:
    """One leased lane: its connection, its prepared statements, and the heads of its chain and outbox."""

    def __init__(self, database: Database, knowledge: Knowledge, watch: GuessWatch) -> None:
        self._database = database
        self._knowledge = knowledge
        self._watch = watch
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._prepared: dict[str, Any] = {}
        self._head = LaneHead(0, 0, GENESIS, 0)
        # Whether a transaction is open on the connection already.
        self._begun = False
        self._plan_again_at = clock.now()

    @property
    def number(self) -> int:
        """The lane's number; 0 while there is none."""
        return self._head.lane

    @property
    def is_open(self) -> bool:
        """Whether the lane is leased and its connection alive, as far as we know."""
        return self._connection is not None and not self._connection.is_closed()

    async def open(self) -> None:
        """Connect, lease the first free lane, prepare the statements, learn the configuration."""
        connection = await self._database.raw_connection()
        try:
            for text in sql.SESSION_OBJECTS:
                await connection.execute(text)
            self._head = await _lease_lane(connection)
            self._prepared = {name: await connection.prepare(text) for name, text in sql.PREPARED.items()}
            self._knowledge.forget()
            await self._knowledge.refresh(connection, await self._prepared["CONFIGURATION_VERSION"].fetchval())
        except BaseException:
            connection.terminate()
            raise
        self._connection, self._begun = connection, False
        log.info("posting.lane_leased", lane=self._head.lane, n=self._head.n)

    async def close(self) -> None:
        """Give the lane back."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            with suppress(*RETRYABLE):
                await connection.close(timeout=2)

    async def look_around(self) -> None:
        """While nobody pays: learn of new and revoked tills all the same."""
        if self._connection is not None and self.is_open:
            with suppress(*RETRYABLE):
                version = await self._prepared["CONFIGURATION_VERSION"].fetchval()
                await self._knowledge.refresh(self._connection, version)

    async def rest(self) -> None:
        """End the transaction that was begun for requests which another lane has taken meanwhile."""
        if self._begun and self._connection is not None and self.is_open:
            self._begun = False
            with suppress(*RETRYABLE):
                await self._connection.execute("COMMIT")

    async def post_all(self, items: list[Item], more_waiting: Callable[[], bool] = lambda: False) -> None:
        """One transaction for all; after a failure, one for each. Items without an outcome want to be posted again.

        Where `more_waiting` says so at the commit, the next transaction begins in the same round trip.
        """
        try:
            await self._post(items, more_waiting)
        except Exception as error:  # noqa: BLE001  whatever it was, each request is tried by itself next
            log.warning("posting.batch_failed", size=len(items), error=repr(error))
            await self._recover(error)
            await self._post_each(items)

    async def _post_each(self, items: list[Item]) -> None:
        for ordinal, item in enumerate(items):
            try:
                await self._post([item])
            except Exception as error:  # noqa: BLE001  its caller is told; the others go on
                log.warning("posting.item_failed", request_id=item.request_id, key=item.key, error=repr(error))
                await self._recover(error)
                item.outcome = TryAgain() if isinstance(error, (*RETRYABLE, TryAgain)) else GuanjiaError()
                if not self.is_open:
                    # The database is away: hundreds would otherwise wait for hundreds of attempts to connect.
                    for rest in items[ordinal + 1 :]:
                        rest.outcome = TryAgain()
                    return

    async def _recover(self, error: Exception) -> None:
        """Make the connection fit for the next transaction."""
        if getattr(error, "sqlstate", None) == _PARTITION_MISSING and "no partition" in str(error):
            async with self._database.session() as session:
                await create_partitions_around(session, clock.now())
        if not self.is_open or isinstance(error, _LOST):
            await self.close()
            with suppress(*RETRYABLE, GuanjiaError):
                await self.open()

    def _beginning(self, at: datetime) -> str:
        """What begins a transaction; now and then it forgets how the statements were planned."""
        if at < self._plan_again_at:
            return "BEGIN"
        self._plan_again_at = at + _PLANS_LAST
        return "DISCARD PLANS; BEGIN"

    async def _post(self, items: Sequence[Item], more_waiting: Callable[[], bool] = lambda: False) -> None:
        """One transaction. What stands in the items' outcomes afterwards is committed."""
        if not self.is_open:
            await self.open()
        connection, at = self._connection, clock.now()
        assert connection is not None, "it was just opened"
        companions = {item.errand.companion for item in items if item.errand is not None}
        going = items
        if not self._begun:
            await connection.execute(self._beginning(at))
        self._begun = False
        noted: list[tuple[UUID, datetime]] = []
        accepted = 0
        try:
            for companion in companions:
                going = await companion.enter(connection, going)
            head = self._head
            if going:
                batch = Batch(self._prepared, self._knowledge.rule, self._knowledge.terminals, self._watch, going)
                noted = batch.noted
                await self._knowledge.refresh(connection, await batch.load(at))
                await batch.prepare(at)
                written = batch.decide(self._knowledge.closed)
                head = await write(self._prepared, written, head, at)
                accepted = len(written.accepted)
                for companion in companions:
                    await companion.leave(connection, going)
            begin_next = more_waiting()
            await connection.execute(f"COMMIT; {self._beginning(at)}" if begin_next else "COMMIT")
        except BaseException:
            self._watch.take_back(noted)
            for item in items:
                item.outcome = None
            if not connection.is_closed():
                with suppress(*RETRYABLE):
                    await connection.execute("ROLLBACK")
            raise
        self._head, self._begun = head, begin_next
        metrics.PAYMENTS.inc(accepted)
        metrics.COMMITS.inc()


async def _lease_lane(connection: "asyncpg.Connection[asyncpg.Record]") -> LaneHead:
    for lane in range(1, LANE_MAX + 1):
        if await connection.fetchval(sql.TRY_LANE, lane):
            await connection.execute(sql.OPEN_LANE, lane, clock.now())
            row = await connection.fetchrow(sql.READ_LANE, lane)
            assert row is not None, "a SELECT without FROM has one row"
            return LaneHead(lane, row["n"] or 0, row["hash"] or GENESIS, row["outbox_n"])
    raise TryAgain(reason="every lane is leased")
