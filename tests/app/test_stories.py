"""docs/stories/ are lived again and compared: a page that tells how things go must not be about how they once went."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kernel import clock, ids
from kernel.db import Database
from tests.app.paid_lunch import NOON, SEED, tell_paid_lunch
from tests.app.settled_month import FIRST_NOON, tell_settled_month
from tests.app.three_regions import tell_three_regions
from tests.app.whole_meeting import MORNING, tell_whole_meeting
from tests.canteen.conftest import Town, town
from tests.identity.conftest import open_house

__all__ = ["town"]

STORIES = Path(__file__).resolve().parents[2] / "docs" / "stories"


@pytest.fixture(autouse=True)
def _fixed_time_and_ids() -> Iterator[None]:
    """From an hour before the lunch, so that the town is built by the same clock and seed too."""
    with clock.frozen(NOON - timedelta(hours=1)), ids.seeded(SEED):
        yield


async def test_the_paid_lunch_goes_as_its_page_says(town: Town, valkey_url: str) -> None:
    page = STORIES / "paid-lunch.md"

    told = await tell_paid_lunch(town, valkey_url)

    compare(page, told)


async def test_the_month_is_settled_as_its_page_says(db: Database) -> None:
    with clock.frozen(FIRST_NOON), ids.seeded(SEED):
        told = await tell_settled_month(db)

    compare(STORIES / "settled-month.md", told)


async def test_three_regions_settle_as_their_page_says(db: Database) -> None:
    with clock.frozen(FIRST_NOON), ids.seeded(SEED):
        told = await tell_three_regions(db)

    compare(STORIES / "three-regions.md", told)


async def test_the_whole_meeting_is_held_as_its_page_says(db: Database) -> None:
    with clock.frozen(MORNING), ids.seeded(SEED):
        told = await tell_whole_meeting(await open_house(db))

    compare(STORIES / "whole-meeting.md", told)


def compare(page: Path, told: str) -> None:
    """The page as it stands is what was lived; with WRITE_STORIES it is written first."""
    if "WRITE_STORIES" in os.environ:
        page.parent.mkdir(exist_ok=True)
        page.write_text(told, encoding="utf-8")
    assert told == page.read_text(encoding="utf-8"), "run with WRITE_STORIES=1 and look at what has changed"
