"""What two lanes may do to each other: they share the prices in memory, and a person may stand before both."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text

from kernel import clock
from payments import api
from payments.errors import ConfirmRepeat
from payments.posting_rule import Payer, Quote, Refusal, Sale, Usage
from tests.payments.world import FlatRule, World, body_of


class MovingRule(FlatRule):
    """Its meal is another one, once, between the moment when counters are named and the moment of the price."""

    moves = 0

    def counter_keys(self, sale: Sale, payer: Payer) -> tuple[str, ...]:
        if self.moves:
            self.moves -= 1
            return ("breakfast",)
        return super().counter_keys(sale, payer)

    def quote(self, sale: Sale, payer: Payer, usage: Mapping[str, Usage]) -> Quote | Refusal:
        assert not self.moves
        return super().quote(sale, payer, usage)


class TestPricesThatMove:
    async def test_a_counter_that_was_not_read_is_neither_trusted_nor_overwritten(self, world: World) -> None:
        person = await world.person(cash_fen=50_000, lots={5000: clock.now().date()})
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
