"""Somebody who leaves; after each story the invariants hold, I10 with what went out among them."""

from collections.abc import AsyncIterator

import pytest

from app.simulators.alipay.keys import Keys, new_keys
from tests.payments.withdrawals.leaving import Leaving, open_leaving
from tests.payments.world import World


@pytest.fixture(scope="session")
def keys() -> Keys:
    """Made once: a key costs more than a story."""
    return new_keys()


@pytest.fixture
async def leaving(world: World, keys: Keys) -> AsyncIterator[Leaving]:
    async with open_leaving(world, keys) as opened:
        yield opened
