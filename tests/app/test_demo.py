"""The demo province: brought in once for this file, then looked at as a visitor of the demo would."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app import demo
from app.demo_data import dishes
from app.demo_data.people import STAFF, draw_people, usernames_of
from app.demo_logins import write_demo_logins
from booking.meetings.invariants import INVARIANTS
from canteen.api import CanteenPricing
from canteen.queries import list_canteens
from canteen.setup import setup_of
from identity.api import Role, find_way, principal_of
from identity.sign_in import sign_in
from kernel import clock
from kernel.db import Database
from kernel.http import install_error_handlers
from kernel.ids import parse_public_id
from kernel.invariants import audit
from kernel.settings import Settings, get_settings
from payments.api import ItemRequest, PaymentRequest, Posting, TerminalCache, issue_pay_code, queue_item
from payments.service import purses_view
from realtime.duty.api import who_is_in_the_rota, who_is_on_duty
from repairs.statistics.service import Asked, count_repairs

BROUGHT_IN: dict[str, Any] = {}


@pytest.fixture
async def province(module_database_url: str) -> AsyncIterator[tuple[Database, dict[str, Any]]]:
    """The database with the demo in it, and what the demo's card says."""
    db = Database(module_database_url)
    if module_database_url not in BROUGHT_IN:
        BROUGHT_IN[module_database_url] = await demo.seed_demo(db) | {"seeded_at": clock.now()}
    yield db, BROUGHT_IN[module_database_url]
    await db.close()


async def person_of(db: Database, username: str) -> UUID:
    async with db.session() as session:
        query = text("SELECT person_id FROM credentials WHERE username = :username")
        found: UUID = (await session.execute(query, {"username": username})).scalar_one()
        return found


async def scalar(db: Database, query: str, **parameters: Any) -> Any:
    async with db.session() as session:
        return await session.scalar(text(query), parameters)


def today() -> date:
    return clock.business_date(clock.now(), get_settings().zone)


class TestTheCounter:
    async def test_was_worked_in_shifts_whose_sheets_tie_to_the_ledger(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, _ = province
        async with db.session() as session:
            rows = (await session.execute(text("SELECT state, sheet FROM shifts ORDER BY id"))).all()

        assert {row.state for row in rows} == {"handed_over"}
        assert all(row.sheet["ties"] for row in rows)
        assert sum(row.sheet["count"] for row in rows) > 0

    async def test_is_in_service_when_somebody_first_looks(self, province: tuple[Database, dict[str, Any]]) -> None:
        db, card = province
        seen = await scalar(db, "SELECT min(last_seen_at) FROM terminals")

        assert card["seeded_at"] - seen < timedelta(minutes=2)
        assert {person["till_pin"] for person in card["staff"] if "till_pin" in person} == {"246813", "975310"}


class TestWhatStandsInIt:
    async def test_people_places_tills_and_menus(self, province: tuple[Database, dict[str, Any]]) -> None:
        db, card = province

        assert await scalar(db, "SELECT count(*) FROM people") == 300
        assert await scalar(db, "SELECT count(*) FROM holders") == 300
        assert await scalar(db, "SELECT count(*) FROM regions") == 6
        assert await scalar(db, "SELECT count(*) FROM organisations WHERE kind = 'unit'") == 8
        assert await scalar(db, "SELECT count(*) FROM canteens") == 6
        assert await scalar(db, "SELECT count(*) FROM canteens WHERE open_to_all") == 2
        assert await scalar(db, "SELECT count(*) FROM terminals WHERE status = 'active'") == 14
        assert await scalar(db, "SELECT count(DISTINCT business_date) FROM menus WHERE state = 'published'") == 14
        assert len(card["terminals"]) == 14
        assert await scalar(db, "SELECT count(*) FROM place_codes WHERE state = 'active'") == 6 + 14
        numbers = {login["card"] for login in card["employees"]}
        assert await scalar(db, "SELECT count(*) FROM cards WHERE state = 'active'") == len(numbers)
        assert {login["class"] for login in card["employees"]} == {"staff", "contract", "retired", "family", "visitor"}
        assert {role for login in card["staff"] for role in login["roles"]} == {*Role} - {Role.EMPLOYEE}

    async def test_four_weeks_of_meals_with_nothing_in_the_future(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, _ = province

        assert await scalar(db, "SELECT count(*) FROM payments") > 3000
        assert await scalar(db, "SELECT count(DISTINCT business_date) FROM payments") >= 27
        assert await scalar(db, "SELECT count(*) FROM payments WHERE recorded_at > :now", now=clock.now()) == 0
        assert set(await _statuses(db)) == {"succeeded", "voided", "partially_refunded"}

    async def test_the_boards_know_every_payment(self, province: tuple[Database, dict[str, Any]]) -> None:
        db, _ = province

        paid = await scalar(db, "SELECT sum(amount_fen) FROM payments")
        given_back = await scalar(db, "SELECT sum(amount_fen) FROM reversals")
        totals = "SELECT sum(amount_fen) || '-' || sum(returned_fen) FROM canteen_minute_totals"
        assert await scalar(db, totals) == f"{paid}-{given_back}"

    async def test_the_books_are_balanced(self, province: tuple[Database, dict[str, Any]]) -> None:
        """Each purse and lot is what the ledger says it is."""
        db, _ = province
        cash = """
            SELECT count(*) FROM purses p WHERE kind = 'cash' AND balance_fen <> -(
                SELECT coalesce(sum(amount_fen), 0) FROM entries e
                WHERE e.bucket = p.bucket AND e.account_kind = 'cash' AND e.account_owner = p.holder_id)
        """
        lots = """
            SELECT count(*) FROM subsidy_lots l WHERE balance_fen <> -(
                SELECT coalesce(sum(amount_fen), 0) FROM entries e
                WHERE e.bucket = l.bucket AND e.account_kind = 'subsidy' AND e.lot_id = l.id)
        """

        assert await scalar(db, cash) == 0
        assert await scalar(db, lots) == 0


async def _statuses(db: Database) -> list[str]:
    async with db.session() as session:
        return list(await session.scalars(text("SELECT DISTINCT status FROM payments")))


class TestWhoMayTryIt:
    async def test_every_demo_employee_has_money_an_unexpired_lot_and_has_not_eaten_today(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, card = province
        for login in card["employees"]:
            person_id = await person_of(db, login["username"])
            async with db.session() as session:
                purses = await purses_view(session, person_id)

            assert purses["cash_fen"] >= 50_000, login
            assert any(lot["expires_on"] > today().isoformat() for lot in purses["lots"]), login
            query = (
                "SELECT count(*) FROM payments "
                "WHERE person_id = :person AND business_date = :today AND recorded_at < :seeded_at"
            )
            assert await scalar(db, query, person=person_id, today=today(), seeded_at=card["seeded_at"]) == 0

    async def test_the_logins_work(self, province: tuple[Database, dict[str, Any]]) -> None:
        db, card = province
        for login in (card["employees"][0], *card["staff"]):
            signed_in = await sign_in(db, login["username"], login["password"])
            for role in login.get("roles", ()):
                assert signed_in.principal.holds(role)

    async def test_the_first_canteen_serves_every_class_in_every_mode_at_this_hour(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, card = province
        rule, terminals = CanteenPricing(), TerminalCache()
        posting = Posting(db, rule, terminals)
        await posting.start()
        first = [t for t in card["terminals"] if t["canteen"] == card["terminals"][0]["canteen"]]
        assert len(first) == 4
        assert all(set(till["modes"]) == {"keyed", "fixed", "menu", "count"} for till in first)
        dish = await self._dish_on_the_menu_now(db, first[0]["canteen"])
        one_of_each = {login["class"]: login["username"] for login in card["employees"]}
        try:
            for number, username in enumerate(one_of_each.values()):
                for body in ({}, {"amount_fen": 1234 + number}, {"items": (ItemRequest(dish, 2),)}):
                    status = await self._pay(db, posting, terminals, first[number % 4]["token"], username, body)
                    assert status == 201, (username, body)
        finally:
            await posting.stop()

    async def _pay(
        self, db: Database, posting: Posting, terminals: TerminalCache, token: str, username: str, body: dict[str, Any]
    ) -> int:
        terminal = terminals.by_token(token)
        assert terminal is not None
        async with db.session() as session:
            code = await issue_pay_code(session, await person_of(db, username))
        request = PaymentRequest(seq=10**9 + random.randrange(10**9), code=code.code, **body)
        item = queue_item(terminal, uuid4().hex, request, request_id="req_test", language="zh")
        answer = await asyncio.wait_for(posting.submit(item), 10)
        assert answer.status == 201, msgspec.json.decode(answer.body)
        return answer.status

    async def _dish_on_the_menu_now(self, db: Database, canteen: str) -> str:
        """A dish that is on each of today's four menus, so that the hour does not matter."""
        query = """
            SELECT i.dish_id FROM menus m JOIN menu_items i ON i.menu_id = m.id JOIN dishes d ON d.id = i.dish_id
            WHERE m.canteen_id = :canteen AND m.business_date = :today AND m.meal = :meal AND m.state = 'published'
              AND i.price_fen > 0 LIMIT 1
        """
        canteen_id = parse_public_id("can", canteen)
        found = await scalar(db, query, canteen=canteen_id, today=today(), meal=_meal_now())
        assert found is not None
        return f"dsh_{found.hex}"

    async def test_the_sign_in_page_shows_a_few_of_them_and_none_in_production(
        self, province: tuple[Database, dict[str, Any]], tmp_path: Any
    ) -> None:
        _, card = province
        write_demo_logins(tmp_path, {name: value for name, value in card.items() if name != "seeded_at"})
        shown = await self._logins(Settings(data_dir=tmp_path))
        hidden = await self._logins(Settings(data_dir=tmp_path, production=True))
        absent = await self._logins(Settings(data_dir=tmp_path / "elsewhere"))

        roles = [role for login in shown.json()["data"] for role in login["roles"]]
        assert roles.count("employee") == 6
        assert set(roles) == {role.value for role in Role}
        assert len(shown.json()["terminals"]) == 4
        assert [hidden.status_code, absent.status_code] == [404, 404]
        assert oct((tmp_path / "demo.json").stat().st_mode)[-3:] == "600"

    async def _logins(self, settings: Settings) -> httpx.Response:
        app = FastAPI()
        install_error_handlers(app)
        app.include_router(demo.router)
        app.state.settings = settings
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://guanjia.test") as client:
            return await client.get("/v1/demo_logins")


def _meal_now() -> str:
    minute_of_day = clock.now().astimezone(get_settings().zone)
    minutes = minute_of_day.hour * 60 + minute_of_day.minute
    for meal, starts, ends in (("breakfast", 300, 600), ("lunch", 600, 900), ("dinner", 900, 1260)):
        if starts <= minutes < ends:
            return meal
    return "night"


class TestTheDesks:
    """What an office finds on its desk: some of it done, some of it waiting, some of it refused."""

    async def test_each_staffed_canteen_is_ready_and_the_last_one_shows_what_is_missing(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, _ = province
        missing: dict[str, list[str]] = {}
        async with db.session() as session:
            for canteen in await list_canteens(session, limit=10):
                steps = await setup_of(session, canteen)
                missing[canteen.name_en] = [code for step in steps for code in step.missing]

        assert missing.pop("Sea View Restaurant") == ["no_manager", "no_cashier", "no_pin"]
        assert list(missing.values()) == [[]] * 5

    async def test_approvals_and_menus_stand_in_every_state(self, province: tuple[Database, dict[str, Any]]) -> None:
        db, _ = province

        approvals = await scalar(db, "SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM approvals")
        menus = await scalar(db, "SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM menus")
        assert approvals == "approved pending rejected"
        assert menus == "draft published withdrawn"
        assert await scalar(db, "SELECT count(*) FROM menu_items WHERE sold_out") == 1
        planned = "SELECT price_fen FROM price_rows WHERE effective_from > :today"
        assert await scalar(db, planned, today=today()) == 1600

    async def test_the_subsidy_office_has_a_schedule_a_list_a_batch_that_waits_and_one_that_ends_soon(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, _ = province

        batches = await scalar(db, "SELECT string_agg(state, ' ' ORDER BY state) FROM subsidy_batches")
        assert batches == "posted prepared"
        assert await scalar(db, "SELECT count(*) FROM subsidy_rules WHERE state = 'active'") == 1
        assert (
            await scalar(db, "SELECT count(*) FROM approvals WHERE kind = 'subsidy_batch' AND status = 'pending'") == 1
        )
        assert await scalar(db, "SELECT count(*) FROM attendance_months") > 0
        ending = "SELECT count(*) FROM subsidy_lots WHERE expires_on = :on AND scope::text LIKE '%lunch%'"
        assert await scalar(db, ending, on=today() + timedelta(days=3)) > 0

    async def test_who_has_left_keeps_what_was_in_the_purse(self, province: tuple[Database, dict[str, Any]]) -> None:
        db, _ = province
        purse = """
            SELECT sum(p.balance_fen) FROM people JOIN holders h ON h.person_id = people.id
            JOIN purses p ON p.bucket = h.bucket AND p.holder_id = h.id WHERE people.status = 'left'
        """

        assert await scalar(db, "SELECT count(*) FROM people WHERE status = 'left'") == 1
        assert await scalar(db, purse) > 0


class TestDuty:
    """Somebody comes, at whatever hour the demo is brought in."""

    async def test_whoever_signs_in_as_duty_has_the_shift_that_runs(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, card = province
        region = await scalar(db, "SELECT id FROM regions WHERE code = 'DP-HZ'")
        async with db.session() as session:
            asked = {"team_id": None, "place_id": None, "region_id": region, "at": card["seeded_at"]}
            (on_duty,) = await who_is_on_duty(session, role="duty_staff", **asked)
            (on_call,) = await who_is_in_the_rota(session, role="technician", **asked)
        assert on_duty.person_id == await person_of(db, "duty")
        assert on_call.person_id == await person_of(db, "technician")

    async def test_a_swap_waits_and_a_leave_has_nobody_yet(self, province: tuple[Database, dict[str, Any]]) -> None:
        db, _ = province
        assert await scalar(db, "SELECT count(*) FROM duty_swaps WHERE state = 'asked'") == 1
        assert await scalar(db, "SELECT count(*) FROM duty_overrides") == 2
        assert await scalar(db, "SELECT count(*) FROM duty_overrides WHERE person_in IS NULL") == 1
        assert await scalar(db, "SELECT count(*) FROM duty_notes WHERE done_at IS NULL") == 2
        assert await scalar(db, "SELECT count(*) FROM reach_channels WHERE state = 'enabled'") == 0


class TestThePlan:
    def test_the_same_seed_draws_the_same_people_and_no_name_twice(self) -> None:
        people = draw_people(random.Random(demo.SEED))

        assert people == draw_people(random.Random(demo.SEED))
        assert len(people) == 300
        assert len({name for name, _, _ in people} | {name for _, _, name, _, _ in STAFF}) == 300 + len(STAFF)

    def test_names_that_sound_alike_get_different_logins(self) -> None:
        assert usernames_of(["王芳", "汪芳", "李伟"]) == ["wangfang", "wangfang2", "liwei"]

    def test_no_dish_stands_twice_in_a_kitchen(self) -> None:
        names = [dish.name_zh for dish in dishes.ALL]

        assert len(set(names)) == len(names)


class TestCalls:
    async def test_the_desk_finds_calls_helped_rated_missed_and_under_way(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, _ = province
        async with db.session() as session:
            states = (await session.scalars(text("SELECT state FROM calls ORDER BY placed_at"))).all()
            policies = await session.scalar(text("SELECT count(*) FROM call_policies"))
        assert list(states) == ["rated", "resolved", "cancelled", "missed", "connected"]
        assert policies == 3

    async def test_a_first_press_of_a_demo_login_is_a_new_call(self, province: tuple[Database, dict[str, Any]]) -> None:
        db, _ = province
        pressed = await scalar(
            db, "SELECT count(*) FROM calls JOIN credentials ON credentials.person_id = calls.caller_id"
        )
        assert pressed == 0


class TestRepairs:
    async def test_four_weeks_of_them_say_something_of_everything_and_lie_in_the_past(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, card = province
        lead = next(login["username"] for login in card["staff"] if "dispatcher" in login["roles"])
        async with db.session() as session:
            person = await principal_of(session, await person_of(db, lead), today())
            first_day = today() - timedelta(days=27)
            found = await count_repairs(session, person, Asked(first_day=first_day, last_day=today()))
        assert all(point.raised for point in found.flow[1:-1])
        assert {promise.broken > 0 for promise in found.promises} == {True}
        assert sum(one.done > 0 for one in found.technicians) == 3
        assert found.totals.declined > 0
        assert found.totals.reopened > 0
        assert found.satisfaction.confirmed_by_system > 0
        assert found.satisfaction.mean_score is not None
        assert found.satisfaction.low > found.satisfaction.low_answered > 0
        assert found.costs.labour_fen > found.costs.parts_fen > 0
        assert await scalar(db, "SELECT max(recorded_at) FROM work_order_steps") <= card["seeded_at"]


class TestBookings:
    async def test_there_are_bookings_in_every_state_and_of_every_kind(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        db, _ = province
        async with db.session() as session:
            states = set(await session.scalars(text("SELECT DISTINCT state FROM bookings WHERE meeting_id IS NULL")))
            counted = await session.execute(text("SELECT kind, count(*) AS many FROM bookables GROUP BY kind"))
            kinds = {row.kind: row.many for row in counted}
        assert states >= {
            "cancelled",
            "closed",
            "completed",
            "confirmed",
            "held",
            "in_use",
            "no_show",
            "pending_approval",
            "rejected",
            "waitlisted",
        }
        assert kinds == {"venue": 6, "hotel_room": 14, "car": 6}
        assert await scalar(db, "SELECT count(*) FROM mails WHERE calendar_method = 'REQUEST'") == 1
        assert await scalar(db, "SELECT sum(charged_fen) FROM bookings WHERE meeting_id IS NULL") == 40_000

    async def test_invitations_are_looked_at_where_no_mail_server_is_set_and_never_in_production(
        self, province: tuple[Database, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = FastAPI()
        install_error_handlers(app)
        app.include_router(demo.router)
        app.state.database, app.state.settings = province[0], get_settings()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://demo") as http:
            monkeypatch.setattr(demo, "read_demo_logins", lambda _: None)
            assert (await http.get("/v1/demo_mails")).status_code == 404
            monkeypatch.setattr(demo, "read_demo_logins", lambda _: {})
            (letter,) = (await http.get("/v1/demo_mails")).json()["data"]
            monkeypatch.setattr(get_settings(), "production", True)
            refused = await http.get("/v1/demo_mails")
        assert (letter["to"], letter["method"], refused.status_code) == ("zhao@partner.example", "REQUEST", 404)
        assert "BEGIN:VEVENT" in letter["calendar"]

    async def test_a_guest_is_led_from_the_gate_up_to_a_room(self, province: tuple[Database, dict[str, Any]]) -> None:
        db, _ = province
        query = text("SELECT id FROM places WHERE code IN ('U1', 'U1-3-2-3') ORDER BY code")
        async with db.session() as session:
            gate, room = await session.scalars(query)
            way = await find_way(session, gate, room, step_free=True)
        assert [leg.points[-1].kind for leg in way.legs] == ["door", "lift", "door"]


class TestMeetings:
    async def test_one_is_over_and_charged_and_the_others_wait_or_are_called_off(
        self, province: tuple[Database, dict[str, Any]]
    ) -> None:
        async with province[0].session() as session:
            found = await session.execute(text("SELECT state, count(*) AS many FROM meetings GROUP BY state"))
            assert {row.state: row.many for row in found} == {
                "settled": 1,
                "confirmed": 1,
                "pending_approval": 1,
                "cancelled": 1,
            }
            charged = await session.scalar(text("SELECT sum(amount_fen) FROM meeting_charges"))
            eaten = await session.scalar(text("SELECT had_fen FROM meeting_lines WHERE had_fen > 0 AND kind = 'meals'"))
            assert charged == eaten
            assert [finding for finding in await audit(session, INVARIANTS) if not finding.holds] == []
