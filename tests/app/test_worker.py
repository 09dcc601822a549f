"""The worker's loops: one that fails is started again, and disturbs nobody."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from app import worker
from app.services import Services, open_services
from app.wiring import Loop
from kernel.settings import Settings


def failures_of(loop: str) -> float:
    """As /metrics tells them."""
    return REGISTRY.get_sample_value("guanjia_loop_failures_total", {"loop": loop}) or 0.0


async def test_a_failing_loop_is_counted_and_started_again_while_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "RESTART_PAUSE_FIRST_S", 0.01)
    attempts, beats = 0, 0
    third_attempt = asyncio.Event()

    async def stumbles(_services: Services) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            third_attempt.set()
            await asyncio.Event().wait()
        raise RuntimeError("the soup is out")

    async def beats_on(_services: Services) -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.001)

    settings = Settings(database_url=SecretStr("postgresql://nowhere/x"), redis_url=SecretStr("redis://127.0.0.1:1/0"))
    async with open_services(settings) as services:
        keepers = [
            asyncio.create_task(worker.keep_running(Loop("stumbles", stumbles), services)),
            asyncio.create_task(worker.keep_running(Loop("beats", beats_on), services)),
        ]
        await asyncio.wait_for(third_attempt.wait(), 5)
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    assert failures_of("stumbles") == 2
    assert failures_of("beats") == 0
    assert beats > 10


async def test_cancelling_ends_a_loop_instead_of_restarting_it() -> None:
    started = 0

    async def waits(_services: Services) -> None:
        nonlocal started
        started += 1
        await asyncio.Event().wait()

    settings = Settings(database_url=SecretStr("postgresql://nowhere/x"), redis_url=SecretStr("redis://127.0.0.1:1/0"))
    async with open_services(settings) as services:
        keeper = asyncio.create_task(worker.keep_running(Loop("waits", waits), services))
        await asyncio.sleep(0.01)
        keeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeper

    assert started == 1
