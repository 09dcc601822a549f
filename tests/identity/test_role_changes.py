"""A change of roles: seen before it is asked for, decided on by another, in force on its day, and remembered."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from identity.access import today
from identity.jobs import TIMERS
from identity.kinds import GRANTED_ROLES, Role
from identity.principal import Place
from kernel import clock, timers
from kernel.db import Database
from tests.identity.conftest import House, bearer

Json = dict[str, Any]


class Office:
    """The three administrators at their desks."""

    def __init__(self, house: House, api: httpx.AsyncClient, people: dict[str, UUID]) -> None:
        self.house, self.api, self.people = house, api, people

    async def call(self, who: str, method: str, path: str, body: Json | None = None) -> httpx.Response:
        headers = bearer(await self.house.token(self.people[who]))
        return await self.api.request(method, path, json=body, headers=headers)

    async def ask(self, person: UUID, body: Json, who: str = "security") -> str:
        answer = await self.call(who, "POST", f"/v1/people/per_{person.hex}/roles", body)
        assert answer.status_code == 201, answer.text
        approval: str = answer.json()["approval"]
        return approval

    async def approve(self, approval: str, who: str = "system") -> httpx.Response:
        return await self.call(who, "POST", f"/v1/approvals/{approval}/approve")


@pytest.fixture
async def office(house: House, api: httpx.AsyncClient) -> Office:
    people = {
        "system": await house.first_administrator("系统", Role.SYSTEM_ADMIN),
        "security": await house.first_administrator("安全", Role.SECURITY_ADMIN),
        "audit": await house.first_administrator("审计", Role.AUDIT_ADMIN),
    }
    return Office(house, api, people)


class TestThePreview:
    async def test_says_who_and_what_changes_and_changes_nothing(self, house: House, office: Office) -> None:
        wang = await house.person("王小明", Role.CASHIER, Place(site_id=house.canteen))
        await house.person("外人", organisation=house.university)
        body = {"role": "finance", "region": f"reg_{house.city.hex}", "effective_from": str(today())}
        answer = await office.call("security", "POST", f"/v1/people/per_{wang.hex}/roles/preview", body)
        shown = answer.json()
        assert (shown["action"], shown["person"]["name"], shown["role"]) == ("grant", "王小明", "finance")
        assert [held["role"] for held in shown["before"]] == ["cashier"]
        assert [held["role"] for held in shown["after"]] == ["cashier", "finance"]
        assert shown["place"]["name_zh"] == "杭州"
        # The city's two organisations and one site; its people are the three administrators and 王小明.
        assert shown["reach"] == {"organisations": 2, "sites": 1, "people": 4}
        assert await house.roles(wang) == ["cashier"]

    async def test_is_what_the_one_who_decides_sees(self, house: House, office: Office) -> None:
        wang = await house.person("王小明")
        approval = await office.ask(wang, {"role": "finance", "reason": "接替顾会计"})
        seen = (await office.call("system", "GET", f"/v1/approvals/{approval}")).json()
        assert seen["payload"]["preview"]["person"]["name"] == "王小明"
        assert (seen["reason"], seen["may_decide"]) == ("接替顾会计", True)


class TestTheDay:
    async def test_a_role_counts_from_its_day_on(self, house: House, office: Office, db: Database) -> None:
        wang = await house.person("王小明")
        soon = {"role": "finance", "effective_from": str(today() + timedelta(days=3))}
        assert (await office.approve(await office.ask(wang, soon))).status_code == 200
        clock.advance(timedelta(days=2))
        await timers.fire_due(db, TIMERS)
        assert await house.roles(wang) == []
        clock.advance(timedelta(days=1))
        await timers.fire_due(db, TIMERS)
        assert await house.roles(wang) == ["finance"]

    async def test_a_role_ends_on_its_day(self, house: House, office: Office, db: Database) -> None:
        wang = await house.person("王小明", Role.FINANCE)
        path = f"/v1/people/per_{wang.hex}/roles"
        (grant,) = (await office.call("security", "GET", path)).json()["data"]
        body = {"effective_from": str(today() + timedelta(days=1)), "reason": "转岗"}
        previewed = await office.call("security", "POST", f"{path}/{grant['id']}/end/preview", body)
        assert (previewed.json()["effective_from"], previewed.json()["after"]) == (body["effective_from"], [])
        approval = (await office.call("security", "POST", f"{path}/{grant['id']}/end", body)).json()["approval"]
        shown = (await office.call("system", "GET", f"/v1/approvals/{approval}")).json()["payload"]["preview"]
        assert (shown["action"], shown["after"]) == ("revoke", [])
        (asked,) = (await office.call("security", "GET", path)).json()["data"]
        assert (await office.approve(approval)).status_code == 200
        (approved,) = (await office.call("security", "GET", path)).json()["data"]
        assert (asked["ends_on"], approved["ends_on"]) == (None, body["effective_from"])
        assert await house.roles(wang) == ["finance"]
        clock.advance(timedelta(days=1))
        await timers.fire_due(db, TIMERS)
        assert await house.roles(wang) == []
        (ended,) = (await office.call("security", "GET", f"{path}?which=all")).json()["data"]
        assert (ended["ends_on"], ended["revoked_at"] is not None) == (None, True)

    async def test_what_has_become_impossible_by_then_is_noted_and_not_done(
        self, house: House, office: Office, db: Database
    ) -> None:
        wang = await house.person("王小明")
        soon = {"role": "finance", "effective_from": str(today() + timedelta(days=3))}
        await office.approve(await office.ask(wang, soon))
        await office.call("system", "POST", f"/v1/people/per_{wang.hex}/leave")
        clock.advance(timedelta(days=3))
        await timers.fire_due(db, TIMERS)
        assert await house.roles(wang) == []
        async with db.session() as session:
            noted = await session.scalar(text("SELECT data FROM audit_log WHERE action = 'role.change_failed'"))
        assert '"NOT_FOUND"' in noted

    async def test_a_day_that_is_past_is_no_day(self, house: House, office: Office) -> None:
        wang = await house.person("王小明")
        body = {"role": "finance", "effective_from": str(today() - timedelta(days=1))}
        answer = await office.call("security", "POST", f"/v1/people/per_{wang.hex}/roles", body)
        assert answer.status_code == 422


class TestHistory:
    async def test_of_somebodys_roles_is_there_for_those_who_decide_and_audit(
        self, house: House, office: Office
    ) -> None:
        wang = await house.person("王小明")
        approved, rejected = [await office.ask(wang, {"role": role}) for role in ("finance", "cashier")]
        await office.approve(approved)
        await office.call("system", "POST", f"/v1/approvals/{rejected}/reject", {"note": "没有必要"})
        for who in ("system", "security", "audit"):
            listed = await office.call(who, "GET", f"/v1/approvals?kind=grant_role&subject=per_{wang.hex}")
            told = [(row["id"], row["status"], row["decided_by"]["name"]) for row in listed.json()["data"]]
            assert told == [(rejected, "rejected", "系统"), (approved, "approved", "系统")], who
        other = bearer(await house.token(wang))
        assert (await office.api.get("/v1/approvals", headers=other)).json()["data"] == []

    async def test_who_audits_sees_and_does_not_decide(self, house: House, office: Office) -> None:
        approval = await office.ask(await house.person("王小明"), {"role": "finance"})
        seen = (await office.call("audit", "GET", f"/v1/approvals/{approval}")).json()
        assert (seen["status"], seen["may_decide"]) == ("pending", False)
        refused = await office.approve(approval, who="audit")
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")


class TestOneAlone:
    """The matrix: no administrator can, alone, both bring a right into force and sit down where it is used."""

    @pytest.mark.parametrize("role", GRANTED_ROLES)
    @pytest.mark.parametrize("who", ["system", "security", "audit"])
    async def test_can_not_both_give_a_right_and_use_it(
        self, house: House, office: Office, who: str, role: Role
    ) -> None:
        friend = await house.person("同伙")
        gave = await self._gives(office, who, friend, role)
        gave_oneself = await self._gives(office, who, office.people[who], role)
        holder = await house.person("在岗", role)
        opened = await office.call(who, "POST", "/v1/activations", {"people": [f"per_{holder.hex}"]})
        holds = str(role) in await house.roles(office.people[who])
        uses = opened.status_code == 201 or holds
        gives = gave or gave_oneself
        assert not (gives and uses), (who, role)
        # And the one who may ask for a right opens nobody's door who holds one of business.
        if who == "security" and role != Role.AUDIT_ADMIN:
            assert opened.status_code == 403

    async def _gives(self, office: Office, who: str, person: UUID, role: Role) -> bool:
        """Everything one can do alone to let somebody hold a role; whether they then do."""
        before = await office.house.roles(person)
        asked = await office.call(who, "POST", f"/v1/people/per_{person.hex}/roles", {"role": role})
        if asked.status_code == 201:
            assert (await office.approve(asked.json()["approval"], who=who)).status_code == 403
        return await office.house.roles(person) != before
