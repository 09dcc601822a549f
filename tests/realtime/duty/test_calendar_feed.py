"""My shifts in my telephone's calendar: read back by a calendar program's own library."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import recurring_ical_events
from icalendar import Calendar

from identity.api import change_person_status
from kernel import clock
from tests.identity.conftest import House
from tests.realtime.duty.crew import Crew, crew
from tests.realtime.duty.test_keeping_a_rota import caller, dty, keeper, per

NINE = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _monday() -> Any:
    with clock.frozen(NINE):
        yield


async def address(house: House, api: httpx.AsyncClient, team: Crew) -> str:
    made = await (await caller(house, api, team.people[0])).post("/me/duty/feed")
    assert made["url"].startswith("http://guanjia.test/v1/duty/feeds/")
    return str(made["url"])


def events_of(response: httpx.Response, first: str, last: str) -> list[Any]:
    calendar = Calendar.from_ical(response.content)
    return sorted(recurring_ical_events.of(calendar).between(first, last), key=lambda event: event["DTSTART"].dt)


class TestFeed:
    async def test_another_program_reads_the_same_rota(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        response = await api.get(await address(house, api, team))
        assert response.headers["content-type"] == "text/calendar; charset=utf-8"
        days = events_of(response, "20261123", "20261126")
        assert [event["DTSTART"].dt.astimezone(UTC).isoformat() for event in days] == [
            "2026-11-23T00:00:00+00:00",
            "2026-11-24T00:00:00+00:00",
            "2026-11-25T00:00:00+00:00",
        ]
        assert [str(event["SUMMARY"]) for event in days] == ["值班室 白班"] * 3
        assert days[0]["DTSTART"].params["TZID"] == "Asia/Shanghai"
        assert b"BEGIN:VTIMEZONE" in response.content

    async def test_a_place_with_daylight_saving_keeps_its_wall_clock(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        team = await crew(house, "安安", "本本", advance=0, zone="Europe/Berlin")
        with clock.frozen(datetime(2027, 3, 20, tzinfo=UTC)):
            days = events_of(await api.get(await address(house, api, team)), "20270327", "20270330")
        assert [event["DTSTART"].dt.strftime("%H:%M %z") for event in days] == [
            "08:00 +0100",
            "08:00 +0200",
            "08:00 +0200",
        ]

    async def test_who_has_it_already_is_told_so(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        url = await address(house, api, team)
        first = await api.get(url)
        clock.advance(timedelta(hours=3))
        again = await api.get(url, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]

    async def test_a_change_keeps_the_uid_and_raises_the_sequence(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", "本本", "彩彩", advance=0), await keeper(house, api)
        url = await address(house, api, team)
        before = await api.get(url)
        (whole,) = events_of(before, "20261124", "20261125")
        made = await keeps.post(
            f"/duty/teams/{dty(team)}/overrides",
            starts_at="2026-11-24T06:00:00Z",
            ends_at="2026-11-24T12:00:00Z",
            person_out=per(team.people[0]),
            person_in=per(team.people[2]),
        )
        after = await api.get(url, headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        (half,) = events_of(after, "20261124", "20261125")
        assert half["UID"] == whole["UID"]
        assert (whole["SEQUENCE"], half["SEQUENCE"]) == (0, 1)
        assert half["DTEND"].dt.astimezone(UTC).hour == 6
        await keeps.post(f"/duty/overrides/{made['id']}/cancel")
        (again,) = events_of(await api.get(url), "20261124", "20261125")
        assert (again["UID"], again["SEQUENCE"]) == (whole["UID"], 2)

    async def test_a_new_address_ends_the_old_one_and_who_left_has_none(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        old = await address(house, api, team)
        new = await address(house, api, team)
        assert (await api.get(old)).status_code == 404
        assert (await api.get(new)).status_code == 200
        assert (await api.get(new.replace("feeds/", "feeds/x"))).status_code == 404
        async with house.db.session() as session:
            await change_person_status(session, team.people[0], "leave", actor="system")
        assert (await api.get(new)).status_code == 404
