"""Every DENY code can be met, is stored and replayed, consumes its number, and moves nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from identity.models import TerminalRow
from kernel import clock
from kernel.configuration import bump_configuration
from payments.errors import DENY_SENTENCES, ConfirmRepeat, SeqReused
from payments.posting_rule import DenyCode
from tests.payments.world import World, body_of

Refusing = Callable[[World], Awaitable[str]]


async def _expired(world: World) -> str:
    code = await world.code(await world.person(cash_fen=5000))
    clock.advance(timedelta(seconds=61))
    return code.code


async def _used(world: World) -> str:
    code = await world.code(await world.person(cash_fen=50_000))
    await world.pay(code.code, amount_fen=77)
    return code.code


async def _unknown(world: World) -> str:
    return "70000000000000000000"


async def _lost(world: World) -> str:
    person = await world.person(cash_fen=5000)
    code = await world.code(person)
    await world.change(person, "report_lost")
    return code.code


async def _frozen(world: World) -> str:
    person = await world.person(cash_fen=5000)
    code = await world.code(person)
    await world.change(person, "freeze")
    return code.code


async def _no_funds(world: World) -> str:
    return (await world.code(await world.person(cash_fen=99))).code


async def _amount_limit(world: World) -> str:
    world.rule.amount_max_fen = 99
    return (await world.code(await world.person(cash_fen=5000))).code


async def _count_limit(world: World) -> str:
    world.rule.count_max = 1
    person = await world.person(cash_fen=5000)
    await world.lunch(person, amount_fen=77)
    return (await world.code(person)).code


async def _out_of_period(world: World) -> str:
    world.rule.is_open = False
    return (await world.code(await world.person(cash_fen=5000))).code


async def _terminal(world: World) -> str:
    async with world.db.session() as session:
        version = await bump_configuration(session)
        await session.execute(
            update(TerminalRow)
            .where(TerminalRow.id == world.till.id)
            .values(status="disabled", configuration_version=version)
        )
    return (await world.code(await world.person(cash_fen=5000))).code


async def _class(world: World) -> str:
    return (await world.code(await world.person(cash_fen=5000, person_class="visitor"))).code


REASONS: dict[DenyCode, Refusing] = {
    DenyCode.CODE_EXPIRED: _expired,
    DenyCode.CODE_USED: _used,
    DenyCode.CODE_UNKNOWN: _unknown,
    DenyCode.LOST: _lost,
    DenyCode.FROZEN: _frozen,
    DenyCode.NO_FUNDS: _no_funds,
    DenyCode.AMOUNT_LIMIT: _amount_limit,
    DenyCode.COUNT_LIMIT: _count_limit,
    DenyCode.OUT_OF_PERIOD: _out_of_period,
    DenyCode.TERMINAL: _terminal,
    DenyCode.CLASS: _class,
}


class TestTheTerminalComesFirst:
    async def test_a_disabled_till_hears_of_itself_before_its_used_key_and_number(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        paid = await world.pay((await world.code(person)).code, amount_fen=100, key="k", seq=7)
        await _terminal(world)
        other = (await world.code(person)).code
        for key, seq in (("k", 8), ("other", 7)):
            refused = await world.pay(other, amount_fen=200, key=key, seq=seq)
            assert (refused.status, body_of(refused)["code"]) == (402, "DENY_TERMINAL")
        assert paid.status == 201


class TestEveryReason:
    @pytest.mark.parametrize("reason", list(DenyCode))
    async def test_it_is_answered_stored_and_replayed(self, world: World, reason: DenyCode) -> None:
        code = await REASONS[reason](world)
        till = world.till
        first = await world.pay(code, amount_fen=100, key="k", seq=900, terminal=till)
        body = body_of(first)
        assert (first.status, body["code"]) == (402, reason.value)
        assert body["message"] == DENY_SENTENCES[reason][0]

        again = await world.pay(code, amount_fen=100, key="k", seq=900, terminal=till)
        assert (again.status, again.body, again.replayed) == (402, first.body, True)

        if reason is DenyCode.TERMINAL:
            return  # It comes before the number; see above.
        conflict = await world.refused(code, amount_fen=100, seq=900, terminal=till)
        assert isinstance(conflict, SeqReused)
        assert conflict.data["payment"] is None

    def test_each_has_a_sentence_in_both_languages(self) -> None:
        assert set(DENY_SENTENCES) == set(DenyCode) == set(REASONS)
        assert all(zh and en for zh, en in DENY_SENTENCES.values())


class TestOrder:
    async def test_a_used_code_of_a_frozen_account_is_called_used(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        code = await world.code(person)
        await world.pay(code.code, amount_fen=100)
        await world.change(person, "freeze")
        assert body_of(await world.pay(code.code, amount_fen=300))["code"] == "DENY_CODE_USED"

    async def test_the_account_comes_before_the_double_tap(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        codes = [await world.code(person) for _ in range(2)]
        await world.pay(codes[0].code, amount_fen=100)
        await world.change(person, "freeze")
        assert body_of(await world.pay(codes[1].code, amount_fen=100))["code"] == "DENY_FROZEN"

    async def test_the_double_tap_comes_before_limits_and_money(self, world: World) -> None:
        person = await world.person(cash_fen=150)
        await world.pay((await world.code(person)).code, amount_fen=100)
        world.rule.count_max = 1
        error = await world.refused((await world.code(person)).code, amount_fen=100)
        assert isinstance(error, ConfirmRepeat)

    async def test_a_limit_comes_before_money(self, world: World) -> None:
        world.rule.amount_max_fen = 10
        code = await world.code(await world.person())
        assert body_of(await world.pay(code.code, amount_fen=100))["code"] == "DENY_AMOUNT_LIMIT"


class TestDoubleTap:
    async def test_eight_seconds_later_or_at_another_till_nobody_is_asked(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        await world.pay((await world.code(person)).code, amount_fen=100)
        other = await world.pay(
            (await world.code(person)).code, amount_fen=100, terminal=world.terminal(world.tills[1])
        )
        assert other.status == 201
        clock.advance(timedelta(seconds=9))
        assert (await world.pay((await world.code(person)).code, amount_fen=100)).status == 201

    async def test_two_taps_in_one_batch_are_asked_about_too(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        codes = [(await world.code(person)).code for _ in range(2)]
        found = await asyncio.gather(*[world.pay(code, amount_fen=100) for code in codes], return_exceptions=True)
        assert len([one for one in found if isinstance(one, ConfirmRepeat)]) == 1
        assert (await world.purses(person))["cash_fen"] == 4900
