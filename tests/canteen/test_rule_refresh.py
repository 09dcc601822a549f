"""The posting rule learns from the database: everything at first, then only what is newer."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from canteen import canteens, menus, prices
from canteen.errors import ItemsNotOnMenu
from canteen.meals import DayType, LimitWindow, Meal
from canteen.menus import NewItem
from canteen.opening import instant
from canteen.prices import NewLadder, NewLimit, Serving
from canteen.pricing import CanteenPricing
from kernel import clock
from kernel.calendar import edit_day
from kernel.configuration import configuration_version
from payments.api import DenyCode, Quote, Refusal, Sale, SaleItem, Usage
from tests.canteen.conftest import Town

SHANGHAI = ZoneInfo("Asia/Shanghai")


def today() -> date:
    return clock.business_date(clock.now(), SHANGHAI)


def lunch(town: Town, day: date | None = None) -> Sale:
    """A sale at noon of a day."""
    return Sale(town.canteen, None, instant(day or today(), 12 * 60, SHANGHAI))


async def version(town: Town) -> int:
    async with town.db.session() as session:
        return await configuration_version(session)


async def quote(rule: CanteenPricing, town: Town, sale: Sale, **usage: Usage) -> Quote | Refusal:
    keys = rule.counter_keys(sale)
    return rule.quote(sale, town.payer(), dict(zip(keys, usage.values(), strict=False)))


class TestFromNothing:
    async def test_the_house_price_counts(self, town: Town) -> None:
        answer = await quote(await town.pricing(), town, lunch(town))

        assert isinstance(answer, Quote)
        assert (answer.amount_fen, answer.unit_share_fen) == (1800, 1600)
        assert answer.host_region_id == town.region
        assert (await town.pricing()).site_label(town.canteen) == "西湖食堂"

    async def test_a_place_that_is_no_canteen_has_no_name_and_no_price(self, town: Town) -> None:
        rule = await town.pricing()

        answer = rule.quote(replace(lunch(town), site_id=town.site_without_canteen), town.payer(), {})

        assert isinstance(answer, Refusal)
        assert answer.code is DenyCode.TERMINAL
        assert rule.site_label(town.site_without_canteen) == ""


class TestOnlyWhatIsNewer:
    async def test_a_new_price_is_learned_and_the_rest_is_kept(self, town: Town) -> None:
        rule = await town.pricing()
        before = await version(town)
        async with town.db.session() as session:
            ladder = NewLadder("staff", Meal.LUNCH, [Serving(2000, 1600)])
            await prices.set_prices(session, town.canteen, [ladder], actor="system")

        await town.pricing(rule, before)

        answer = await quote(rule, town, lunch(town))
        assert isinstance(answer, Quote)
        assert answer.amount_fen == 2000

    async def test_a_price_set_anew_on_the_same_day_replaces_the_one_of_the_morning(self, town: Town) -> None:
        rule = await town.pricing()
        for price_fen in (2000, 2100):
            before = await version(town)
            async with town.db.session() as session:
                ladder = NewLadder("staff", Meal.LUNCH, [Serving(price_fen, 1600)])
                await prices.set_prices(session, None, [ladder], actor="system")
            await town.pricing(rule, before)

        answer = await quote(rule, town, lunch(town))
        assert isinstance(answer, Quote)
        assert answer.amount_fen == 2100
        assert await quote(await town.pricing(), town, lunch(town)) == answer

    async def test_a_planned_price_waits_for_its_day(self, town: Town) -> None:
        async with town.db.session() as session:
            later = today() + timedelta(days=3)
            ladder = NewLadder("staff", Meal.LUNCH, [Serving(2500)], effective_from=later)
            await prices.set_prices(session, None, [ladder], actor="system")
        rule = await town.pricing()

        amounts = []
        for day in (today(), later - timedelta(days=1), later):
            answer = await quote(rule, town, lunch(town, day))
            assert isinstance(answer, Quote)
            amounts.append(answer.amount_fen)

        assert amounts == [1800, 1800, 2500]

    async def test_a_limit_and_a_closed_door_are_learned(self, town: Town) -> None:
        rule = await town.pricing()
        before = await version(town)
        async with town.db.session() as session:
            await prices.set_limit(session, None, NewLimit(LimitWindow.DAY, count_max=1), actor="system")
        await town.pricing(rule, before)
        limited = await quote(rule, town, lunch(town), meal=Usage(1, 1800), day=Usage(1, 1800))
        before = await version(town)
        async with town.db.session() as session:
            await canteens.edit_canteen(session, town.canteen, {"is_open": False}, actor="system")
        await town.pricing(rule, before)
        closed = await quote(rule, town, lunch(town))

        assert isinstance(limited, Refusal)
        assert limited.code is DenyCode.COUNT_LIMIT
        assert isinstance(closed, Refusal)
        assert closed.code is DenyCode.OUT_OF_PERIOD

    async def test_nothing_newer_costs_nothing_and_changes_nothing(self, town: Town) -> None:
        rule = await town.pricing()
        before = await quote(rule, town, lunch(town))

        await town.pricing(rule, await version(town))

        assert await quote(rule, town, lunch(town)) == before

    async def test_an_edited_work_day_changes_the_hours(self, town: Town) -> None:
        async with town.db.session() as session:
            windows = [
                canteens.NewWindow(Meal.LUNCH, DayType.WORKDAY, 660, 810),
                canteens.NewWindow(Meal.LUNCH, DayType.WEEKEND, 660, 810),
            ]
            await canteens.set_timetable(session, town.canteen, windows, actor="system")
        rule = await town.pricing()
        open_answer = await quote(rule, town, lunch(town))
        async with town.db.session() as session:
            await edit_day(session, today(), "holiday")

        await town.pricing(rule, await version(town))

        closed_answer = await quote(rule, town, lunch(town))
        assert isinstance(open_answer, Quote)
        assert isinstance(closed_answer, Refusal)


class TestMenus:
    async def test_a_published_menu_sells_until_it_is_withdrawn(self, town: Town) -> None:
        rule = await town.pricing()
        dish = await town.dish("东坡肉", 1500)
        sale = replace(lunch(town), items=(SaleItem(dish, 2),))
        before = await version(town)
        async with town.db.session() as session:
            menu = await menus.open_menu(
                session, town.canteen, today(), Meal.LUNCH, [NewItem(dish, 1400)], actor="system"
            )
        await town.pricing(rule, before)
        with pytest.raises(ItemsNotOnMenu):
            await quote(rule, town, sale)

        async with town.db.session() as session:
            await menus.change_menu_state(session, menu, "publish", actor="system")
        await town.pricing(rule, before)
        answer = await quote(rule, town, sale)
        assert isinstance(answer, Quote)
        assert answer.amount_fen == 2800

        async with town.db.session() as session:
            await menus.mark_sold_out(session, menu, dish, sold_out=True, actor="system")
        await town.pricing(rule, before)
        with pytest.raises(ItemsNotOnMenu):
            await quote(rule, town, sale)

    async def test_a_menu_of_next_week_is_brought_in_when_its_day_comes_near(self, town: Town) -> None:
        rule = await town.pricing()
        dish = await town.dish("东坡肉", 1500)
        far = today() + timedelta(days=7)
        async with town.db.session() as session:
            menu = await menus.open_menu(session, town.canteen, far, Meal.LUNCH, [NewItem(dish)], actor="system")
            await menus.change_menu_state(session, menu, "publish", actor="system")
        published = await version(town)
        await town.pricing(rule, 0)

        with clock.travelled(timedelta(days=7)):
            async with town.db.session() as session:
                assert await menus.bring_menus_in(session, today(), today() + timedelta(days=1)) == 1
                assert await menus.bring_menus_in(session, today(), today() + timedelta(days=1)) == 0
            await town.pricing(rule, published)
            answer = await quote(rule, town, replace(lunch(town, far), items=(SaleItem(dish, 1),)))

        assert isinstance(answer, Quote)
        assert answer.amount_fen == 1500
