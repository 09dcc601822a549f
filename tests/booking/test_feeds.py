"""Calendars to subscribe to, read back by other people's readers of iCalendar."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
import recurring_ical_events
from icalendar import Calendar
from sqlalchemy import text

from kernel import clock
from kernel.ids import public_id
from tests.booking.conftest import MONDAY, Campus, Guest, Json, instant

FAR = MONDAY + timedelta(days=380)


async def address_of(guest: Guest, url: str = "/v1/me/booking_feed") -> str:
    made: str = (await guest.http.post(url)).json()["url"]
    return httpx.URL(made).path


async def read(guest: Guest, path: str) -> Calendar:
    answer = await guest.http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    return Calendar.from_ical(answer.content)


def parts(calendar: Any, name: str) -> list[Any]:
    """Its components of a name."""
    return list(calendar.walk(name))


def events(calendar: Calendar) -> list[Any]:
    found = recurring_ical_events.of(calendar).between(MONDAY - timedelta(days=28), FAR)
    return sorted(found, key=lambda event: event["DTSTART"].dt)


def starts(calendar: Calendar) -> list[str]:
    return [clock.rfc3339(event["DTSTART"].dt.astimezone(UTC)) for event in events(calendar)]


async def series(guest: Guest, hall: str, **more: Any) -> Json:
    body = {
        "bookable": hall,
        "starts_at": instant(1),
        "ends_at": instant(2),
        "title": "周例会",
        "rule": "FREQ=WEEKLY;COUNT=4",
        "request_id": str(uuid4()),
        **more,
    }
    answer = await guest.http.post("/v1/booking_series", json=body)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


class TestOfAPerson:
    async def test_holds_what_is_booked_in_local_time_with_its_zone(self, campus: Campus) -> None:
        path = await address_of(campus.wang)
        await campus.wang.pulls(await campus.wang.holds(campus.hall, 1, title="季度例会"), "confirm")
        await campus.zhou.holds(campus.hall, 3)

        calendar = await read(campus.stranger, path)

        (event,) = events(calendar)
        assert (str(event["SUMMARY"]), str(event["LOCATION"]), str(event["STATUS"])) == (
            "季度例会",
            "一号会议室",
            "CONFIRMED",
        )
        assert event["DTSTART"].dt == datetime(2026, 11, 23, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
        assert [str(zone["TZID"]) for zone in parts(calendar, "VTIMEZONE")] == ["Asia/Shanghai"]

    async def test_a_change_keeps_the_uid_and_raises_the_sequence(self, campus: Campus) -> None:
        path = await address_of(campus.wang)
        booked = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        (before,) = events(await read(campus.wang, path))

        await campus.wang.pulls(booked, "move", starts_at=instant(3), ends_at=instant(4))

        (after,) = events(await read(campus.wang, path))
        assert after["UID"] == before["UID"]
        assert after["SEQUENCE"] == before["SEQUENCE"] + 1
        await campus.wang.pulls(booked, "cancel")
        assert events(await read(campus.wang, path)) == []

    async def test_nothing_new_is_told_by_its_mark(self, campus: Campus) -> None:
        path = await address_of(campus.wang)
        held = await campus.wang.holds(campus.hall, 1)
        first = await campus.wang.http.get(path)
        mark = {"If-None-Match": f'W/"other", {first.headers["etag"]}'}

        assert (await campus.wang.http.get(path, headers=mark)).status_code == 304
        await campus.wang.pulls(held, "confirm")
        assert (await campus.wang.http.get(path, headers=mark)).status_code == 200

    async def test_its_address_is_secret_and_ends_with_the_next(self, campus: Campus) -> None:
        before = await address_of(campus.wang)
        after = await address_of(campus.wang)

        assert (await campus.wang.http.get(before)).status_code == 404
        assert (await campus.wang.http.get(after)).status_code == 200
        await campus.wang.http.delete("/v1/me/booking_feed")
        assert (await campus.wang.http.get(after)).status_code == 404
        async with campus.db.session() as session:
            kept = await session.scalars(text("SELECT encode(token_hash, 'hex') FROM booking_addresses"))
            assert after.rpartition("/")[2] not in "".join(kept)


class TestASeries:
    async def test_is_one_rule_with_its_exceptions(self, campus: Campus) -> None:
        path = await address_of(campus.wang)
        held = (await series(campus.wang, campus.hall, excluded=["2026-12-07"]))["bookings"]
        confirmed = (await campus.wang.http.get("/v1/bookings")).json()["data"][0]["series"]
        whole = (await campus.wang.http.post(f"/v1/booking_series/{confirmed}/confirm")).json()["bookings"]
        assert {each["state"] for each in whole} == {"confirmed"}

        week = 7 * 24
        # Three occurrences: this week, the next, and that after the one left out. One is moved, one cancelled.
        await campus.wang.pulls(held[1], "move", starts_at=instant(week + 5), ends_at=instant(week + 7))
        calendar = await read(campus.wang, path)
        assert starts(calendar) == [instant(1), instant(week + 5), instant(3 * week + 1)]
        master, moved = parts(calendar, "VEVENT")
        assert (master["UID"], moved["UID"]) == (master["UID"],) * 2
        assert moved["RECURRENCE-ID"].dt.astimezone(UTC) == MONDAY + timedelta(hours=week + 1)
        before = master["SEQUENCE"]

        await campus.wang.pulls(held[0], "cancel")
        calendar = await read(campus.wang, path)
        assert starts(calendar) == [instant(week + 5), instant(3 * week + 1)]
        assert parts(calendar, "VEVENT")[0]["SEQUENCE"] == before + 1

    async def test_without_an_end_is_told_as_far_as_it_is_booked(self, campus: Campus) -> None:
        hall = await campus.open(window_days=20)
        path = await address_of(campus.wang)
        held = await series(campus.wang, hall, rule="FREQ=WEEKLY")

        assert (held["is_cut"], len(held["bookings"])) == (True, 3)
        assert starts(await read(campus.wang, path)) == [each["starts_at"] for each in held["bookings"]]

    async def test_keeps_its_hour_when_the_clocks_change(self, campus: Campus) -> None:
        """Europe/Berlin, over the last Sunday of March 2027."""
        hall = await campus.open(window_days=200, opens_at=None, closes_at=None)
        async with campus.db.session() as session:
            await session.execute(text("UPDATE bookables SET zone = 'Europe/Berlin' WHERE opens_at IS NULL"))
        path = await address_of(campus.wang)
        first = datetime(2027, 3, 22, 9, 30, tzinfo=ZoneInfo("Europe/Berlin"))
        times = {"starts_at": first.isoformat(), "ends_at": (first + timedelta(hours=1)).isoformat()}

        held = await series(campus.wang, hall, rule="FREQ=WEEKLY;COUNT=3", **times)

        calendar = await read(campus.wang, path)
        assert starts(calendar) == [each["starts_at"] for each in held["bookings"]]
        local = {
            event["DTSTART"].dt.astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M") for event in events(calendar)
        }
        assert local == {"09:30"}
        assert len({start[11:16] for start in starts(calendar)}) == 2

    async def test_is_cancelled_from_a_day_on(self, campus: Campus) -> None:
        held = await series(campus.wang, campus.hall)
        await campus.wang.http.post(f"/v1/booking_series/{held['id']}/confirm")

        end = {"starts_from": instant(8 * 24), "words": "改线上"}
        answer = await campus.wang.http.post(f"/v1/booking_series/{held['id']}/cancel", json=end)

        assert [each["state"] for each in answer.json()["bookings"]] == ["confirmed"] * 2 + ["cancelled"] * 2
        assert (await campus.stranger.http.get(f"/v1/booking_series/{held['id']}")).status_code == 404


class TestOfABookable:
    async def test_the_office_has_one_of_a_hall_and_others_have_not(self, campus: Campus) -> None:
        await campus.wang.holds(campus.hall, 1)
        url = f"/v1/bookables/{campus.hall}/feed"
        assert (await campus.wang.http.post(url)).status_code == 403
        path = await address_of(campus.office, url)

        assert starts(await read(campus.wang, path)) == [instant(1)]

    async def test_free_and_busy_say_the_times_and_no_more(self, campus: Campus) -> None:
        hall = await campus.open(cleanup_minutes=30)
        await campus.wang.holds(hall, 1, title="保密")
        path = (await address_of(campus.office, f"/v1/bookables/{hall}/feed")).replace(".ics", ".ifb")

        answer = await campus.wang.http.get(path)

        assert "保密" not in answer.text
        (busy,) = parts(Calendar.from_ical(answer.content), "VFREEBUSY")
        periods = busy["FREEBUSY"] if isinstance(busy["FREEBUSY"], list) else [busy["FREEBUSY"]]
        assert [(period.start, period.end) for period in periods] == [
            (MONDAY + timedelta(hours=1), MONDAY + timedelta(hours=2.5))
        ]


@pytest.mark.parametrize("day", [date(2028, 2, 28), date(2031, 12, 31)])
async def test_leap_days_and_years_without_holidays_are_days_like_others(campus: Campus, day: date) -> None:
    """The work calendar ends years before; nothing here asks it."""
    clock.advance(datetime(day.year, day.month, day.day, 0, tzinfo=UTC) - clock.now())
    person = await campus.house.person("孙莉")
    campus.wang.http.headers["Authorization"] = f"Bearer {await campus.house.token(person)}"
    path = await address_of(campus.wang)
    first = clock.now() + timedelta(hours=2)
    times = {"starts_at": clock.rfc3339(first), "ends_at": clock.rfc3339(first + timedelta(hours=1))}

    held = await series(campus.wang, campus.hall, rule="FREQ=DAILY;COUNT=3", **times)

    calendar = await read(campus.wang, path)
    local = [event["DTSTART"].dt.date() for event in parts(calendar, "VEVENT")]
    assert local == [first.astimezone(ZoneInfo("Asia/Shanghai")).date()]
    assert len(held["bookings"]) == 3
    assert public_id("per", person) == held["bookings"][0]["organiser"]
