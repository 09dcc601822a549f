"""A meeting asked for as one: all or nothing, decided, changed line by line, copied, and over."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from booking.meetings.api import MEETING_CHANNEL
from booking.meetings.bookable_lines import VenueLine
from kernel import clock
from kernel.ids import public_id
from tests.booking.conftest import MONDAY, instant
from tests.booking.meetings.conftest import Campus, Json, told


class TestHolding:
    async def test_one_request_holds_hall_rooms_car_meals_and_badges(self, campus: Campus) -> None:
        held = await campus.wang.holds(
            campus.hall(), campus.sleep(3, nights=2), campus.car(), campus.meal(40), {"kind": "badges", "count": 30}
        )

        assert (held["state"], held["due_at"]) == ("held", clock.rfc3339(MONDAY + timedelta(minutes=10)))
        assert [(line["kind"], line["quantity"]) for line in held["lines"]] == [
            ("venue", 1),
            ("rooms", 6),
            ("car", 1),
            ("meals", 40),
            ("badges", 30),
        ]
        # Two hours of a hall, six nights, the tariff of a lunch for forty.
        assert [line["estimate_fen"] for line in held["lines"]] == [20_000, 180_000, 0, 160_000, 0]
        assert held["estimate_fen"] == 360_000
        assert held["lines"][0]["places"][0]["place_name_zh"] == "一号楼 · 101室"
        assert held["lines"][2]["places"][0]["driver_name"] == "老马"
        assert len(held["lines"][1]["places"]) == 3
        assert await campus.holds_now() == 6

    async def test_where_one_line_clashes_nothing_is_held_and_each_clash_is_told(self, campus: Campus) -> None:
        await campus.zhou.holds(campus.hall(), campus.sleep(3))

        refused = await campus.wang.asks(campus.hall(), campus.sleep(2), campus.car(), campus.meal(40))

        assert (refused.status_code, refused.json()["code"]) == (409, "MEETING_CLASH")
        clashes = refused.json()["data"]["clashes"]
        assert [(clash["line"], clash["code"]) for clash in clashes] == [
            (0, "BOOKING_CLASH"),
            (1, "NOT_ENOUGH_ROOMS"),
        ]
        assert await campus.holds_now() == 4

    async def test_whatever_is_offered_instead_can_be_had(self, campus: Campus) -> None:
        await campus.zhou.holds(campus.hall(), campus.sleep(3), campus.car(), campus.meal(30))
        wanted = [campus.hall(), campus.sleep(2), campus.car(), campus.meal(30)]
        clashes = told(await campus.wang.asks(*wanted), 409)["data"]["clashes"]
        assert [clash["line"] for clash in clashes] == [0, 1, 2, 3]
        kinds = [{each["kind"] for each in clash["suggestions"]} for clash in clashes]
        assert kinds == [{"near", "similar", "day"}, {"similar", "day", "fewer"}, {"near", "day"}, {"day", "fewer"}]

        best = [clash["suggestions"][0]["line"] for clash in clashes]
        for clash in clashes:
            for suggestion in clash["suggestions"]:
                lines = [*best[: clash["line"]], suggestion["line"], *best[clash["line"] + 1 :]]
                held = await campus.wang.holds(*lines)
                await campus.wang.pulls(held, "cancel")

    async def test_two_lines_that_want_the_same_are_not_offered_the_same(self, campus: Campus) -> None:
        third = await campus.open(name_zh="三号厅")
        await campus.zhou.holds(campus.hall(0), campus.hall(1))

        clashes = told(await campus.wang.asks(campus.hall(0), campus.hall(1)), 409)["data"]["clashes"]

        best = [clash["suggestions"][0]["line"] for clash in clashes]
        assert third in [line["bookable"] for clash in clashes for line in (s["line"] for s in clash["suggestions"])]
        await campus.wang.holds(*best)

    async def test_a_hold_that_nobody_confirms_ends_whole(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall(), campus.sleep(), campus.car(), campus.meal())

        await campus.until(10.5 / 60)

        assert (await campus.wang.sees(held))["state"] == "expired"
        assert await campus.holds_now() == 0
        await campus.zhou.holds(campus.hall(), campus.sleep(4), campus.car(), campus.meal(50))

    async def test_the_same_request_sent_twice_is_one_meeting(self, campus: Campus) -> None:
        request_id = str(uuid4())
        first = await campus.wang.asks(campus.hall(), request_id=request_id)
        again = await campus.wang.asks(campus.hall(), request_id=request_id)

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"]

    async def test_a_price_can_be_asked_for_without_holding_anything(self, campus: Campus) -> None:
        body = {"request_id": str(uuid4()), "title": "年会", "attendees": 30, "lines": [campus.hall(), campus.meal(10)]}

        quoted = told(await campus.wang.http.post("/v1/meetings/quote", json=body))

        assert [line["estimate_fen"] for line in quoted["lines"]] == [20_000, 40_000]
        assert await campus.holds_now() == 0

    async def test_of_many_at_once_each_is_whole_or_not_there(self, campus: Campus) -> None:
        """Everybody wants the same things, each in another order."""
        lines = [
            campus.hall(0),
            campus.hall(1),
            campus.sleep(2),
            campus.sleep(1, "twin"),
            campus.car(),
            campus.meal(20),
        ]
        answers = await asyncio.gather(*(campus.wang.asks(*lines[n % 6 :], *lines[: n % 6]) for n in range(20)))

        assert sorted(answer.status_code for answer in answers) == [201, *[409] * 19]
        assert {answer.json().get("code", "held") for answer in answers} == {"held", "MEETING_CLASH"}
        assert await campus.holds_now() == 7

    async def test_what_a_meeting_holds_is_not_changed_behind_its_back(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall())
        bookings = told(await campus.wang.http.get("/v1/bookings"))["data"]
        assert [(booking["meeting"], booking["allowed"]) for booking in bookings] == [(held["id"], [])]

        refused = await campus.wang.http.post(f"/v1/bookings/{bookings[0]['id']}/cancel", json={})

        assert (refused.status_code, refused.json()["code"]) == (409, "BOOKING_OF_MEETING")
        assert refused.json()["data"]["meeting"] == held["id"]


class TestDeciding:
    async def test_where_a_hall_asks_the_office_the_whole_meeting_waits_for_it(self, campus: Campus) -> None:
        hall = await campus.open(name_zh="礼堂", needs_approval=True)
        held = await campus.wang.holds(campus.hall(bookable=hall), campus.sleep())

        asked = await campus.wang.pulls(held, "confirm")
        assert asked["state"] == "pending_approval"
        await campus.until(1 / 2)
        assert (await campus.wang.sees(held))["state"] == "pending_approval"
        assert (await campus.wang.pull(held, "approve")).status_code == 403

        approved = await campus.office.pulls(held, "approve", words="同意")
        assert approved["state"] == "confirmed"
        assert {line["state"] for line in approved["lines"]} == {"confirmed"}

    async def test_a_refusal_has_a_reason_and_frees_everything(self, campus: Campus) -> None:
        hall = await campus.open(name_zh="礼堂", needs_approval=True)
        asked = await campus.wang.pulls(await campus.wang.holds(campus.hall(bookable=hall), campus.meal()), "confirm")

        assert (await campus.office.pull(asked, "reject")).status_code == 422
        rejected = await campus.office.pulls(asked, "reject", words="当天停电")

        assert rejected["steps"][-1]["words"] == "当天停电"
        assert await campus.holds_now() == 0

    async def test_a_dear_meeting_asks_the_office_too(self, campus: Campus) -> None:
        url = f"/v1/meeting_policies/{public_id('reg', campus.house.city)}"
        assert (await campus.wang.http.put(url, json={"approval_above_fen": 1})).status_code == 403
        told(await campus.office.http.put(url, json={"approval_above_fen": 19_999}))

        held = await campus.wang.holds(campus.hall())

        assert held["needs_approval"] is True
        assert (await campus.wang.pulls(held, "confirm"))["state"] == "pending_approval"

    async def test_a_trigger_that_the_state_does_not_allow_names_those_it_does(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall())

        refused = told(await campus.wang.pull(held, "finish"), 409)
        assert refused["code"] == "STATE_CONFLICT"
        assert set(refused["data"]["allowed"]) == {"confirm", "change", "cancel"}

        stale = await asyncio.gather(*(campus.wang.pull(held, "confirm", version=held["version"]) for _ in range(3)))
        assert sorted(answer.status_code for answer in stale) == [200, 409, 409]

    async def test_to_others_there_is_no_such_meeting(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall())

        assert (await campus.zhou.http.get(f"/v1/meetings/{held['id']}")).status_code == 404
        assert (await campus.zhou.pull(held, "cancel")).status_code == 404


class TestChanging:
    async def test_a_line_is_changed_and_the_others_stay(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(), campus.sleep(2), campus.meal(20))
        hall, rooms, meals = meeting["lines"]

        longer = await campus.wang.http.put(
            f"/v1/meetings/{meeting['id']}/lines/{hall['id']}", json={"line": campus.hall(hours=3)}
        )

        after = told(longer)
        assert [line["id"] for line in after["lines"]] == [hall["id"], rooms["id"], meals["id"]]
        assert (after["state"], after["lines"][0]["ends_at"]) == ("confirmed", instant(4))
        assert after["lines"][1:] == [rooms, meals]
        assert after["estimate_fen"] == meeting["estimate_fen"] + 10_000
        assert await campus.holds_now() == 4

    async def test_onto_what_is_taken_everything_stays_as_it_was(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(0), campus.meal(20))
        await campus.zhou.holds(campus.hall(1))
        url = f"/v1/meetings/{meeting['id']}/lines/{meeting['lines'][0]['id']}"

        refused = told(await campus.wang.http.put(url, json={"line": campus.hall(1)}), 409)

        assert refused["data"]["clashes"][0]["line"] == meeting["lines"][0]["id"]
        assert await campus.wang.sees(meeting) == meeting
        best = refused["data"]["clashes"][0]["suggestions"][0]["line"]
        told(await campus.wang.http.put(url, json={"line": best}))

    async def test_lines_come_and_go(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall())
        url = f"/v1/meetings/{meeting['id']}/lines"

        more = told(await campus.wang.http.post(url, json={"line": campus.sleep(2)}))
        assert [line["kind"] for line in more["lines"]] == ["venue", "rooms"]
        stale = await campus.wang.http.delete(f"{url}/{more['lines'][1]['id']}", params={"version": meeting["version"]})
        assert stale.status_code == 409
        less = told(await campus.wang.http.delete(f"{url}/{more['lines'][1]['id']}"))

        assert [line["state"] for line in less["lines"]] == ["confirmed", "released"]
        assert less["estimate_fen"] == meeting["estimate_fen"]
        assert await campus.holds_now() == 1

    async def test_what_the_office_closes_is_lost_and_chosen_anew(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(0), campus.meal(20))
        closure = {"starts_at": instant(0), "ends_at": instant(8), "reason": "检修", "override": True}
        url = f"/v1/bookables/{campus.halls[0]}/closures"
        told(await campus.office.http.post(url, json={**closure, "request_id": str(uuid4())}), 201)

        seen = await campus.wang.sees(meeting)
        assert [line["state"] for line in seen["lines"]] == ["lost", "confirmed"]
        line = f"/v1/meetings/{meeting['id']}/lines/{seen['lines'][0]['id']}"
        after = told(await campus.wang.http.put(line, json={"line": campus.hall(1)}))

        assert [line["state"] for line in after["lines"]] == ["confirmed", "confirmed"]

    async def test_a_whole_meeting_is_copied_to_another_day(self, campus: Campus) -> None:
        agenda = [{"starts_at": instant(1), "ends_at": instant(2), "title": "致辞", "line": 0}]
        meeting = await campus.wang.has(campus.hall(), campus.sleep(2), campus.meal(20), agenda=agenda)
        await campus.wang.invites(meeting, {"name": "张伟", "diet": ["halal"]})
        copy = {"request_id": str(uuid4()), "starts_on": "2026-11-30"}

        copied = told(await campus.wang.http.post(f"/v1/meetings/{meeting['id']}/copies", json=copy), 201)

        assert (copied["state"], copied["copied_from"]) == ("held", meeting["id"])
        assert copied["starts_at"] == instant(1 + 7 * 24)
        assert copied["agenda"][0]["line"] == copied["lines"][0]["id"]
        assert copied["agenda"][0]["starts_at"] == instant(1 + 7 * 24)
        assert (copied["guests"], copied["needs"]) == (1, {"halal": 1})
        assert copied["lines"][2]["wanted"]["business_date"] == "2026-11-30"
        again = await campus.wang.http.post(
            f"/v1/meetings/{meeting['id']}/copies", json={**copy, "request_id": str(uuid4())}
        )
        assert again.json()["data"]["clashes"][0]["code"] == "BOOKING_CLASH"

    async def test_it_begins_and_ends_by_itself(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(), campus.meal(20))

        await campus.until(1.01)
        assert (await campus.wang.sees(meeting))["state"] == "in_progress"
        await campus.until(4.1)

        assert (await campus.wang.sees(meeting))["state"] == "completed"
        bookings = told(await campus.wang.http.get("/v1/bookings"))["data"]
        assert [booking["state"] for booking in bookings] == ["completed"]

    async def test_ended_early_it_frees_the_rest(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(hours=3), campus.hall(1, start=3))
        await campus.until(2)

        assert (await campus.wang.pulls(meeting, "finish"))["state"] == "completed"

        await campus.zhou.holds(campus.hall(start=2), campus.hall(1, start=3))


class TestOthers:
    async def test_what_a_meeting_gives_back_is_offered_to_who_waits_for_it(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(), campus.meal(20))
        waiting = {**campus.hall(), "request_id": str(uuid4()), "waitlist": True}
        body = {name: waiting[name] for name in ("bookable", "starts_at", "ends_at", "title", "request_id", "waitlist")}
        queued = told(await campus.zhou.http.post("/v1/bookings", json=body), 201)
        assert queued["state"] == "waitlisted"

        url = f"/v1/meetings/{meeting['id']}/lines/{meeting['lines'][0]['id']}"
        told(await campus.wang.http.put(url, json={"line": campus.hall(hours=3)}))
        assert told(await campus.zhou.http.get(f"/v1/bookings/{queued['id']}"))["state"] == "waitlisted"
        await campus.wang.pulls(meeting, "cancel")

        assert told(await campus.zhou.http.get(f"/v1/bookings/{queued['id']}"))["state"] == "offered"

    async def test_only_its_people_and_the_office_hear_it(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall())
        told(await campus.wang.http.patch(f"/v1/meetings/{meeting['id']}", json={"helpers": [campus.driver.id]}))
        hears = {}
        for name in ("wang", "driver", "office", "zhou", "kitchen"):
            principal = await campus.house.principal(getattr(campus, name).person_id)
            async with campus.db.session() as session:
                hears[name] = await MEETING_CHANNEL.may_hear(session, principal, meeting["id"])
                assert not await MEETING_CHANNEL.may_hear(session, principal, "mtg_nothing")

        assert hears == {"wang": True, "driver": True, "office": True, "zhou": False, "kitchen": False}

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"kind": "spaceship"}, 422),
            ({"bookable": "bkb_\0"}, 404),
            ({"bookable": "bkb_" + "0" * 32}, 409),
            ({"ends_at": instant(0)}, 422),
            ({"starts_at": "9999-12-31T23:59:59Z"}, 422),
            ({"colour": "blue"}, 422),
            ({"title": "x" * 200}, 422),
            ({"scan_rule": "sometimes"}, 422),
        ],
    )
    async def test_a_line_that_makes_no_sense_is_refused(self, campus: Campus, change: Json, status: int) -> None:
        assert (await campus.wang.asks({**campus.hall(), **change})).status_code == status

    @pytest.mark.parametrize(
        "line",
        [
            {"kind": "rooms", "room_type": "single", "count": 1, "first_night": "9999-12-31", "nights": 30},
            {"kind": "rooms", "room_type": "single", "count": 0, "first_night": "2026-11-23"},
            {
                "kind": "meals",
                "canteen": "can_" + "0" * 32,
                "business_date": "0001-01-01",
                "meal": "lunch",
                "covers": 1,
            },
            {"kind": "badges", "count": 5},
        ],
    )
    async def test_nor_one_outside_of_time(self, campus: Campus, line: Json) -> None:
        assert (await campus.wang.asks(line)).status_code == 422

    async def test_daylight_saving_keeps_a_copy_at_its_hour(self, campus: Campus) -> None:
        """A hall in New York, copied over the night in which the clocks change."""
        line = {
            "starts_at": "2026-03-01T14:00:00.000Z",
            "ends_at": "2026-03-01T15:00:00.000Z",
            "bookable": "bkb_" + "1" * 32,
        }

        moved = VenueLine().moved(line, 7, "America/New_York")

        assert moved["starts_at"] == "2026-03-08T13:00:00.000Z"

    async def test_lists_are_one_s_own_and_the_office_s(self, campus: Campus) -> None:
        assert told(await campus.zhou.http.get("/v1/meetings"))["data"] == []
        first = await campus.wang.has(campus.hall())
        # Ids begin with their millisecond, and the clock stands still.
        clock.advance(timedelta(milliseconds=5))
        second = await campus.wang.holds(campus.hall(1))
        told(await campus.wang.http.patch(f"/v1/meetings/{second['id']}", json={"helpers": [campus.zhou.id]}))

        mine = told(await campus.wang.http.get("/v1/meetings", params={"limit": 1}))
        rest = told(await campus.wang.http.get("/v1/meetings", params={"starting_after": mine["data"][0]["id"]}))
        helped = told(await campus.zhou.http.get("/v1/meetings"))
        held = told(await campus.office.http.get("/v1/meetings", params={"of": "office", "state": "held"}))

        assert ([each["id"] for each in mine["data"]], mine["has_more"]) == ([second["id"]], True)
        assert ([each["id"] for each in rest["data"]], rest["has_more"]) == ([first["id"]], False)
        assert [each["id"] for each in helped["data"]] == [second["id"]]
        assert [each["id"] for each in held["data"]] == [second["id"]]
        assert (await campus.wang.http.get("/v1/meetings", params={"of": "office"})).status_code == 403
