"""Takes Stripe's paths out of the way before the framework: they speak another wire form, errors included."""

from time import perf_counter
from typing import Final

from prometheus_client import Histogram
from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from app.request_metrics import BOUNDS_S
from payments.stripe_door.api import StripeDoor, is_door_path

_durations: Final = Histogram(
    "guanjia_door_request_seconds",
    "From the arrival of a request at the Stripe-compatible door to the end of its answer",
    buckets=BOUNDS_S,
)


class StripePaths:
    """Pure ASGI, around the framework. `state` is the application's, where its start leaves the door."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stripe's paths to the door, everything else onwards."""
        if scope["type"] != "http" or not is_door_path(scope["path"]):
            await self.app(scope, receive, send)
            return
        door: StripeDoor = self.state.stripe_door
        started = perf_counter()
        try:
            await door(scope, receive, send)
        finally:
            _durations.observe(perf_counter() - started)
