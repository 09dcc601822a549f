"""Takes Stripe's paths out of the way before the framework: they speak another wire form, errors included."""

from starlette.types import ASGIApp, Receive, Scope, Send

from payments.stripe_door.api import StripeDoor, is_door_path


class StripePaths:
    """Pure ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stripe's paths to the door, everything else onwards."""
        if scope["type"] == "http" and is_door_path(scope["path"]):
            door: StripeDoor = scope["app"].state.stripe_door
            await door(scope, receive, send)
            return
        await self.app(scope, receive, send)
