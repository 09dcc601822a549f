"""Gaps are warned of before they come, ways are rung at each shift's start, and hours in which nobody would be reached are named."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from identity.api import EVERYWHERE, Role, change_person_status
from kernel import clock
from kernel.ids import public_id
from realtime.duty.coverage import look_at_all
from realtime.duty.events import DutyWarned
from realtime.duty.models import DutyRing
from realtime.duty.rings import forget_old_rings, ring_due
from realtime.reaching.models import Delivery
from tests.identity.conftest import House
from tests.realtime.duty.crew import Crew, crew
from tests.realtime.duty.test_keeping_a_rota import caller, dty, keeper, per, told
from tests.realtime.reaching.receivers import GATEWAY_SECRET, gateway, receiver, wecom
from tests.realtime.reaching.test_sending import channel, send_due

# A Monday, eight and a bit in China: Ann's day has just begun.
EIGHT = datetime(2026, 11, 23, 0, 0, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _monday() -> Any:
    with clock.frozen(EIGHT):
        yield


async def warnings(house: House, kind: str) -> list[DutyWarned]:
    heard = [stored.event for stored in await told(house.db, "duty.warned")]
    return [event for event in heard if isinstance(event, DutyWarned) and event.kind == kind]


async def deliveries(house: House) -> Sequence[Delivery]:
    async with house.db.session() as session:
        return (await session.scalars(select(Delivery).order_by(Delivery.id))).all()


@asynccontextmanager
async def telephones(house: House, team: Crew) -> AsyncIterator[None]:
    """Everybody of the team has a number, and the city a gateway to it; number by number it is one's own way."""
    for number, person in enumerate(team.people):
        async with house.db.session() as session:
            asked = {"id": person, "number": f"1380000000{number}"}
            await session.execute(text("UPDATE people SET phone = :number WHERE id = :id"), asked)
    async with receiver(gateway) as sms:
        await channel(house, "sms", sms.url, GATEWAY_SECRET)
        yield


async def coverage(house: House, api: httpx.AsyncClient, who: Any) -> Any:
    (found,) = (await who.get("/duty/coverage"))["data"]
    return found


class TestGaps:
    async def test_a_gap_is_told_once_a_week_ahead_and_again_when_it_is_filled(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        team, keeps = await crew(house, "安安", "本本", "彩彩", advance=0), await keeper(house, api)
        ann, _, cai = team.people
        span = {"starts_at": "2026-11-27T00:00:00Z", "ends_at": "2026-11-27T12:00:00Z"}
        await keeps.post(f"/duty/teams/{dty(team)}/overrides", person_out=per(ann), **span)
        await look_at_all(house.db)
        clock.advance(timedelta(minutes=1))
        await look_at_all(house.db)
        (warned,) = await warnings(house, "gap")
        assert (warned.starts_at, warned.ends_at, warned.is_gone) == (
            "2026-11-27T00:00:00.000Z",
            "2026-11-27T12:00:00.000Z",
            False,
        )
        channels = [delivery.channel for delivery in warned.audience()]
        assert channels == [f"desk:calls-{public_id('reg', house.city)}", f"person:{per(ann)}"]
        await keeps.post(f"/duty/teams/{dty(team)}/overrides", person_in=per(cai), **span)
        assert [event.is_gone for event in await warnings(house, "gap")] == [False, True]

    async def test_who_has_left_leaves_a_gap(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", "本本", advance=0), await keeper(house, api)
        async with house.db.session() as session:
            await change_person_status(session, team.people[1], "leave", actor="system")
        found = await coverage(house, api, keeps)
        gaps = [warning for warning in found["warnings"] if warning["kind"] == "gap"]
        assert len(gaps) == 7
        assert gaps[0]["starts_at"] == "2026-11-23T12:00:00.000Z"

    async def test_a_gap_that_runs_is_the_same_gap_all_the_time(self, house: House) -> None:
        await crew(house, "安安", "本本", advance=0, starts_on=EIGHT.date() + timedelta(days=30))
        for _ in range(3):
            await look_at_all(house.db)
            clock.advance(timedelta(hours=1))
        assert len(await warnings(house, "gap")) == 1


class TestRings:
    async def test_every_start_rings_each_way_once(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        async with telephones(house, team):
            rung = await ring_due(house.db)
            assert await ring_due(house.db) == 0
            await send_due(house.db)
        ahead = [delivery for delivery in await deliveries(house) if delivery.ref.endswith("ahead")]
        start = [delivery for delivery in await deliveries(house) if delivery.ref.endswith("start")]
        assert rung == 2
        assert [delivery.person_id for delivery in start] == [team.people[0]]
        assert [delivery.person_id for delivery in ahead] == [team.people[1]]
        assert {delivery.state for delivery in (*start, *ahead)} == {"sent"}
        found = await coverage(house, api, await keeper(house, api))
        assert [warning for warning in found["warnings"] if warning["kind"] == "unreachable"] == []
        assert [person["is_reached"] for person in found["people"]] == [True, True]
        assert found["people"][0]["paths"][0]["label"] == "138****0000"

    async def test_the_group_of_a_team_is_rung_too(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        await channel(house, "wecom", "http://127.0.0.1:9/?key=1", None, team.team_id)
        await ring_due(house.db)
        (delivery,) = await deliveries(house)
        assert delivery.title == "值班试响"

    async def test_a_worker_that_slept_for_half_an_hour_still_rings(self, house: House) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        clock.advance(timedelta(minutes=30))
        async with telephones(house, team):
            assert await ring_due(house.db) == 2

    async def test_nobody_is_rung_ahead_at_night(self, house: House) -> None:
        """Ann's day begins at eight; at half past ten in the evening before, her telephone stays silent until seven."""
        team = await crew(house, "安安", "本本", advance=0)
        clock.advance(timedelta(hours=14, minutes=30))
        async with telephones(house, team):
            await ring_due(house.db)
            assert await deliveries(house) == []
            clock.advance(timedelta(hours=8, minutes=30))
            await ring_due(house.db)
        assert {delivery.person_id for delivery in await deliveries(house)} == set(team.people)

    async def test_old_rings_are_forgotten(self, house: House) -> None:
        await crew(house, "安安", "本本", advance=0)
        await ring_due(house.db)
        clock.advance(timedelta(days=31))
        await forget_old_rings(house.db)
        async with house.db.session() as session:
            assert (await session.scalars(select(DutyRing))).all() == []


class TestNobodyWouldBeReached:
    async def test_without_a_way_the_shift_is_a_red_line(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", "本本", advance=0), await keeper(house, api)
        await ring_due(house.db)
        await look_at_all(house.db)
        assert await warnings(house, "unreachable") == []
        clock.advance(timedelta(minutes=3))
        await look_at_all(house.db)
        (warned,) = await warnings(house, "unreachable")
        assert warned.ends_at == "2026-11-23T12:03:05.000Z"
        found = await coverage(house, api, keeps)
        (line,) = [warning for warning in found["warnings"] if warning["kind"] == "unreachable"]
        assert line["starts_at"] == "2026-11-23T00:03:05.000Z"
        assert [person["id"] for person in line["people"]] == [per(team.people[0]), per(team.people[1])]

    async def test_a_way_that_died_in_the_night_is_named_with_its_hours(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        """Ben's night from eight to eight: his telephone is dead, Ann's works."""
        team, keeps = await crew(house, "安安", "本本", advance=0), await keeper(house, api)
        async with telephones(house, team):
            await ring_due(house.db)
            await send_due(house.db)
        async with house.db.session() as session:
            await session.execute(text("UPDATE people SET phone = NULL WHERE id = :id"), {"id": team.people[1]})
        clock.advance(timedelta(hours=6))
        found = await coverage(house, api, keeps)
        (line,) = [warning for warning in found["warnings"] if warning["kind"] == "unreachable"]
        assert (line["starts_at"], line["ends_at"]) == ("2026-11-23T12:00:00.000Z", "2026-11-23T18:00:05.000Z")
        assert [person["name"] for person in line["people"]] == ["本本"]

    async def test_it_is_over_as_soon_as_something_arrives(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", advance=0), await keeper(house, api)
        await ring_due(house.db)
        clock.advance(timedelta(minutes=3))
        await look_at_all(house.db)
        async with telephones(house, team):
            assert (await keeps.post(f"/duty/teams/{dty(team)}/ring"))["ways"] == 1
            await send_due(house.db)
        await look_at_all(house.db)
        assert [event.is_gone for event in await warnings(house, "unreachable")] == [False, True]

    async def test_the_robot_of_the_group_reaches_somebody_too(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", "本本", advance=0), await keeper(house, api)
        async with receiver(wecom) as robot:
            await channel(house, "wecom", f"{robot.url}/?key=693a91f6", None, team.team_id)
            await ring_due(house.db)
            await send_due(house.db)
        clock.advance(timedelta(minutes=3))
        found = await coverage(house, api, keeps)
        assert [warning for warning in found["warnings"] if warning["kind"] == "unreachable"] == []
        assert found["group_paths"][0]["state"]["is_proved"]

    async def test_only_who_keeps_the_rota_rings_it(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", advance=0)
        member = await caller(house, api, team.people[1])
        assert (await member.post(f"/duty/teams/{dty(team)}/ring"))["code"] == "FORBIDDEN"
        auditor: UUID = await house.person("审审", Role.AUDIT_ADMIN, EVERYWHERE)
        assert (await (await caller(house, api, auditor)).get("/duty/coverage"))["data"] == []
