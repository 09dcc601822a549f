"""`guanjia worker`: the process that runs the background loops of app/wiring.py.

A loop that fails is logged, counted and started again after a pause; the others are not disturbed.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog
import uvicorn
import uvloop
from prometheus_client import Counter, Gauge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from structlog.contextvars import bind_contextvars

from app.memory import settle_memory
from app.metrics import show_metrics
from app.production import refuse_demo_secrets
from app.readiness import tell_ready
from app.services import Services, open_services
from app.wiring import LOOPS, Loop
from kernel.logging import configure_logging
from kernel.settings import Settings

log = structlog.get_logger()

RESTART_PAUSE_FIRST_S: Final = 0.2
RESTART_PAUSE_MAX_S: Final = 30.0
SETTLED_AFTER_S: Final = 60.0

_failures = Counter(
    "guanjia_loop_failures_total", "Times that a background loop failed and was started again", ["loop"]
)
_running = Gauge(
    "guanjia_loop_running", "1 while a background loop runs, 0 while it waits", ["loop"], multiprocess_mode="livemax"
)


def serve_worker(settings: Settings, *, health_port: int | None) -> None:
    """In an event loop of its own: uvloop's, whose writes to a socket cost half, and a relay writes a lot."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_worker(settings, health_port=health_port))


async def run_worker(settings: Settings, *, health_port: int | None, loops: Sequence[Loop] = LOOPS) -> None:
    """Until SIGTERM or Ctrl-C."""
    configure_logging(process="worker", as_json=settings.log_json)
    stopping = asyncio.Event()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(stop_signal, stopping.set)
    async with open_services(settings) as services:
        await refuse_demo_secrets(settings, services.database)
        keepers = [asyncio.create_task(keep_running(loop, services), name=loop.name) for loop in loops]
        async with _health_server(health_port):
            log.info("worker runs", loops=[loop.name for loop in loops])
            settle_memory()
            tell_ready()
            await stopping.wait()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


async def keep_running(loop: Loop, services: Services) -> None:
    """Run one loop for ever, whatever happens in it."""
    bind_contextvars(loop=loop.name)  # Of this task: each of its log lines names it.
    pause_s = RESTART_PAUSE_FIRST_S
    while True:
        born = time.monotonic()
        _running.labels(loop.name).set(1)
        try:
            await loop.run(services)
            log.warning("loop ended by itself")
        except Exception:  # The border: one loop's fault must not end the others.
            log.exception("loop failed")
        finally:
            _running.labels(loop.name).set(0)
        _failures.labels(loop.name).inc()
        if time.monotonic() - born > SETTLED_AFTER_S:
            pause_s = RESTART_PAUSE_FIRST_S
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, RESTART_PAUSE_MAX_S)


@asynccontextmanager
async def _health_server(port: int | None) -> AsyncIterator[None]:
    """In a container of its own the worker answers /healthz and /metrics; under the supervisor nobody needs that."""
    if port is None:
        yield
        return
    app = Starlette(routes=[Route("/healthz", _show_health), Route("/metrics", show_metrics)])
    config = uvicorn.Config(app, host="0.0.0.0", port=port, log_config=None, access_log=False, lifespan="off")  # noqa: S104  inside its container
    server = uvicorn.Server(config)
    # Not `serve()`, which would take the signals that the worker itself listens to.
    serving = asyncio.create_task(server._serve())  # noqa: SLF001  the library has no public name for it
    try:
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def _show_health(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})
