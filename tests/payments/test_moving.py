"""Somebody moves to a unit of another region: their money follows into that region's book, and is spent from there."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from identity.api import (
    NewPerson,
    change_membership,
    move_organisation,
    open_organisation,
    open_person,
    today,
)
from identity.models import Organisation
from identity.places import edit_place
from kernel import clock, timers
from kernel.handlers import run_handler
from kernel.ids import parse_public_id, public_id
from payments import api, handlers
from payments.handlers import follow_people
from payments.jobs import TIMERS
from payments.ledger import house_balance
from payments.queries import lines_of
from payments.service import holder_of
from payments.subsidies import expiry
from tests.payments.world import World


@dataclass
class TwoUnits:
    """The world's unit at home, and another one in the other region."""

    world: World
    there: UUID

    async def staff(self, *, cash_fen: int = 0, lot_fen: int = 0, organisation: UUID | None = None) -> UUID:
        world = self.world
        async with world.db.session() as session:
            new = NewPerson("王小明", organisation or world.unit, "staff", today())
            person = await open_person(session, new, actor="test")
        await self.heard()
        if cash_fen:
            async with world.db.session() as session:
                await api.top_up_at_counter(session, person, cash_fen, actor="test")
        if lot_fen:
            await self.grant(world.unit, person, lot_fen)
        return person

    async def grant(self, unit: UUID, person: UUID, amount_fen: int) -> None:
        async with self.world.db.session() as session:
            allotments = [api.Allotment(person, amount_fen)]
            last_day = today() + timedelta(days=20)
            await api.grant_subsidies(session, unit, allotments, expires_on=last_day, actor="test")

    async def move(self, person: UUID, unit: UUID, in_days: int = 0) -> None:
        async with self.world.db.session() as session:
            since = today() + timedelta(days=in_days)
            await change_membership(
                session, person, organisation_id=unit, person_class="staff", valid_from=since, actor="test"
            )
        await self.heard()

    async def heard(self) -> None:
        """The worker has done what there is to do."""
        while await run_handler(self.world.db, "payments.follow_people", follow_people):
            pass
        while await timers.fire_due(self.world.db, TIMERS):
            pass

    async def region_of(self, person: UUID) -> UUID:
        async with self.world.db.session() as session:
            return (await holder_of(session, person)).region_id

    async def owed(self, debtor: UUID, creditor: UUID) -> int:
        """What one region owes another by its own book."""
        async with self.world.db.session() as session:
            return -await house_balance(session, debtor, "due_to", creditor)

    async def lunch(self, person: UUID, **how: Any) -> list[tuple[str, int]]:
        paid = await self.world.lunch(person, **how)
        return [(leg["purse"], leg["amount_fen"]) for leg in paid["legs"]]

    async def lines_of(self, payment: str) -> set[UUID]:
        """In whose books a payment stands."""
        async with self.world.db.session() as session:
            return {line.region_id for line in await lines_of(session, parse_public_id("pay", payment))}


@pytest.fixture
async def units(world: World) -> TwoUnits:
    async with world.db.session() as session:
        there = await open_organisation(
            session,
            code="there",
            name_zh="外地单位",
            name_en="Unit elsewhere",
            kind="unit",
            home_region_id=world.away,
            actor="test",
        )
        await api.prefund_unit(session, there, world.away, 10**6, actor="test")
    return TwoUnits(world, there)


class TestMove:
    async def test_the_money_follows_and_the_new_unit_grants_and_lunch_is_paid_from_the_new_book(
        self, units: TwoUnits
    ) -> None:
        world, person = units.world, await units.staff(cash_fen=5000, lot_fen=2000)
        await units.move(person, units.there)

        assert await units.region_of(person) == world.away
        purses = await world.purses(person)
        assert (purses["cash_fen"], purses["subsidy_fen"]) == (5000, 2000)
        assert await units.owed(world.home, world.away) == 7000

        await units.grant(units.there, person, 1600)
        paid = await world.lunch(person, terminal=world.terminal(world.tills[-1]))
        assert await units.lines_of(paid["id"]) == {world.away}
        assert await units.owed(world.home, world.away) == 7000

    async def test_counts_from_its_day_on_and_once(self, units: TwoUnits) -> None:
        world, person = units.world, await units.staff(cash_fen=5000)
        await units.move(person, units.there, in_days=3)
        assert await units.region_of(person) == world.home
        clock.advance(timedelta(days=3))
        for _ in range(2):
            await units.heard()
            async with world.db.session() as session:
                again = timers.Timer(0, handlers.TIMER_KIND, f"{public_id('per', person)} again", clock.now(), 1, {}, 0)
                await handlers.begin_membership(session, again)
        assert await units.region_of(person) == world.away
        assert await units.owed(world.home, world.away) == 5000

    async def test_there_and_back_again_leaves_two_debts_that_net(self, units: TwoUnits) -> None:
        world, person = units.world, await units.staff(cash_fen=5000, lot_fen=2000)
        await units.move(person, units.there)
        await units.move(person, world.unit)
        assert await units.region_of(person) == world.home
        assert await units.owed(world.home, world.away) == await units.owed(world.away, world.home) == 7000
        assert await units.lunch(person) == [("subsidy", 1600), ("cash", 200)]


class TestLots:
    async def test_what_is_left_at_its_end_goes_back_to_the_unit_that_granted_it(self, units: TwoUnits) -> None:
        world, person = units.world, await units.staff(lot_fen=2000)
        await units.move(person, units.there)
        clock.advance(timedelta(days=24))
        async with world.db.session() as session:
            assert await expiry.expire_lots(session) == 1
        assert (await world.purses(person))["subsidy_fen"] == 0
        # Over the bridge and back: the two regions owe each other the same.
        assert await units.owed(world.home, world.away) == await units.owed(world.away, world.home) == 2000

    async def test_a_refund_of_a_meal_before_the_move_arrives_in_the_new_book(self, units: TwoUnits) -> None:
        world, person = units.world, await units.staff(cash_fen=5000, lot_fen=2000)
        paid = await world.lunch(person)
        await units.move(person, units.there)
        await world.refund(paid["id"], 300)
        await world.refund(paid["id"], 1500)
        purses = await world.purses(person)
        assert (purses["cash_fen"], purses["subsidy_fen"]) == (5000, 2000)
        assert await units.owed(world.home, world.away) == 7000

    async def test_a_refund_after_the_lot_has_ended_opens_a_new_one_in_the_new_book(self, units: TwoUnits) -> None:
        world, person = units.world, await units.staff(cash_fen=200, lot_fen=2000)
        paid = await world.lunch(person)
        await units.move(person, units.there)
        clock.advance(timedelta(days=24))
        async with world.db.session() as session:
            assert await expiry.expire_lots(session) == 1
        await world.refund(paid["id"], 1800)
        purses = await world.purses(person)
        assert (purses["cash_fen"], purses["subsidy_fen"]) == (200, 1600)
        # It is spent from there.
        there = world.terminal(world.tills[-1])
        assert await units.lunch(person, terminal=there, amount_fen=1600) == [("subsidy", 1600)]

    async def test_a_refund_to_a_closed_account_goes_to_the_unit(self, units: TwoUnits) -> None:
        world, person = units.world, await units.staff(lot_fen=1600)
        paid = await world.lunch(person, amount_fen=1600)
        await units.move(person, units.there)
        await world.change(person, "close")
        await world.refund(paid["id"], 1600)
        assert (await world.purses(person))["subsidy_fen"] == 0


class TestOrganisation:
    async def test_a_department_under_another_unit_takes_its_people_along(self, units: TwoUnits) -> None:
        world = units.world
        async with world.db.session() as session:
            ward = await open_organisation(
                session,
                code="ward",
                name_zh="科室",
                name_en="Ward",
                kind="department",
                home_region_id=world.home,
                parent_id=world.unit,
                actor="test",
            )
        inside, outside = await units.staff(cash_fen=1000, organisation=ward), await units.staff(cash_fen=50)
        async with world.db.session() as session:
            await move_organisation(session, ward, parent_id=units.there, actor="test")
        await units.heard()
        assert await units.region_of(inside) == world.away
        assert await units.region_of(outside) == world.home
        assert await units.owed(world.home, world.away) == 1000
        await units.grant(units.there, inside, 1600)

    async def test_a_unit_at_home_elsewhere_takes_its_prefund_and_its_people_along(
        self, units: TwoUnits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A page at a time, as with thousands.
        monkeypatch.setattr(handlers, "_MOVED_AT_ONCE", 2)
        world = units.world
        people = [await units.staff(cash_fen=1000, lot_fen=1600) for _ in range(5)]
        async with world.db.session() as session:
            await move_organisation(session, world.unit, home_region_id=world.away, actor="test")
        await units.heard()
        assert {await units.region_of(person) for person in people} == {world.away}
        # All that the unit had prefunded: with the people or still with itself.
        assert await units.owed(world.home, world.away) == 10**10 + 5 * 1000
        await units.grant(world.unit, people[0], 1600)

    async def test_a_new_name_moves_nobody(self, units: TwoUnits) -> None:
        world, person = units.world, await units.staff(cash_fen=1000)
        async with world.db.session() as session:
            await edit_place(session, Organisation, world.unit, {"name_zh": "新名字"}, actor="test")
        await units.heard()
        assert await units.region_of(person) == world.home
