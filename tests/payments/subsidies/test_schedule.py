"""A rule pays month after month: by work days, less the leave of the month before; or by the list of attendance."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from kernel import clock, timers
from kernel.timers import fire_due
from payments import jobs
from payments.subsidies import schedule
from tests.payments.subsidies.office import Office

# The third of the month at six in the morning in Shanghai.
DECEMBER_RUN = datetime(2026, 12, 2, 22, 0, tzinfo=UTC)


def go_to(at: datetime) -> None:
    clock.advance(at - clock.now())


async def run(office: Office) -> int:
    return await fire_due(office.world.db, jobs.TIMERS)


async def month(office: Office, **changes: Any) -> dict[str, Any]:
    """The rule's first month, prepared by its timer."""
    assert (await office.rule(**changes)).status_code == 201
    clock.advance(timedelta(days=1))
    await run(office)
    (batch,) = await office.batches()
    return batch


class TestAhead:
    async def test_the_worker_prepares_two_people_approve_and_each_has_their_work_days(self, office: Office) -> None:
        await office.employ("A1")
        await office.employ("A2", since=date(2026, 11, 16))
        await office.employ("A3", until=date(2026, 11, 4))
        await office.employ("A4", person_class="visitor")
        batch = await month(office)
        assert (batch["state"], batch["month"], batch["expires_on"]) == ("prepared", "2026-11", "2026-11-30")
        rows = await office.rows(batch["id"])
        assert {n: (row["days"], row["amount_fen"]) for n, row in rows.items()} == {
            "A1": ("21", 33_600),
            "A2": ("11", 17_600),
            "A3": ("2", 3_200),
        }
        await office.carry_out(batch["id"])
        assert (await office.terms())["prefund_fen"] == 1_000_000 - 54_400

    async def test_leave_and_field_days_are_settled_with_the_month_after(self, office: Office) -> None:
        await office.employ("A1", "A2", "A3")
        await office.carry_out((await month(office, field_day_fen=3000))["id"])
        answer = await office.attend("2026-11", [("A1", "", 2.5, ""), ("A2", "", "", 4), ("A3", "", 0, 0)])
        assert answer.json()["created"] == 3
        go_to(DECEMBER_RUN)
        await run(office)
        rows = await office.rows((await office.batches())[0]["id"])
        # December 2026 has 23 work days.
        assert (rows["A1"]["leave_days"], rows["A1"]["deducted_fen"]) == ("2.5", 4000)
        assert [rows[n]["amount_fen"] for n in ("A1", "A2", "A3")] == [
            23 * 1600 - 4000,
            23 * 1600 + 4 * 1400,
            23 * 1600,
        ]

    async def test_it_waits_for_the_list_of_the_month_before_until_somebody_says_that_there_is_none(
        self, office: Office
    ) -> None:
        await office.employ("A1")
        first = await month(office)
        await office.carry_out(first["id"])
        go_to(DECEMBER_RUN)
        await run(office)
        assert [batch["month"] for batch in await office.batches()] == ["2026-11"]
        path = f"/v1/subsidies/rules/{first['rule']}/prepare"
        refused = await office.http.post(path, json={"month": "2026-12"}, headers=office.first.headers)
        assert refused.json()["code"] == "LIST_MISSING"
        body = {"month": "2026-12", "without_list": True}
        assert (await office.http.post(path, json=body, headers=office.first.headers)).status_code == 201


class TestByAttendance:
    async def test_a_month_is_paid_when_it_is_over(self, office: Office) -> None:
        await office.employ("A1", "A2", "A3")
        assert (await office.rule(basis="attended", lot_days=31, field_day_fen=500)).status_code == 201
        await office.attend("2026-11", [("A1", 20, 1, 0), ("A2", 18.5, 0, 2)])
        go_to(DECEMBER_RUN)
        await run(office)
        (batch,) = await office.batches()
        assert (batch["month"], batch["expires_on"]) == ("2026-11", "2026-12-31")
        rows = await office.rows(batch["id"])
        assert {n: row["amount_fen"] for n, row in rows.items()} == {"A1": 32_000, "A2": 29_600 + 1000}

    async def test_a_lot_that_would_end_before_it_is_paid_is_no_rule(self, office: Office) -> None:
        assert (await office.rule(basis="attended", lot_days=3)).status_code == 422


class TestOncePerMonth:
    async def test_however_often_it_is_run(self, office: Office) -> None:
        await office.employ("A1")
        batch = await month(office)
        path = f"/v1/subsidies/rules/{batch['rule']}/prepare"
        for _ in range(2):
            again = await office.http.post(path, json={"month": "2026-11"}, headers=office.first.headers)
            assert (again.status_code, again.json()["code"]) == (409, "ALREADY_PREPARED")
        assert await run(office) == 0
        assert len(await office.batches()) == 1

    async def test_also_when_a_worker_and_a_person_do_it_at_once(self, office: Office) -> None:
        await office.employ("A1")
        rule = (await office.rule()).json()["id"]
        clock.advance(timedelta(days=1))
        path = f"/v1/subsidies/rules/{rule}/prepare"
        body = {"month": "2026-11"}
        await asyncio.gather(run(office), office.http.post(path, json=body, headers=office.first.headers), run(office))
        while await run(office):
            pass
        assert len(await office.batches()) == 1

    async def test_a_worker_killed_before_its_commit_has_done_nothing_and_the_next_one_does_it(
        self, office: Office
    ) -> None:
        await office.employ("A1")
        await office.rule()
        clock.advance(timedelta(days=1))

        async def die(session: Any, timer: timers.Timer) -> None:
            await schedule.run_rule(session, timer)
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        await fire_due(office.world.db, {**jobs.TIMERS, schedule.TIMER_KIND: die})
        assert await office.batches() == []
        clock.advance(timedelta(seconds=5))
        await run(office)
        assert [batch["month"] for batch in await office.batches()] == ["2026-11"]

    async def test_no_further_ahead_than_the_month_to_come_and_no_earlier_than_its_first(self, office: Office) -> None:
        await office.employ("A1")
        rule = (await office.rule()).json()["id"]
        path = f"/v1/subsidies/rules/{rule}/prepare"
        for month in ("2026-10", "2027-01"):
            answer = await office.http.post(path, json={"month": month}, headers=office.first.headers)
            assert answer.status_code == 422

    async def test_a_month_that_was_reversed_can_be_prepared_anew(self, office: Office) -> None:
        await office.employ("A1")
        batch = await month(office)
        await office.carry_out(batch["id"])
        await office.carry_out(batch["id"], "reverse")
        path = f"/v1/subsidies/rules/{batch['rule']}/prepare"
        again = await office.http.post(path, json={"month": "2026-11"}, headers=office.first.headers)
        assert (again.status_code, again.json()["amount_fen"]) == (201, 33_600)


class TestRules:
    async def test_are_edited_from_their_next_run_on_and_ended(self, office: Office) -> None:
        await office.employ("A1")
        rule = (await office.rule()).json()
        body = {name: rule[name] for name in ("unit", "name", "basis", "person_classes", "prepare_on", "first_month")}
        path = f"/v1/subsidies/rules/{rule['id']}"
        changed = await office.http.put(path, json={**body, "day_fen": 2000}, headers=office.first.headers)
        assert (changed.json()["day_fen"], changed.json()["next_run_at"]) == (2000, "2026-11-02T22:00:00.000Z")
        ended = await office.http.post(f"{path}/finish", headers=office.first.headers)
        assert (ended.json()["state"], ended.json()["next_run_at"]) == ("ended", None)
        clock.advance(timedelta(days=2))
        assert await run(office) == 0
        assert (await office.http.post(f"{path}/finish", headers=office.first.headers)).status_code == 409


class TestTheList:
    async def test_names_who_is_not_of_the_unit_and_days_that_there_were_not(self, office: Office) -> None:
        await office.employ("A1")
        await office.employ("A2", since=date(2026, 11, 16))
        answer = await office.attend("2026-11", [("A1", 21.5, 0, 0), ("A2", 15, 1, 0), ("B1", 1, 0, 0)])
        assert answer.status_code == 422
        assert [cell["cell"] for cell in answer.json()["data"]["bad_cells"]] == ["A3", "A4"]
        lists = await office.http.get(
            "/v1/subsidies/attendance", params={"unit": office.unit}, headers=office.first.headers
        )
        assert lists.json()["data"] == []

    async def test_the_same_list_twice_changes_nothing(self, office: Office) -> None:
        await office.employ("A1")
        await office.attend("2026-11", [("A1", 20, 1, 0)])
        again = (await office.attend("2026-11", [("A1", 20, 1, 0)])).json()
        assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 1)
        changed = (await office.attend("2026-11", [("A1", 20, 0.5, 0)])).json()
        assert changed["updated"] == 1
