"""The house of identity's stories and the addresses of the rota, for its stories."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from kernel.db import Database
from kernel.http import RequestIds, install_error_handlers
from realtime.duty.routes import router
from tests.identity.conftest import House, house

__all__ = ["House", "house"]


@pytest.fixture
async def api(db: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The addresses of the rota, as they are served."""
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    app.include_router(router)
    app.state.database = db
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://guanjia.test") as client:
        yield client
