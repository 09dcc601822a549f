"""A lunch, from the code on the phone to the figure on the board: the rule inside payments' own queue."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import text

from canteen import menus
from canteen.canteens import edit_canteen
from canteen.errors import ItemsNotOnMenu
from canteen.jobs import advance_boards
from canteen.meals import LimitWindow, Meal
from canteen.menus import NewItem
from canteen.prices import NewLadder, NewLimit, Serving, set_limit, set_prices
from canteen.pricing import CanteenPricing
from identity.api import Terminal
from kernel import clock
from kernel.calendar import WEEKDAYS, day_type_of
from kernel.handlers import run_handler
from kernel.idempotency import Answer
from kernel.ids import public_id
from kernel.settings import get_settings
from payments.api import (
    Allotment,
    ItemRequest,
    PaymentRequest,
    Posting,
    TerminalCache,
    create_partitions_around,
    grant_subsidies,
    issue_pay_code,
    prefund_unit,
    queue_item,
    top_up_at_counter,
    void_payment,
)
from payments.handlers import follow_people
from realtime.api import boards
from tests.canteen.conftest import Town, uuid_of


@dataclass
class Counter:
    """A till of the town, and people with money who come to it."""

    town: Town
    posting: Posting
    rule: CanteenPricing
    terminals: TerminalCache
    token: str
    _seqs: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _codes: dict[str, str] = field(default_factory=dict)

    @property
    def terminal(self) -> Terminal:
        found = self.terminals.by_token(self.token)
        assert found is not None
        return found

    async def person(self, person_class: str = "staff") -> UUID:
        """Somebody with 100.00 in cash, and the month's subsidy if they are on the staff."""
        person_id = await self.town.person("王小明", person_class=person_class)
        while await run_handler(self.town.db, "payments.follow_people", follow_people):
            pass
        async with self.town.db.session() as session:
            await top_up_at_counter(session, person_id, 10_000, actor="test")
            if person_class == "staff":
                last = (clock.now() + timedelta(days=20)).date()
                allotment = Allotment(person_id, 22 * 1600)
                await grant_subsidies(session, self.town.hospital, [allotment], expires_on=last, actor="test")
        return person_id

    async def pay(self, person_id: UUID, **body: Any) -> Answer:
        async with self.town.db.session() as session:
            code = await issue_pay_code(session, person_id)
        answer = await self._submit(code.code, **body)
        if answer.status == 201:
            self._codes[told(answer)["id"]] = code.code
        return answer

    async def pay_code_again(self, payment: dict[str, Any]) -> Answer:
        """The code of an earlier payment, shown once more."""
        return await self._submit(self._codes[payment["id"]])

    async def _submit(self, code: str, **body: Any) -> Answer:
        request = PaymentRequest(seq=next(self._seqs), code=code, confirm_repeat=True, **body)
        item = queue_item(self.terminal, uuid4().hex, request, request_id="req_test", language="zh")
        return await self.posting.submit(item)


@pytest.fixture
async def counter(town: Town) -> AsyncIterator[Counter]:
    till = await town.till()
    async with town.db.session() as session:
        await create_partitions_around(session, clock.now())
        await prefund_unit(session, town.hospital, town.region, 10_000_000, actor="test")
    rule, terminals = CanteenPricing(), TerminalCache()
    posting = Posting(town.db, rule, terminals)
    await posting.start()
    yield Counter(town, posting, rule, terminals, till["token"])
    await posting.stop()
    boards._boards.clear()


def told(answer: Answer, status: int = 201) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(answer.body)
    assert answer.status == status, body
    return body


def legs(body: dict[str, Any]) -> list[tuple[str, int]]:
    return [(leg["purse"], leg["amount_fen"]) for leg in body["legs"]]


class TestALunchPaid:
    async def test_the_unit_bears_sixteen_the_person_two_and_the_reasons_say_so(self, counter: Counter) -> None:
        body = told(await counter.pay(await counter.person()))

        assert body["amount_fen"] == 1800
        assert legs(body) == [("subsidy", 1600), ("cash", 200)]
        assert body["canteen"] == public_id("can", counter.town.canteen)
        assert "西湖食堂" in body["trace"][0]["zh"]
        assert "单位最多承担 16.00 元" in body["trace"][1]["zh"]
        assert [line["code"] for line in body["trace"]][:2] == ["meal", "price.row"]

    async def test_the_second_is_at_the_guest_price_from_ones_own_pocket(self, counter: Counter) -> None:
        person = await counter.person()
        await counter.pay(person)

        body = told(await counter.pay(person))

        assert (body["amount_fen"], legs(body)) == (1800, [("cash", 1800)])

    async def test_a_void_gives_the_serving_back(self, counter: Counter) -> None:
        person = await counter.person()
        first = told(await counter.pay(person))
        async with counter.town.db.session() as session:
            label = counter.rule.site_label
            await void_payment(session, uuid_of(first["id"]), counter.terminal, site_label=label)

        body = told(await counter.pay(person))

        assert legs(body) == [("subsidy", 1600), ("cash", 200)]

    async def test_dishes_are_paid_by_todays_menu_and_stand_in_the_reasons(self, counter: Counter) -> None:
        town = counter.town
        dish = await town.dish("东坡肉", 900, "Dongpo pork")
        served = _meal_of(counter)
        async with town.db.session() as session:
            day = clock.business_date(clock.now(), get_settings().zone)
            menu = await menus.open_menu(session, town.canteen, day, served, [NewItem(dish)], actor="test")
            await menus.change_menu_state(session, menu, "publish", actor="test")
        person = await counter.person()

        body = told(await counter.pay(person, items=(ItemRequest(public_id("dsh", dish), 2),)))
        with pytest.raises(ItemsNotOnMenu):
            await counter.pay(person, items=(ItemRequest(public_id("dsh", uuid4()), 1),))

        assert body["amount_fen"] == 1800
        assert "东坡肉 × 2" in body["trace"][1]["zh"]

    async def test_a_price_changed_in_between_counts_from_the_next_payment_on(self, counter: Counter) -> None:
        person = await counter.person("visitor")
        assert told(await counter.pay(person))["amount_fen"] == 1800
        async with counter.town.db.session() as session:
            ladders = [NewLadder("visitor", meal, [Serving(2100)]) for meal in Meal]
            await set_prices(session, counter.town.canteen, ladders, actor="test")

        assert told(await counter.pay(person))["amount_fen"] == 2100

    async def test_the_board_hears_of_it(self, counter: Counter) -> None:
        await counter.pay(await counter.person())
        while await advance_boards(counter.town.db):
            pass

        async with counter.town.db.session() as session:
            row = (await session.execute(text("SELECT count, amount_fen FROM canteen_minute_totals"))).one()
        assert tuple(row) == (1, 1800)


class TestRefused:
    async def test_over_a_limit_a_closed_door_and_a_class_without_a_price(self, counter: Counter) -> None:
        town, person, contractor = counter.town, await counter.person(), await counter.person("contract")
        assert told(await counter.pay(contractor), 402)["code"] == "DENY_CLASS"
        await counter.pay(person)
        async with town.db.session() as session:
            await set_limit(session, town.canteen, NewLimit(LimitWindow.PERIOD, count_max=1), actor="test")
        assert told(await counter.pay(person), 402)["code"] == "DENY_COUNT_LIMIT"
        async with town.db.session() as session:
            await set_limit(session, town.canteen, NewLimit(LimitWindow.PERIOD), actor="test")
            await set_limit(session, town.canteen, NewLimit(LimitWindow.TRANSACTION, 1000), actor="test")
        assert told(await counter.pay(person), 402)["code"] == "DENY_AMOUNT_LIMIT"
        async with town.db.session() as session:
            await edit_canteen(session, town.canteen, {"is_open": False}, actor="test")
        assert told(await counter.pay(person), 402)["code"] == "DENY_OUT_OF_PERIOD"

    async def test_people_of_another_unit_where_the_canteen_is_not_shared(self, counter: Counter) -> None:
        person = await counter.person()
        async with counter.town.db.session() as session:
            await edit_canteen(session, counter.town.canteen, {}, unit_ids=[counter.town.school], actor="test")

        body = told(await counter.pay(person), 402)

        assert (body["code"], body["data"]["reason"]) == ("DENY_CLASS", "unit")


def _meal_of(counter: Counter) -> Meal:
    """What the round-the-clock timetable serves at this moment."""
    minute = clock.now().astimezone(get_settings().zone)
    minutes = minute.hour * 60 + minute.minute
    for meal, starts, ends in ((Meal.BREAKFAST, 300, 600), (Meal.LUNCH, 600, 900), (Meal.DINNER, 900, 1260)):
        if starts <= minutes < ends:
            return meal
    return Meal.NIGHT


class TestALotWithAScope:
    async def test_pays_only_on_its_days_at_its_meals_in_its_canteens(self, counter: Counter) -> None:
        """The day's type and the day of the week are tags of every opening, as the meal and the canteen are."""
        town, served = counter.town, _meal_of(counter)
        on = clock.business_date(clock.now(), get_settings().zone)
        async with town.db.session() as session:
            kind = await day_type_of(session, on)
        here, elsewhere = public_id("can", town.canteen), public_id("can", uuid4())
        scopes: list[tuple[dict[str, list[str]], bool]] = [
            ({"days": [kind]}, True),
            ({"days": [WEEKDAYS[on.weekday()]], "sites": [here], "meals": [served]}, True),
            ({"days": [WEEKDAYS[(on.weekday() + 1) % 7]]}, False),
            ({"sites": [elsewhere]}, False),
        ]
        for scope, pays in scopes:
            person = await town.person("王小明", person_class="staff")
            while await run_handler(town.db, "payments.follow_people", follow_people):
                pass
            async with town.db.session() as session:
                await top_up_at_counter(session, person, 10_000, actor="test")
                last = on + timedelta(days=9)
                allotment = Allotment(person, 1600)
                await grant_subsidies(session, town.hospital, [allotment], expires_on=last, scope=scope, actor="test")
            assert ("subsidy" in dict(legs(told(await counter.pay(person))))) is pays, scope
