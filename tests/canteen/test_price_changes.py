"""A price changes for hundreds of people at once: it is seen before, decided on by two, and what was decided is done."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from canteen.api import Meal, NewLadder, Serving, set_prices
from identity.api import NewPerson, Place, Role, open_person
from kernel import clock
from kernel.ids import public_id
from payments.api import Quote, Sale
from tests.canteen.conftest import LONG_AGO, Town

Api = httpx.AsyncClient
Json = dict[str, Any]


def today() -> date:
    return clock.business_date(clock.now(), ZoneInfo("Asia/Shanghai"))


def lunch(price_fen: int, share_fen: int = 1600, **changes: Any) -> Json:
    servings = [{"price_fen": price_fen, "unit_share_fen": share_fen}]
    return {"person_class": "staff", "meal": "lunch", "servings": servings, "after_last": "guest", **changes}


class Desk:
    """Where prices are made: the canteen's manager asks, the finance decides."""

    def __init__(self, town: Town, api: Api, manager: Json, finance: Json) -> None:
        self.town, self.api, self.manager, self.finance = town, api, manager, finance

    def body(self, *ladders: Json, **more: Any) -> Json:
        return {"canteen": public_id("can", self.town.canteen), "ladders": list(ladders), **more}

    async def preview(self, body: Json, who: Json | None = None) -> Json:
        answer = await self.api.post("/v1/price_changes/preview", json=body, headers=who or self.manager)
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    async def ask(self, body: Json, who: Json | None = None) -> str:
        answer = await self.api.post("/v1/price_changes", json=body, headers=who or self.manager)
        assert answer.status_code == 201, answer.text
        approval: str = answer.json()["approval"]
        return approval

    async def prices(self) -> list[tuple[int, str]]:
        rows = (await self.api.get(f"{self.town.path}/prices", headers=self.manager)).json()["data"]
        return [(row["servings"][0]["price_fen"], row["effective_from"]) for row in rows]


@pytest.fixture
async def desk(town: Town, api: Api) -> Desk:
    finance = await town.headers(await town.person("顾会计", Role.FINANCE))
    return Desk(town, api, await town.manager(), finance)


async def people(town: Town, count: int, person_class: str, unit: UUID | None = None) -> None:
    async with town.db.session() as session:
        for number in range(count):
            new = NewPerson(f"职工{number}", unit or town.hospital, person_class, LONG_AGO)
            await open_person(session, new, actor="system")


class TestThePreview:
    async def test_shows_before_and_after_and_for_how_many(self, town: Town, desk: Desk) -> None:
        before = (await desk.preview(desk.body(lunch(2000))))["ladders"][0]["people"]
        await people(town, 3, "staff")
        await people(town, 2, "retired")
        await people(town, 4, "staff", unit=town.school)
        shown = await desk.preview(desk.body(lunch(2000), lunch(900, 0, person_class="retired")))
        staff, retired = shown["ladders"]
        # The school's people do not eat here.
        assert (staff["people"] - before, retired["people"]) == (3, 2)
        assert staff["before"]["servings"] == [{"price_fen": 1800, "unit_share_fen": 1600}]
        assert (staff["is_inherited"], staff["canteens"]) == (True, 1)
        assert staff["after"]["servings"] == [{"price_fen": 2000, "unit_share_fen": 1600}]
        assert retired["before"] is None
        assert shown["canteen_name_zh"] == "西湖食堂"
        assert await desk.prices() == [], "a preview changes nothing"

    async def test_of_a_general_price_leaves_out_who_eats_by_a_canteens_own(self, town: Town, desk: Desk) -> None:
        body = {"canteen": None, "ladders": [lunch(2000)]}
        everywhere = (await desk.preview(body, desk.finance))["ladders"][0]
        assert everywhere["people"] > 0
        async with town.db.session() as session:
            own = NewLadder("staff", Meal.LUNCH, [Serving(1500, 1500)])
            await set_prices(session, town.canteen, [own], actor="test")
        left = (await desk.preview(body, desk.finance))["ladders"][0]
        assert (left["people"], left["canteens"]) == (0, everywhere["canteens"] - 1)

    async def test_of_a_limit_shows_the_one_that_it_replaces(self, town: Town, desk: Desk) -> None:
        limit = {"counted_over": "day", "amount_max_fen": 5000}
        assert (await desk.preview(desk.body(limits=[limit])))["limits"][0]["before"] is None
        approval = await desk.ask(desk.body(limits=[limit]))
        await desk.api.post(f"/v1/approvals/{approval}/approve", headers=desk.finance)
        again = (await desk.preview(desk.body(limits=[{"counted_over": "day", "count_max": 3}])))["limits"][0]
        assert again["before"] == {"amount_max_fen": 5000, "count_max": None}
        assert again["after"] == {"amount_max_fen": None, "count_max": 3}


class TestTwoPeople:
    async def test_change_a_price_and_not_one(self, desk: Desk) -> None:
        approval = await desk.ask(desk.body(lunch(2000), reason="食材涨价"))
        assert await desk.prices() == []
        path = f"/v1/approvals/{approval}"
        for who, code in ((desk.manager, "SAME_PERSON"), (await desk.town.manager(), "NOT_FOUND")):
            assert (await desk.api.post(f"{path}/approve", headers=who)).json()["code"] == code
        seen = (await desk.api.get(path, headers=desk.finance)).json()
        assert (seen["kind"], seen["reason"], seen["may_decide"]) == ("price_change", "食材涨价", True)
        assert seen["payload"]["preview"]["ladders"][0]["after"]["servings"][0]["price_fen"] == 2000

        assert (await desk.api.post(f"{path}/approve", headers=desk.finance)).json()["status"] == "approved"
        assert await desk.prices() == [(2000, str(today()))]

    async def test_rejected_it_changes_nothing_and_stays_in_the_history(self, desk: Desk) -> None:
        approval = await desk.ask(desk.body(lunch(2000)))
        reject = f"/v1/approvals/{approval}/reject"
        await desk.api.post(reject, json={"note": "太贵"}, headers=desk.finance)
        assert await desk.prices() == []
        canteen = public_id("can", desk.town.canteen)
        listed = await desk.api.get(f"/v1/approvals?kind=price_change&subject={canteen}", headers=desk.manager)
        assert [(row["id"], row["status"], row["decision_note"]) for row in listed.json()["data"]] == [
            (approval, "rejected", "太贵")
        ]

    async def test_a_till_asks_the_new_price_on_its_day_and_not_before(self, town: Town, desk: Desk) -> None:
        soon = today() + timedelta(days=3)
        approval = await desk.ask(desk.body(lunch(2500, effective_from=str(soon))))
        await desk.api.post(f"/v1/approvals/{approval}/approve", headers=desk.finance)
        rule = await town.pricing()

        def price_on(day: date) -> int:
            at = clock.now().replace(year=day.year, month=day.month, day=day.day, hour=3, minute=30)
            sale = Sale(town.canteen, None, at)
            quote = rule.quote(sale, town.payer(), {})
            assert isinstance(quote, Quote)
            return quote.amount_fen

        assert (price_on(soon - timedelta(days=1)), price_on(soon)) == (1800, 2500)

    async def test_what_was_shown_must_still_be_so(self, desk: Desk) -> None:
        first, second = await desk.ask(desk.body(lunch(2000))), await desk.ask(desk.body(lunch(2100)))
        assert (await desk.api.post(f"/v1/approvals/{first}/approve", headers=desk.finance)).status_code == 200
        refused = await desk.api.post(f"/v1/approvals/{second}/approve", headers=desk.finance)
        assert (refused.status_code, refused.json()["code"]) == (409, "PRICES_HAVE_CHANGED")
        assert await desk.prices() == [(2000, str(today()))]

    async def test_approved_after_its_day_it_is_too_late(self, desk: Desk) -> None:
        approval = await desk.ask(desk.body(lunch(2000, effective_from=str(today() + timedelta(days=1)))))
        clock.advance(timedelta(days=3))
        manager = await desk.town.headers(await desk.town.person("新会计", Role.FINANCE))
        refused = await desk.api.post(f"/v1/approvals/{approval}/approve", headers=manager)
        assert refused.json()["code"] == "DATE_IS_PAST"

    async def test_a_canteens_prices_are_not_its_neighbours_to_ask_for(self, town: Town, desk: Desk) -> None:
        place = Place(site_id=town.site_without_canteen)
        stranger = await town.headers(await town.person("别处经理", Role.CANTEEN_MANAGER, place))
        for address in ("/v1/price_changes", "/v1/price_changes/preview"):
            answer = await desk.api.post(address, json=desk.body(lunch(2000)), headers=stranger)
            assert answer.status_code == 403
