"""A cashier's shift, from the PIN to the sheet that ties to the ledger."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from canteen.canteens import edit_canteen
from canteen.counter import CanteenCounter
from canteen.pins import set_pin
from canteen.shift_sheet import make_sheet
from canteen.shifts import count_shift, get_shift
from identity.api import Place, Role, open_site
from kernel import clock
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import public_id
from payments.api import Returned, TillSale
from tests.canteen.conftest import Town, uuid_of
from tests.canteen.test_a_lunch_paid import Counter, told
from tests.canteen.test_a_lunch_paid import counter as counter  # noqa: PLC0414  a fixture that this file uses too

CASHIERS_PIN, SUPERVISORS_PIN = "246813", "975310"
Json = dict[str, Any]


@dataclass
class Desk:
    """A till with its cashier and their supervisor, and the API that they use."""

    counter: Counter
    http: httpx.AsyncClient
    cashier: UUID
    supervisor: UUID

    @property
    def town(self) -> Town:
        return self.counter.town

    async def till(self, method: str, path: str, body: Json | None = None, **headers: str) -> httpx.Response:
        """As the till's page calls."""
        sent = {"Authorization": f"Bearer {self.counter.token}", **headers}
        return await self.http.request(method, path, json=body, headers=sent)

    async def begin(self, pin: str = CASHIERS_PIN) -> Json:
        opened = await self.till(
            "POST", "/v1/terminals/me/shift", {"person": public_id("per", self.cashier), "pin": pin}
        )
        assert opened.status_code == 201, opened.text
        shift: Json = opened.json()
        return shift

    async def hand_over(self, **body: str) -> Json:
        ended = await self.till("POST", "/v1/terminals/me/shift/hand_over", {"pin": CASHIERS_PIN, **body})
        assert ended.status_code == 200, ended.text
        shift: Json = ended.json()
        return shift

    async def sell(self, person: UUID, **body: Any) -> Json:
        return told(await self.counter.pay(person, **body))

    async def void(self, payment: Json, key: str | None = None, **body: str) -> httpx.Response:
        return await self.till(
            "POST", f"/v1/payments/{payment['id']}/void", body, **{"Idempotency-Key": key or uuid4().hex}
        )

    @property
    def as_supervisor(self) -> dict[str, str]:
        return {"person": public_id("per", self.supervisor), "pin": SUPERVISORS_PIN}


@pytest.fixture
async def desk(counter: Counter) -> AsyncIterator[Desk]:
    import canteen.routes
    import canteen.shift_routes
    import payments.routes

    town, here = counter.town, Place(site_id=counter.town.canteen)
    cashier = await town.person("沈秋月", Role.CASHIER, here)
    supervisor = await town.person("程海宁", Role.CANTEEN_MANAGER, here)
    await set_pin(town.db, cashier, CASHIERS_PIN, actor="test")
    await set_pin(town.db, supervisor, SUPERVISORS_PIN, actor="test")
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    for router in (payments.routes.router, canteen.routes.router, canteen.shift_routes.router):
        app.include_router(router)
    app.state.database, app.state.posting_rule, app.state.counter_rule = town.db, counter.rule, CanteenCounter()
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://guanjia.test") as http:
        yield Desk(counter, http, cashier, supervisor)


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def payable_fen(town: Town) -> int:
    """What the books owe the canteen, by the ledger's lines alone."""
    async with town.db.session() as session:
        found = await session.scalar(
            text("SELECT -sum(amount_fen) FROM entries WHERE account_kind = 'payable' AND account_owner = :canteen"),
            {"canteen": town.canteen},
        )
    return int(found or 0)


class TestAShift:
    async def test_ends_with_a_sheet_that_says_what_the_ledger_says(self, desk: Desk) -> None:
        person, payer = await desk.counter.person(), await desk.counter.person("visitor")
        before = await desk.sell(payer, amount_fen=100)
        owed_fen = await payable_fen(desk.town)
        shift = await desk.begin()
        lunch = await desk.sell(person)
        await desk.sell(person)
        await desk.sell(payer, amount_fen=700)
        again = await desk.counter.pay_code_again(lunch)
        assert again.status == 402
        assert (await desk.void(lunch, pin=CASHIERS_PIN)).status_code == 201

        sheet = (ended := await desk.hand_over())["sheet"]

        assert (ended["state"], ended["cashier_name"], ended["id"]) == ("handed_over", "沈秋月", shift["id"])
        assert (sheet["count"], sheet["sales_fen"], sheet["returned_fen"], sheet["net_fen"]) == (3, 4300, 1800, 2500)
        assert [(p["purse"], p["sales_fen"], p["returned_fen"], p["net_fen"]) for p in sheet["purses"]] == [
            ("subsidy", 1600, 1600, 0),
            ("cash", 2700, 200, 2500),
        ]
        assert [(meal["count"], meal["amount_fen"]) for meal in sheet["meals"]] == [(3, 4300)]
        assert sheet["voids"] == {"count": 1, "amount_fen": 1800}
        assert sheet["refunds"] == {"count": 0, "amount_fen": 0}
        assert sheet["refusals"] == [{"code": "DENY_CODE_USED", "count": 1}]
        assert sheet["ties"]
        assert await payable_fen(desk.town) - owed_fen == sheet["net_fen"]
        assert [(each["kind"], each["signed_by_name"]) for each in ended["returns"]] == [("void", "沈秋月")]
        sold = (await desk.till("GET", f"/v1/shifts/{shift['id']}/payments")).json()["data"]
        assert [sale["amount_fen"] for sale in sold] == [700, 1800, 1800]
        assert before["id"] not in [sale["id"] for sale in sold]
        assert "payer_label" not in sold[0]

    async def test_is_carried_by_each_of_its_sales_and_by_no_other(self, desk: Desk) -> None:
        payer = await desk.counter.person("visitor")
        before = await desk.sell(payer, amount_fen=100)
        first = await desk.begin()
        inside = await desk.sell(payer, amount_fen=200)
        await desk.hand_over()
        between = await desk.sell(payer, amount_fen=300)
        second = await desk.begin()
        later = await desk.sell(payer, amount_fen=400)

        async def carried(payment: Json) -> str | None:
            answer = await desk.till("GET", f"/v1/payments/{payment['id']}/shift")
            return answer.json()["id"] if answer.status_code == 200 else None

        carriers = [await carried(payment) for payment in (before, inside, between, later)]
        assert carriers == [None, first["id"], None, second["id"]]

    async def test_takes_each_payment_exactly_once_also_when_hands_change_in_the_rush(self, desk: Desk) -> None:
        payers = [await desk.counter.person("visitor") for _ in range(6)]
        await desk.begin()

        async def eat(person: UUID) -> list[str]:
            return [(await desk.sell(person, amount_fen=101 + n))["id"] for n in range(6)]

        async def change_hands() -> None:
            for _ in range(4):
                ended.append(await desk.hand_over())
                await desk.begin()

        ended: list[Json] = []
        changing = asyncio.create_task(change_hands())
        eaten = await asyncio.gather(*(eat(person) for person in payers))
        await changing
        ended.append(await desk.hand_over())

        held = []
        for shift in ended:
            rows = (await desk.till("GET", f"/v1/shifts/{shift['id']}/payments?limit=100")).json()["data"]
            assert len(rows) == shift["sheet"]["count"]
            assert shift["sheet"]["ties"]
            held += [row["id"] for row in rows]
        paid = [identifier for each in eaten for identifier in each]
        outside = set(paid) - set(held)
        assert len(held) == len(set(held))
        # What was committed after one hand-over and before the next opening belongs to nobody, and says so.
        for identifier in outside:
            assert (await desk.till("GET", f"/v1/payments/{identifier}/shift")).status_code == 404
        assert held

    async def test_counted_again_gives_the_same_sheet(self, desk: Desk) -> None:
        payer = await desk.counter.person("visitor")
        await desk.begin()
        await desk.sell(payer, amount_fen=500)
        ended = await desk.hand_over()
        later = await desk.sell(payer, amount_fen=900)
        assert (await desk.void(later)).status_code == 201

        async with desk.town.db.session() as session:
            assert await count_shift(session, await get_shift(session, uuid_of(ended["id"]))) == ended["sheet"]

    async def test_says_so_when_a_line_of_the_ledger_was_tampered_with(self, desk: Desk) -> None:
        await desk.begin()
        sold = await desk.sell(await desk.counter.person("visitor"), amount_fen=500)
        async with desk.town.db.session() as session:
            await session.execute(
                text("UPDATE ledger_lines SET amount_fen = 400 WHERE transfer_id = :id"), {"id": uuid_of(sold["id"])}
            )

        assert not (await desk.hand_over())["sheet"]["ties"]

    async def test_one_at_a_till_at_a_time(self, desk: Desk) -> None:
        await desk.begin()
        second = {"person": public_id("per", desk.supervisor), "pin": SUPERVISORS_PIN}

        refused(await desk.till("POST", "/v1/terminals/me/shift", second), 409, "SHIFT_IS_OPEN")

        await desk.hand_over()
        both = await asyncio.gather(*(desk.till("POST", "/v1/terminals/me/shift", second) for _ in range(2)))
        assert sorted(answer.status_code for answer in both) == [201, 409]

    async def test_left_open_is_ended_by_a_supervisor_at_the_till_or_by_the_manager_from_the_desk(
        self, desk: Desk
    ) -> None:
        await desk.begin()
        ended = await desk.hand_over(**desk.as_supervisor)
        assert (ended["cashier_name"], ended["handed_over_by_name"]) == ("沈秋月", "程海宁")

        opened = await desk.begin()
        manager = await desk.town.headers(desk.supervisor)
        path = f"/v1/shifts/{opened['id']}/hand_over"
        assert (await desk.http.post(path, headers=manager)).json()["state"] == "handed_over"
        refused(await desk.http.post(path, headers=manager), 409, "STATE_CONFLICT")
        listed = (await desk.http.get(f"{desk.town.path}/shifts", headers=manager)).json()["data"]
        assert [(row["state"], row["sheet"]["ties"]) for row in listed] == [("handed_over", True)] * 2
        refused(await desk.http.get(f"{desk.town.path}/shifts", headers=await desk.town.diner()), 403, "FORBIDDEN")

    async def test_another_cashier_cannot_end_it(self, desk: Desk) -> None:
        other = await desk.town.person("王阿姨", Role.CASHIER, Place(site_id=desk.town.canteen))
        await set_pin(desk.town.db, other, "864209", actor="test")
        await desk.begin()

        body = {"person": public_id("per", other), "pin": "864209"}
        refused(await desk.till("POST", "/v1/terminals/me/shift/hand_over", body), 403, "FORBIDDEN")


class TestGivingBack:
    async def test_without_a_shift_the_tills_token_is_enough_unless_the_canteen_says_otherwise(
        self, desk: Desk
    ) -> None:
        payer = await desk.counter.person("visitor")
        sold = await desk.sell(payer, amount_fen=500)
        assert (await desk.void(sold)).status_code == 201

        sold = await desk.sell(payer, amount_fen=600)
        async with desk.town.db.session() as session:
            await edit_canteen(session, desk.town.canteen, {"returns_need_shift": True}, actor="test")
        refused(await desk.void(sold), 409, "SHIFT_NEEDED")
        await desk.begin()
        assert (await desk.void(sold, pin=CASHIERS_PIN)).status_code == 201

    async def test_needs_the_cashiers_pin_once_and_a_supervisors_the_second_time(self, desk: Desk) -> None:
        payer = await desk.counter.person("visitor")
        await desk.begin()
        first, second = await desk.sell(payer, amount_fen=500), await desk.sell(payer, amount_fen=600)

        refused(await desk.void(first), 403, "TILL_PIN_NEEDED")
        refused(await desk.void(first, pin="000000"), 403, "TILL_PIN_WRONG")
        assert (await desk.void(first, pin=CASHIERS_PIN)).status_code == 201

        refused(await desk.void(second, pin=CASHIERS_PIN), 403, "SUPERVISOR_NEEDED")
        assert (await desk.void(second, **desk.as_supervisor)).status_code == 201
        returns = (await desk.hand_over())["returns"]
        assert [each["signed_by_name"] for each in returns] == ["沈秋月", "程海宁"]

    async def test_two_at_once_do_not_both_pass_for_the_first(self, desk: Desk) -> None:
        payers = [await desk.counter.person("visitor") for _ in range(4)]
        await desk.begin()
        sold = [await desk.sell(payer, amount_fen=500) for payer in payers]

        answers = await asyncio.gather(*(desk.void(payment, pin=CASHIERS_PIN) for payment in sold))

        assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403]

    async def test_a_refund_at_the_till_is_signed_by_a_supervisor_from_the_first_on(self, desk: Desk) -> None:
        await desk.begin()
        sold = await desk.sell(await desk.counter.person("visitor"), amount_fen=500)
        path, key = f"/v1/payments/{sold['id']}/refunds", {"Idempotency-Key": "refund-1"}
        body = {"amount_fen": 200, "reason": "打错了"}

        refused(await desk.till("POST", path, {**body, "pin": CASHIERS_PIN}, **key), 403, "SUPERVISOR_NEEDED")
        assert (await desk.till("POST", path, {**body, **desk.as_supervisor}, **key)).status_code == 201

        sheet = (await desk.hand_over())["sheet"]
        assert (sheet["refunds"], sheet["net_fen"], sheet["ties"]) == ({"count": 1, "amount_fen": 200}, 300, True)

    async def test_sent_again_after_a_lost_answer_is_answered_and_not_counted_twice(self, desk: Desk) -> None:
        await desk.begin()
        sold = await desk.sell(await desk.counter.person("visitor"), amount_fen=500)

        first, again = [await desk.void(sold, "void-1", pin=CASHIERS_PIN) for _ in range(2)]

        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len((await desk.hand_over())["returns"]) == 1

    async def test_that_fails_leaves_no_line_in_the_shift(self, desk: Desk) -> None:
        await desk.begin()
        sold = await desk.sell(await desk.counter.person("visitor"), amount_fen=500)
        assert (await desk.void(sold, pin=CASHIERS_PIN)).status_code == 201

        refused(await desk.void(sold, **desk.as_supervisor), 409, "STATE_CONFLICT")

        assert len((await desk.hand_over())["returns"]) == 1


class TestAPin:
    async def test_locks_after_five_wrong_ones_and_opens_by_itself(self, desk: Desk) -> None:
        wrong = {"person": public_id("per", desk.cashier), "pin": "111112"}
        for _ in range(5):
            refused(await desk.till("POST", "/v1/terminals/me/shift", wrong), 403, "TILL_PIN_WRONG")

        right = {**wrong, "pin": CASHIERS_PIN}
        locked = await desk.till("POST", "/v1/terminals/me/shift", right)
        refused(locked, 429, "TILL_PIN_LOCKED")
        assert 0 < int(locked.headers["Retry-After"]) <= 60
        async with desk.town.db.session() as session:
            await session.execute(text("UPDATE attempts SET locked_until = locked_until - interval '2 minutes'"))
        assert (await desk.till("POST", "/v1/terminals/me/shift", right)).status_code == 201

    async def test_is_counted_also_when_fifty_guess_at_once(self, desk: Desk) -> None:
        guesses = [{"person": public_id("per", desk.cashier), "pin": f"3579{n:02d}"} for n in range(50)]

        answers = await asyncio.gather(*(desk.till("POST", "/v1/terminals/me/shift", guess) for guess in guesses))

        codes = [answer.json()["code"] for answer in answers]
        assert codes.count("TILL_PIN_WRONG") == 5

    @pytest.mark.parametrize("pin", ["111111", "123456", "98765432", "12345", "123456789", "１２３４５７"])
    async def test_that_would_be_tried_first_is_refused(self, desk: Desk, pin: str) -> None:
        me = await desk.town.headers(desk.cashier)
        answer = await desk.http.put("/v1/me/till_pin", json={"pin": pin}, headers=me)

        assert answer.status_code == 422

    async def test_is_set_by_oneself_or_by_the_canteens_manager_and_by_nobody_else(self, desk: Desk) -> None:
        town = desk.town
        path = f"{town.path}/cashiers/{public_id('per', desk.cashier)}/till_pin"
        new = {"pin": "802461"}
        refused(await desk.http.put(path, json=new, headers=await town.headers(desk.cashier)), 403, "FORBIDDEN")
        refused(await desk.http.put("/v1/me/till_pin", json=new, headers=await town.diner()), 403, "FORBIDDEN")
        stranger = public_id("per", await town.person("路人"))
        manager = await town.headers(desk.supervisor)
        lost = await desk.http.put(f"{town.path}/cashiers/{stranger}/till_pin", json=new, headers=manager)
        refused(lost, 404, "NOT_FOUND")

        assert (await desk.http.put(path, json=new, headers=manager)).status_code == 200
        assert (await desk.begin("802461"))["cashier_name"] == "沈秋月"

    async def test_that_is_still_to_be_set_is_told_to_whoever_signs_at_tills(self, desk: Desk) -> None:
        town = desk.town
        newcomer = await town.headers(await town.person("新来", Role.CASHIER, Place(site_id=town.canteen)))
        before = (await desk.http.get("/v1/me/till_pin", headers=newcomer)).json()
        await desk.http.put("/v1/me/till_pin", json={"pin": "802461"}, headers=newcomer)
        after = (await desk.http.get("/v1/me/till_pin", headers=newcomer)).json()

        assert (before["has_pin"], after["has_pin"]) == (False, True)
        refused(await desk.http.get("/v1/me/till_pin", headers=await town.diner()), 403, "FORBIDDEN")

    async def test_of_somebody_from_another_canteen_opens_nothing_here(self, desk: Desk) -> None:
        elsewhere = Place(site_id=desk.town.site_without_canteen)
        other = await desk.town.person("外人", Role.CASHIER, elsewhere)
        await set_pin(desk.town.db, other, "864209", actor="test")
        body = {"person": public_id("per", other), "pin": "864209"}

        refused(await desk.till("POST", "/v1/terminals/me/shift", body), 403, "FORBIDDEN")
        listed = (await desk.till("GET", "/v1/terminals/me/cashiers")).json()["data"]
        assert [(each["name"], each["is_supervisor"]) for each in listed] == [("程海宁", True), ("沈秋月", False)]

    async def test_is_for_whoevers_role_reaches_the_canteen_by_region_or_operator_too(self, desk: Desk) -> None:
        town = desk.town
        for name, place in (
            ("片区经理", Place(region_id=town.region)),
            ("承包商", Place(organisation_id=town.hospital)),
        ):
            await town.person(name, Role.CANTEEN_MANAGER, place)
        await town.person("学校的", Role.CANTEEN_MANAGER, Place(organisation_id=town.school))

        listed = (await desk.till("GET", "/v1/terminals/me/cashiers")).json()["data"]

        assert {each["name"] for each in listed} == {"片区经理", "承包商", "程海宁", "沈秋月"}

    async def test_that_was_never_set_is_said_to_be_missing(self, desk: Desk) -> None:
        other = await desk.town.person("新人", Role.CASHIER, Place(site_id=desk.town.canteen))
        body = {"person": public_id("per", other), "pin": "864209"}

        refused(await desk.till("POST", "/v1/terminals/me/shift", body), 409, "TILL_PIN_MISSING")


class TestADishSoldOut:
    async def test_by_one_key_at_the_till_and_told_to_the_other_tills(self, desk: Desk) -> None:
        town = desk.town
        dish = await town.dish("东坡肉", 1500)
        menu = await _publish(desk, dish)
        path = f"/v1/menus/{menu}/items/{public_id('dsh', dish)}/sold_out"

        answer = await desk.till("PUT", path, {"sold_out": True})

        assert answer.json()["items"][0]["sold_out"]
        async with town.db.session() as session:
            told_of = await session.scalar(text("SELECT events FROM outbox ORDER BY lane, n DESC LIMIT 1"))
        assert "menu.item_changed" in told_of

    async def test_not_by_a_till_of_another_place(self, desk: Desk) -> None:
        town = desk.town
        dish = await town.dish("东坡肉", 1500)
        menu = await _publish(desk, dish)
        async with town.db.session() as session:
            site = await open_site(
                session,
                code="C9",
                name_zh="东食堂",
                name_en="East",
                kind="canteen",
                region_id=town.region,
                operator_id=town.hospital,
                actor="test",
            )
        other = await town.till(site)
        path = f"/v1/menus/{menu}/items/{public_id('dsh', dish)}/sold_out"
        headers = {"Authorization": f"Bearer {other['token']}"}

        refused(await desk.http.put(path, json={"sold_out": True}, headers=headers), 403, "FORBIDDEN")


async def _publish(desk: Desk, dish: UUID) -> str:
    manager = await desk.town.headers(desk.supervisor)
    day = (clock.now() + timedelta(days=1)).date().isoformat()
    body = {"business_date": day, "meal": "lunch", "items": [{"dish_id": public_id("dsh", dish)}]}
    made = await desk.http.post(f"{desk.town.path}/menus", json=body, headers=manager)
    assert made.status_code == 201, made.text
    menu: str = made.json()["id"]
    return menu


class TestTheSheet:
    def test_counts_a_meal_between_two_regions_once(self) -> None:
        """It stands in both books: purse to due_to at home, due_from to payable here."""
        sale = TillSale(
            uuid4(),
            uuid4(),
            uuid4(),
            2500,
            0,
            "succeeded",
            (("subsidy", 1600), ("cash", 900)),
            {"meal": "lunch"},
            "2026-11-23",
            clock.now(),
            1,
            1,
        )
        lines = {("subsidy", "due_to"): 1600, ("cash", "due_to"): 900, ("due_from", "payable"): 2500}

        assert make_sheet([sale], [], {}, lines, {})["ties"]
        assert not make_sheet([sale], [], {}, {**lines, ("cash", "due_to"): 800}, {})["ties"]

    def test_shows_guests_apart_and_ties_them_to_what_the_gateway_owes(self) -> None:
        guest = TillSale(
            *(
                uuid4(),
                uuid4(),
                uuid4(),
                1800,
                0,
                "succeeded",
                (("alipay", 1800),),
                {},
                "2026-11-23",
                clock.now(),
                0,
                7,
            ),
            is_guest=True,
        )

        sheet = make_sheet([guest], [], {}, {("psp_clearing", "payable"): 1800}, {})

        assert (sheet["ties"], sheet["meals"], sheet["guests"]) == (True, [], {"count": 1, "amount_fen": 1800})
        assert sheet["purses"] == [{"purse": "alipay", "sales_fen": 1800, "returned_fen": 0, "net_fen": 1800}]
        assert not make_sheet([guest], [], {}, {("cash", "payable"): 1800}, {})["ties"]

    def test_takes_no_detour_of_an_ended_lot_for_money_of_the_canteen(self) -> None:
        back = Returned(uuid4(), uuid4(), "void", 1600, (("subsidy", 1600),))
        lines = {("payable", "subsidy"): 1600, ("subsidy", "unit_prefund"): 1600, ("unit_prefund", "subsidy"): 1600}

        sheet = make_sheet([], [back], {}, {}, lines)

        assert (sheet["ties"], sheet["net_fen"], sheet["count"]) == (True, -1600, 0)
