"""A dispute and the books: what is disputed waits in suspense, and a locked month is corrected by a voucher of two people."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from identity.api import Place, Principal, Role, approve, principal_of, reject, today
from identity.models import Approval
from kernel import clock
from kernel.handlers import run_handler
from payments.disputes.handlers import follow_vouchers
from payments.ledger import house_balance
from payments.models import AccountingPeriod
from tests.payments.disputes.counter import Counter, Json, open_counter
from tests.payments.doors import Somebody, officer
from tests.payments.world import World

MONDAY = datetime(2026, 11, 23, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _monday() -> Iterator[None]:
    with clock.frozen(MONDAY):
        yield


@pytest.fixture
async def counter(world: World) -> AsyncIterator[Counter]:
    async with open_counter(world) as opened:
        yield opened


async def owed(counter: Counter, kind: str, owner: object) -> int:
    async with counter.world.db.session() as session:
        return await house_balance(session, counter.world.home, kind, owner)  # type: ignore[arg-type]  # a UUID


class TestSuspense:
    async def test_what_is_disputed_is_not_the_canteens_until_it_is_settled(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        dispute = await counter.opened(payment, amount_fen=500)
        assert dispute["suspended_fen"] == 500
        assert await owed(counter, "payable", counter.world.canteen) == -1300

        await counter.pulled(counter.manager, dispute, "reject")
        assert await owed(counter, "payable", counter.world.canteen) == -1300, "the person may still go to the region"
        await counter.pulled(counter.payer, dispute, "withdraw")
        assert await owed(counter, "payable", counter.world.canteen) == -1800

    async def test_money_given_back_comes_out_of_the_canteens_account_once(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        dispute = await counter.opened(payment, amount_fen=500)
        await counter.pulled(counter.manager, dispute, "accept", amount_fen=300)
        assert await owed(counter, "payable", counter.world.canteen) == -1500
        assert (await counter.seen(counter.payer, dispute))["suspended_fen"] == 0

    async def test_two_disputes_of_one_payment_set_no_more_aside_than_it_was(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        await counter.opened(payment, "duplicate")
        second = await counter.opened(payment, "not_me")
        assert (second["suspended_fen"], await owed(counter, "payable", counter.world.canteen)) == (0, 0)


class TestALockedMonth:
    @pytest.fixture
    async def dispute(self, counter: Counter) -> Json:
        """Of a payment whose month was locked meanwhile."""
        payment = await counter.world.lunch(counter.payer.id)
        opened = await counter.opened(payment, amount_fen=500)
        async with counter.world.db.session() as session:
            await session.execute(
                insert(AccountingPeriod).values(region_id=counter.world.home, period="2026-11", state="locked")
            )
        accepted = await counter.pulled(counter.manager, opened, "accept")
        assert (accepted["state"], await counter.cash_fen()) == ("accepted", 20_000 - 1800)
        return opened

    async def decide(self, counter: Counter, who: Somebody, *, agreed: bool = True) -> None:
        async with counter.world.db.session() as session:
            pending = await session.scalar(select(Approval.id).where(Approval.status == "pending"))
            assert pending is not None
            principal: Principal = await principal_of(session, who.id, today())
            await (approve if agreed else reject)(session, principal, pending)
        while await run_handler(counter.world.db, "test.vouchers", follow_vouchers):
            pass

    async def test_the_money_is_back_when_two_have_approved(self, counter: Counter, dispute: Json) -> None:
        second = await officer(counter.world, Role.FINANCE, Place(region_id=counter.world.home))
        await self.decide(counter, counter.finance)
        assert (await counter.seen(counter.payer, dispute))["state"] == "accepted"
        await self.decide(counter, second)
        assert (await counter.seen(counter.payer, dispute))["state"] == "returned"
        assert await counter.cash_fen() == 20_000 - 1800 + 500
        assert await owed(counter, "payable", counter.world.canteen) == -1300

    async def test_a_voucher_that_is_refused_leaves_it_to_the_region(self, counter: Counter, dispute: Json) -> None:
        await self.decide(counter, counter.finance, agreed=False)
        passed_on = await counter.seen(counter.finance, dispute)
        assert (passed_on["state"], passed_on["clock"]["turn"]) == ("escalated", "region")
        dismissed = await counter.pulled(counter.finance, dispute, "dismiss")
        assert (dismissed["state"], await counter.cash_fen()) == ("dismissed", 20_000 - 1800)
