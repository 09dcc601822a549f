"""The display at a door, the codes that are scanned there, and what a calendar shows to whom."""

from datetime import timedelta

import httpx
import pytest

from booking import codes
from kernel import clock
from kernel.ids import parse_public_id, public_id
from tests.booking.conftest import Campus, Guest, Json, instant


async def scan(guest: Guest, code: str) -> httpx.Response:
    return await guest.http.post("/v1/booking_check_ins", json={"code": code})


async def door_of(campus: Campus, hall: str) -> str:
    """The secret of its display."""
    url: str = (await campus.office.http.post(f"/v1/bookables/{hall}/door")).json()["url"]
    return url.rpartition("/")[2]


class TestScanning:
    async def test_the_door_s_code_checks_in_who_has_a_booking_there_now(self, campus: Campus) -> None:
        booked = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        await campus.until(0.9)
        code = codes.door_code(parse_public_id("bkb", campus.hall), clock.now())

        assert (await scan(campus.zhou, code)).json()["code"] == "NOTHING_HERE"
        first, again = (
            await scan(campus.wang, f"https://card.test/booking/check_in/{code}"),
            await scan(campus.wang, code),
        )

        assert [(each.status_code, each.json()["state"]) for each in (first, again)] == [(200, "checked_in")] * 2
        assert first.json()["id"] == booked["id"]

    async def test_a_photograph_of_the_door_is_soon_worth_nothing(self, campus: Campus) -> None:
        await campus.wang.pulls(await campus.wang.holds(campus.hall, 0), "confirm")
        code = codes.door_code(parse_public_id("bkb", campus.hall), clock.now())
        clock.advance(timedelta(minutes=3))

        assert (await scan(campus.wang, code)).json()["code"] == "BOOKING_CODE_UNKNOWN"

    async def test_too_early_is_told(self, campus: Campus) -> None:
        await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        booked = (await campus.wang.http.get("/v1/bookings")).json()["data"][0]
        code = (await campus.wang.http.get(f"/v1/bookings/{booked['id']}/code")).json()["code"]

        assert (await scan(campus.wang, code)).json()["code"] == "NOT_NOW"

    async def test_the_office_scans_a_booking_s_own_code(self, campus: Campus) -> None:
        booked = await campus.wang.pulls(await campus.wang.holds(campus.hall, 0), "confirm")
        code = (await campus.wang.http.get(f"/v1/bookings/{booked['id']}/code")).json()["code"]

        assert (await scan(campus.stranger, code)).status_code == 404
        assert (await scan(campus.office, code)).json()["state"] == "in_use"

    @pytest.mark.parametrize("code", ["", "你好", "A" * 50, "HTTPS://X/Y", "=" * 40])
    async def test_any_other_text_is_no_code(self, campus: Campus, code: str) -> None:
        assert (await scan(campus.wang, code)).json()["code"] == "BOOKING_CODE_UNKNOWN"

    async def test_a_code_with_one_other_letter_is_none(self, campus: Campus) -> None:
        code = codes.booking_code(parse_public_id("bkb", campus.hall))
        other = code[:20] + ("A" if code[20] != "A" else "B") + code[21:]
        assert (await scan(campus.office, other)).json()["code"] == "BOOKING_CODE_UNKNOWN"


class TestTheDisplay:
    async def test_tells_who_is_in_who_is_next_and_until_when_it_is_free(self, campus: Campus) -> None:
        token = await door_of(campus, campus.hall)
        stranger = httpx.AsyncClient(transport=campus.wang.http._transport, base_url="http://booking")
        first = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        await campus.zhou.pulls(await campus.zhou.holds(campus.hall, 3), "confirm")
        await campus.zhou.holds(campus.hall, 5)

        async def shown() -> Json:
            found: Json = (await stranger.get(f"/v1/doors/{token}")).json()
            return found

        free = await shown()
        assert (free["now"], free["next"]["organiser_name"], free["free_until"]) == (None, "王芳", instant(1))
        assert len(free["today"]) == 2
        await campus.until(0.9)
        await campus.wang.pulls(first, "check_in")
        await campus.until(1)
        taken = await shown()
        assert (taken["now"]["title"], taken["now"]["state"], taken["free_until"]) == ("例会", "in_use", None)
        assert (await scan(campus.zhou, taken["code"])).json()["code"] == "NOTHING_HERE"
        await campus.wang.pulls(first, "finish")
        assert (await shown())["now"] is None
        await stranger.aclose()

    async def test_its_address_ends_with_the_next_one(self, campus: Campus) -> None:
        before = await door_of(campus, campus.hall)
        after = await door_of(campus, campus.hall)

        assert (await campus.wang.http.get(f"/v1/doors/{before}")).status_code == 404
        assert (await campus.wang.http.get(f"/v1/doors/{after}")).status_code == 200
        assert (await campus.office.http.get(f"/v1/bookables/{campus.hall}")).json()["has_door"] is True
        assert (await campus.wang.http.get(f"/v1/bookables/{campus.hall}")).json()["has_door"] is None
        assert (await campus.wang.http.post(f"/v1/bookables/{campus.hall}/door")).status_code == 403


class TestCalendars:
    async def test_a_week_of_a_hall_names_nobody_to_others(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall, 1)
        query = {"starts_at": instant(0), "ends_at": instant(7 * 24), "of": "all", "bookable": campus.hall}

        async def seen_by(guest: Guest) -> Json:
            (entry,) = (await guest.http.get("/v1/booking_calendar", params=query)).json()["data"]
            found: Json = entry
            return found

        other, own, office = [await seen_by(each) for each in (campus.stranger, campus.wang, campus.office)]
        assert (other["booking"], other["title"], other["organiser_name"], other["is_mine"]) == (
            None,
            None,
            None,
            False,
        )
        assert (own["booking"], own["title"], own["is_mine"]) == (held["id"], "例会", True)
        assert (office["organiser_name"], office["is_mine"]) == ("王芳", False)

    async def test_mine_are_those_that_i_made_and_those_for_me(self, campus: Campus) -> None:
        await campus.wang.holds(campus.hall, 1, served=campus.zhou.id)
        await campus.wang.holds(campus.hall, 3)
        query = {"starts_at": instant(0), "ends_at": instant(24)}

        found = (await campus.zhou.http.get("/v1/booking_calendar", params=query)).json()["data"]

        assert [each["starts_at"] for each in found] == [instant(1)]

    async def test_free_and_busy_of_many_are_one_answer(self, campus: Campus) -> None:
        other = await campus.open(cleanup_minutes=30)
        await campus.wang.holds(campus.hall, 1)
        await campus.wang.holds(campus.hall, 2)
        await campus.wang.holds(other, 4)
        query = {"starts_at": instant(0), "ends_at": instant(24), "kind": "venue"}

        found = (await campus.stranger.http.get("/v1/free_busy", params=query)).json()["data"]

        assert {each["bookable"]: each["busy"] for each in found} == {
            campus.hall: [{"starts_at": instant(1), "ends_at": instant(3)}],
            other: [{"starts_at": instant(4), "ends_at": instant(5.5)}],
        }

    async def test_times_are_told_to_the_millisecond(self, campus: Campus) -> None:
        for start, end in (("02:00:00.25Z", "03:00:00.0005Z"), ("04:00:00Z", "05:00:00.123456Z")):
            await campus.wang.holds(campus.hall, 0, starts_at=f"2026-11-23T{start}", ends_at=f"2026-11-23T{end}")
        query = {"starts_at": instant(0), "ends_at": instant(24), "bookable": campus.hall}

        (found,) = (await campus.stranger.http.get("/v1/free_busy", params=query)).json()["data"]

        assert [(each["starts_at"], each["ends_at"]) for each in found["busy"]] == [
            ("2026-11-23T02:00:00.250Z", "2026-11-23T03:00:00.000Z"),
            ("2026-11-23T04:00:00.000Z", "2026-11-23T05:00:00.123Z"),
        ]

    async def test_the_desk_sees_the_bookings_of_the_hour(self, campus: Campus) -> None:
        soon = await campus.wang.holds(campus.hall, 0.5)
        await campus.wang.holds(campus.hall, 5)
        region = {"region": public_id("reg", campus.house.city)}

        found = (await campus.office.http.get("/v1/bookings_of_the_hour", params=region)).json()["data"]

        assert [each["id"] for each in found] == [soon["id"]]
        assert (await campus.wang.http.get("/v1/bookings_of_the_hour", params=region)).status_code == 403
