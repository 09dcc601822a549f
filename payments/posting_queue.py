"""The posting queue: how thousands of payments a second become a few hundred commits.

Each web process has one queue and a lane or two. A request waits in the queue until a lane takes it; everything that
is waiting then (up to `batch_max`) is posted in one transaction. Only after the commit do the futures resolve and the
answers leave. The second lane begins only where enough is waiting for a batch of its own: while one lane's transaction
is in the database, the other's is being decided here. It leaves aside the buckets that are under way, so that no lane
waits for a holder that another has locked.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from kernel.db import Database
from kernel.errors import TryAgain
from kernel.idempotency import Answer
from payments import metrics
from payments.batch import Item
from payments.errors import QueueFull
from payments.guesses import GuessWatch
from payments.posting import Knowledge, Lane, TerminalDirectory
from payments.posting_rule import PostingRule

log = structlog.get_logger()

# How many requests must wait before another lane helps: every batch has its own costs, whatever its size.
SPILL: Final = 16
# How soon an idle process learns of a change of configuration.
IDLE_REFRESH_S: Final = 0.5

Waiting = tuple[Item, "asyncio.Future[Answer]"]


class Posting:
    """One process's queue and its lanes. `start` it, `submit` to it, `stop` it."""

    def __init__(
        self,
        database: Database,
        rule: PostingRule,
        terminals: TerminalDirectory,
        *,
        batch_max: int = 400,
        queue_max: int = 4000,
        lanes: int = 2,
    ) -> None:
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._waiting: deque[Waiting] = deque()
        # The buckets of each lane's batch; None while it has none.
        self._under_way: list[frozenset[int] | None] = [None] * lanes
        knowledge = Knowledge(rule, terminals)
        self._watch = GuessWatch()
        self._lanes = [Lane(database, knowledge, self._watch) for _ in range(lanes)]
        self._wakes = [asyncio.Event() for _ in range(lanes)]
        self._committers: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def lane(self) -> int:
        """The number of the first lane that this process writes; 0 while it has none."""
        return self._lanes[0].number

    @property
    def is_ready(self) -> bool:
        """Whether payments can be posted now."""
        return self._lanes[0].is_open

    @property
    def waiting(self) -> int:
        """How many requests wait for a lane."""
        return len(self._waiting)

    async def start(self) -> None:
        """Lease the lanes and begin. Fails where the database cannot be reached."""
        for lane in self._lanes:
            await lane.open()
        self._committers = [
            asyncio.create_task(self._run(index), name=f"posting {index}") for index in range(len(self._lanes))
        ]

    async def stop(self) -> None:
        """Post what is waiting, then give the lanes back."""
        self._stopping = True
        for wake in self._wakes:
            wake.set()
        for committer in self._committers:
            with suppress(asyncio.CancelledError):
                await committer
        for lane in self._lanes:
            await lane.close()

    async def submit(self, item: Item) -> Answer:
        """Post one request: its answer, once it is durable. Raises what the caller is to be told instead."""
        return await self.enqueue(item)

    def enqueue(self, item: Item) -> "asyncio.Future[Answer]":
        """The same for a caller that is no task: a future of the answer. Refuses at once where the queue is full."""
        self._watch.refuse_guesser(item.terminal.id)
        if self._stopping or len(self._waiting) >= self._queue_max:
            raise QueueFull
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._wake_one()
        return future

    def _wake_one(self) -> None:
        """A lane that rests, if what waits is worth one."""
        if None in self._under_way:
            index = self._under_way.index(None)
            if self._is_worth_lane(index):
                self._wakes[index].set()

    def _is_worth_lane(self, index: int) -> bool:
        """Whether a lane may begin with what waits: anything, while no other lane is at work; else enough of it."""
        resting = self._under_way.count(None) - (self._under_way[index] is None)
        return len(self._waiting) >= SPILL or (bool(self._waiting) and resting == len(self._lanes) - 1)

    async def _run(self, index: int) -> None:
        """One lane's life: post what waits; when nothing does, wait."""
        lane, wake = self._lanes[index], self._wakes[index]
        while True:
            taken = self._take(index)
            if taken:
                metrics.BATCH_SIZE.observe(len(taken))
                await self._post(index, taken)
            elif self._stopping:
                return
            else:
                wake.clear()
                await lane.rest()
                await self._wait_for_work(lane, wake)

    def _take(self, index: int) -> list[Waiting]:
        """What waits, in order of arrival, but for the buckets that another lane has under way."""
        self._under_way[index] = None
        if not self._is_worth_lane(index):
            return []
        elsewhere = frozenset[int]().union(*filter(None, self._under_way))
        # No more than a lane's share of what is here, so that the lanes work side by side and not in turns; all of it where
        # a share would be less than another lane begins with.
        share = -(-len(self._waiting) // self._under_way.count(None))
        taken_max = min(self._batch_max, share if share >= SPILL else len(self._waiting))
        taken: list[Waiting] = []
        passed: list[Waiting] = []
        while self._waiting and len(taken) < taken_max:
            waiting = self._waiting.popleft()
            (passed if waiting[0].bucket in elsewhere else taken).append(waiting)
        self._waiting.extendleft(reversed(passed))
        if taken:
            # A code that nobody was given has no bucket (-1), and no holder to wait for.
            self._under_way[index] = frozenset([item.bucket for item, _ in taken]) - {-1}
        self._wake_one()
        return taken

    async def _wait_for_work(self, lane: Lane, wake: asyncio.Event) -> None:
        """Until somebody submits; while nobody does, still learn of new and revoked tills within the second."""
        try:
            async with asyncio.timeout(IDLE_REFRESH_S):
                await wake.wait()
        except TimeoutError:
            try:
                await lane.look_around()
            except Exception:
                # The next batch meets the same trouble and tells its callers; the lane itself must live on.
                log.exception("posting.look_around_failed")

    async def _post(self, index: int, taken: list[Waiting]) -> None:
        try:
            await self._lanes[index].post_all([item for item, _ in taken], lambda: self._is_worth_lane(index))
        except BaseException as error:
            # Whatever happens here, no caller may be left waiting.
            log.exception("posting.failed", request_ids=[item.request_id for item, _ in taken[:20]], size=len(taken))
            for item, _ in taken:
                item.outcome = item.outcome or TryAgain()
            if not isinstance(error, Exception):
                raise
        finally:
            for item, future in reversed(taken):
                if item.outcome is None:
                    self._waiting.appendleft((item, future))
            _resolve([(item, future) for item, future in taken if item.outcome is not None])


def _resolve(taken: Sequence[Waiting]) -> None:
    for item, future in taken:
        if future.done():
            # The caller has gone away; what was posted stays posted, and the key finds it again.
            continue
        if isinstance(item.outcome, Answer):
            future.set_result(item.outcome)
        else:
            future.set_exception(item.outcome or TryAgain())
