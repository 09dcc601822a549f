"""A move counts from its day on, not from the day on which somebody wrote it down."""

from datetime import timedelta
from uuid import UUID

from identity.api import NewPerson, change_membership, open_person, today
from kernel import clock, timers
from kernel.handlers import run_handler
from payments.handlers import follow_people
from payments.jobs import TIMERS
from payments.service import holder_of
from tests.payments.world import World


async def class_of(world: World, person: UUID) -> str:
    """The class by which the next payment is priced, once the worker has done what is due."""
    while await run_handler(world.db, "payments.follow_people", follow_people):
        pass
    await timers.fire_due(world.db, TIMERS)
    async with world.db.session() as session:
        return (await holder_of(session, person)).person_class


async def move(world: World, person: UUID, person_class: str, in_days: int) -> None:
    async with world.db.session() as session:
        await change_membership(
            session,
            person,
            organisation_id=world.unit,
            person_class=person_class,
            valid_from=today() + timedelta(days=in_days),
            actor="test",
        )


async def open_staff(world: World) -> UUID:
    async with world.db.session() as session:
        new = NewPerson("王小明", world.unit, "staff", today() - timedelta(days=30))
        return await open_person(session, new, actor="test")


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
