"""Voids and refunds: what comes back, to which purse, and what is refused."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from kernel import clock
from kernel.errors import Forbidden, NotFound, StateConflict
from kernel.ids import parse_public_id
from payments import jobs
from payments.errors import PeriodLocked, RefundExceeds
from payments.models import AccountingPeriod
from payments.queries import get_payment
from payments.reversals import Reversed
from tests.payments.doors import doors, employee
from tests.payments.world import World


async def served(world: World) -> list[int]:
    """The meal counters of everybody."""
    async with world.db.session() as session:
        return list(await session.scalars(text("SELECT count FROM usage_counters ORDER BY holder_id, key")))


async def lots(world: World) -> list[tuple[int, int, bool]]:
    """(granted, left, ended) of every lot, the oldest first."""
    async with world.db.session() as session:
        rows = await session.execute(
            text("SELECT granted_fen, balance_fen, expired_at IS NOT NULL FROM subsidy_lots ORDER BY id")
        )
        return [(row[0], row[1], row[2]) for row in rows]


class TestVoid:
    async def test_everything_comes_back_to_where_it_came_from(self, world: World) -> None:
        person = await world.person(cash_fen=5000, lots={3000: clock.now().date() + timedelta(days=9)})
        paid = await world.lunch(person)
        voided = await world.void(paid["id"])
        assert voided.amount_fen == 1800
        assert sorted(leg["amount_fen"] for leg in voided.legs) == [200, 1600]
        left = await world.purses(person)
        assert (left["cash_fen"], left["subsidy_fen"]) == (5000, 3000)
        assert await world.status_of(paid["id"]) == "voided"

    async def test_the_meal_is_given_back_so_the_next_one_is_subsidised_again(self, world: World) -> None:
        person = await world.person(cash_fen=5000, lots={5000: clock.now().date() + timedelta(days=9)})
        await world.void((await world.lunch(person))["id"])
        assert await served(world) == [0]
        again = await world.lunch(person)
        assert again["legs"][0]["purse"] == "subsidy"

    async def test_twice_is_a_conflict(self, world: World) -> None:
        paid = await world.lunch(await world.person(cash_fen=5000))
        await world.void(paid["id"])
        with pytest.raises(StateConflict) as refused:
            await world.void(paid["id"])
        assert refused.value.data == {"state": "voided", "trigger": "void", "allowed": []}

    async def test_two_at_once_are_one(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        paid = await world.lunch(person)
        found = await asyncio.gather(*[world.void(paid["id"]) for _ in range(4)], return_exceptions=True)
        assert len([one for one in found if isinstance(one, Reversed)]) == 1
        assert len([one for one in found if isinstance(one, StateConflict)]) == 3
        assert (await world.purses(person))["cash_fen"] == 5000

    async def test_five_minutes_later_it_is_too_late_and_a_refund_is_named(self, world: World) -> None:
        paid = await world.lunch(await world.person(cash_fen=5000))
        clock.advance(timedelta(minutes=5, seconds=1))
        with pytest.raises(StateConflict) as refused:
            await world.void(paid["id"])
        assert refused.value.data["allowed"] == ["refund_part", "refund_rest"]

    async def test_after_a_refund_it_is_a_conflict(self, world: World) -> None:
        paid = await world.lunch(await world.person(cash_fen=5000))
        await world.refund(paid["id"], 100)
        with pytest.raises(StateConflict):
            await world.void(paid["id"])

    async def test_a_till_of_another_canteen_may_not(self, world: World) -> None:
        paid = await world.lunch(await world.person(cash_fen=5000))
        with pytest.raises(Forbidden):
            await world.void(paid["id"], world.terminal(world.tills[-1]))

    async def test_a_meal_in_another_region_is_taken_back_in_both_books(self, world: World) -> None:
        away = world.terminal(world.tills[-1])
        person = await world.person(cash_fen=5000)
        paid = await world.lunch(person, terminal=away)
        await world.void(paid["id"], away)
        async with world.db.session() as session:
            rest = await session.scalars(
                text("""
                    SELECT sum(amount_fen) FROM entries
                     WHERE account_kind IN ('due_to', 'due_from', 'payable') GROUP BY region_id, account_kind
                """)
            )
            assert set(rest) == {0}

    async def test_what_does_not_exist_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound):
            await world.void("pay_" + "0" * 32)


class TestRefund:
    async def test_parts_go_to_cash_first_and_the_rest_to_the_lot(self, world: World) -> None:
        person = await world.person(cash_fen=5000, lots={3000: clock.now().date() + timedelta(days=9)})
        paid = await world.lunch(person)
        first = await world.refund(paid["id"], 150)
        assert [(leg["purse"], leg["amount_fen"]) for leg in first.legs] == [("cash", 150)]
        assert await world.status_of(paid["id"]) == "partially_refunded"
        second = await world.refund(paid["id"], 150)
        assert [(leg["purse"], leg["amount_fen"]) for leg in second.legs] == [("cash", 50), ("subsidy", 100)]
        last = await world.refund(paid["id"], 1500)
        assert [(leg["purse"], leg["amount_fen"]) for leg in last.legs] == [("subsidy", 1500)]
        assert await world.status_of(paid["id"]) == "refunded"
        left = await world.purses(person)
        assert (left["cash_fen"], left["subsidy_fen"]) == (5000, 3000)

    async def test_more_than_is_left_is_refused_and_says_what_is_left(self, world: World) -> None:
        paid = await world.lunch(await world.person(cash_fen=5000))
        await world.refund(paid["id"], 1000)
        with pytest.raises(RefundExceeds) as refused:
            await world.refund(paid["id"], 801)
        assert refused.value.data == {"left_fen": 800}
        await world.refund(paid["id"], 800)
        with pytest.raises(RefundExceeds):
            await world.refund(paid["id"], 1)

    async def test_of_two_times_60_of_100_one_is_given(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        paid = await world.lunch(person, amount_fen=100)
        found = await asyncio.gather(*[world.refund(paid["id"], 60) for _ in range(2)], return_exceptions=True)
        assert len([one for one in found if isinstance(one, Reversed)]) == 1
        (refused,) = [one for one in found if isinstance(one, RefundExceeds)]
        assert refused.data == {"left_fen": 40}
        assert (await world.purses(person))["cash_fen"] == 4960

    async def test_void_and_refund_at_once_are_one_of_them(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        paid = await world.lunch(person, amount_fen=100)
        found = await asyncio.gather(world.void(paid["id"]), world.refund(paid["id"], 100), return_exceptions=True)
        assert len([one for one in found if isinstance(one, Reversed)]) == 1
        assert (await world.purses(person))["cash_fen"] == 5000

    async def test_a_voided_payment_has_nothing_left(self, world: World) -> None:
        paid = await world.lunch(await world.person(cash_fen=5000))
        await world.void(paid["id"])
        with pytest.raises(StateConflict):
            await world.refund(paid["id"], 1)

    async def test_a_part_keeps_the_meal_and_the_rest_gives_it_back(self, world: World) -> None:
        paid = await world.lunch(await world.person(cash_fen=5000))
        await world.refund(paid["id"], 500)
        assert await served(world) == [1]
        await world.refund(paid["id"], 1300)
        assert await served(world) == [0]

    async def test_while_somebody_pays_nothing_is_lost(self, world: World) -> None:
        person = await world.person(cash_fen=100_000)
        paid = [(await world.lunch(person, amount_fen=500 + n))["id"] for n in range(5)]
        codes = [(await world.code(person)).code for _ in range(5)]
        await asyncio.gather(
            *[world.refund(payment, 100) for payment in paid],
            *[world.pay(code, amount_fen=300 + n, confirm_repeat=True) for n, code in enumerate(codes)],
        )
        spent = sum(500 + n for n in range(5)) - 500 + sum(300 + n for n in range(5))
        assert (await world.purses(person))["cash_fen"] == 100_000 - spent


class TestAfterTheEnd:
    async def test_a_lot_that_has_ended_comes_back_as_a_new_one_for_seven_days(self, world: World) -> None:
        last_day = clock.now().date() + timedelta(days=1)
        person = await world.person(cash_fen=5000, lots={3000: last_day})
        paid = await world.lunch(person)
        clock.advance(timedelta(days=6))
        assert await jobs.expire_due_lots(world.db) == 1
        assert await lots(world) == [(3000, 0, True)]

        refunded = await world.refund(paid["id"], 1800)
        assert refunded.amount_fen == 1800
        assert await lots(world) == [(3000, 0, True), (1600, 1600, False)]
        view = await world.purses(person)
        assert (view["cash_fen"], view["subsidy_fen"]) == (5000, 1600)
        (lot,) = view["lots"]
        async with world.db.session() as session:
            day = await session.scalar(text("SELECT max(business_date) FROM reversals"))
        assert lot["expires_on"] == (day + timedelta(days=7)).isoformat()

    async def test_two_lots_that_have_ended_come_back_as_two(self, world: World) -> None:
        last_day = clock.now().date() + timedelta(days=1)
        person = await world.person(cash_fen=5000, lots={1000: last_day, 900: last_day})
        paid = await world.lunch(person)
        clock.advance(timedelta(days=6))
        await jobs.expire_due_lots(world.db)
        await world.refund(paid["id"], 1800)
        assert sorted(await lots(world)) == [(700, 700, False), (900, 0, True), (900, 900, False), (1000, 0, True)]
        assert (await world.purses(person))["subsidy_fen"] == 1600

    async def test_of_a_closed_account_the_subsidy_goes_to_the_unit(self, world: World) -> None:
        person = await world.person(lots={3000: clock.now().date() + timedelta(days=9)})
        paid = await world.lunch(person, amount_fen=1600)
        granted = await _prefund(world)
        assert await world.change(person, "close") == "closed"
        before = await _prefund(world)
        assert (before - granted, await lots(world)) == (1400, [(3000, 0, True)])
        await world.refund(paid["id"], 1600)
        assert await _prefund(world) == before + 1600
        assert await lots(world) == [(3000, 0, True)]
        assert (await world.purses(person))["cash_fen"] == 0


async def _prefund(world: World) -> int:
    async with world.db.session() as session:
        return int(await session.scalar(text("SELECT balance_fen FROM unit_prefunds")) or 0)


class TestLockedPeriod:
    async def test_neither_void_nor_refund_reach_into_it(self, world: World) -> None:
        paid = await world.lunch(await world.person(cash_fen=5000))
        async with world.db.session() as session:
            payment = await get_payment(session, parse_public_id("pay", paid["id"]))
            await session.execute(
                insert(AccountingPeriod).values(region_id=world.home, period=payment.accounting_period, state="locked")
            )
        with pytest.raises(PeriodLocked):
            await world.void(paid["id"])
        with pytest.raises(PeriodLocked):
            await world.refund(paid["id"], 1)
        assert await world.status_of(paid["id"]) == "succeeded"


class TestTheCanteensName:
    async def test_is_told_in_both_languages_by_events_and_lists(self, world: World) -> None:
        diner = await employee(world, cash_fen=5000)
        paid = await world.lunch(diner.id)
        await world.void(paid["id"])
        other = await world.lunch(diner.id)
        await world.refund(other["id"], 100)
        async with world.db.session() as session:
            rows = await session.scalars(text("SELECT events FROM outbox ORDER BY lane, n"))
            told = [event for row in rows for event in json.loads(row)]
        async with doors(world) as client:
            listed = (await client.get("/v1/me/payments", headers=diner.headers)).json()["data"]
            one = (await client.get(f"/v1/payments/{paid['id']}", headers=diner.headers)).json()

        paid_events = [event["data"] for event in told if event["type"] == "payment.succeeded"]
        assert {data["canteen_name_en"] for data in paid_events} == {"Canteen One"}
        returned = [event["data"] for event in told if event["type"] in ("payment.voided", "payment.refunded")]
        assert len(returned) == 2
        for data in (*returned, *listed, one):
            assert (data["canteen_name"], data["canteen_name_en"]) == ("一食堂", "Somewhere")
