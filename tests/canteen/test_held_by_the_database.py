"""What must never be true at once: two administrators at the same moment, and writers who go past the services."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from canteen import canteens, prices, queries
from canteen.errors import PeriodsOverlap
from canteen.meals import DayType, LimitWindow, Meal
from canteen.models import Limit, MealPeriod, Price
from canteen.prices import NewLadder, NewLimit, Serving
from kernel import clock
from kernel.db import Base
from kernel.ids import uuid7
from tests.canteen.conftest import Town


def _price(**changes: Any) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "canteen_id": None,
        "person_class": "family",
        "meal": "lunch",
        "serving": 1,
        "order_state": "walk_in",
        "price_fen": 1800,
        "unit_share_fen": 0,
        "after_last": "guest",
        "effective_from": date(2026, 1, 1),
        "effective_to": None,
        "configuration_version": 1,
        "recorded_at": clock.now(),
        **changes,
    }


def _period(town: Town, **changes: Any) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "canteen_id": town.canteen,
        "meal": "lunch",
        "day_type": "holiday",
        "starts_minute": 660,
        "ends_minute": 780,
        "effective_from": date(2026, 1, 1),
        "effective_to": None,
        "configuration_version": 1,
        **changes,
    }


async def write(town: Town, table: type[Base], *rows: dict[str, Any]) -> None:
    async with town.db.session() as session:
        for row in rows:
            await session.execute(insert(table).values(**row))


class TestConstraints:
    @pytest.mark.parametrize(
        "second",
        [{"effective_from": date(2026, 6, 1)}, {"effective_from": date(2025, 6, 1), "effective_to": date(2026, 1, 2)}],
        ids=["later", "earlier by a day"],
    )
    async def test_two_prices_for_one_key_on_one_day(self, town: Town, second: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError, match="price_rows_no_overlap"):
            await write(town, Price, _price(), _price(**second))

    async def test_one_price_after_the_other_and_one_that_never_counted_are_fine(self, town: Town) -> None:
        changed = date(2026, 6, 1)
        await write(
            town,
            Price,
            _price(effective_to=changed),
            _price(effective_from=changed, effective_to=changed),
            _price(effective_from=changed),
            _price(serving=2),
            _price(canteen_id=town.canteen),
        )

    @pytest.mark.parametrize(
        "row",
        [
            {"unit_share_fen": 1801},
            {"serving": 2, "unit_share_fen": 1},
            {"price_fen": 0},
            {"price_fen": 1_000_001},
            {"effective_to": date(2025, 12, 31)},
            {"person_class": "king"},
        ],
        ids=["share above the price", "a second subsidised meal", "free", "too dear", "ends before it begins", "class"],
    )
    async def test_a_price_that_cannot_be(self, town: Town, row: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError, match="_check"):
            await write(town, Price, _price(**row))

    @pytest.mark.parametrize(
        "second",
        [{"meal": "dinner", "starts_minute": 779, "ends_minute": 900}, {"starts_minute": 900, "ends_minute": 960}],
        ids=["two meals at once", "one meal twice"],
    )
    async def test_two_windows_that_clash(self, town: Town, second: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError, match="meal_periods_one_"):
            await write(town, MealPeriod, _period(town), _period(town, **second))

    async def test_two_limits_of_one_window(self, town: Town) -> None:
        row = {
            "canteen_id": None,
            "person_class": None,
            "meal": None,
            "counted_over": "day",
            "amount_max_fen": 100,
            "count_max": None,
            "effective_from": date(2026, 1, 1),
            "effective_to": None,
            "configuration_version": 1,
            "recorded_at": clock.now(),
        }

        with pytest.raises(IntegrityError, match="canteen_limits_no_overlap"):
            await write(town, Limit, {**row, "id": uuid7()}, {**row, "id": uuid7()})


class TestTwoAtOnce:
    async def test_two_administrators_who_change_one_price_both_succeed_in_order(self, town: Town) -> None:
        async def change(price_fen: int) -> None:
            async with town.db.session() as session:
                ladder = NewLadder("staff", Meal.LUNCH, [Serving(price_fen)])
                await prices.set_prices(session, town.canteen, [ladder], actor="system")

        await asyncio.gather(*(change(1000 + n) for n in range(6)))

        async with town.db.session() as session:
            rows = (await session.scalars(select(Price).where(Price.canteen_id == town.canteen))).all()
        assert len(rows) == 6
        assert len([row for row in rows if row.effective_to is None]) == 1

    async def test_limits_and_timetables_too(self, town: Town) -> None:
        async def change(minute: int) -> None:
            async with town.db.session() as session:
                window = canteens.NewWindow(Meal.LUNCH, DayType.ANY, 600 + minute, 700)
                await canteens.set_timetable(session, town.canteen, [window], actor="system")
                limit = NewLimit(LimitWindow.DAY, count_max=minute + 1)
                await prices.set_limit(session, town.canteen, limit, actor="system")

        await asyncio.gather(*(change(n) for n in range(5)))

        async with town.db.session() as session:
            windows = await queries.windows_of(session, [town.canteen])
            limits = await queries.limits_of(session, town.canteen, date(2030, 1, 1))
        in_force = [w for w in windows[town.canteen] if w.effective_to is None]
        assert len(in_force) == 1
        assert len(limits) == 1

    async def test_a_timetable_that_clashes_leaves_the_old_one_in_force(self, town: Town) -> None:
        windows = [
            canteens.NewWindow(Meal.LUNCH, DayType.ANY, 600, 700),
            canteens.NewWindow(Meal.DINNER, DayType.ANY, 699, 800),
        ]

        with pytest.raises(PeriodsOverlap):
            async with town.db.session() as session:
                await canteens.set_timetable(session, town.canteen, windows, actor="system")

        async with town.db.session() as session:
            later = await queries.today_of(session, town.canteen) + timedelta(days=1)
            assert len(await queries.periods_of(session, town.canteen, later)) == 4
