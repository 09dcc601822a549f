"""Accounts: frozen, lost, found, given a new card, closed; and money set aside in them."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.wiring import TIMER_HANDLERS
from kernel import clock, timers
from kernel.errors import NotFound, StateConflict
from payments import api, holds
from payments.credentials.cards import card_number_hash
from payments.errors import BalanceLeft, PaymentRefused, PrefundTooLow
from payments.lines import Account
from payments.service import business_today
from tests.payments.world import World, body_of


async def cards(world: World) -> list[str]:
    """States of all cards, the oldest first."""
    async with world.db.session() as session:
        return list(await session.scalars(text("SELECT state FROM cards ORDER BY issued_at, id")))


async def reissue(world: World, person: UUID) -> str:
    async with world.db.session() as session:
        return await api.reissue_card(session, person, actor="test")


class TestState:
    @pytest.mark.parametrize(("trigger", "code"), [("freeze", "DENY_FROZEN"), ("report_lost", "DENY_LOST")])
    async def test_a_code_that_was_shown_before_is_refused_at_once(self, world: World, trigger: str, code: str) -> None:
        person = await world.person(cash_fen=5000)
        shown = await world.code(person)
        await world.change(person, trigger)
        answer = await world.pay(shown.code, amount_fen=100)
        assert (answer.status, body_of(answer)["code"]) == (402, code)
        with pytest.raises(PaymentRefused) as refused:
            await world.code(person)
        assert refused.value.code == code

    @pytest.mark.parametrize(("there", "back"), [("freeze", "unfreeze"), ("report_lost", "unlist")])
    async def test_there_and_back_one_can_pay_again(self, world: World, there: str, back: str) -> None:
        person = await world.person(cash_fen=5000)
        await world.change(person, there)
        assert await world.change(person, back) == "active"
        await world.lunch(person)

    async def test_a_trigger_that_the_state_does_not_allow_is_a_conflict(self, world: World) -> None:
        person = await world.person()
        with pytest.raises(StateConflict) as refused:
            await world.change(person, "unlist")
        assert "freeze" in refused.value.data["allowed"]

    async def test_nobody_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound):
            await world.change(uuid4(), "freeze")


class TestCards:
    async def test_a_lost_card_is_replaced_and_only_the_new_one_lives(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        first = await reissue(world, person)
        await world.change(person, "report_lost")
        assert await cards(world) == ["lost"]
        second = await reissue(world, person)
        assert await cards(world) == ["replaced", "active"]
        assert first != second
        assert (len(second), second.isdigit()) == (10, True)
        await world.lunch(person)

    async def test_a_card_that_was_found_again_lives_again(self, world: World) -> None:
        person = await world.person()
        await reissue(world, person)
        await world.change(person, "report_lost")
        await world.change(person, "unlist")
        assert await cards(world) == ["active"]

    async def test_its_number_is_stored_as_a_keyed_hash_only(self, world: World) -> None:
        number = await reissue(world, await world.person())
        async with world.db.session() as session:
            rows = (
                await session.execute(text("SELECT c.*, d.* FROM cards c JOIN card_directory d ON d.card_id = c.id"))
            ).all()
        assert card_number_hash(number) in rows[0]
        assert number not in str(rows)


class TestClose:
    async def test_money_or_a_hold_keep_it_open(self, world: World) -> None:
        person = await world.person(cash_fen=500)
        with pytest.raises(BalanceLeft) as refused:
            await world.change(person, "close")
        assert refused.value.data["cash_fen"] == 500

    async def test_an_empty_account_closes_with_its_card_and_refuses_everything(self, world: World) -> None:
        person = await world.person(cash_fen=500)
        await reissue(world, person)
        shown = [await world.code(person) for _ in range(2)]
        await world.pay(shown[0].code, amount_fen=500)
        assert await world.change(person, "close") == "closed"
        assert await cards(world) == ["closed"]
        answer = await world.pay(shown[1].code, amount_fen=100)
        assert (answer.status, body_of(answer)["code"]) == (402, "DENY_FROZEN")
        with pytest.raises(StateConflict):
            await world.change(person, "unfreeze")


class TestGrant:
    async def test_more_than_the_prefund_is_refused_whole(self, world: World) -> None:
        people = [await world.person(), await world.person()]
        async with world.db.session() as session:
            with pytest.raises(PrefundTooLow) as refused:
                await api.grant_subsidies(
                    session,
                    world.unit,
                    [api.Allotment(people[0], 1), api.Allotment(people[1], 10**10)],
                    expires_on=business_today(),
                    actor="test",
                )
        assert refused.value.data == {"available_fen": 10**10, "needed_fen": 10**10 + 1}
        assert (await world.purses(people[0]))["lots"] == []


async def place(world: World, person: UUID, amount_fen: int, minutes: int = 10) -> UUID:
    async with world.db.session() as session:
        return await holds.place_hold(
            session, person, amount_fen, reason="deposit", expires_at=clock.now() + timedelta(minutes=minutes)
        )


class TestHolds:
    async def test_what_is_set_aside_cannot_be_spent(self, world: World) -> None:
        person = await world.person(cash_fen=1000)
        await place(world, person, 700)
        answer = await world.pay((await world.code(person)).code, amount_fen=301)
        assert body_of(answer)["code"] == "DENY_NO_FUNDS"
        assert (await world.lunch(person, amount_fen=300))["purses"]["cash_fen"] == 700
        with pytest.raises(BalanceLeft):
            await world.change(person, "close")

    async def test_more_than_is_available_cannot_be_set_aside(self, world: World) -> None:
        person = await world.person(cash_fen=1000)
        await place(world, person, 700)
        with pytest.raises(PaymentRefused) as refused:
            await place(world, person, 301)
        assert refused.value.code == "DENY_NO_FUNDS"

    @pytest.mark.parametrize(("trigger", "code"), [("freeze", "DENY_FROZEN"), ("report_lost", "DENY_LOST")])
    async def test_nothing_is_set_aside_in_an_account_that_may_not_pay(
        self, world: World, trigger: str, code: str
    ) -> None:
        person = await world.person(cash_fen=1000)
        await world.change(person, trigger)
        with pytest.raises(PaymentRefused) as refused:
            await place(world, person, 100)
        assert refused.value.code == code

    async def test_a_capture_takes_a_part_and_frees_the_rest(self, world: World) -> None:
        person = await world.person(cash_fen=1000)
        hold = await place(world, person, 700)
        async with world.db.session() as session:
            await holds.capture_hold(session, hold, 400, Account("payable", world.canteen))
        view = await world.purses(person)
        assert (view["cash_fen"], view["held_fen"]) == (600, 0)

    async def test_more_than_is_held_is_not_captured(self, world: World) -> None:
        person = await world.person(cash_fen=1000)
        hold = await place(world, person, 700)
        with pytest.raises(PaymentRefused):
            async with world.db.session() as session:
                await holds.capture_hold(session, hold, 701, Account("payable", world.canteen))
        assert (await world.purses(person))["held_fen"] == 700

    async def test_released_once_it_cannot_end_again(self, world: World) -> None:
        person = await world.person(cash_fen=1000)
        hold = await place(world, person, 700)
        async with world.db.session() as session:
            await holds.release_hold(session, hold)
        assert (await world.purses(person))["held_fen"] == 0
        with pytest.raises(StateConflict):
            async with world.db.session() as session:
                await holds.capture_hold(session, hold, 1, Account("payable", world.canteen))

    async def test_its_time_frees_it_through_the_handler_that_the_worker_runs(self, world: World) -> None:
        person = await world.person(cash_fen=1000)
        await place(world, person, 700, minutes=10)
        await timers.fire_due(world.db, TIMER_HANDLERS)
        assert (await world.purses(person))["held_fen"] == 700
        clock.advance(timedelta(minutes=11))
        await timers.fire_due(world.db, TIMER_HANDLERS)
        assert (await world.purses(person))["held_fen"] == 0
        async with world.db.session() as session:
            assert await session.scalar(text("SELECT state FROM holds")) == "expired"
            assert await session.scalar(text("SELECT count(*) FROM timers")) == 0

    async def test_a_hold_that_ended_has_no_timer_any_more(self, world: World) -> None:
        hold = await place(world, await world.person(cash_fen=1000), 700)
        async with world.db.session() as session:
            await holds.release_hold(session, hold)
        clock.advance(timedelta(minutes=11))
        async with world.db.session() as session:
            assert await session.scalar(text("SELECT count(*) FROM timers")) == 0
            assert await session.scalar(text("SELECT state FROM holds")) == "released"
