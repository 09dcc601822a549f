"""The canteens over HTTP: who may do what, what comes back, and how mistakes are told."""

import json
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import text

from canteen.till import configuration_for_till
from identity.api import Place, Role, approve, open_site, principal_of
from identity.queries import find_terminal_by_token
from identity.tokens import hash_token
from kernel import clock
from kernel.ids import parse_public_id, public_id
from tests.canteen.conftest import Town

Api = httpx.AsyncClient


def today() -> date:
    return clock.business_date(clock.now(), ZoneInfo("Asia/Shanghai"))


async def audited(town: Town, action: str) -> list[str]:
    async with town.db.session() as session:
        rows = await session.scalars(
            text("SELECT data FROM audit_log WHERE action = :action ORDER BY id"), {"action": action}
        )
        return list(rows)


class TestSeeingCanteens:
    async def test_a_diner_sees_what_is_served_now_and_whether_they_may_eat_there(self, town: Town, api: Api) -> None:
        page = (await api.get("/v1/canteens", headers=await town.diner())).json()

        (canteen,) = page["data"]
        assert page["has_more"] is False
        assert canteen["id"] == public_id("can", town.canteen)
        assert canteen["site"] == public_id("sit", town.canteen)
        assert (canteen["name_zh"], canteen["serves_me"], canteen["seats"]) == ("西湖食堂", True, 120)
        assert canteen["now"]["meal"] in ("breakfast", "lunch", "dinner", "night")
        assert canteen["now"]["until_at"].endswith("Z")

    async def test_both_prefixes_name_it(self, town: Town, api: Api) -> None:
        headers = await town.diner()

        answers = [await api.get(f"/v1/canteens/{public_id(p, town.canteen)}", headers=headers) for p in ("can", "sit")]

        assert [answer.json()["id"] for answer in answers] == [public_id("can", town.canteen)] * 2

    async def test_what_is_no_canteen_is_not_found(self, town: Town, api: Api) -> None:
        path = f"/v1/canteens/{public_id('can', town.site_without_canteen)}"

        answer = await api.get(path, headers=await town.diner())

        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")

    async def test_nobody_without_a_token_sees_anything(self, town: Town, api: Api) -> None:
        for path in ("/v1/canteens", town.path, f"{town.path}/board", f"{town.path}/menus", "/v1/prices", "/v1/limits"):
            assert (await api.get(path)).status_code == 401


class TestOpeningCanteens:
    async def test_an_administrator_opens_one_at_a_site(self, town: Town, api: Api) -> None:
        async with town.db.session() as session:
            site = await open_site(
                session,
                code="C2",
                name_zh="东海食堂",
                name_en="East Sea",
                kind="canteen",
                region_id=town.region,
                operator_id=town.hospital,
                actor="system",
            )
        body = {"site": public_id("sit", site), "units": [public_id("org", town.school)], "seats": 80}
        headers = await town.administrator()

        made = await api.post("/v1/canteens", json=body, headers=headers)
        again = await api.post("/v1/canteens", json=body, headers=headers)

        assert made.status_code == 201
        assert made.json()["units"] == [public_id("org", town.school)]
        assert made.json()["now"]["meal"] is None
        assert (again.status_code, again.json()["code"]) == (409, "ALREADY_THERE")
        assert len(await audited(town, "canteen.open")) == 2

    async def test_not_at_a_hall_not_for_strangers_and_not_by_the_cook(self, town: Town, api: Api) -> None:
        administrator = await town.administrator()
        hall = {"site": public_id("sit", town.site_without_canteen)}
        nowhere = {"site": public_id("sit", town.region)}

        assert (await api.post("/v1/canteens", json=hall, headers=administrator)).status_code == 422
        assert (await api.post("/v1/canteens", json=nowhere, headers=administrator)).status_code == 404
        assert (await api.post("/v1/canteens", json=hall, headers=await town.manager())).status_code == 403

    async def test_its_manager_closes_it_and_shares_it(self, town: Town, api: Api) -> None:
        headers = await town.manager()
        change = {"is_open": False, "units": [public_id("org", town.hospital), public_id("org", town.school)]}

        answer = await api.patch(town.path, json=change, headers=headers)
        unknown = await api.patch(town.path, json={"units": [public_id("org", town.region)]}, headers=headers)

        assert answer.json()["is_open"] is False
        assert len(answer.json()["units"]) == 2
        assert answer.json()["now"] == {"meal": None, "until_at": None, "next_meal": None, "next_opening_at": None}
        assert unknown.status_code == 404

    async def test_the_manager_of_another_place_does_not(self, town: Town, api: Api) -> None:
        place = Place(site_id=town.site_without_canteen)
        other = await town.headers(await town.person("外人", Role.CANTEEN_MANAGER, place))

        assert (await api.patch(town.path, json={"is_open": False}, headers=other)).status_code == 403
        assert (await api.get(f"{town.path}/board", headers=other)).status_code == 403


class TestHours:
    async def test_a_new_timetable_replaces_the_old_one_from_its_day_on(self, town: Town, api: Api) -> None:
        next_week = today() + timedelta(days=7)
        periods = [{"meal": "lunch", "day_type": "workday", "starts": "11:00", "ends": "13:00"}]
        body = {"effective_from": next_week.isoformat(), "periods": periods}

        answer = await api.put(f"{town.path}/periods", json=body, headers=await town.manager())

        rows = answer.json()["data"]
        assert [row["effective_to"] for row in rows if row["effective_from"] != next_week.isoformat()] == [
            next_week.isoformat()
        ] * 4
        assert rows[-1] == {**periods[0], "effective_from": next_week.isoformat(), "effective_to": None}

    async def test_a_night_meal_ends_on_the_next_day(self, town: Town, api: Api) -> None:
        body = {"periods": [{"meal": "night", "starts": "22:00", "ends": "01:30"}]}

        rows = (await api.put(f"{town.path}/periods", json=body, headers=await town.manager())).json()["data"]

        assert [(row["starts"], row["ends"]) for row in rows] == [("22:00", "01:30")]

    @pytest.mark.parametrize(
        "periods",
        [
            [
                {"meal": "lunch", "starts": "11:00", "ends": "13:00"},
                {"meal": "dinner", "starts": "12:59", "ends": "19:00"},
            ],
            [
                {"meal": "lunch", "starts": "11:00", "ends": "12:00"},
                {"meal": "lunch", "starts": "12:30", "ends": "13:00"},
            ],
            [
                {"meal": "night", "starts": "22:00", "ends": "07:30"},
                {"meal": "breakfast", "starts": "07:00", "ends": "09:00"},
            ],
            [
                {"meal": "lunch", "starts": "11:00", "ends": "13:00"},
                {"meal": "dinner", "day_type": "holiday", "starts": "12:00", "ends": "14:00"},
            ],
        ],
        ids=["two at once", "one twice", "past midnight", "on one kind of day"],
    )
    async def test_two_meals_are_never_served_at_once(
        self, town: Town, api: Api, periods: list[dict[str, str]]
    ) -> None:
        answer = await api.put(f"{town.path}/periods", json={"periods": periods}, headers=await town.manager())

        assert (answer.status_code, answer.json()["code"]) == (409, "PERIODS_OVERLAP")

    async def test_yesterday_cannot_be_changed(self, town: Town, api: Api) -> None:
        body = {"effective_from": (today() - timedelta(days=1)).isoformat(), "periods": []}

        answer = await api.put(
            f"{town.path}/periods", json=body, headers={**await town.manager(), "Accept-Language": "en"}
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "DATE_IS_PAST")
        assert today().isoformat() in answer.json()["message"]


def ladder(price_fen: int, **changes: Any) -> dict[str, Any]:
    return {
        "person_class": "staff",
        "meal": "lunch",
        "servings": [{"price_fen": price_fen, "unit_share_fen": 1600}],
        **changes,
    }


async def changed(town: Town, api: Api, change: dict[str, Any]) -> None:
    """A change of the canteen's prices that one person asked for and another approved."""
    body = {"canteen": public_id("can", town.canteen), **change}
    asked = await api.post("/v1/price_changes", json=body, headers=await town.administrator())
    assert asked.status_code == 201, asked.text
    async with town.db.session() as session:
        finance = await principal_of(session, await town.person("顾会计", Role.FINANCE), today())
        await approve(session, finance, parse_public_id("apr", asked.json()["approval"]))


class TestPrices:
    async def test_the_matrix_shows_what_counts_and_what_is_planned(self, town: Town, api: Api) -> None:
        headers = await town.manager()
        soon = (today() + timedelta(days=5)).isoformat()
        later = (today() + timedelta(days=9)).isoformat()
        path = f"{town.path}/prices"
        await changed(town, api, {"ladders": [ladder(2000, effective_from=later), ladder(1700)]})
        await changed(town, api, {"ladders": [ladder(1900, effective_from=soon)]})

        rows = (await api.get(path, headers=headers)).json()["data"]
        spans = [(row["servings"][0]["price_fen"], row["effective_from"], row["effective_to"]) for row in rows]
        assert spans == [(1700, today().isoformat(), soon), (1900, soon, later), (2000, later, None)]
        on = (await api.get(path, params={"on": soon}, headers=headers)).json()["data"]
        assert [row["servings"][0]["price_fen"] for row in on] == [1900]
        assert len(await audited(town, "price.set")) == 8 + 3

    async def test_the_general_matrix_is_for_those_who_stand_above_all(self, town: Town, api: Api) -> None:
        body = {"ladders": [ladder(1900)]}
        assert (await api.post("/v1/price_changes", json=body, headers=await town.manager())).status_code == 403

        await changed(town, api, {"canteen": None, **body})
        rows = (await api.get("/v1/prices", headers=await town.manager())).json()["data"]
        lunch = [row for row in rows if row["person_class"] == "staff" and row["meal"] == "lunch"]
        assert [row["servings"][0]["price_fen"] for row in lunch] == [1900]

    @pytest.mark.parametrize("address", ["/v1/price_changes", "/v1/price_changes/preview"])
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"servings": [{"price_fen": 100, "unit_share_fen": 101}]}, "PRICES_HAVE_GAPS"),
            ({"servings": [{"price_fen": 100}, {"price_fen": 100, "unit_share_fen": 1}]}, "PRICES_HAVE_GAPS"),
            ({"servings": [{"price_fen": 0}]}, "MALFORMED"),
            ({"servings": [{"price_fen": 10**30}]}, "MALFORMED"),
            ({"effective_from": "0001-01-01"}, "MALFORMED"),
            ({"effective_from": "2001-01-01"}, "DATE_IS_PAST"),
            ({"person_class": "staff\u0000"}, "MALFORMED"),
            ({"meal": "brunch"}, "MALFORMED"),
            ({"price": 1}, "MALFORMED"),
        ],
    )
    async def test_what_makes_no_sense_is_told(
        self, town: Town, api: Api, change: dict[str, Any], code: str, address: str
    ) -> None:
        body = {"canteen": public_id("can", town.canteen), "ladders": [ladder(1900, **change)]}

        answer = await api.post(address, json=body, headers=await town.manager())

        assert answer.json()["code"] == code

    async def test_a_class_without_servings_is_not_served_any_more(self, town: Town, api: Api) -> None:
        await changed(town, api, {"ladders": [ladder(1900)]})
        await changed(town, api, {"ladders": [ladder(1900, servings=[])]})

        rows = (await api.get(f"{town.path}/prices", headers=await town.manager())).json()["data"]
        assert rows == []


class TestLimits:
    async def test_a_new_limit_replaces_the_old_one(self, town: Town, api: Api) -> None:
        await changed(town, api, {"limits": [{"counted_over": "day", "amount_max_fen": 5000}]})
        await changed(town, api, {"limits": [{"counted_over": "day", "count_max": 4}]})

        (row,) = (await api.get(f"{town.path}/limits", headers=await town.manager())).json()["data"]
        assert (row["counted_over"], row["amount_max_fen"], row["count_max"]) == ("day", None, 4)

    async def test_only_those_above_all_set_general_ones(self, town: Town, api: Api) -> None:
        body = {"limits": [{"counted_over": "transaction", "amount_max_fen": 20_000}]}

        assert (await api.post("/v1/price_changes", json=body, headers=await town.manager())).status_code == 403
        assert (await api.post("/v1/price_changes", json=body, headers=await town.administrator())).status_code == 201


class TestMenus:
    async def test_from_a_dish_to_a_menu_that_sells(self, town: Town, api: Api) -> None:
        headers = await town.manager()
        dish = {
            "name_zh": "东坡肉",
            "name_en": "Dongpo pork",
            "category": "meat",
            "price_fen": 900,
            "nutrition": {"energy_kcal": 520, "protein_g": 18},
            "allergens": ["soy"],
        }
        made = (await api.post(f"{town.path}/dishes", json=dish, headers=headers)).json()
        draft = {"business_date": today().isoformat(), "meal": "lunch", "items": [{"dish_id": made["id"]}]}
        menu = (await api.post(f"{town.path}/menus", json=draft, headers=headers)).json()
        assert (menu["state"], menu["allowed"]) == ("draft", ["publish"])

        diner = await town.diner()
        assert (await api.get(f"{town.path}/menus", headers=diner)).json()["data"] == []
        published = (await api.post(f"/v1/menus/{menu['id']}/publish", headers=headers)).json()

        assert (published["state"], published["allowed"]) == ("published", ["withdraw"])
        (seen,) = (await api.get(f"{town.path}/menus", params={"date": today().isoformat()}, headers=diner)).json()[
            "data"
        ]
        assert seen["items"][0]["allergens"] == ["soy"]
        assert seen["items"][0]["nutrition"]["energy_kcal"] == 520
        assert seen["items"][0]["price_fen"] == 900

    async def test_a_state_that_does_not_allow_it_says_what_is_allowed(self, town: Town, api: Api) -> None:
        headers = await town.manager()
        dish = await town.dish("鱼", 500)
        body = {"business_date": today().isoformat(), "meal": "dinner", "items": [{"dish_id": public_id("dsh", dish)}]}
        menu = (await api.post(f"{town.path}/menus", json=body, headers=headers)).json()["id"]

        answer = await api.post(f"/v1/menus/{menu}/withdraw", headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (409, "STATE_CONFLICT")
        assert answer.json()["data"]["allowed"] == ["publish"]

    async def test_an_empty_menu_is_not_published_and_a_published_one_is_not_emptied(
        self, town: Town, api: Api
    ) -> None:
        headers = await town.manager()
        body = {"business_date": today().isoformat(), "meal": "dinner"}
        menu = (await api.post(f"{town.path}/menus", json=body, headers=headers)).json()["id"]
        assert (await api.post(f"/v1/menus/{menu}/publish", headers=headers)).json()["code"] == "MENU_IS_EMPTY"
        items = {"items": [{"dish_id": public_id("dsh", await town.dish("鱼", 500)), "price_fen": 450}]}
        await api.put(f"/v1/menus/{menu}/items", json=items, headers=headers)
        await api.post(f"/v1/menus/{menu}/publish", headers=headers)

        answer = await api.put(f"/v1/menus/{menu}/items", json={"items": []}, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (409, "MENU_IS_EMPTY")

    async def test_the_cashier_marks_what_is_sold_out(self, town: Town, api: Api) -> None:
        manager = await town.manager()
        cashier = await town.headers(await town.person("收银员", Role.CASHIER, Place(site_id=town.canteen)))
        dish = public_id("dsh", await town.dish("鱼", 500))
        body = {"business_date": today().isoformat(), "meal": "dinner", "items": [{"dish_id": dish}]}
        menu = (await api.post(f"{town.path}/menus", json=body, headers=manager)).json()["id"]
        path = f"/v1/menus/{menu}/items/{dish}/sold_out"

        assert (await api.put(path, json={"sold_out": True}, headers=cashier)).json()["items"][0]["sold_out"] is True
        assert (await api.put(path, json={"sold_out": True}, headers=await town.diner())).status_code == 403
        assert (await api.post(f"/v1/menus/{menu}/publish", headers=cashier)).status_code == 403

    async def test_names_are_taken_once_and_menus_made_once(self, town: Town, api: Api) -> None:
        headers = await town.manager()
        dish = await town.dish("鱼", 500)
        body = {"name_zh": "鱼", "name_en": "Fish", "category": "fish", "price_fen": 500}
        menu = {"business_date": today().isoformat(), "meal": "dinner"}
        await api.post(f"{town.path}/menus", json=menu, headers=headers)

        again = await api.post(f"{town.path}/dishes", json=body, headers=headers)
        twice = await api.post(f"{town.path}/menus", json=menu, headers=headers)

        assert (again.status_code, again.json()["data"]["id"]) == (409, public_id("dsh", dish))
        assert (twice.status_code, twice.json()["code"]) == (409, "ALREADY_THERE")

    async def test_a_dish_does_not_take_another_ones_name(self, town: Town, api: Api) -> None:
        fish, meat = await town.dish("鱼", 500), await town.dish("肉", 900)
        path = f"/v1/dishes/{public_id('dsh', meat)}"

        answer = await api.patch(path, json={"name_zh": "鱼"}, headers=await town.manager())

        assert (answer.status_code, answer.json()["data"]["id"]) == (409, public_id("dsh", fish))

    async def test_another_kitchens_dish_does_not_belong_here(self, town: Town, api: Api) -> None:
        stranger = public_id("dsh", town.region)
        body = {"business_date": today().isoformat(), "meal": "dinner", "items": [{"dish_id": stranger}]}

        assert (await api.post(f"{town.path}/menus", json=body, headers=await town.manager())).status_code == 404

    async def test_an_edited_dish_keeps_what_was_not_given(self, town: Town, api: Api) -> None:
        dish = public_id("dsh", await town.dish("鱼", 500))

        answer = await api.patch(f"/v1/dishes/{dish}", json={"price_fen": 600}, headers=await town.manager())

        assert (answer.json()["name_zh"], answer.json()["price_fen"], answer.json()["allergens"]) == (
            "鱼",
            600,
            ["soy"],
        )


class TestWhatATillIsTold:
    async def test_hours_prices_and_todays_menus(self, town: Town, api: Api) -> None:
        till = await town.till()
        headers = await town.manager()
        dish = public_id("dsh", await town.dish("鱼", 500))
        body = {"business_date": today().isoformat(), "meal": "lunch", "items": [{"dish_id": dish}]}
        menu = (await api.post(f"{town.path}/menus", json=body, headers=headers)).json()["id"]
        await api.post(f"/v1/menus/{menu}/publish", headers=headers)
        await changed(town, api, {"ladders": [ladder(2000)]})

        async with town.db.session() as session:
            terminal = await find_terminal_by_token(session, hash_token(till["token"]))
            assert terminal is not None
            told = await configuration_for_till(session, terminal)

        assert json.loads(json.dumps(told)) == told
        assert told["canteen"]["id"] == public_id("can", town.canteen)
        assert [period["meal"] for period in told["periods"]] == ["breakfast", "lunch", "dinner", "night"]
        lunch = {row["person_class"]: row["price_fen"] for row in told["prices"] if row["meal"] == "lunch"}
        assert lunch == {"staff": 2000, "visitor": 1800}
        assert told["menus"][0]["items"][0]["dish_id"] == dish

    async def test_a_till_outside_of_canteens_is_told_nothing(self, town: Town) -> None:
        till = await town.till(town.site_without_canteen)

        async with town.db.session() as session:
            terminal = await find_terminal_by_token(session, hash_token(till["token"]))
            assert terminal is not None
            assert await configuration_for_till(session, terminal) == {}
