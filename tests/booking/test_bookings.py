"""Bookings as people make them: held, confirmed, moved, waited for, used; and never two at once."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from kernel import clock
from kernel.ids import parse_public_id, public_id
from tests.booking.conftest import MONDAY, Campus, instant


class TestHolding:
    async def test_a_hold_lasts_ten_minutes_and_is_then_anybody_s(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall, 1)
        assert (held["state"], held["due_at"]) == ("held", clock.rfc3339(MONDAY + timedelta(minutes=10)))
        assert (await campus.zhou.book(campus.hall, 1)).status_code == 409

        await campus.until(10.5 / 60)

        assert (await campus.wang.sees(held))["state"] == "expired"
        await campus.zhou.holds(campus.hall, 1)

    async def test_a_confirmed_one_stays(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall, 1)
        assert (await campus.wang.pulls(held, "confirm"))["state"] == "confirmed"

        await campus.until(0.5)

        assert (await campus.wang.sees(held))["state"] == "confirmed"
        assert [step["trigger"] for step in (await campus.wang.sees(held))["steps"]] == ["hold", "confirm"]

    async def test_the_same_request_sent_twice_is_one_booking(self, campus: Campus) -> None:
        request_id = str(uuid4())
        first = await campus.wang.book(campus.hall, 1, request_id=request_id)
        again = await campus.wang.book(campus.hall, 1, request_id=request_id)

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"]

    async def test_one_may_begin_as_the_other_ends(self, campus: Campus) -> None:
        await campus.wang.holds(campus.hall, 1)
        await campus.zhou.holds(campus.hall, 2)

    async def test_the_time_to_set_up_and_to_clean_keeps_others_out(self, campus: Campus) -> None:
        hall = await campus.open(setup_minutes=30, cleanup_minutes=15)
        await campus.wang.holds(hall, 2)

        assert (await campus.zhou.book(hall, 3.5)).status_code == 409
        await campus.zhou.holds(hall, 3.75)

    async def test_of_many_at_once_one_gets_it(self, campus: Campus) -> None:
        answers = await asyncio.gather(*(campus.wang.book(campus.hall, 1) for _ in range(8)))

        assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]

    @pytest.mark.parametrize("kind", ["venue", "hotel_room", "car"])
    async def test_the_database_itself_takes_no_two(self, campus: Campus, kind: str) -> None:
        bookable = await campus.open(kind=kind)
        held = await campus.wang.holds(bookable, 1)
        columns = "bookable_id, organiser_id, title, attendees, during, blocked, blocks, state, version, created_at, changed_at"
        twin = text(f"""
            INSERT INTO bookings (id, request_id, {columns})
            SELECT gen_random_uuid(), gen_random_uuid(), {columns} FROM bookings WHERE id = :id
        """)
        with pytest.raises(IntegrityError, match="bookings_no_overlap"):
            async with campus.db.session() as session:
                await session.execute(twin, {"id": parse_public_id("bkg", held["id"])})


class TestRules:
    @pytest.mark.parametrize(
        ("rules", "start", "hours", "code"),
        [
            ({}, -2, 1, "NOT_BOOKABLE"),
            ({}, 9, 1, "OUTSIDE_OPENING"),
            ({"weekdays": [0]}, 24, 1, "OUTSIDE_OPENING"),
            ({"window_days": 2}, 72, 1, "NOT_BOOKABLE"),
            ({"minutes_max": 60}, 1, 2, "NOT_BOOKABLE"),
            ({"capacity": 1}, 1, 1, "NOT_BOOKABLE"),
        ],
    )
    async def test_each_is_told_by_its_code(
        self, campus: Campus, rules: dict[str, object], start: float, hours: float, code: str
    ) -> None:
        hall = await campus.open(**rules)

        answer = await campus.wang.book(hall, start, hours, attendees=2)

        assert (answer.status_code, answer.json()["code"]) == (409, code)

    async def test_a_unit_s_own_room_is_not_a_stranger_s(self, campus: Campus) -> None:
        hall = await campus.open(unit=public_id("org", campus.house.hospital), unit_only=True)

        assert (await campus.stranger.book(hall, 1)).json()["data"]["rule"] == "unit"
        await campus.wang.holds(hall, 1)

    async def test_how_many_one_person_may_have_ahead(self, campus: Campus) -> None:
        hall = await campus.open(open_max=1)
        answers = await asyncio.gather(campus.wang.book(hall, 1), campus.wang.book(hall, 3))

        assert sorted(answer.status_code for answer in answers) == [201, 409]
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert (refused.json()["code"], refused.json()["data"]["limit"]) == ("TOO_MANY_BOOKINGS", 1)

    @pytest.mark.parametrize(
        "body", [{"starts_at": instant(2)}, {"starts_at": "2026-11-24T10:00:00"}, {"attendees": -1}, {"title": " "}]
    )
    async def test_what_cannot_be_read_is_422(self, campus: Campus, body: dict[str, object]) -> None:
        assert (await campus.wang.book(campus.hall, 1, 1, **body)).status_code == 422


class TestClash:
    async def test_every_suggestion_can_be_had_at_once(self, campus: Campus) -> None:
        other = await campus.open(name_zh="二号会议室", capacity=60)
        await campus.wang.holds(campus.hall, 1, 2)

        refused = (await campus.zhou.book(campus.hall, 1.5, attendees=30)).json()

        assert refused["code"] == "BOOKING_CLASH"
        found = refused["data"]["suggestions"]
        assert {each["kind"] for each in found} == {"near", "similar", "day"}
        assert [each["bookable"] for each in found if each["kind"] == "similar"] == [other]
        for each in found:
            answer = await campus.zhou.book(
                each["bookable"], 0, starts_at=each["starts_at"], ends_at=each["ends_at"], attendees=30
            )
            assert answer.status_code == 201, each
            await campus.zhou.pulls(answer.json(), "cancel")

    async def test_free_and_busy_tell_the_times_and_nobody_s_name(self, campus: Campus) -> None:
        await campus.wang.holds(campus.hall, 1)
        await campus.wang.holds(campus.hall, 2)

        query = {"starts_at": instant(0), "ends_at": instant(10)}
        answer = await campus.stranger.http.get(f"/v1/bookables/{campus.hall}/busy", params=query)

        assert answer.json()["busy"] == [{"starts_at": instant(1), "ends_at": instant(3)}]


class TestTheOffice:
    async def test_it_decides_and_says_why_not(self, campus: Campus) -> None:
        hall = await campus.open(needs_approval=True)
        held = await campus.wang.holds(hall, 1)
        assert (await campus.wang.pulls(held, "confirm"))["state"] == "pending_approval"
        assert (await campus.zhou.book(hall, 1)).status_code == 409

        assert (await campus.wang.pull(held, "approve")).status_code == 403
        assert (await campus.office.pull(held, "reject")).status_code == 422
        assert (await campus.office.pulls(held, "reject", words="当天停电"))["state"] == "rejected"
        assert (await campus.wang.sees(held))["steps"][-1]["words"] == "当天停电"

    async def test_where_a_request_keeps_nobody_out_the_second_approval_finds_it_taken(self, campus: Campus) -> None:
        hall = await campus.open(needs_approval=True, pending_blocks=False)
        first = await campus.wang.pulls(await campus.wang.holds(hall, 1), "confirm")
        second = await campus.zhou.pulls(await campus.zhou.holds(hall, 1), "confirm")
        await campus.office.pulls(first, "approve")

        refused = await campus.office.pull(second, "approve")

        assert (refused.status_code, refused.json()["code"]) == (409, "BOOKING_CLASH")
        assert (await campus.zhou.sees(second))["state"] == "pending_approval"

    async def test_nobody_decides_until_it_begins_and_it_lapses(self, campus: Campus) -> None:
        hall = await campus.open(needs_approval=True)
        asked = await campus.wang.pulls(await campus.wang.holds(hall, 1), "confirm")

        await campus.until(1.1)

        assert (await campus.wang.sees(asked))["state"] == "expired"

    async def test_a_closure_gives_way_unless_it_overrides(self, campus: Campus) -> None:
        confirmed = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        closure = {"starts_at": instant(0), "ends_at": instant(5), "reason": "检修", "request_id": str(uuid4())}
        url = f"/v1/bookables/{campus.hall}/closures"

        assert (await campus.wang.http.post(url, json=closure)).status_code == 403
        assert (await campus.office.http.post(url, json=closure)).status_code == 409
        closed = await campus.office.http.post(url, json=closure | {"override": True})

        assert (closed.status_code, closed.json()["state"]) == (201, "closed")
        told = await campus.wang.sees(confirmed)
        assert (told["state"], told["steps"][-1]["words"]) == ("superseded", "检修")
        assert (await campus.wang.book(campus.hall, 2)).status_code == 409
        await campus.office.pulls(closed.json(), "reopen")
        await campus.wang.holds(campus.hall, 2)

    async def test_to_strangers_there_is_no_such_booking(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall, 1)

        assert (await campus.stranger.http.get(f"/v1/bookings/{held['id']}")).status_code == 404
        assert (await campus.stranger.pull(held, "cancel")).status_code == 404

    async def test_only_the_office_keeps_the_catalogue(self, campus: Campus) -> None:
        change = {"capacity": 80}
        url = f"/v1/bookables/{campus.hall}"

        assert (await campus.wang.http.patch(url, json=change)).status_code == 403
        assert (await campus.office.http.patch(url, json=change)).json()["capacity"] == 80
        assert (await campus.office.http.post(f"{url}/retire")).json()["active"] is False
        assert (await campus.wang.book(campus.hall, 1)).json()["data"]["rule"] == "retired"


class TestMoving:
    async def test_a_move_is_one_step_and_frees_the_old_time(self, campus: Campus) -> None:
        held = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")

        moved = await campus.wang.pulls(held, "move", starts_at=instant(3), ends_at=instant(4))

        assert (moved["starts_at"], moved["state"]) == (instant(3), "confirmed")
        await campus.zhou.holds(campus.hall, 1)

    async def test_onto_another_one_it_stays_where_it_was(self, campus: Campus) -> None:
        held = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        await campus.zhou.holds(campus.hall, 3)

        refused = await campus.wang.pull(held, "move", starts_at=instant(3), ends_at=instant(4))

        assert (refused.status_code, refused.json()["code"]) == (409, "BOOKING_CLASH")
        assert (await campus.wang.sees(held))["starts_at"] == instant(1)

    async def test_shortening_needs_no_new_approval_and_another_time_does(self, campus: Campus) -> None:
        hall = await campus.open(needs_approval=True)
        asked = await campus.wang.pulls(await campus.wang.holds(hall, 1, 2), "confirm")
        await campus.office.pulls(asked, "approve")

        assert (await campus.wang.pulls(asked, "move", ends_at=instant(2)))["state"] == "confirmed"
        assert (await campus.wang.pulls(asked, "move", ends_at=instant(3)))["state"] == "pending_approval"

    async def test_of_two_who_act_on_the_same_version_one_is_told(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall, 1)
        answers = await asyncio.gather(
            campus.wang.pull(held, "confirm", version=held["version"]),
            campus.wang.pull(held, "cancel", version=held["version"]),
        )

        assert sorted(answer.status_code for answer in answers) == [200, 409]


class TestWaiting:
    async def test_what_becomes_free_is_offered_in_order_and_lapses_to_the_next(self, campus: Campus) -> None:
        taken = await campus.wang.pulls(await campus.wang.holds(campus.hall, 2), "confirm")
        first = await campus.zhou.holds(campus.hall, 2, waitlist=True)
        clock.advance(timedelta(seconds=1))
        second = await campus.stranger.holds(campus.hall, 2, waitlist=True)
        assert (first["state"], second["state"]) == ("waitlisted", "waitlisted")

        await campus.wang.pulls(taken, "cancel")
        assert (await campus.zhou.sees(first))["state"] == "offered"
        assert (await campus.stranger.sees(second))["state"] == "waitlisted"

        await campus.until(16 / 60)
        assert (await campus.zhou.sees(first))["state"] == "expired"
        offered = await campus.stranger.sees(second)
        assert offered["state"] == "offered"
        assert (await campus.stranger.pulls(offered, "accept"))["state"] == "held"
        assert (await campus.stranger.pulls(offered, "confirm"))["state"] == "confirmed"

    async def test_waiting_ends_when_the_time_has_come(self, campus: Campus) -> None:
        await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        waiting = await campus.zhou.holds(campus.hall, 1, waitlist=True)

        await campus.until(1.01)

        assert (await campus.zhou.sees(waiting))["state"] == "expired"


class TestUsing:
    async def test_check_in_begins_a_quarter_before_and_it_ends_by_itself(self, campus: Campus) -> None:
        booked = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        early = await campus.wang.pull(booked, "check_in")
        assert (early.status_code, early.json()["code"]) == (409, "NOT_NOW")

        await campus.until(0.8)
        assert (await campus.wang.pulls(booked, "check_in"))["state"] == "checked_in"
        await campus.until(1)
        assert (await campus.wang.sees(booked))["state"] == "in_use"
        await campus.until(2)
        assert (await campus.wang.sees(booked))["state"] == "completed"

    async def test_who_does_not_come_loses_it_after_a_quarter(self, campus: Campus) -> None:
        booked = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")

        await campus.until(1.26)

        assert (await campus.wang.sees(booked))["state"] == "no_show"
        await campus.zhou.holds(campus.hall, 1.3, 0.5)

    async def test_an_early_end_frees_the_rest_but_for_the_cleaning(self, campus: Campus) -> None:
        hall = await campus.open(cleanup_minutes=15)
        booked = await campus.wang.pulls(await campus.wang.holds(hall, 1, 4), "confirm")
        await campus.until(1)
        assert (await campus.wang.pulls(booked, "check_in"))["state"] == "in_use"
        await campus.until(2)

        finished = await campus.wang.pulls(booked, "finish")

        assert (finished["state"], finished["ends_at"]) == ("completed", instant(2))
        assert (await campus.zhou.book(hall, 2.1)).status_code == 409
        await campus.zhou.holds(hall, 2.25)

    async def test_a_secretary_books_for_a_colleague_who_then_acts_herself(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall, 1, served=campus.zhou.id)
        assert held["served_name"] == "周明"

        assert (await campus.zhou.pulls(held, "confirm"))["state"] == "confirmed"
        refused = await campus.wang.book(campus.hall, 4, served=campus.stranger.id)
        assert refused.json()["data"]["rule"] == "served"


class TestSeries:
    async def series(self, campus: Campus, **more: object) -> httpx.Response:
        body = {
            "bookable": campus.hall,
            "starts_at": instant(1),
            "ends_at": instant(2),
            "title": "周例会",
            "rule": "FREQ=WEEKLY;COUNT=4",
            "request_id": str(uuid4()),
            **more,
        }
        return await campus.wang.http.post("/v1/booking_series", json=body)

    async def test_each_occurrence_is_a_booking_of_its_own(self, campus: Campus) -> None:
        answer = await self.series(campus)

        assert answer.status_code == 201, answer.text
        held = answer.json()["bookings"]
        assert [each["starts_at"] for each in held] == [instant(1 + 7 * 24 * week) for week in range(4)]
        await campus.wang.pulls(held[1], "cancel")
        await campus.wang.pulls(held[2], "confirm")
        assert {(await campus.wang.sees(each))["state"] for each in (held[0], held[3])} == {"held"}

    async def test_one_that_is_taken_takes_none_and_tells_which(self, campus: Campus) -> None:
        await campus.zhou.holds(campus.hall, 1 + 7 * 24)

        refused = await self.series(campus)

        assert (refused.status_code, refused.json()["code"]) == (409, "SERIES_CLASH")
        (clash,) = refused.json()["data"]["clashes"]
        assert (clash["starts_at"], clash["code"]) == (instant(1 + 7 * 24), "BOOKING_CLASH")
        assert clash["suggestions"]
        assert (await campus.wang.http.get("/v1/bookings")).json()["data"] == []

    async def test_or_it_is_skipped_where_that_is_wanted(self, campus: Campus) -> None:
        await campus.zhou.holds(campus.hall, 1 + 7 * 24)

        answer = (await self.series(campus, on_clash="skip")).json()

        assert [len(answer["bookings"]), len(answer["skipped"])] == [3, 1]

    async def test_sent_twice_it_is_one_series(self, campus: Campus) -> None:
        request_id = str(uuid4())
        first, again = [await self.series(campus, request_id=request_id) for _ in range(2)]

        assert (first.status_code, again.status_code) == (201, 200)
        assert [each["id"] for each in first.json()["bookings"]] == [each["id"] for each in again.json()["bookings"]]

    @pytest.mark.parametrize("rule", ["每周一", "FREQ=SECONDLY", "FREQ=DAILY;UNTIL=20200101"])
    async def test_a_rule_that_means_nothing_is_422(self, campus: Campus, rule: str) -> None:
        assert (await self.series(campus, rule=rule)).status_code == 422
