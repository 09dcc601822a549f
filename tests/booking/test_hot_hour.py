"""Everybody wants one hall at one hour: one look for all who come too late, and each rule still stands."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from booking import looks
from kernel.db import Database
from kernel.ids import public_id
from tests.booking.conftest import Campus, instant

AT_ONCE = 8


@contextmanager
def counting_looks(db: Database) -> Iterator[list[str]]:
    """The statements that looked whether something is taken."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "is_taken" in statement:
            seen.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine.sync_engine, "before_cursor_execute", note)


class TestTooLate:
    async def test_all_who_come_too_late_at_once_are_told_the_same_by_a_few_looks(self, campus: Campus) -> None:
        await campus.wang.holds(campus.hall, 1)

        with counting_looks(campus.db) as looked:
            answers = await asyncio.gather(*(campus.zhou.book(campus.hall, 1) for _ in range(AT_ONCE)))

        errors = [answer.json() for answer in answers]
        assert {error["code"] for error in errors} == {"BOOKING_CLASH"}
        assert all(error["data"] == errors[0]["data"] for error in errors)
        assert errors[0]["data"]["suggestions"]
        assert len(looked) < AT_ONCE

    async def test_of_all_who_want_a_free_hour_one_has_it_and_the_others_hear_of_other_times(
        self, campus: Campus
    ) -> None:
        answers = await asyncio.gather(*(campus.zhou.book(campus.hall, 1) for _ in range(AT_ONCE)))

        assert sorted(answer.status_code for answer in answers) == [201, *([409] * (AT_ONCE - 1))]
        refused = [answer.json() for answer in answers if answer.status_code == 409]
        assert {error["code"] for error in refused} == {"BOOKING_CLASH"}
        assert all(error["data"]["suggestions"] for error in refused)

    async def test_who_sends_a_request_again_has_it_still_and_is_not_in_their_own_way(self, campus: Campus) -> None:
        request = str(uuid4())
        held = await campus.wang.holds(campus.hall, 1, request_id=request)

        again = await campus.wang.book(campus.hall, 1, request_id=request)

        assert again.status_code == 200
        assert again.json()["id"] == held["id"]

    async def test_who_looks_for_the_others_may_go_away(self, campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
        await campus.wang.holds(campus.hall, 1)
        real, begun, calls = looks._look, asyncio.Event(), 0

        async def slow(*asked: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                begun.set()
                await asyncio.Event().wait()
            await real(*asked)

        monkeypatch.setattr(looks, "_look", slow)
        first = asyncio.create_task(campus.zhou.book(campus.hall, 1))
        await begun.wait()
        others = [asyncio.create_task(campus.zhou.book(campus.hall, 1)) for _ in range(3)]
        first.cancel()

        answers = await asyncio.gather(*others)

        assert {answer.json()["code"] for answer in answers} == {"BOOKING_CLASH"}

    async def test_nothing_is_kept_of_who_has_asked(self, campus: Campus) -> None:
        await campus.wang.holds(campus.hall, 1)
        await campus.zhou.book(campus.hall, 1)

        assert looks._counters[campus.db.engine.sync_engine] == {}


class TestRules:
    async def test_a_rule_in_the_way_is_told_before_that_it_is_taken(self, campus: Campus) -> None:
        small = await campus.open(name_zh="小会议室", capacity=4)
        await campus.wang.holds(small, 1)

        answer = await campus.zhou.book(small, 1, attendees=5)

        assert answer.json()["code"] == "NOT_BOOKABLE"
        assert (await campus.zhou.book(small, -2)).json()["code"] == "NOT_BOOKABLE"
        assert (await campus.zhou.book(small, 10)).json()["code"] == "OUTSIDE_OPENING"

    async def test_who_has_enough_of_its_kind_is_told_that(self, campus: Campus) -> None:
        few = await campus.open(name_zh="限约室", open_max=1)
        await campus.wang.holds(few, 1)
        await campus.zhou.holds(few, 4)

        answer = await campus.zhou.book(few, 1)

        assert answer.json()["code"] == "TOO_MANY_BOOKINGS"

    async def test_a_quota_is_told_before_that_it_is_taken(self, campus: Campus) -> None:
        body = {"region": public_id("reg", campus.house.city), "kind": "venue", "per": "person"}
        answer = await campus.office.http.post("/v1/booking_quotas", json={**body, "period": "week", "hours_max": 1})
        assert answer.status_code == 201, answer.text
        await campus.wang.holds(campus.hall, 1)
        await campus.zhou.holds(campus.hall, 3)

        refused = await campus.zhou.book(campus.hall, 1)

        assert refused.json()["code"] == "QUOTA_EXCEEDED"

    async def test_who_waits_for_it_is_put_on_the_list(self, campus: Campus) -> None:
        await campus.wang.holds(campus.hall, 1)

        waiting = await campus.zhou.holds(campus.hall, 1, waitlist=True)

        assert waiting["state"] == "waitlisted"

    async def test_the_office_books_into_its_own_closure(self, campus: Campus) -> None:
        closed = {"starts_at": instant(1), "ends_at": instant(3), "reason": "检修", "request_id": str(uuid4())}
        await campus.office.http.post(f"/v1/bookables/{campus.hall}/closures", json=closed)

        assert (await campus.zhou.book(campus.hall, 1)).json()["code"] == "BOOKING_CLASH"
        assert (await campus.office.holds(campus.hall, 1, override=True))["state"] == "held"
