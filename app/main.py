"""The web application: routers, parts and pages of all domains, put together from app/wiring.py."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app import health, pages
from app.addresses import KnownAddresses
from app.hot_path import HotPath
from app.metrics import show_metrics
from app.production import refuse_demo_secrets
from app.readiness import tell_ready
from app.request_metrics import MeasuredRequests
from app.services import open_services
from app.stripe_paths import StripePaths
from app.wiring import ROUTERS, WEB_PARTS
from kernel.http import RequestIds, install_error_handlers
from kernel.settings import Settings, get_settings


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        app.state.services = services
        app.state.database = services.database
        app.state.valkey = services.valkey
        await refuse_demo_secrets(settings, services.database)
        for part in WEB_PARTS:
            await stack.enter_async_context(part(app, services))
        tell_ready()
        yield


def create_served_app(settings: Settings | None = None) -> ASGIApp:
    """What a web process serves: the application, with the tills' payments taken out in front of everything."""
    app = create_app(settings)
    # Where a request came from is the proxy's word, and only the proxy's (FORWARDED_ALLOW_IPS names it).
    trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
    # uvicorn's types of an ASGI application are narrower than Starlette's; both mean the same.
    behind_proxy = cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app), trusted))
    return HotPath(StripePaths(behind_proxy, app.state), app.state)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application. Middleware is pure ASGI and there is little of it."""
    # Its pages for programmers come with everything they are made of: on a network without the internet they open too.
    app = FastAPIOffline(
        redoc_url=None,
        favicon_url="/icon.svg",
        title="管家 Guanjia",
        summary="Canteens and campus services on one card, with a payment cloud",
        version="1",
        lifespan=_lifespan,
        # Relative, so that the page works behind any proxy.
        servers=[{"url": "/"}],
    )
    app.state.settings = settings or get_settings()
    app.add_middleware(MeasuredRequests)
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    app.include_router(health.router)
    for router in ROUTERS:
        app.include_router(KnownAddresses(router))
    app.add_route("/metrics", show_metrics, include_in_schema=False)
    # Last, because the front end answers to every address that nobody above has taken.
    pages.install(app)
    return app
