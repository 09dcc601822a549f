"""The workshop, before the HTTP of repairs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernel.settings import get_settings
from tests.identity.conftest import House, house
from tests.repairs.orders.workshop import Workshop, open_workshop

__all__ = ["house"]


@pytest.fixture
async def shop(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workshop]:
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)
    async with open_workshop(house) as opened:
        yield opened
