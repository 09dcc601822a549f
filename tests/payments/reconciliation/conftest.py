"""A day of two canteens, a gateway and a bank, on which everything ties out; after each story the invariants hold."""

from collections.abc import AsyncIterator

import pytest

from app.simulators.alipay.keys import Keys
from tests.payments.channels.conftest import keys as keys  # noqa: PLC0414  a fixture that these files use too
from tests.payments.channels.shop import open_shop
from tests.payments.reconciliation.day import Day, open_day
from tests.payments.world import World


@pytest.fixture
async def day(world: World, keys: Keys) -> AsyncIterator[Day]:
    async with open_shop(world, keys) as shop, open_day(shop) as opened:
        yield opened
