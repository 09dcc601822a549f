"""A dispute and the books: what is disputed waits in suspense, and a locked month is corrected by a voucher of two people."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import insert, select, text

from identity.api import Place, Principal, Role, approve, principal_of, reject, today
from identity.models import Approval
from kernel import clock
from kernel.handlers import run_handler
from payments import api
from payments.disputes.errors import NoSubsidyLeft
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


async def lock_november(counter: Counter, *regions: UUID) -> None:
    async with counter.world.db.session() as session:
        for region in regions or (counter.world.home,):
            await session.execute(insert(AccountingPeriod).values(region_id=region, period="2026-11", state="locked"))


async def decide(counter: Counter, who: Somebody, *, agreed: bool = True) -> None:
    """What waits for an approval is decided, and disputes hear of it."""
    async with counter.world.db.session() as session:
        pending = await session.scalar(select(Approval.id).where(Approval.status == "pending"))
        assert pending is not None
        principal: Principal = await principal_of(session, who.id, today())
        await (approve if agreed else reject)(session, principal, pending)
    while await run_handler(counter.world.db, "test.vouchers", follow_vouchers):
        pass


class TestALockedMonth:
    @pytest.fixture
    async def dispute(self, counter: Counter) -> Json:
        """Of a payment whose month was locked meanwhile."""
        payment = await counter.world.lunch(counter.payer.id)
        opened = await counter.opened(payment, amount_fen=500)
        await lock_november(counter)
        accepted = await counter.pulled(counter.manager, opened, "accept")
        assert (accepted["state"], await counter.cash_fen()) == ("accepted", 20_000 - 1800)
        return opened

    async def test_the_money_is_back_when_two_have_approved(self, counter: Counter, dispute: Json) -> None:
        second = await officer(counter.world, Role.FINANCE, Place(region_id=counter.world.home))
        await decide(counter, counter.finance)
        assert (await counter.seen(counter.payer, dispute))["state"] == "accepted"
        await decide(counter, second)
        returned = await counter.seen(counter.payer, dispute)
        (refunded,) = await counter.told("payment.refunded")
        assert (returned["state"], returned["refund"]) == ("returned", refunded["refund"])
        assert await counter.cash_fen() == 20_000 - 1800 + 500
        assert await owed(counter, "payable", counter.world.canteen) == -1300

    async def test_a_voucher_that_is_refused_leaves_it_to_the_region(self, counter: Counter, dispute: Json) -> None:
        await decide(counter, counter.finance, agreed=False)
        passed_on = await counter.seen(counter.finance, dispute)
        assert (passed_on["state"], passed_on["clock"]["turn"]) == ("escalated", "region")
        dismissed = await counter.pulled(counter.finance, dispute, "dismiss")
        assert (dismissed["state"], await counter.cash_fen()) == ("dismissed", 20_000 - 1800)


class TestAMissingSubsidyOfALockedMonth:
    """The unit's grant came late, and the month of the meal is locked: two approve, and the lot pays in the open month."""

    async def disputed(self, counter: Counter, *, away: bool = False) -> Json:
        world = counter.world
        payment = await world.lunch(counter.payer.id, terminal=world.terminal(world.tills[-1]) if away else None)
        opened = await counter.opened(payment, "missing_subsidy", amount_fen=1600)
        await lock_november(counter, world.home, world.away)
        return opened

    async def grant(self, counter: Counter, amount_fen: int) -> None:
        async with counter.world.db.session() as session:
            await api.grant_subsidies(
                session,
                counter.world.unit,
                [api.Allotment(counter.payer.id, amount_fen)],
                expires_on=date(2026, 12, 31),
                actor="test",
            )

    @pytest.mark.parametrize("away", [False, True])
    async def test_a_lot_granted_since_pays_and_the_cash_is_back(self, counter: Counter, away: bool) -> None:
        world = counter.world
        dispute = await self.disputed(counter, away=away)
        answering = await officer(world, Role.CANTEEN_MANAGER, Place(region_id=world.away)) if away else counter.manager
        offices = [await officer(world, Role.FINANCE, Place()) for _ in range(2)]
        refused = await counter.pull(answering, dispute, "accept")
        assert (refused.json()["code"], refused.json()["data"]) == ("NO_SUBSIDY_LEFT", {"available_fen": 0})

        await self.grant(counter, 4000)
        accepted = await counter.pulled(answering, dispute, "accept")
        assert (accepted["state"], await counter.cash_fen()) == ("accepted", 20_000 - 1800)
        for office in offices:
            await decide(counter, office)
        returned = await counter.seen(counter.payer, dispute)
        purses = await world.purses(counter.payer.id)
        assert (returned["state"], returned["paid_by_subsidy"]) == ("returned", True)
        assert returned["refund"] is not None
        assert (purses["cash_fen"], purses["subsidy_fen"]) == (20_000 - 200, 2400)
        region, canteen = (world.away, world.canteen_away) if away else (world.home, world.canteen)
        async with world.db.session() as session:
            assert await house_balance(session, region, "payable", canteen) == -1800, "the canteen has sold one lunch"
            months = await session.execute(
                text(
                    "SELECT DISTINCT accounting_period FROM ledger_lines WHERE kind IN ('subsidy_correction', 'refund')"
                )
            )
            assert months.all() == [("2026-12",)], "nothing is booked in the locked month"

    async def test_a_lot_that_is_gone_by_the_second_approval_refuses_it_and_the_voucher_can_be_rejected(
        self, counter: Counter
    ) -> None:
        dispute = await self.disputed(counter)
        await self.grant(counter, 1600)
        await counter.pulled(counter.manager, dispute, "accept")
        second = await officer(counter.world, Role.FINANCE, Place(region_id=counter.world.home))
        await decide(counter, counter.finance)
        await counter.wait(days=1)
        await counter.world.lunch(counter.payer.id)
        with pytest.raises(NoSubsidyLeft):
            await decide(counter, second)
        await decide(counter, second, agreed=False)
        passed_on = await counter.seen(counter.finance, dispute)
        assert (passed_on["state"], passed_on["paid_by_subsidy"]) == ("escalated", False)
