"""Signing in to duty: for one's turn, through what follows it, and it ends by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from kernel import clock
from realtime.duty.api import is_on_duty
from realtime.duty.sign_ins import end_overdue
from tests.identity.conftest import House
from tests.realtime.duty.crew import crew
from tests.realtime.duty.test_keeping_a_rota import Caller, caller, dty, keeper, per

# Half past seven in China: Ann's day begins at eight.
EARLY = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _early() -> Any:
    with clock.frozen(EARLY):
        yield


async def on_duty(house: House, person: Any) -> bool:
    async with house.db.session() as session:
        return await is_on_duty(session, person, clock.now())


class TestSignIn:
    async def test_before_the_shift_it_is_possible_and_counts_from_its_beginning(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        ann = await caller(house, api, team.people[0])
        assert (await ann.get("/me/duty"))["may_check_in"]
        mine = await ann.post("/me/duty/check_in")
        assert (mine["is_on_duty"], mine["may_check_in"]) == (False, False)
        clock.advance(timedelta(minutes=30))
        mine = await ann.get("/me/duty")
        assert (mine["is_on_duty"], mine["current"]["is_signed_in"]) == (True, True)
        assert await on_duty(house, team.people[0])

    async def test_it_is_nobodys_whose_turn_it_is_not(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        clock.advance(timedelta(hours=2))
        answer = await (await caller(house, api, team.people[1])).post("/me/duty/check_in")
        assert (answer["code"], answer["data"]["next_at"]) == ("NOT_YOUR_TURN", "2026-11-23T12:00:00.000Z")
        stranger = await caller(house, api, await house.person("生生"))
        assert (await stranger.post("/me/duty/check_in"))["data"]["next_at"] is None

    async def test_it_ends_with_the_turn(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        ann = await caller(house, api, team.people[0])
        await ann.post("/me/duty/check_in")
        clock.advance(timedelta(hours=12, minutes=31))
        assert not await on_duty(house, team.people[0])
        assert await end_overdue(house.db) == 1
        assert await end_overdue(house.db) == 0
        clock.advance(timedelta(hours=12))
        assert not await on_duty(house, team.people[0])
        assert (await ann.get("/me/duty"))["may_check_in"]

    async def test_who_goes_is_not_on_duty_any_more(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        ann = await caller(house, api, team.people[0])
        assert (await ann.post("/me/duty/check_out"))["code"] == "STATE_CONFLICT"
        await ann.post("/me/duty/check_in")
        clock.advance(timedelta(hours=1))
        await ann.post("/me/duty/check_out")
        assert not await on_duty(house, team.people[0])

    async def test_shifts_without_a_break_need_one_sign_in(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", turn_days=7, slots=[_all_day()], starts_on=EARLY.date())
        ann = await caller(house, api, team.people[0])
        await ann.post("/me/duty/check_in")
        clock.advance(timedelta(days=5))
        assert await on_duty(house, team.people[0])

    async def test_who_stays_for_a_colleague_stays_signed_in(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", "本本", advance=0), await keeper(house, api)
        ann = await caller(house, api, team.people[0])
        await ann.post("/me/duty/check_in")
        await keeps.post(
            f"/duty/teams/{dty(team)}/overrides",
            starts_at="2026-11-23T12:00:00Z",
            ends_at="2026-11-23T16:00:00Z",
            person_out=per(team.people[1]),
            person_in=per(team.people[0]),
        )
        clock.advance(timedelta(hours=14))
        assert await on_duty(house, team.people[0])

    async def test_colleagues_see_who_is_there(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        ann: Caller = await caller(house, api, team.people[0])
        clock.advance(timedelta(hours=1))
        await ann.post("/me/duty/check_in")
        ben = await caller(house, api, team.people[1])
        (colleague,) = (await ben.get("/me/duty"))["colleagues"]
        assert (colleague["person"]["name"], colleague["is_signed_in"]) == ("安安", True)
        (shown,) = (await ben.get("/duty/teams"))["data"]
        assert {member["name"]: member["is_on_duty"] for member in shown["members"]} == {"安安": True, "本本": False}


def _all_day() -> dict[str, Any]:
    return {"starts": "08:00", "name": "", "weekdays": [1, 2, 3, 4, 5, 6, 7], "is_staffed": True}
