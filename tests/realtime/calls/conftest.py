"""The house with a desk in it, before the HTTP of calls; after each story the invariants hold."""

from collections.abc import AsyncIterator, Iterator

import pytest

from kernel import clock
from kernel.invariants import audit
from realtime.calls.invariants import INVARIANTS
from tests.identity.conftest import House, house, house_url
from tests.realtime.calls.switchroom import Switchroom, open_switchroom

__all__ = ["House", "house", "house_url"]


@pytest.fixture(autouse=True)
def _still() -> Iterator[None]:
    """Time passes when a story says so."""
    with clock.frozen(clock.now()):
        yield


@pytest.fixture
async def room(house: House, valkey_url: str) -> AsyncIterator[Switchroom]:
    async with open_switchroom(house, valkey_url) as opened:
        yield opened
        async with house.db.session() as session:
            assert [finding for finding in await audit(session, INVARIANTS) if not finding.holds] == []


@pytest.fixture
async def forced_room(house: House, valkey_url: str) -> AsyncIterator[Switchroom]:
    """For who puts calls into states by SQL: what nobody lived through, no invariant holds of."""
    async with open_switchroom(house, valkey_url) as opened:
        yield opened
