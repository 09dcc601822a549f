"""Group commit: whoever comes while a transaction is under way shares the next one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

import structlog

from kernel.errors import TryAgain

T = TypeVar("T")

GATHER_S: Final = 0.003

log = structlog.get_logger()


class Group(Generic[T]):
    """Runs `work` for everything that waits, again and again. `work` notes its results in the things themselves."""

    def __init__(
        self,
        name: str,
        work: Callable[[list[T]], Awaitable[None]],
        *,
        batch_max: int,
        waiting_max: int,
        under_way: Callable[[], int],
    ) -> None:
        self._name = name
        self._work = work
        self._batch_max = batch_max
        self._waiting_max = waiting_max
        self._under_way = under_way
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._runner: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work."""
        self._runner = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Do what is waiting, then end."""
        self._stopping = True
        self._wake.set()
        if self._runner is not None:
            with suppress(asyncio.CancelledError):
                await self._runner

    async def join(self, thing: T, *, late: bool = False) -> None:
        """Until the transaction that this thing was in has committed; raises what made it fail.

        `late` is for what has to be written whatever happens: it is taken in also when much is waiting.
        """
        if self._stopping or (not late and len(self._waiting) >= self._waiting_max):
            raise TryAgain
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((thing, future))
        self._wake.set()
        await future

    async def _gather(self) -> None:
        """Where more are on their way than are here, a moment's patience makes one large transaction of several."""
        if self._waiting and len(self._waiting) < self._under_way() and not self._stopping:
            await asyncio.sleep(GATHER_S)

    async def _run(self) -> None:
        while True:
            await self._gather()
            taken, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
            if taken:
                await self._do(taken)
            elif self._stopping:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _do(self, taken: list[tuple[T, "asyncio.Future[None]"]]) -> None:
        failure: BaseException | None = None
        try:
            await self._work([thing for thing, _ in taken])
        except Exception as error:
            # Whatever happens here, no caller may be left waiting.
            log.exception("group.failed", group=self._name, size=len(taken))
            failure = error
        for _, future in taken:
            if future.done():
                continue
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(failure)
