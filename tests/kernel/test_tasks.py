"""Background tasks end, also those that do not want to."""

import asyncio
from contextlib import suppress

from kernel.tasks import end_tasks


class TestEndTasks:
    async def test_one_that_swallows_a_cancellation_is_cancelled_again(self) -> None:
        cancelled = 0

        async def stubborn() -> None:
            nonlocal cancelled
            while cancelled < 2:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                cancelled += 1

        async def broken() -> None:
            raise ConnectionError

        tasks = [asyncio.create_task(stubborn()), asyncio.create_task(broken())]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await end_tasks(*tasks)

        assert cancelled == 2
        assert all(task.done() for task in tasks)

    async def test_of_none_there_is_nothing_to_wait_for(self) -> None:
        await end_tasks()
