"""A shop with a simulated Alipay; after each story the invariants hold, I10 and I11 among them."""

from collections.abc import AsyncIterator

import pytest

from app.simulators.alipay.keys import Keys, new_keys
from tests.payments.channels.shop import Shop, open_shop
from tests.payments.world import World


@pytest.fixture(scope="session")
def keys() -> Keys:
    """Made once: a key costs more than a story."""
    return new_keys()


@pytest.fixture
async def shop(world: World, keys: Keys) -> AsyncIterator[Shop]:
    async with open_shop(world, keys) as opened:
        yield opened
