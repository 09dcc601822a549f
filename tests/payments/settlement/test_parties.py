"""Both sides: who confirms, what is disputed, how takings are shared, what follows after the lock."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, text

from identity.api import Principal, approve
from identity.errors import SamePerson
from identity.models import Approval, Organisation, Person
from kernel import clock
from kernel.errors import StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from payments import api
from payments.invariants import INVARIANTS, find_offenders
from payments.lines import Account
from payments.models import FundingTerms
from payments.settlement import adjustments, clearing, queries, service, suspense
from payments.settlement.errors import (
    ClearingWaits,
    DisputeExceeds,
    InstructionsOpen,
    NotYourStatement,
)
from payments.settlement.models import CanteenShare, LineDispute
from tests.payments.settlement.conftest import AFTER_MONTH
from tests.payments.settlement.month import Month, finance

DAY = date(2026, 11, 3)


async def sent(month: Month) -> None:
    """Both regions have sent their statements."""
    clock.advance(AFTER_MONTH - clock.now())
    await month.open()
    await month.cut_off()
    await month.reconcile()
    await month.send()


async def statement_id(month: Month, region: UUID, kind: str, party: UUID) -> UUID:
    (settlement,) = await month.ids(region)
    async with month.world.db.session() as session:
        found = await queries.statement_of_party(session, settlement, kind, party)
    assert found is not None
    return found.id


class TestConfirm:
    async def test_who_sent_a_statement_is_not_its_other_side(self, month: Month) -> None:
        await sent(month)
        month.receiver = month.sender
        with pytest.raises(SamePerson):
            await month.confirm(month.world.home)

    async def test_each_party_confirms_its_own_and_the_last_one_confirms_the_month(self, month: Month) -> None:
        world = month.world
        await sent(month)
        (settlement,) = await month.ids(world.home)
        parties = [finance(site=world.canteen), finance(organisation=world.unit), finance(region=world.away)]
        for number, party in enumerate(parties):
            assert (await month.row(world.home)).state == "statement_sent"
            async with world.db.session() as session:
                assert await service.confirm(session, party, settlement) == 1, number
        assert (await month.row(world.home)).state == "confirmed"

    async def test_a_stranger_confirms_nothing(self, month: Month) -> None:
        await sent(month)
        (settlement,) = await month.ids(month.world.home)
        with pytest.raises(NotYourStatement):
            async with month.world.db.session() as session:
                await service.confirm(session, finance(region=uuid4()), settlement)

    async def test_a_region_waits_for_those_it_is_netted_with(self, month: Month) -> None:
        world = month.world
        await sent(month)
        await month.confirm(world.home)
        with pytest.raises(ClearingWaits) as waits:
            await month.net(world.home)
        assert waits.value.data["regions"] == [public_id("reg", world.away)]


class TestDispute:
    async def dispute(
        self, month: Month, kind: str, party: UUID, line_kind: str, amount_fen: int, day: date = DAY
    ) -> UUID:
        world = month.world
        (settlement,) = await month.ids(world.home)
        statement = await statement_id(month, world.home, kind, party)
        async with world.db.session() as session:
            dispute = await suspense.dispute_line(
                session,
                finance(region=world.home),
                settlement,
                statement,
                business_date=day,
                line_kind=line_kind,
                amount_fen=amount_fen,
                reason="two of these were test meals",
            )
        return dispute.id

    async def test_the_disputed_sum_waits_and_the_rest_settles(self, month: Month) -> None:
        world = month.world
        await sent(month)
        dispute = await self.dispute(month, "canteen", world.canteen, "payable.payment", 600)
        await month.confirm()
        await month.net(world.home)
        await month.pay()
        await month.settle()
        balances = await month.balances()
        assert balances["H"]["suspense"] == -600
        assert "payable" not in balances["H"]
        assert balances["H"]["bank"] == 1_010_000 - 3_000 - 2_000

        (settlement,) = await month.ids(world.home)
        async with world.db.session() as session:
            await suspense.decide_dispute(
                session, settlement, dispute, upheld=False, note="they were not", actor="test"
            )
        december = Month(world, "2026-12")
        clock.advance(timedelta(days=31))
        async with world.db.session() as session:
            await api.create_partitions_around(session, clock.now())
        await december.to_confirmed()
        assert (await december.statements(world.home))["canteen", world.canteen] == (600, 0, 600)
        await december.net(world.home)
        await december.pay()
        assert not {"payable", "suspense"} & (await month.balances())["H"].keys()

    async def test_between_regions_it_waits_in_both_books(self, month: Month) -> None:
        world = month.world
        await sent(month)
        await self.dispute(month, "region_pair", world.away, "due_to.payment", 500, date(2026, 11, 4))
        await month.confirm()
        await month.net(world.home)
        balances = await month.balances()
        assert (balances["H"]["suspense"], balances["Q"]["suspense"]) == (-500, 500)
        assert (balances["H"]["clearing"], balances["Q"]["clearing"]) == (-1_500, 1_500)

    async def test_no_more_than_the_line_says(self, month: Month) -> None:
        await sent(month)
        await self.dispute(month, "canteen", month.world.canteen, "payable.payment", 3_000)
        with pytest.raises(DisputeExceeds) as refused:
            await self.dispute(month, "canteen", month.world.canteen, "payable.payment", 601)
        assert refused.value.data == {"left_fen": 600}

    async def test_a_persons_dispute_borrows_from_the_canteen_until_it_is_decided(self, month: Month) -> None:
        world, dispute = month.world, uuid7()
        named = {"region_id": world.home, "site_id": world.canteen, "amount_fen": 1_800, "dispute_id": dispute}
        async with world.db.session() as session:
            await suspense.put_in_suspense(session, **named, business_date=DAY)  # type: ignore[arg-type]  # as named
        assert (await month.balances())["H"]["suspense"] == -1_800
        async with world.db.session() as session:
            await suspense.take_from_suspense(session, **named, business_date=DAY)  # type: ignore[arg-type]  # as named
        assert "suspense" not in (await month.balances())["H"]


class TestShares:
    async def share(self, month: Month, weights: Sequence[tuple[int, str]]) -> list[UUID]:
        organisations = [uuid7() for _ in weights]
        async with month.world.db.session() as session:
            for number, organisation in enumerate(organisations):
                names = {"name_zh": "某公司", "name_en": "Some", "pinyin": "mou", "created_at": clock.now()}
                await session.execute(
                    insert(Organisation).values(
                        id=organisation,
                        home_region_id=month.world.home,
                        kind="operator",
                        code=f"P{number}-{organisation.hex[-6:]}",
                        **names,
                    )
                )
            rows = [
                {
                    "site_id": month.world.canteen,
                    "from_period": "2026-11",
                    "ordinal": ordinal,
                    "organisation_id": organisation,
                    "weight": weight,
                    "role": role,
                }
                for ordinal, ((weight, role), organisation) in enumerate(zip(weights, organisations, strict=True))
            ]
            await session.execute(insert(CanteenShare), rows)
        return organisations

    async def test_takings_are_shared_by_the_largest_remainder(self, month: Month) -> None:
        world = month.world
        person = await world.person(cash_fen=5_000)
        # 3,600 of the example and 399 more make 3,999; by 50:30:20 that is 1,999.5, 1,199.7 and 799.8.
        await world.lunch(person, amount_fen=399)
        _, first, second = await self.share(month, [(50, "canteen"), (30, "operator"), (20, "operator")])
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        statements = await month.statements(world.home)
        assert statements["canteen", world.canteen] == (3_999, 0, 1_999)
        assert statements["operator", first][2] == 1_200
        assert statements["operator", second][2] == 800
        await month.net(world.home)
        assert (await month.balances())["H"]["operator_payable"] == -2_000
        with pytest.raises(InstructionsOpen) as still_open:
            await month.settle(world.home)
        assert still_open.value.data == {"open_count": 4}
        await month.pay()
        await month.settle()
        assert not {"payable", "operator_payable"} & (await month.balances())["H"].keys()

    async def test_a_refused_instruction_is_issued_again_under_its_own_name(self, month: Month) -> None:
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        await month.net(world.home)
        (settlement,) = await month.ids(world.home)
        row = await month.row(world.home)
        async with world.db.session() as session:
            first = (await queries.instructions_of(session, row))[0]
            await clearing.fail(session, settlement, first.id, "no such account", actor="test")
        await month.pay(world.home)
        async with world.db.session() as session:
            assert [each.id for each in await queries.instructions_of(session, row, state="failed")] == [first.id]
            await clearing.reissue(session, settlement, first.id, actor="test")
        await month.pay(world.home)
        await month.settle(world.home)


class TestAdjustment:
    async def locked(self, month: Month) -> UUID:
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        await month.net(month.world.home)
        for step in (month.pay, month.settle, month.lock):
            await step()
        return (await month.ids(month.world.home))[0]

    async def known(self, month: Month) -> Principal:
        """Somebody of the finance office who is also in identity's books."""
        who = finance()
        async with month.world.db.session() as session:
            names = {"name": "顾文清", "pinyin": "gu wen qing", "initials": "gwq", "language": "zh"}
            await session.execute(
                insert(Person).values(id=who.person_id, status="active", created_at=clock.now(), **names)
            )
        return who

    async def decide(self, month: Month, who: Principal) -> None:
        async with month.world.db.session() as session:
            waiting = await session.scalar(select(Approval.id).where(Approval.status == "pending"))
            assert waiting is not None
            await approve(session, who, waiting)

    async def test_two_others_approve_and_it_is_booked_in_the_open_month(self, month: Month) -> None:
        world = month.world
        settlement = await self.locked(month)
        asker, first, second = [await self.known(month) for _ in range(3)]
        async with world.db.session() as session:
            voucher = await adjustments.ask_for_adjustment(
                session,
                asker,
                settlement,
                original=public_id("stm", uuid7()),
                reason="a day was counted twice",
                debit=Account("payable", world.canteen),
                credit=Account("bank", world.home),
                amount_fen=250,
            )
        with pytest.raises(SamePerson):
            await self.decide(month, asker)
        await self.decide(month, first)
        for again in (first, asker):
            with pytest.raises(SamePerson):
                await self.decide(month, again)
        assert "payable" not in (await month.balances())["H"]
        await self.decide(month, second)
        assert (await month.balances())["H"]["payable"] == 250
        async with world.db.session() as session:
            booked = await queries.lock_voucher(session, voucher.id)
            assert (booked.state, booked.booked_in) == ("booked", "2026-12")
            assert [booked.first_approver, booked.second_approver] == [first.actor, second.actor]
            assert set((await service.recount(session, await month.ids())).values()) == {True}

    async def test_a_payment_of_a_locked_month_is_refunded_by_voucher(self, month: Month) -> None:
        world = month.world
        person = await world.person(cash_fen=5_000)
        paid = await world.lunch(person)
        settlement = await self.locked(month)
        asker, first, second = [await self.known(month) for _ in range(3)]
        async with world.db.session() as session:
            await adjustments.ask_for_refund(
                session,
                asker,
                settlement,
                parse_public_id("pay", paid["id"]),
                reason="it was never served",
                amount_fen=1_800,
            )
        await self.decide(month, first)
        await self.decide(month, second)
        assert (await world.purses(person))["cash_fen"] == 5_000
        assert await world.status_of(paid["id"]) == "refunded"

    async def test_only_a_locked_month_is_adjusted(self, month: Month) -> None:
        await sent(month)
        (settlement,) = await month.ids(month.world.home)
        with pytest.raises(StateConflict):
            async with month.world.db.session() as session:
                await adjustments.ask_for_adjustment(
                    session,
                    finance(),
                    settlement,
                    original="x",
                    reason="y",
                    debit=Account("payable", month.world.canteen),
                    credit=Account("bank", month.world.home),
                    amount_fen=1,
                )


class TestBilledUnit:
    async def test_owes_what_it_granted_and_pays_by_instruction(self, month: Month) -> None:
        world = month.world
        async with world.db.session() as session:
            session.add(
                FundingTerms(
                    id=uuid7(),
                    unit_id=world.unit,
                    funded_by="unit_receivable",
                    limit_fen=100_000,
                    asked_by="test",
                    reason="billed from now on",
                    recorded_at=clock.now(),
                )
            )
        person = await world.person()
        async with world.db.session() as session:
            await api.grant_subsidies(
                session, world.unit, [api.Allotment(person, 9_600)], expires_on=date(2026, 12, 31), actor="test"
            )
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        assert (await month.statements(world.home))["unit", world.unit][2] == -9_600
        await month.net(world.home)
        await month.pay()
        assert "unit_receivable" not in (await month.balances())["H"]
        await month.settle()


class TestInvariant:
    @pytest.mark.parametrize(
        ("words", "statement"),
        [
            (
                "what was counted",
                "UPDATE settlement_totals SET credit_fen = credit_fen + 1 WHERE account_kind = 'payable'",
            ),
            (
                "a statement is not the sum",
                "UPDATE settlement_statements SET in_fen = in_fen + 1, net_fen = net_fen + 1",
            ),
            ("is not instructed", "DELETE FROM bank_instructions WHERE kind = 'canteen_payout'"),
        ],
    )
    async def test_what_is_planted_is_named(self, month: Month, words: str, statement: str) -> None:
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        await month.net(world.home)
        (i8,) = [invariant for invariant in INVARIANTS if invariant.name == "I8"]
        async with world.db.session() as session:
            async with session.begin_nested() as planted:
                await session.execute(text(statement))
                found = await find_offenders(session, i8)
                await planted.rollback()
            assert any(words in offender.what for offender in found.offenders), found
            assert (await find_offenders(session, i8)).holds
            assert (await session.scalars(select(LineDispute.id))).all() == []
