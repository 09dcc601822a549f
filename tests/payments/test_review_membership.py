"""A move counts from its day on, not from the day on which somebody wrote it down; so does an end. And whoever a unit
pays for has their account in that unit's book."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from identity.api import NewPerson, change_membership, membership_of, open_organisation, open_person, today
from kernel import clock, timers
from kernel.handlers import run_handler
from payments import api
from payments.handlers import follow_people
from payments.holders import NO_UNIT
from payments.jobs import TIMERS
from payments.models import Holder
from payments.posting_rule import DenyCode
from payments.service import holder_of
from tests.payments.world import World, body_of


async def holder_now(world: World, person: UUID) -> Holder:
    """By whom and in which book the next payment is paid, once the worker has done what is due."""
    while await run_handler(world.db, "payments.follow_people", follow_people):
        pass
    await timers.fire_due(world.db, TIMERS)
    async with world.db.session() as session:
        return await holder_of(session, person)


async def class_of(world: World, person: UUID) -> str:
    return (await holder_now(world, person)).person_class


async def move(
    world: World, person: UUID, person_class: str | None, in_days: int, *, until: date | None = None
) -> None:
    """To another class, or (None) to nowhere."""
    async with world.db.session() as session:
        await change_membership(
            session,
            person,
            organisation_id=world.unit if person_class else None,
            person_class=person_class,
            valid_from=today() + timedelta(days=in_days),
            valid_until=until,
            actor="test",
        )


async def open_staff(world: World, *, until: date | None = None, organisation: UUID | None = None) -> UUID:
    async with world.db.session() as session:
        since = today() - timedelta(days=30)
        new = NewPerson("王小明", organisation or world.unit, "staff", since, until)
        return await open_person(session, new, actor="test")


async def grant(world: World, person: UUID, amount_fen: int) -> None:
    async with world.db.session() as session:
        allotments = [api.Allotment(person, amount_fen)]
        last_day = today() + timedelta(days=60)
        await api.grant_subsidies(session, world.unit, allotments, expires_on=last_day, actor="test")


async def top_up(world: World, person: UUID, amount_fen: int) -> None:
    async with world.db.session() as session:
        await api.top_up_at_counter(session, person, amount_fen, actor="test")


class TestMove:
    async def test_of_today_counts_at_once(self, world: World) -> None:
        person = await open_staff(world)
        await move(world, person, "contract", 0)
        assert await class_of(world, person) == "contract"

    async def test_of_next_week_counts_next_week(self, world: World) -> None:
        person = await open_staff(world)
        await move(world, person, "retired", 7)
        assert await class_of(world, person) == "staff"
        clock.advance(timedelta(days=7))
        assert await class_of(world, person) == "retired"


class TestEnd:
    async def test_from_that_day_on_no_unit_pays_and_the_money_stays(self, world: World) -> None:
        person = await open_staff(world)
        await holder_now(world, person)
        await grant(world, person, 3200)
        await top_up(world, person, 5000)
        await move(world, person, None, 3)
        assert await class_of(world, person) == "staff"
        assert (await world.lunch(person))["legs"][0]["purse"] == "subsidy"

        clock.advance(timedelta(days=3))
        holder = await holder_now(world, person)
        assert (holder.person_class, holder.unit_id, holder.region_id) == ("visitor", NO_UNIT, world.home)
        refusal = await world.pay((await world.code(person)).code)
        assert (refusal.status, body_of(refusal)["code"]) == (402, DenyCode.CLASS)
        purses = await world.purses(person)
        assert (purses["subsidy_fen"], purses["cash_fen"]) == (1600, 4800)

    @pytest.mark.parametrize("told", ["when it began", "in a later move"])
    async def test_a_last_day_that_was_known_before_is_not_forgotten(self, world: World, told: str) -> None:
        last = today() + timedelta(days=5)
        if told == "when it began":
            person = await open_staff(world, until=last)
        else:
            person = await open_staff(world)
            await move(world, person, "contract", 0, until=last)
        assert (await holder_now(world, person)).unit_id == world.unit
        clock.advance(timedelta(days=4))
        assert (await holder_now(world, person)).unit_id == world.unit
        clock.advance(timedelta(days=1))
        assert (await holder_now(world, person)).person_class == "visitor"

    async def test_who_comes_back_is_paid_for_again(self, world: World) -> None:
        person = await open_staff(world, until=today() + timedelta(days=1))
        await move(world, person, "retired", 4)
        assert await class_of(world, person) == "staff"
        clock.advance(timedelta(days=2))
        assert await class_of(world, person) == "visitor"
        clock.advance(timedelta(days=2))
        holder = await holder_now(world, person)
        assert (holder.person_class, holder.unit_id) == ("retired", world.unit)


class TestDepartmentElsewhere:
    async def test_its_people_are_in_the_book_of_the_unit_that_pays_for_them(self, world: World) -> None:
        async with world.db.session() as session:
            branch = await open_organisation(
                session,
                code="branch",
                name_zh="驻外办事处",
                name_en="Branch office",
                kind="department",
                home_region_id=world.away,
                parent_id=world.unit,
                actor="test",
            )
        person = await open_staff(world, organisation=branch)
        holder = await holder_now(world, person)
        assert (holder.unit_id, holder.region_id) == (world.unit, world.home)
        async with world.db.session() as session:
            membership = await membership_of(session, person, today())
        assert membership is not None
        assert membership.region_id == world.home

        # Else this is refused: what is granted in one book could not be spent from another.
        await grant(world, person, 1600)
        await top_up(world, person, 1000)
        paid = await world.lunch(person, terminal=world.terminal(world.tills[-1]))
        assert [(leg["purse"], leg["amount_fen"]) for leg in paid["legs"]] == [("subsidy", 1600), ("cash", 200)]
