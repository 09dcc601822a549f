"""Whose book: money that is granted in one region's book is spent from that book, and never from another."""

import asyncio
from uuid import UUID, uuid4

import pytest

from kernel.errors import NotFound, StateConflict
from payments import api, holders, queries
from payments.errors import OtherBook, PeriodLocked
from payments.ledger import post_lines
from payments.models import AccountingPeriod
from payments.service import business_today, holder_of
from tests.payments.world import World, body_of


async def grant(world: World, *people: UUID, amount_fen: int = 5000) -> None:
    async with world.db.session() as session:
        allotments = [api.Allotment(person, amount_fen) for person in people]
        await api.grant_subsidies(session, world.unit, allotments, expires_on=business_today(), actor="test")


async def open_account(world: World, region: UUID) -> UUID:
    person = uuid4()
    async with world.db.session() as session:
        await api.open_holders(session, [api.NewHolder(person, world.unit, region, "staff", "李*")])
    return person


async def move(world: World, person: UUID, region: UUID) -> None:
    async with world.db.session() as session:
        lines = await holders.change_membership(
            session, person, unit_id=world.unit, region_id=region, person_class="staff"
        )
        await post_lines(session, lines)


async def region_of(world: World, person: UUID) -> UUID:
    async with world.db.session() as session:
        return (await holder_of(session, person)).region_id


class TestGrant:
    async def test_into_another_regions_book_nothing_is_granted_to_anybody(self, world: World) -> None:
        at_home, away = await open_account(world, world.home), await open_account(world, world.away)
        with pytest.raises(OtherBook) as refused:
            await grant(world, at_home, away)
        assert refused.value.data == {"people": [f"per_{away.hex}"]}
        assert (await world.purses(at_home))["subsidy_fen"] == 0

    async def test_somebody_without_an_account_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound):
            await grant(world, await open_account(world, world.home), uuid4())


class TestClosedAccount:
    async def test_cash_that_nobody_could_ever_spend_is_not_taken(self, world: World) -> None:
        person = await world.person()
        async with world.db.session() as session:
            await api.change_state(session, person, "close", actor="test", reason="")
        with pytest.raises(StateConflict):
            async with world.db.session() as session:
                await api.top_up_at_counter(session, person, 100, actor="test")
        assert (await world.purses(person))["cash_fen"] == 0


class TestMove:
    async def test_an_account_that_never_had_anything_moves_to_the_new_book(self, world: World) -> None:
        person = await open_account(world, world.home)
        await move(world, person, world.away)
        assert await region_of(world, person) == world.away


class TestLockedPeriod:
    @pytest.mark.parametrize("book", ["home", "away"])
    async def test_of_either_book_keeps_a_payment_between_two_as_it_is(self, world: World, book: str) -> None:
        person = await world.person(cash_fen=1000)
        there = world.terminal(world.tills[-1])
        paid = body_of(await world.pay((await world.code(person)).code, amount_fen=600, terminal=there))
        async with world.db.session() as session:
            period = paid["business_date"][:7]
            session.add(AccountingPeriod(region_id=getattr(world, book), period=period, state="locked"))
        identifier = UUID(paid["id"].removeprefix("pay_"))
        with pytest.raises(PeriodLocked):
            async with world.db.session() as session:
                await api.refund_payment(session, identifier, 1, "cold", actor="test", site_label=world.rule.site_label)


class TestPages:
    async def test_a_till_reads_back_to_its_first_payment(self, world: World) -> None:
        person = await world.person(cash_fen=1000)
        first = body_of(await world.pay((await world.code(person)).code, amount_fen=1))["id"]
        second = body_of(await world.pay((await world.code(person)).code, amount_fen=2))["id"]
        poor = await world.person()
        codes = [(await world.code(poor)).code for _ in range(43)]
        await asyncio.gather(*[world.pay(code, amount_fen=3) for code in codes])
        async with world.db.session() as session:
            before = UUID(second.removeprefix("pay_"))
            rows = await queries.list_terminal_payments(session, world.till.id, 1, before)
        assert [f"pay_{row.id.hex}" for row in rows] == [first]
