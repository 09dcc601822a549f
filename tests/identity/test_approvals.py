"""Two people: one asks, another decides, and what was asked for happens in that decision or not at all."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from identity import approvals
from identity.approvals import approve, register_executor, reject, request_approval, withdraw
from identity.errors import SamePerson
from identity.jobs import TIMERS
from identity.kinds import Role
from identity.models import Approval
from identity.principal import EVERYWHERE, Place
from kernel import clock
from kernel.db import Database
from kernel.errors import Forbidden, NotFound, StateConflict
from kernel.outbox import read_after
from kernel.timers import fire_due
from tests.identity.conftest import House, bearer

KIND = "rename_person"


async def _rename(session: AsyncSession, payload: dict[str, Any]) -> None:
    if payload["name"] == "炸":
        raise StateConflict(state="broken", trigger="rename", allowed=[])
    await session.execute(text("UPDATE people SET name = :name WHERE id = :id"), payload)


@pytest.fixture(autouse=True)
def _executor() -> Iterator[None]:
    """A deed of this file's own, so that the stories are about approval and nothing else."""
    register_executor(KIND, _rename)
    yield
    approvals._executors.pop(KIND)  # The registry has no way out, because only tests need one.


class Story:
    """Somebody who asks, somebody who may decide, somebody whose name is at stake."""

    def __init__(self, house: House, asker: UUID, decider: UUID, subject: UUID) -> None:
        self.house, self.asker, self.decider, self.subject = house, asker, decider, subject

    async def ask(self, name: str = "新名", *, place: Place = EVERYWHERE, beneficiary: UUID | None = None) -> UUID:
        async with self.house.db.session() as session:
            return await request_approval(
                session,
                kind=KIND,
                subject=f"per_{self.subject.hex}",
                payload={"id": str(self.subject), "name": name},
                requested_by=self.asker,
                deciding_roles=(Role.FINANCE,),
                reason="改名",
                place=place,
                beneficiary_id=beneficiary,
                valid_for=timedelta(days=2),
            )

    async def approve(self, approval: UUID, by: UUID | None = None) -> None:
        actor = await self.house.principal(by or self.decider)
        async with self.house.db.session() as session:
            await approve(session, actor, approval)

    async def name(self) -> str:
        async with self.house.db.session() as session:
            name: str = await session.scalar(text("SELECT name FROM people WHERE id = :id"), {"id": self.subject})
            return name

    async def status(self, approval: UUID) -> str:
        async with self.house.db.session() as session:
            row = await session.get(Approval, approval)
            assert row is not None
            return row.status


@pytest.fixture
async def story(house: House) -> Story:
    return Story(
        house,
        await house.person("申请人", Role.FINANCE),
        await house.person("审批人", Role.FINANCE),
        await house.person("旧名"),
    )


class TestDeciding:
    async def test_approval_and_deed_are_one(self, story: Story) -> None:
        approval = await story.ask()
        assert await story.name() == "旧名"
        await story.approve(approval)
        assert await story.name() == "新名"
        assert await story.status(approval) == "approved"

    async def test_a_deed_that_fails_leaves_the_approval_open(self, story: Story) -> None:
        approval = await story.ask("炸")
        with pytest.raises(StateConflict):
            await story.approve(approval)
        assert await story.status(approval) == "pending"

    async def test_who_asked_does_not_decide_and_neither_does_whom_it_favours(self, story: Story) -> None:
        with pytest.raises(SamePerson):
            await story.approve(await story.ask(), by=story.asker)
        with pytest.raises(SamePerson):
            await story.approve(await story.ask(beneficiary=story.decider))
        assert await story.name() == "旧名"

    async def test_the_database_refuses_it_too(self, story: Story) -> None:
        approval = await story.ask()
        with pytest.raises(Exception, match="approvals_two_people_check"):
            async with story.house.db.session() as session:
                await session.execute(
                    text(
                        "UPDATE approvals SET status = 'approved', decided_by = requested_by, decided_at = :now"
                        " WHERE id = :id"
                    ),
                    {"id": approval, "now": clock.now()},
                )

    async def test_who_may_not_decide_does_not_even_see_it(self, story: Story) -> None:
        stranger = await story.house.person("路人", Role.CASHIER)
        with pytest.raises(NotFound):
            await story.approve(await story.ask(), by=stranger)

    async def test_a_role_counts_only_where_the_request_is(self, story: Story) -> None:
        house = story.house
        here = await house.person("本市财务", Role.FINANCE, Place(region_id=house.city))
        approval = await story.ask(place=Place(organisation_id=house.university))
        with pytest.raises(NotFound):
            await story.approve(approval, by=here)
        approval = await story.ask(place=Place(organisation_id=house.hospital))
        await story.approve(approval, by=here)
        assert await story.name() == "新名"

    async def test_ten_deciders_at_once_decide_once(self, story: Story) -> None:
        approval = await story.ask()
        deciders = [await story.house.person(f"审批人 {n}", Role.FINANCE) for n in range(10)]
        answers = await asyncio.gather(*[story.approve(approval, by=who) for who in deciders], return_exceptions=True)
        assert sum(answer is None for answer in answers) == 1
        assert sum(isinstance(answer, StateConflict) for answer in answers) == 9

    async def test_rejected_is_final(self, story: Story) -> None:
        approval = await story.ask()
        actor = await story.house.principal(story.decider)
        async with story.house.db.session() as session:
            await reject(session, actor, approval, "不同意")
        with pytest.raises(StateConflict) as refusal:
            await story.approve(approval)
        assert refusal.value.data == {"state": "rejected", "trigger": "approve", "allowed": []}
        assert await story.name() == "旧名"

    async def test_only_who_asked_takes_it_back(self, story: Story) -> None:
        approval = await story.ask()
        async with story.house.db.session() as session:
            with pytest.raises(Forbidden):
                await withdraw(session, await story.house.principal(story.decider), approval)
        async with story.house.db.session() as session:
            await withdraw(session, await story.house.principal(story.asker), approval)
        assert await story.status(approval) == "withdrawn"


class TestRunningOut:
    async def test_after_its_time_nobody_decides_and_the_timer_closes_it(self, story: Story, db: Database) -> None:
        approval = await story.ask()
        clock.advance(timedelta(days=2))
        with pytest.raises(StateConflict) as refusal:
            await story.approve(approval)
        assert refusal.value.data["state"] == "expired"

        assert await fire_due(db, TIMERS) == 1
        assert await story.status(approval) == "expired"
        async with db.session() as session:
            told = [stored.event for stored in (await read_after(session, {})).events]
        (last,) = [event for event in told if event.type == "approval.decided"]
        assert [delivery.channel for delivery in last.audience()] == [f"person:per_{story.asker.hex}"]
        assert last.data()["status"] == "expired"

    async def test_what_was_decided_has_no_timer_any_more(self, story: Story, db: Database) -> None:
        await story.approve(await story.ask())
        clock.advance(timedelta(days=3))
        assert await fire_due(db, TIMERS) == 0


class TestTheList:
    async def test_each_sees_what_they_asked_for_and_what_is_theirs_to_decide(
        self, story: Story, api: httpx.AsyncClient
    ) -> None:
        house = story.house
        everywhere = await story.ask("甲")
        at_university = await story.ask("乙", place=Place(organisation_id=house.university))

        async def seen(who: UUID, query: str = "") -> dict[str, bool]:
            headers = bearer(await house.token(who))
            rows = (await api.get(f"/v1/approvals{query}", headers=headers)).json()["data"]
            return {row["id"]: row["may_decide"] for row in rows}

        both = [f"apr_{at_university.hex}", f"apr_{everywhere.hex}"]
        assert await seen(story.decider) == dict.fromkeys(both, True)
        assert await seen(story.asker) == dict.fromkeys(both, False)
        dean = await house.person("院长", Role.FINANCE, Place(region_id=house.other_city))
        assert await seen(dean) == {both[0]: True}
        assert await seen(await house.person("路人")) == {}

        await story.approve(everywhere)
        assert await seen(story.decider, "?status=pending") == {both[0]: True}
        assert await seen(story.decider, "?status=approved") == {both[1]: False}
        clock.advance(timedelta(days=2))
        assert await seen(story.decider, "?status=expired") == {both[0]: False}
        assert await seen(story.decider, "?status=pending") == {}

    async def test_a_page_of_the_list_names_people_and_says_why(self, story: Story, api: httpx.AsyncClient) -> None:
        approval = await story.ask()
        headers = bearer(await story.house.token(story.decider))
        path = f"/v1/approvals/apr_{approval.hex}"
        await api.post(f"{path}/reject", json={"note": "材料不全"}, headers=headers)
        row = (await api.get(path, headers=headers)).json()
        assert row["requested_by"] == {"id": f"per_{story.asker.hex}", "name": "申请人"}
        assert row["decided_by"]["name"] == "审批人"
        assert row["decision_note"] == "材料不全"


class TestMakingAnAdministrator:
    async def test_it_takes_two_and_not_the_one_who_would_become_it(self, house: House, api: httpx.AsyncClient) -> None:
        asker = bearer(await house.token(await house.first_administrator("安全", Role.SECURITY_ADMIN)))
        second = bearer(await house.token(await house.first_administrator("安全二", Role.SECURITY_ADMIN)))
        wang = await house.person("王小明")
        wang_signed_in = bearer(await house.token(wang))

        asked = await api.post(f"/v1/people/per_{wang.hex}/roles", json={"role": "audit_admin"}, headers=asker)
        assert asked.status_code == 201
        assert asked.json()["status"] == "pending"
        path = f"/v1/approvals/{asked.json()['approval']}"
        assert (await api.post(f"{path}/approve", headers=asker)).status_code == 403
        assert (await api.post(f"{path}/approve", headers=wang_signed_in)).status_code == 404
        assert (await api.get("/v1/me", headers=wang_signed_in)).json()["roles"] == ["employee"]

        assert (await api.post(f"{path}/approve", headers=second)).json()["status"] == "approved"
        # They sign in anew, as somebody of whom more is asked.
        assert (await api.get("/v1/me", headers=wang_signed_in)).status_code == 401
        assert await house.roles(wang) == ["audit_admin"]

    async def test_the_rules_are_asked_again_when_it_is_decided(self, house: House, api: httpx.AsyncClient) -> None:
        asker = bearer(await house.token(await house.first_administrator("安全", Role.SECURITY_ADMIN)))
        second = bearer(await house.token(await house.first_administrator("安全二", Role.SECURITY_ADMIN)))
        wang = await house.person("王小明")
        roles = f"/v1/people/per_{wang.hex}/roles"
        asked = (await api.post(roles, json={"role": "system_admin"}, headers=asker)).json()["approval"]
        cashier = (await api.post(roles, json={"role": "cashier"}, headers=asker)).json()["approval"]
        assert (await api.post(f"/v1/approvals/{cashier}/approve", headers=second)).status_code == 200

        refused = await api.post(f"/v1/approvals/{asked}/approve", headers=second)
        assert refused.json()["code"] == "ADMINISTRATORS_APART"
        assert (await api.get(f"/v1/approvals/{asked}", headers=second)).json()["status"] == "pending"
