"""What sockets have missed, read from PostgreSQL for many of them at a time.

When a server restarts, a thousand clients come back within a second, each with the last position it has seen. Whoever
asks while a question is under way waits for the next one, which asks for all of them: so a storm costs a few dozen
statements instead of thousands, and never more than one for each client.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from realtime import queries
from realtime.queries import Missed

# Each may have missed a thousand frames.
_ASKED_AT_ONCE: Final = 50


class _Question(NamedTuple):
    channel: str
    after: int | None
    answer: "asyncio.Future[Missed]"


@dataclass
class CatchingUp:
    """One in each hub. `read` opens a short transaction, `frames_max` is the most that is replayed."""

    read: Callable[[], AbstractAsyncContextManager[AsyncSession]]
    frames_max: int

    def __post_init__(self) -> None:
        self._waiting: list[_Question] = []
        self._asking: asyncio.Task[None] | None = None

    async def missed(self, channel: str, after: int | None) -> Missed:
        """The channel's head, and what follows a position where one is named: one frame more than is replayed."""
        question = _Question(channel, after, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all(), name="hub catching up")
        return await question.answer

    async def close(self) -> None:
        """Whoever still waits is let go."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        for question in self._waiting:
            question.answer.cancel()

    async def _ask_all(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting[:_ASKED_AT_ONCE], self._waiting[_ASKED_AT_ONCE:]
            try:
                async with self.read() as session:
                    found = await queries.missed(
                        session, [(each.channel, each.after) for each in asked], self.frames_max + 1
                    )
            except BaseException as error:
                for question in asked:
                    if not question.answer.done():
                        question.answer.set_exception(error) if isinstance(
                            error, Exception
                        ) else question.answer.cancel()
                if not isinstance(error, Exception):
                    raise
                continue
            for question, answer in zip(asked, found, strict=True):
                if not question.answer.done():
                    question.answer.set_result(answer)
