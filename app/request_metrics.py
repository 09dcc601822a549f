"""How many requests each address serves, and how long they take; slow ones are named in the log with their id.

The payments' own address is not measured here, where it would cost more than it tells: `app/hot_path.py` counts into plain
numbers, and `sampling` hands them on once a second, together with what is waiting.
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from fastapi import FastAPI
from prometheus_client import Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.services import Services
from payments.api import Posting

log = structlog.get_logger(__name__)

BOUNDS_S: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
SLOW_S: Final = 1.0
_SAMPLE_EVERY_S: Final = 1.0

_requests = Histogram(
    "guanjia_http_request_seconds",
    "From a request's arrival to the end of its answer, by route; payments of tills have their own",
    ["method", "route", "status"],
    buckets=BOUNDS_S,
)
_payments = Histogram(
    "guanjia_payment_request_seconds",
    "From the arrival of POST /v1/payments to the end of its answer",
    buckets=BOUNDS_S,
)
_waiting = Gauge(
    "guanjia_posting_waiting", "Payments that wait for a lane, looked at once a second", multiprocess_mode="livesum"
)
_connections = Gauge(
    "guanjia_database_connections", "Connections of the pool that are in use", multiprocess_mode="livesum"
)


class MeasuredRequests:
    """Pure ASGI middleware around everything but the hot path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it and look at the clock before and after."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500  # What a caller gets where nothing was answered.

        async def send_and_remember(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_remember)
        finally:
            _observe(scope, status, time.perf_counter() - started)


def _observe(scope: Scope, status: int, took_s: float) -> None:
    route = _route_of(scope)
    _requests.labels(scope["method"] if route != "none" else "", route, str(status)).observe(took_s)
    if took_s > SLOW_S:
        log.warning("slow_request", method=scope["method"], route=route, status=status, took_ms=round(took_s * 1000))


def _route_of(scope: Scope) -> str:
    """Its pattern, not its address: there are as many series as routes, whatever people ask for."""
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is not None:
        return path
    return "pages" if "endpoint" in scope else "none"


class Durations:
    """A histogram in plain numbers: a tenth of a microsecond for each, handed on later."""

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    def hand_on(self, histogram: Histogram) -> None:
        """Give all to a histogram of the same bounds, and begin anew."""
        counts, self._counts = self._counts, [0] * len(self._counts)
        sum_s, self._sum_s = self._sum_s, 0.0
        if not any(counts):
            return
        # The library has no public way to add many at once; its own `observe` does exactly this, for one.
        histogram._sum.inc(sum_s)  # noqa: SLF001  see above
        for bucket, count in zip(histogram._buckets, counts, strict=True):  # noqa: SLF001  see above
            if count:
                bucket.inc(count)


payment_durations: Final = Durations(BOUNDS_S)


@asynccontextmanager
async def sampling(app: FastAPI, services: Services) -> AsyncIterator[None]:
    """A part of the web process: once a second, what was counted and what is waiting becomes visible."""
    sampler = asyncio.create_task(_sample_for_ever(app.state.posting, services), name="metrics")
    try:
        yield
    finally:
        sampler.cancel()
        with suppress(asyncio.CancelledError):
            await sampler
        payment_durations.hand_on(_payments)


async def _sample_for_ever(posting: Posting, services: Services) -> None:
    while True:
        payment_durations.hand_on(_payments)
        _waiting.set(posting.waiting)
        _connections.set(services.database.connections_in_use)
        await asyncio.sleep(_SAMPLE_EVERY_S)
