"""The house of identity's stories, with a relay and a web process in it."""

from collections.abc import AsyncIterator

import pytest

from kernel.db import Database
from realtime.api import HubLimits
from tests.identity.conftest import House, house, house_url
from tests.realtime.stories import Web, relay_running, web_process

__all__ = ["House", "house", "house_url"]

# As in production, only looking around more often.
QUICK = HubLimits(poll_interval_s=0.2, recheck_interval_s=0.2)


@pytest.fixture
async def relay(db: Database, valkey_url: str) -> AsyncIterator[None]:
    async with relay_running(db, valkey_url):
        yield


@pytest.fixture
async def web(db: Database, valkey_url: str) -> AsyncIterator[Web]:
    async with web_process(db, valkey_url, QUICK) as running:
        yield running
