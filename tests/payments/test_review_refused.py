"""What is refused has not happened: no event tells of it, and nothing of it is kept."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from kernel import clock
from kernel.idempotency import once
from payments import api, holds
from payments.errors import PaymentRefused
from payments.lines import Account
from payments.posting_rule import DenyCode, Refusal
from tests.payments.world import World


class TestOnce:
    async def test_an_act_that_is_refused_after_it_told_of_something_told_of_nothing(self, world: World) -> None:
        person = await world.person()

        async def act() -> Any:
            await api.top_up_at_counter(session, person, 100, actor="test")
            raise PaymentRefused(Refusal(DenyCode.NO_FUNDS))

        async with world.db.session() as session:
            answer = await once(session, "test", "k", {}, act, tell_refusal=lambda error: {"code": error.code})
        assert (answer.status, answer.body) == (402, b'{"code":"DENY_NO_FUNDS"}')
        # The world's own check follows: an event without its top-up would break I9.
        async with world.db.session() as session:
            told = await session.scalar(text("SELECT count(*) FROM outbox WHERE events LIKE '%top_up.succeeded%'"))
        assert told == 0


class TestCapture:
    async def test_a_caller_who_goes_on_after_a_refused_capture_still_holds_the_money(self, world: World) -> None:
        person = await world.person(cash_fen=1000)
        async with world.db.session() as session:
            until = clock.now() + timedelta(minutes=10)
            hold = await holds.place_hold(session, person, 700, reason="deposit", expires_at=until)
        async with world.db.session() as session:
            with pytest.raises(PaymentRefused):
                await holds.capture_hold(session, hold, 701, Account("payable", world.canteen))
        assert (await world.purses(person))["held_fen"] == 700
