"""The house with a desk in it, before the HTTP of calls."""

from collections.abc import AsyncIterator

import pytest

from tests.identity.conftest import House, house, house_url
from tests.realtime.calls.switchroom import Switchroom, open_switchroom

__all__ = ["House", "house", "house_url"]


@pytest.fixture
async def room(house: House, valkey_url: str) -> AsyncIterator[Switchroom]:
    async with open_switchroom(house, valkey_url) as opened:
        yield opened
