"""A rota is made, changed and swapped, by those who may; told to those whom it concerns."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from identity.api import Place, Role
from kernel import clock
from kernel.db import Database
from kernel.events import StoredEvent
from kernel.ids import public_id, uuid7
from kernel.outbox import read_after
from realtime.duty.swaps import let_lapse
from tests.identity.conftest import House, bearer
from tests.realtime.duty.crew import Crew, crew

# A Monday, nine in the morning in China.
NINE = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
SLOTS = [{"starts": "08:00", "name": "白班"}, {"starts": "20:00", "name": "夜班"}]


@pytest.fixture(autouse=True)
def _monday() -> Any:
    with clock.frozen(NINE):
        yield


def per(person: UUID) -> str:
    return public_id("per", person)


def dty(crew: Crew) -> str:
    return public_id("dty", crew.team_id)


class Caller:
    """Somebody with a sign-in at the addresses."""

    def __init__(self, api: httpx.AsyncClient, token: str) -> None:
        self._api, self._headers = api, bearer(token)

    async def get(self, path: str, **params: Any) -> Any:
        return self._answer(await self._api.get(f"/v1{path}", headers=self._headers, params=params))

    async def post(self, path: str, **body: Any) -> Any:
        return self._answer(await self._api.post(f"/v1{path}", headers=self._headers, json=body))

    async def patch(self, path: str, **body: Any) -> Any:
        return self._answer(await self._api.patch(f"/v1{path}", headers=self._headers, json=body))

    def _answer(self, response: httpx.Response) -> Any:
        return response.json() if response.content else None


async def keeper(house: House, api: httpx.AsyncClient) -> Caller:
    person = await house.person("派派", Role.DISPATCHER, Place(region_id=house.province))
    return Caller(api, await house.token(person))


async def caller(house: House, api: httpx.AsyncClient, person: UUID) -> Caller:
    return Caller(api, await house.token(person))


async def told(db: Database, *types: str) -> list[StoredEvent]:
    async with db.session() as session:
        return [stored for stored in (await read_after(session, {})).events if stored.event.type in types]


class TestTeams:
    async def test_a_team_with_a_rotation_has_a_rota_without_a_hole(self, house: House, api: httpx.AsyncClient) -> None:
        keeps = await keeper(house, api)
        people = [per(await house.person(name)) for name in ("安安", "本本", "彩彩")]
        team = await keeps.post(
            "/duty/teams",
            name_zh="值班室",
            name_en="Duty room",
            region=public_id("reg", house.city),
            role="duty_staff",
            members=[{"person": person, "is_lead": person == people[0]} for person in people],
        )
        assert (team["zone"], team["may_edit"], len(team["members"])) == ("Asia/Shanghai", True, 3)
        (before,) = (await keeps.get("/duty/coverage"))["data"]
        assert [warning["kind"] for warning in before["warnings"]] == ["gap"]
        rotation = await keeps.post(
            f"/duty/teams/{team['id']}/rotations", name="日夜", starts_on="2026-11-22", slots=SLOTS, people=people
        )
        assert rotation["advance"] == 2
        rota = await keeps.get(f"/duty/teams/{team['id']}/rota")
        assert rota["gaps"] == []
        assert [shift["person"]["name"] for shift in rota["shifts"][:4]] == ["本本", "彩彩", "安安", "本本"]
        (after,) = (await keeps.get("/duty/coverage"))["data"]
        assert [warning for warning in after["warnings"] if warning["kind"] == "gap"] == []

    async def test_who_keeps_nothing_there_may_neither_make_nor_see_it(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        team = await crew(house, "安安", "本本")
        stranger = await caller(house, api, await house.person("生生"))
        elsewhere = await caller(
            house, api, await house.person("别别", Role.DISPATCHER, Place(region_id=house.other_city))
        )
        for who in (stranger, elsewhere):
            assert (await who.get(f"/duty/teams/{dty(team)}/rota"))["code"] == "FORBIDDEN"
            assert (await who.get("/duty/teams"))["data"] == []
            assert (await who.get("/duty/coverage"))["data"] == []
            change = {"starts_at": "2026-11-24T00:00:00Z", "ends_at": "2026-11-25T00:00:00Z"}
            answer = await who.post(f"/duty/teams/{dty(team)}/overrides", person_out=per(team.people[0]), **change)
            assert answer["code"] == "FORBIDDEN"

    async def test_a_lead_keeps_the_rota_and_a_member_reads_it(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本")
        lead, member = [await caller(house, api, person) for person in team.people]
        wanted = {"name": "新表", "starts_on": "2026-12-01", "slots": SLOTS, "people": [per(p) for p in team.people]}
        assert (await member.post(f"/duty/teams/{dty(team)}/rotations", **wanted))["code"] == "FORBIDDEN"
        assert len((await member.get(f"/duty/teams/{dty(team)}/rota"))["shifts"]) == 15
        assert (await lead.post(f"/duty/teams/{dty(team)}/rotations", **wanted))["name"] == "新表"

    async def test_who_stands_in_a_rotation_does_not_leave_the_team(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", "本本"), await keeper(house, api)
        left = [{"person": per(team.people[0]), "is_lead": True}]
        assert (await keeps.patch(f"/duty/teams/{dty(team)}", members=left))["code"] == "IN_ROTATION"


class TestRotations:
    async def test_the_next_one_begins_where_the_last_one_stops(self, house: House, api: httpx.AsyncClient) -> None:
        """Also where the hand-off moves from eight to half past nine."""
        team, keeps = await crew(house, "安安", "本本"), await keeper(house, api)
        (old,) = (await keeps.get("/duty/teams"))["data"][0]["rotations"]
        await keeps.post(
            f"/duty/teams/{dty(team)}/rotations",
            name="新表",
            starts_on="2026-11-25",
            slots=[{"starts": "09:30"}],
            people=[per(team.people[1])],
            replaces=old["id"],
        )
        rota = await keeps.get(f"/duty/teams/{dty(team)}/rota")
        assert rota["gaps"] == []
        edges = [(shift["starts_at"], shift["ends_at"]) for shift in rota["shifts"]]
        assert all(end == start for (_, end), (start, _) in itertools.pairwise(edges))
        assert ("2026-11-25T00:00:00.000Z", "2026-11-25T01:30:00.000Z") in edges

    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"slots": [{"starts": "08:00"}, {"starts": "08:00"}]}, "BAD_ROTATION"),
            ({"seats": 5}, "BAD_ROTATION"),
            ({"ends_on": "2026-11-01"}, "BAD_ROTATION"),
            ({"slots": [{"starts": "25:00"}]}, "MALFORMED"),
            ({"people": ["per_" + "0" * 32]}, "NOT_IN_TEAM"),
        ],
    )
    async def test_what_is_no_rotation_is_refused(
        self, house: House, api: httpx.AsyncClient, wrong: dict[str, Any], code: str
    ) -> None:
        team, keeps = await crew(house, "安安", "本本"), await keeper(house, api)
        asked = {"name": "表", "starts_on": "2026-12-01", "slots": SLOTS, "people": [per(p) for p in team.people]}
        assert (await keeps.post(f"/duty/teams/{dty(team)}/rotations", **asked | wrong))["code"] == code

    async def test_an_ended_one_leaves_a_gap_that_is_seen_at_once(self, house: House, api: httpx.AsyncClient) -> None:
        _team, keeps = await crew(house, "安安", "本本"), await keeper(house, api)
        (old,) = (await keeps.get("/duty/teams"))["data"][0]["rotations"]
        assert (await keeps.post(f"/duty/rotations/{old['id']}/end", ends_on="2026-11-01"))["code"] == "BAD_ROTATION"
        await keeps.post(f"/duty/rotations/{old['id']}/end", ends_on="2026-11-27")
        (coverage,) = (await keeps.get("/duty/coverage"))["data"]
        gap = next(warning for warning in coverage["warnings"] if warning["kind"] == "gap")
        assert (gap["starts_at"], gap["ends_at"]) == ("2026-11-27T00:00:00.000Z", "2026-11-30T01:00:00.000Z")


class TestOverrides:
    async def test_somebody_takes_a_night_and_both_are_told(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", "本本", "彩彩", advance=0), await keeper(house, api)
        ann, _, cai = team.people
        made = await keeps.post(
            f"/duty/teams/{dty(team)}/overrides",
            starts_at="2026-11-24T00:00:00Z",
            ends_at="2026-11-24T12:00:00Z",
            person_out=per(ann),
            person_in=per(cai),
            reason="看病",
        )
        rota = await keeps.get(f"/duty/teams/{dty(team)}/rota", first="2026-11-24", days=1)
        assert [(s["person"]["name"], s["is_changed"]) for s in rota["shifts"][1:2]] == [("彩彩", True)]
        people = [stored.event.data()["people"] for stored in await told(house.db, "duty.changed")]
        assert people[-1] == [per(ann), per(cai)]
        assert (await keeps.post(f"/duty/overrides/{made['id']}/cancel"))["id"] == made["id"]
        rota = await keeps.get(f"/duty/teams/{dty(team)}/rota", first="2026-11-24", days=1)
        assert [shift["person"]["name"] for shift in rota["shifts"][1:2]] == ["安安"]
        assert (await keeps.post(f"/duty/overrides/{made['id']}/cancel"))["code"] == "STATE_CONFLICT"

    async def test_nobody_is_put_into_the_rota_twice_at_once(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", "本本", advance=0), await keeper(house, api)
        ann, ben = team.people
        span = {"starts_at": "2026-11-24T06:00:00Z", "ends_at": "2026-11-24T13:00:00Z"}
        path = f"/duty/teams/{dty(team)}/overrides"
        assert (await keeps.post(path, person_out=per(ann), person_in=per(ben), **span))["code"] == "TAKEN_ALREADY"
        stranger = per(await house.person("生生"))
        assert (await keeps.post(path, person_out=per(ann), person_in=stranger, **span))["code"] == "NOT_IN_TEAM"
        past = {"starts_at": "2026-11-20T06:00:00Z", "ends_at": "2026-11-20T13:00:00Z"}
        assert (await keeps.post(path, person_out=per(ann), **past))["code"] == "MALFORMED"


class TestSwaps:
    async def ask(self, house: House, api: httpx.AsyncClient, team: Crew, **more: Any) -> tuple[Caller, Caller, Any]:
        """Ann, whose day tomorrow is, asks Cai, who is free."""
        ann, cai = await caller(house, api, team.people[0]), await caller(house, api, team.people[2])
        shifts = (await ann.get("/me/duty"))["shifts"]
        tomorrow = next(shift for shift in shifts if not shift["is_now"])
        asked = await ann.post(
            "/duty/swaps",
            team=dty(team),
            shift=tomorrow["id"],
            starts_at=tomorrow["starts_at"],
            taker=per(team.people[2]),
            words="孩子家长会",
            **more,
        )
        return ann, cai, asked

    async def test_asked_and_accepted_the_shift_is_the_others_and_both_are_told(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        team = await crew(house, "安安", "本本", "彩彩", advance=0)
        ann, cai, asked = await self.ask(house, api, team)
        assert (asked["state"], asked["allowed"]) == ("asked", ["withdraw"])
        (waiting,) = (await cai.get("/me/duty"))["open_swaps"]
        assert waiting["allowed"] == ["accept", "decline"]
        accepted = await cai.post(f"/duty/swaps/{asked['id']}/accept")
        assert accepted["state"] == "accepted"
        assert (await cai.get("/me/duty"))["shifts"][0]["starts_at"] == asked["starts_at"]
        assert asked["starts_at"] not in [shift["starts_at"] for shift in (await ann.get("/me/duty"))["shifts"]]
        heard = [
            delivery.channel
            for stored in await told(house.db, "duty.swap_changed")
            for delivery in stored.event.audience()
        ]
        assert heard == [f"person:{asked['asker']['id']}", f"person:{asked['taker']['id']}"] * 2
        assert (await cai.post(f"/duty/swaps/{asked['id']}/decline"))["code"] == "STATE_CONFLICT"

    async def test_only_the_one_who_was_asked_decides_and_only_the_asker_takes_it_back(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        team = await crew(house, "安安", "本本", "彩彩", advance=0)
        ann, cai, asked = await self.ask(house, api, team)
        assert (await ann.post(f"/duty/swaps/{asked['id']}/accept"))["code"] == "FORBIDDEN"
        assert (await cai.post(f"/duty/swaps/{asked['id']}/withdraw"))["code"] == "FORBIDDEN"
        assert (await ann.post(f"/duty/swaps/{asked['id']}/withdraw"))["state"] == "withdrawn"
        assert (await cai.post(f"/duty/swaps/{asked['id']}/accept"))["code"] == "STATE_CONFLICT"
        assert (await ann.post("/duty/swaps/dsw_" + uuid7().hex + "/withdraw"))["code"] == "NOT_FOUND"

    async def test_what_was_given_away_meanwhile_cannot_be_taken(self, house: House, api: httpx.AsyncClient) -> None:
        team, keeps = await crew(house, "安安", "本本", "彩彩", "丹丹", advance=0), await keeper(house, api)
        _, cai, asked = await self.ask(house, api, team)
        span = {"starts_at": asked["starts_at"], "ends_at": asked["ends_at"]}
        await keeps.post(
            f"/duty/teams/{dty(team)}/overrides", person_out=per(team.people[0]), person_in=per(team.people[3]), **span
        )
        assert (await cai.post(f"/duty/swaps/{asked['id']}/accept"))["code"] == "SHIFT_NOT_YOURS"

    async def test_one_shift_for_another(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", "彩彩", advance=1)
        ann = await caller(house, api, team.people[0])
        cai = await caller(house, api, team.people[2])
        mine = (await ann.get("/me/duty"))["shifts"]
        theirs = (await cai.get("/me/duty"))["shifts"]
        give = next(s for s in mine if s["starts_at"] > "2026-11-25")
        back = next(s for s in theirs if s["starts_at"] > give["ends_at"] and self._is_free(s, mine))
        asked = await ann.post(
            "/duty/swaps",
            team=dty(team),
            shift=give["id"],
            starts_at=give["starts_at"],
            taker=per(team.people[2]),
            return_shift=back["id"],
            return_starts_at=back["starts_at"],
        )
        answer = await cai.post(f"/duty/swaps/{asked['id']}/accept")
        assert answer["state"] == "accepted", answer
        assert give["starts_at"] in [s["starts_at"] for s in (await cai.get("/me/duty"))["shifts"]]
        assert back["starts_at"] in [s["starts_at"] for s in (await ann.get("/me/duty"))["shifts"]]

    def _is_free(self, shift: dict[str, Any], mine: list[dict[str, Any]]) -> bool:
        return all(one["ends_at"] <= shift["starts_at"] or one["starts_at"] >= shift["ends_at"] for one in mine)

    async def test_without_an_answer_it_lapses_as_the_shift_begins(self, house: House, api: httpx.AsyncClient) -> None:
        team = await crew(house, "安安", "本本", "彩彩", advance=0)
        _, cai, asked = await self.ask(house, api, team)
        assert await let_lapse(house.db) == 0
        clock.advance(timedelta(days=1))
        assert await let_lapse(house.db) == 1
        assert (await cai.post(f"/duty/swaps/{asked['id']}/accept"))["code"] == "STATE_CONFLICT"


class TestNotes:
    async def test_a_note_stands_until_somebody_says_that_it_is_done(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        team = await crew(house, "安安", "本本")
        ann, ben = [await caller(house, api, person) for person in team.people]
        note = await ann.post("/duty/notes", team=dty(team), words="3 号梯维保中，十点后恢复")
        assert [one["id"] for one in (await ben.get("/me/duty"))["open_notes"]] == [note["id"]]
        done = await ben.post(f"/duty/notes/{note['id']}/finish")
        assert done["done_by"]["name"] == "本本"
        assert (await ben.get("/me/duty"))["open_notes"] == []
        assert len((await ben.get("/duty/notes", stage="done"))["data"]) == 1
        stranger = await caller(house, api, await house.person("生生"))
        assert (await stranger.get("/duty/notes"))["data"] == []
        assert (await stranger.post("/duty/notes", team=dty(team), words="x"))["code"] == "FORBIDDEN"
        assert (await stranger.post(f"/duty/notes/{note['id']}/finish"))["code"] == "FORBIDDEN"
