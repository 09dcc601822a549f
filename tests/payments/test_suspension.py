"""Who is suspended pays with nothing, the card in their pocket included; who comes back gets back what that took away."""

from uuid import UUID

from identity.api import NewPerson, change_person_status, open_person, today
from kernel.handlers import run_handler
from payments import api
from payments.handlers import follow_people
from payments.posting_rule import DenyCode
from payments.service import holder_of
from tests.payments.world import World, body_of


async def staff(world: World) -> UUID:
    async with world.db.session() as session:
        person = await open_person(session, NewPerson("王小明", world.unit, "staff", today()), actor="test")
    await heard(world)
    async with world.db.session() as session:
        await api.top_up_at_counter(session, person, 10_000, actor="test")
    return person


async def heard(world: World) -> None:
    """The worker has seen everything that identity told."""
    while await run_handler(world.db, "payments.follow_people", follow_people):
        pass


async def let(world: World, person: UUID, trigger: str) -> None:
    async with world.db.session() as session:
        await change_person_status(session, person, trigger, actor="test")
    await heard(world)


async def state_of(world: World, person: UUID) -> str:
    async with world.db.session() as session:
        return (await holder_of(session, person)).state


class TestSuspended:
    async def test_nothing_pays_until_they_are_back(self, world: World) -> None:
        person = await staff(world)
        shown_before = await world.code(person)
        await let(world, person, "suspend")
        refused = await world.pay(shown_before.code)
        assert (refused.status, body_of(refused)["code"]) == (402, DenyCode.FROZEN)

        await let(world, person, "resume")
        assert (await world.lunch(person))["amount_fen"] == 1800

    async def test_what_the_office_froze_stays_frozen(self, world: World) -> None:
        person = await staff(world)
        await world.change(person, "freeze")
        await let(world, person, "suspend")
        await let(world, person, "resume")
        assert await state_of(world, person) == "frozen"

    async def test_what_the_office_decided_meanwhile_stands(self, world: World) -> None:
        person = await staff(world)
        await let(world, person, "suspend")
        await world.change(person, "unfreeze")
        await world.change(person, "freeze")
        await let(world, person, "resume")
        assert await state_of(world, person) == "frozen"

    async def test_a_lost_account_stays_lost_and_a_found_card_waits_for_its_owner(self, world: World) -> None:
        person = await staff(world)
        await world.change(person, "report_lost")
        await let(world, person, "suspend")
        assert await state_of(world, person) == "lost"
        assert await world.change(person, "unlist") == "frozen"
        await let(world, person, "resume")
        assert await state_of(world, person) == "active"

    async def test_a_new_card_waits_too(self, world: World) -> None:
        person = await staff(world)
        await world.change(person, "report_lost")
        await let(world, person, "suspend")
        async with world.db.session() as session:
            await api.reissue_card(session, person, actor="test")
        assert await state_of(world, person) == "frozen"

    async def test_who_was_suspended_and_left_finds_the_account_open_on_their_return(self, world: World) -> None:
        person = await staff(world)
        for trigger, state in (("suspend", "frozen"), ("leave", "frozen"), ("return", "active")):
            await let(world, person, trigger)
            assert await state_of(world, person) == state

    async def test_said_twice_is_said_once(self, world: World) -> None:
        person = await staff(world)
        async with world.db.session() as session:
            for trigger in ("suspend", "resume", "suspend"):
                await change_person_status(session, person, trigger, actor="test")
        await heard(world)
        assert await state_of(world, person) == "frozen"
        await let(world, person, "resume")
        assert await state_of(world, person) == "active"
