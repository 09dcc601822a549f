"""The checklist of a new canteen: seven steps, each told from what is there."""

from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import text

from canteen.canteens import edit_canteen, open_canteen
from canteen.meals import Meal
from canteen.menus import NewItem, change_menu_state, open_menu
from canteen.pins import set_pin
from canteen.prices import NewLadder, Serving, set_prices
from identity.api import Place, Role
from kernel import clock
from kernel.ids import public_id
from tests.canteen.conftest import Town

Api = httpx.AsyncClient


async def steps(town: Town, api: Api, headers: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    answer = await api.get(f"{town.path}/setup", headers=headers or await town.administrator())
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["done"] == sum(step["state"] == "done" for step in told["steps"])
    return {step["name"]: step for step in told["steps"]}


class TestFromNothingToTheFirstMeal:
    async def test_a_canteen_that_was_just_opened_says_where_to_begin(self, town: Town, api: Api) -> None:
        async with town.db.session() as session:
            await session.execute(
                text("UPDATE sites SET kind = 'canteen' WHERE id = :id"), {"id": town.site_without_canteen}
            )
            await open_canteen(
                session, town.site_without_canteen, open_to_all=False, unit_ids=[], seats=None, actor="system"
            )
        town.canteen = town.site_without_canteen

        told = await steps(town, api)

        assert list(told) == ["place", "hours", "prices", "menu", "staff", "tills", "first_meal"]
        states = [step["state"] for step in told.values()]
        assert states == ["partial", "todo", "partial", "todo", "todo", "todo", "todo"]
        assert told["place"]["missing"] == ["no_diners"]
        assert "lunch.retired" in told["prices"]["missing"]
        assert "lunch.staff" not in told["prices"]["missing"], "the general price counts here too"

    async def test_step_by_step_everything_is_done(self, town: Town, api: Api) -> None:
        async with town.db.session() as session:
            others = [
                NewLadder(person_class, meal, [Serving(1800, 0)])
                for person_class in ("contract", "retired", "family")
                for meal in Meal
            ]
            await set_prices(session, town.canteen, others, actor="system")
        assert (await steps(town, api))["prices"]["state"] == "done"

        dish = await town.dish("红烧肉", 900)
        assert (await steps(town, api))["menu"]["missing"] == ["no_menu"]
        async with town.db.session() as session:
            tomorrow = clock.now().date() + timedelta(days=1)
            menu = await open_menu(session, town.canteen, tomorrow, Meal.LUNCH, [NewItem(dish)], actor="system")
            await change_menu_state(session, menu, "publish", actor="system")
        assert (await steps(town, api))["menu"]["state"] == "done"

        await town.manager()
        assert (await steps(town, api))["staff"]["missing"] == ["no_cashier", "no_pin"]
        cashier = await town.person("沈秋月", Role.CASHIER, Place(site_id=town.canteen))
        await set_pin(town.db, cashier, "258036", actor="system")
        assert (await steps(town, api))["staff"]["state"] == "done"

        await town.till()
        assert (await steps(town, api))["tills"]["state"] == "done"

        async with town.db.session() as session:
            paid = (
                "INSERT INTO canteen_minute_totals (canteen_id, business_date, minute, count, amount_fen, voided_count, "
                "returned_fen) VALUES (:canteen, :day, :at, 1, 1800, 0, 0)"
            )
            at = clock.now()
            await session.execute(text(paid), {"canteen": town.canteen, "day": at.date(), "at": at})
        told = await steps(town, api)
        assert {step["state"] for step in told.values()} == {"done"}

    async def test_what_is_undone_shows_again(self, town: Town, api: Api) -> None:
        async with town.db.session() as session:
            await edit_canteen(session, town.canteen, {"is_open": False}, unit_ids=None, actor="system")

        assert (await steps(town, api))["place"]["missing"] == ["closed"]

    async def test_a_till_that_is_not_paired_is_half_a_till(self, town: Town, api: Api) -> None:
        headers = await town.administrator()
        till = await town.till()
        async with town.db.session() as session:
            await session.execute(text("UPDATE terminals SET status = 'pairing', token_hash = NULL"))
        assert till

        assert (await steps(town, api, headers))["tills"] == {
            "name": "tills",
            "state": "partial",
            "found": 1,
            "missing": ["not_paired"],
        }


class TestWhoMaySeeIt:
    async def test_its_manager_may_and_a_diner_may_not(self, town: Town, api: Api) -> None:
        assert await steps(town, api, await town.manager())

        refused = await api.get(f"{town.path}/setup", headers=await town.diner())

        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")

    async def test_of_what_is_no_canteen_there_is_none(self, town: Town, api: Api) -> None:
        path = f"/v1/canteens/{public_id('can', town.site_without_canteen)}/setup"

        assert (await api.get(path, headers=await town.administrator())).status_code == 404
