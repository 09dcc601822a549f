"""Ending background tasks for sure."""

import asyncio
from typing import Any, Final

_PATIENCE_S: Final = 0.5


async def end_tasks(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel, and wait until all have ended; one that goes on is cancelled again.

    A library that is cancelled while it connects may take that for a failed attempt and try once more (redis-py does): whoever
    cancels once and waits then waits for ever, and a process that could not start does not end either.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _ended, running = await asyncio.wait(running, timeout=_PATIENCE_S)
    await asyncio.gather(*tasks, return_exceptions=True)
