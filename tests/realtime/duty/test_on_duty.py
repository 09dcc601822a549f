"""Who is on duty: the rota, the sign-in, and who is there."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from identity.api import change_person_status
from kernel import clock
from kernel.ids import uuid7
from realtime.duty.api import OnDuty, is_on_duty, who_is_in_the_rota, who_is_on_duty
from realtime.duty.models import DutySignIn
from tests.identity.conftest import House
from tests.realtime.duty.crew import Crew, crew

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


async def signs_in(crew: Crew, person_id: UUID, at: datetime = NOON, until: timedelta = timedelta(hours=12)) -> None:
    async with crew.house.db.session() as session:
        session.add(DutySignIn(id=uuid7(), person_id=person_id, started_at=at, until=at + until))


async def on_duty(crew: Crew, at: datetime = NOON, *, region: UUID | None = None, **asked: object) -> list[UUID]:
    names: dict[str, object] = {"role": None, "team_id": None, "place_id": None, **asked}
    async with crew.house.db.session() as session:
        found: list[OnDuty] = await who_is_on_duty(session, region_id=region or crew.house.city, at=at, **names)  # type: ignore[arg-type]  # the names are checked by the function
    return [one.person_id for one in found]


class There:
    """A presence that is known."""

    def __init__(self, *people: UUID) -> None:
        self.people = people

    async def live(self, people: Collection[UUID]) -> Collection[UUID]:
        return [person for person in people if person in self.people]


class TestWhoIsOnDuty:
    async def test_the_rota_alone_makes_nobody_on_duty(self, house: House) -> None:
        team = await crew(house, "安安", "本本")
        assert await on_duty(team) == []
        async with house.db.session() as session:
            (should,) = await who_is_in_the_rota(
                session, role="duty_staff", team_id=None, place_id=None, region_id=house.city, at=NOON
            )
        assert should.person_id in team.people

    async def test_nor_does_the_sign_in_of_somebody_else(self, house: House) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        await signs_in(team, team.people[1])
        assert await on_duty(team) == []

    async def test_rota_and_sign_in_together_do(self, house: House) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        await signs_in(team, team.people[0])
        assert await on_duty(team) == [team.people[0]]
        async with house.db.session() as session:
            assert await is_on_duty(session, team.people[0], NOON)
            assert not await is_on_duty(session, team.people[1], NOON)

    async def test_a_clock_that_was_set_back_takes_nobody_off_duty(self, house: House) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        await signs_in(team, team.people[0], NOON + timedelta(minutes=5))
        assert await on_duty(team, NOON) == [team.people[0]]

    async def test_who_is_asked_to_be_there_must_be(self, house: House) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        await signs_in(team, team.people[0])
        assert await on_duty(team, presence=There(team.people[0])) == [team.people[0]]
        assert await on_duty(team, presence=There()) == []

    async def test_the_team_of_the_city_comes_before_that_of_the_province(self, house: House) -> None:
        near = await crew(house, "近近", advance=0)
        far = await crew(house, "远远", region=house.province, advance=0)
        await signs_in(far, far.people[0])
        assert await on_duty(near) == far.people
        await signs_in(near, near.people[0])
        assert await on_duty(near) == near.people
        assert await on_duty(near, region=house.other_city) == far.people
        assert await on_duty(near, role="technician") == []
        assert await on_duty(near, team_id=far.team_id) == far.people

    async def test_who_has_left_is_not_on_duty(self, house: House) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        await signs_in(team, team.people[0])
        async with house.db.session() as session:
            await change_person_status(session, team.people[0], "leave", actor="system")
        assert await on_duty(team, clock.now()) == []
