"""What two lanes may do to each other: they share the prices in memory, and a person may stand before both."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from kernel import clock
from kernel.errors import TooManyRequests
from kernel.idempotency import Answer
from payments import api
from payments.credentials.pay_code_format import write_p1
from payments.errors import ConfirmRepeat
from payments.posting_rule import Payer, Quote, Refusal, Sale, Usage
from payments.service import business_today
from tests.payments.world import FlatRule, World, body_of


class MovingRule(FlatRule):
    """Its meal is another one, once, between the moment when counters are named and the moment of the price."""

    moves = 0

    def counter_keys(self, sale: Sale) -> tuple[str, ...]:
        if self.moves:
            self.moves -= 1
            return ("breakfast",)
        return super().counter_keys(sale)

    def quote(self, sale: Sale, payer: Payer, usage: Mapping[str, Usage]) -> Quote | Refusal:
        assert not self.moves
        return super().quote(sale, payer, usage)


class TestPricesThatMove:
    async def test_a_counter_that_was_not_read_is_neither_trusted_nor_overwritten(self, world: World) -> None:
        person = await world.person(cash_fen=50_000, lots={5000: business_today()})
        await world.pay((await world.code(person)).code)
        await world.pay((await world.code(person)).code, confirm_repeat=True)
        rule = MovingRule(world.rule.region_of_site)
        posting = api.Posting(world.db, rule, world.terminals)
        await posting.start()
        try:
            body = api.PaymentRequest(seq=77, code=(await world.code(person)).code, confirm_repeat=True)
            rule.moves = 1
            item = api.queue_item(world.till, uuid4().hex, body, request_id="req_1", language="zh")
            answer = await posting.submit(item)
        finally:
            await posting.stop()
        # The third serving: no second share of the unit, and three are counted.
        assert [leg["purse"] for leg in body_of(answer)["legs"]] == ["cash"]
        async with world.db.session() as session:
            assert (await session.scalars(text("SELECT count FROM usage_counters"))).all() == [3]


class TestDoubleTap:
    async def test_one_that_waited_while_the_other_was_recorded_is_asked_about_too(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        first, second = [(await world.code(person)).code for _ in range(2)]
        body = api.PaymentRequest(seq=77, code=second, amount_fen=700)
        waiting = api.queue_item(world.till, uuid4().hex, body, request_id="req_1", language="zh")
        clock.advance(timedelta(milliseconds=300))
        await world.pay(first, amount_fen=700)
        clock.advance(timedelta(milliseconds=300))
        try:
            answer = await world.posting.submit(waiting)
        except ConfirmRepeat:
            return
        raise AssertionError(f"700 fen were taken twice: {answer}")


class TestGuessesAtOnce:
    async def test_a_hundred_at_once_are_ten_guesses_and_the_till_waits(self, world: World) -> None:
        codes = [write_p1(n % 2, n) for n in range(100)]
        found = await asyncio.gather(*[world.pay(code, amount_fen=1) for code in codes], return_exceptions=True)
        told = [answer.status for answer in found if isinstance(answer, Answer)]
        waiting = [error for error in found if isinstance(error, TooManyRequests)]
        assert (told, len(waiting)) == ([402] * 10, 90)
        assert {0 < error.data["retry_after_s"] <= 60 for error in waiting} == {True}
        # Another process, which has seen none of them, lets nothing more through either.
        other = api.Posting(world.db, world.rule, world.terminals)
        await other.start()
        try:
            body = api.PaymentRequest(seq=777, code=write_p1(1, 777), amount_fen=1)
            with pytest.raises(TooManyRequests):
                await other.submit(api.queue_item(world.till, "k", body, request_id="req_1", language="zh"))
        finally:
            await other.stop()
