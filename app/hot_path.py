"""Takes the tills' payments out of the way before the framework does anything for them.

Routing, dependencies and models cost more than a payment does; `payments/hot_route.py` serves it as plain ASGI.
"""

from time import perf_counter

from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from app.request_metrics import payment_durations
from payments.api import PaymentsEndpoint


class HotPath:
    """Pure ASGI, in front of everything. `state` is the application's, where its start leaves the endpoint."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Payments to their endpoint, everything else onwards."""
        if scope["type"] == "http" and scope["path"] == PaymentsEndpoint.path and scope["method"] == "POST":
            endpoint: PaymentsEndpoint = self.state.payments_endpoint
            started = perf_counter()
            try:
                await endpoint(scope, receive, send)
            finally:
                payment_durations.add(perf_counter() - started)
            return
        await self.app(scope, receive, send)
