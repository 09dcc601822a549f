"""What the office says of a hall, a room or a car, and what then is and is not booked."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from booking import pricing
from booking.models import Bookable
from booking.spans import Span
from kernel.ids import parse_public_id, public_id
from tests.booking.conftest import Campus, Guest, Json, instant

NIGHTS = {"kind": "hotel_room", "room_type": "twin", "arrive_at": "14:00", "leave_at": "12:00"}
ALWAYS: Json = {"opens_at": None, "closes_at": None, "minutes_max": 20_000}


class TestFacts:
    async def test_a_hall_seats_as_many_as_its_layout(self, campus: Campus) -> None:
        hall = await campus.open(layouts={"theatre": 40, "u_shape": 12})

        assert (await campus.wang.book(hall, 1, attendees=13, layout="u_shape")).json()["data"] == {
            "rule": "capacity",
            "limit": 12,
        }
        assert (await campus.wang.book(hall, 1, layout="banquet")).json()["data"] == {"rule": "layout"}
        assert (await campus.wang.holds(hall, 1, attendees=13, layout="theatre"))["layout"] == "theatre"

    @pytest.mark.parametrize(
        ("facts", "field"),
        [
            ({"kind": "car", "layouts": {"theatre": 4}}, "layouts"),
            ({"kind": "venue", "room_type": "single"}, "room_type"),
            ({"kind": "venue", "with_driver": True}, "with_driver"),
            ({"arrive_at": "14:00", "kind": "hotel_room"}, "leave_at"),
            ({"rate_fen": 100}, "rate_per"),
            ({"rate_fen": 100, "rate_per": "hour"}, "unit"),
            ({"unit_books": True}, "unit"),
        ],
    )
    async def test_what_does_not_fit_together_is_told_by_its_field(
        self, campus: Campus, facts: dict[str, Any], field: str
    ) -> None:
        body = {
            "kind": "venue",
            "name_zh": "厅",
            "region": public_id("reg", campus.house.city),
            "capacity": 4,
            **facts,
        }
        answer = await campus.office.http.post("/v1/bookables", json=body)
        assert (answer.status_code, answer.json()["data"]["field"]) == (422, field)

    async def test_they_are_found_by_what_they_have(self, campus: Campus) -> None:
        wanted = await campus.open(features=["投影", "录播"], layouts={"u_shape": 20})
        await campus.open(features=["投影"])

        async def found(**query: object) -> list[str]:
            answer = await campus.wang.http.get("/v1/bookables", params=query)  # type: ignore[arg-type]  # plain values
            return [row["id"] for row in answer.json()["data"]]

        assert await found(feature=["投影", "录播"]) == [wanted]
        assert await found(layout="u_shape", capacity=20) == [wanted]
        assert await found(layout="u_shape", capacity=21) == []

    async def test_each_change_of_the_rules_is_kept_with_what_was(self, campus: Campus) -> None:
        url = f"/v1/bookables/{campus.hall}"
        changed = await campus.office.http.patch(url, json={"capacity": 80, "opens_at": "09:00"})
        same = await campus.office.http.patch(url, json={"capacity": 80})

        assert (changed.json()["version"], same.json()["version"]) == (2, 2)
        history = (await campus.office.http.get(f"{url}/history")).json()["data"]
        assert [(row["action"], row["actor_name"]) for row in history] == [
            ("bookable.change", "陈静"),
            ("bookable.open", "陈静"),
        ]
        assert history[0]["data"] == {"capacity": [40, 80], "opens_at": ["08:00", "09:00"]}
        assert (await campus.wang.http.get(f"{url}/history")).status_code == 403


class TestNights:
    async def test_a_room_is_had_from_the_afternoon_to_a_noon(self, campus: Campus) -> None:
        room = await campus.open(**NIGHTS, **ALWAYS)

        held = await campus.wang.holds(room, 0, starts_at=None, ends_at=None, first_night="2026-11-24", nights=2)

        assert (held["starts_at"], held["ends_at"]) == ("2026-11-24T06:00:00.000Z", "2026-11-26T04:00:00.000Z")
        assert (await campus.wang.book(room, 100, 5)).json()["data"] == {"rule": "nights"}
        # Whoever leaves at noon makes room for whoever comes in the afternoon.
        after: Json = {"starts_at": None, "ends_at": None, "first_night": "2026-11-26", "nights": 1}
        await campus.zhou.holds(room, 0, **after)

    async def test_another_room_is_suggested_for_the_same_nights(self, campus: Campus) -> None:
        room, other = [await campus.open(**NIGHTS, **ALWAYS) for _ in range(2)]
        nights: Json = {"starts_at": None, "ends_at": None, "first_night": "2026-11-24", "nights": 1}
        await campus.wang.holds(room, 0, **nights)

        refused = (await campus.zhou.book(room, 0, **nights)).json()["data"]["suggestions"]

        assert {each["kind"] for each in refused} == {"similar", "day"}
        assert refused[0]["bookable"] == other

    async def test_who_arrives_in_the_evening_still_has_the_room(self, campus: Campus) -> None:
        room = await campus.open(**NIGHTS, **ALWAYS, no_show_minutes=1080)
        nights: Json = {"starts_at": None, "ends_at": None, "first_night": "2026-11-23", "nights": 1}
        booked = await campus.wang.pulls(await campus.wang.holds(room, 0, **nights), "confirm")

        await campus.until(12)

        assert (await campus.wang.pulls(booked, "check_in"))["state"] == "in_use"

    async def test_tonight_is_booked_after_the_hour_of_arrival_and_yesterday_is_not(self, campus: Campus) -> None:
        room, asked = [
            await campus.open(**NIGHTS, **ALWAYS, no_show_minutes=1080, needs_approval=asks) for asks in (False, True)
        ]
        tonight: Json = {"starts_at": None, "ends_at": None, "first_night": "2026-11-23", "nights": 1}
        await campus.until(10)

        booked = await campus.wang.pulls(await campus.wang.holds(room, 0, **tonight), "confirm")
        waits = await campus.wang.pulls(await campus.wang.holds(asked, 0, **tonight), "confirm")
        await campus.until(11)

        assert (await campus.wang.sees(booked))["state"] == "confirmed"
        assert (await campus.wang.sees(waits))["state"] == "pending_approval"
        yesterday = {**tonight, "first_night": "2026-11-22"}
        assert (await campus.zhou.book(room, 0, **yesterday)).json()["data"] == {"rule": "past"}


class TestDrivers:
    async def cars(self, campus: Campus, *drivers: Guest, count: int = 2) -> list[str]:
        found = []
        for number in range(count):
            car = await campus.open(kind="car", plate=f"浙A0000{number}", with_driver=True, capacity=4)
            people = {"people": [driver.id for driver in drivers]}
            answer = await campus.office.http.put(f"/v1/bookables/{car}/drivers", json=people)
            assert [driver["id"] for driver in answer.json()["drivers"]] == sorted(people["people"])
            found.append(car)
        return found

    async def test_a_driver_goes_with_the_car_and_nobody_drives_two(self, campus: Campus) -> None:
        first, second = await self.cars(campus, campus.zhou)

        held = await campus.wang.holds(first, 1)
        assert (held["driver"], held["driver_name"]) == (campus.zhou.id, "周明")
        refused = await campus.wang.book(second, 1.5)

        assert (refused.status_code, refused.json()["code"]) == (409, "BOOKING_CLASH")
        assert {each["kind"] for each in refused.json()["data"]["suggestions"]} == {"near", "day"}
        await campus.wang.holds(second, 2)

    async def test_the_database_itself_lets_nobody_drive_two(self, campus: Campus) -> None:
        first, second = await self.cars(campus, campus.zhou)
        held = await campus.wang.holds(first, 1)
        twin = text("""
            INSERT INTO bookings (id, request_id, bookable_id, organiser_id, title, attendees, during, blocked, blocks,
                                  state, version, created_at, changed_at, driver_id)
            SELECT gen_random_uuid(), gen_random_uuid(), :car, organiser_id, title, attendees, during, blocked, blocks,
                   state, version, created_at, changed_at, driver_id FROM bookings WHERE id = :id""")
        ids = {"id": parse_public_id("bkg", held["id"]), "car": parse_public_id("bkb", second)}
        with pytest.raises(IntegrityError, match="bookings_driver_no_overlap") as refused:
            async with campus.db.session() as session:
                await session.execute(twin, ids)
        assert refused.value.orig is not None
        assert getattr(refused.value.orig, "sqlstate", None) == "23P01"

    async def test_another_driver_takes_over_where_the_first_is_on_the_road(self, campus: Campus) -> None:
        first, second = await self.cars(campus, campus.zhou, campus.stranger)

        drivers = {(await campus.wang.holds(car, 1))["driver"] for car in (first, second)}

        assert drivers == {campus.zhou.id, campus.stranger.id}

    async def test_a_driver_sees_the_ride_and_begins_it(self, campus: Campus) -> None:
        (car,) = await self.cars(campus, campus.stranger, count=1)
        booked = await campus.wang.pulls(await campus.wang.holds(car, 1), "confirm")
        assert (await campus.stranger.pull(booked, "cancel")).status_code == 403

        await campus.until(1)

        assert (await campus.stranger.pulls(booked, "check_in"))["state"] == "in_use"


class TestWhoDecides:
    async def test_people_of_its_unit_book_at_once_and_others_ask(self, campus: Campus) -> None:
        own = {"unit": public_id("org", campus.house.hospital), "unit_books": True, "needs_approval": True}
        hall = await campus.open(**own)

        assert (await campus.wang.pulls(await campus.wang.holds(hall, 1), "confirm"))["state"] == "confirmed"
        asked = await campus.stranger.pulls(await campus.stranger.holds(hall, 3), "confirm")
        assert asked["state"] == "pending_approval"

    async def test_a_delegate_books_for_somebody_of_another_unit_and_acts_for_them(self, campus: Campus) -> None:
        refused = await campus.stranger.book(campus.hall, 1, served=campus.wang.id)
        assert refused.json()["data"] == {"rule": "served"}

        named = await campus.wang.http.post("/v1/me/booking_delegates", json={"person": campus.stranger.id})
        assert [row["name"] for row in named.json()["data"]] == ["李强"]
        held = await campus.stranger.holds(campus.hall, 1, served=campus.wang.id)
        mine = await campus.wang.holds(campus.hall, 3)
        await campus.stranger.pulls(mine, "confirm")

        await campus.wang.http.delete(f"/v1/me/booking_delegates/{campus.stranger.id}")
        assert (await campus.stranger.pull(mine, "cancel")).status_code == 404
        assert (await campus.wang.pulls(held, "confirm"))["unit"] == public_id("org", campus.house.hospital)

    async def test_the_office_books_into_its_closure_and_the_rest_of_it_stands(self, campus: Campus) -> None:
        closure = {"starts_at": instant(0), "ends_at": instant(8), "reason": "检修", "request_id": str(uuid4())}
        await campus.office.http.post(f"/v1/bookables/{campus.hall}/closures", json=closure)
        assert (await campus.wang.book(campus.hall, 3, override=True)).status_code == 403
        assert (await campus.office.book(campus.hall, 3)).status_code == 409

        await campus.office.holds(campus.hall, 3, override=True)

        assert (await campus.wang.book(campus.hall, 2)).status_code == 409
        assert (await campus.wang.book(campus.hall, 4)).status_code == 409
        query = {"starts_at": instant(0), "ends_at": instant(9), "of": "all", "bookable": campus.hall}
        seen = (await campus.wang.http.get("/v1/booking_calendar", params=query)).json()["data"]
        assert [(each["starts_at"], each["state"]) for each in seen] == [
            (instant(0), "closed"),
            (instant(3), "held"),
            (instant(4), "closed"),
        ]


class TestQuotas:
    async def quota(self, campus: Campus, **more: Any) -> httpx.Response:
        body = {
            "region": public_id("reg", campus.house.city),
            "kind": "venue",
            "per": "unit",
            "period": "week",
            "hours_max": 3,
            **more,
        }
        return await campus.office.http.post("/v1/booking_quotas", json=body)

    async def test_a_unit_has_its_hours_in_a_week_and_then_asks_no_more(self, campus: Campus) -> None:
        assert (await self.quota(campus)).status_code == 201
        first = await campus.wang.holds(campus.hall, 1, 2)

        refused = await campus.zhou.book(campus.hall, 4, 2)

        assert (refused.status_code, refused.json()["code"]) == (409, "QUOTA_EXCEEDED")
        assert refused.json()["data"] == {"hours_max": 3, "left_minutes": 60, "period": "week", "per": "unit"}
        # Another unit and another week have theirs.
        await campus.stranger.holds(campus.hall, 4, 2)
        await campus.zhou.holds(campus.hall, 7 * 24 + 1, 3)
        await campus.wang.pulls(first, "cancel")
        await campus.zhou.holds(campus.hall, 1, 2)

    async def test_a_longer_booking_by_a_move_is_too_much_as_well(self, campus: Campus) -> None:
        await self.quota(campus, per="person")
        held = await campus.wang.holds(campus.hall, 1, 2)

        assert (await campus.wang.pull(held, "move", ends_at=instant(5))).json()["code"] == "QUOTA_EXCEEDED"
        await campus.wang.pulls(held, "move", ends_at=instant(4))

    async def test_the_unit_s_own_counts_instead_of_the_one_for_all(self, campus: Campus) -> None:
        await self.quota(campus)
        own = (await self.quota(campus, unit=public_id("org", campus.house.hospital), hours_max=9)).json()
        await campus.wang.holds(campus.hall, 1, 5)

        (left,) = (await campus.wang.http.get("/v1/me/booking_quotas", params={"kind": "venue"})).json()["data"]
        assert (left["hours_max"], left["used_minutes"], left["left_minutes"]) == (9, 300, 240)
        await campus.office.http.post(f"/v1/booking_quotas/{own['id']}/end")
        assert (await campus.wang.book(campus.hall, 7)).json()["code"] == "QUOTA_EXCEEDED"

    async def test_one_of_the_same_sort_is_changed_and_strangers_keep_none(self, campus: Campus) -> None:
        first = (await self.quota(campus)).json()
        second = (await self.quota(campus, hours_max=5)).json()

        assert (second["id"], second["hours_max"], second["version"]) == (first["id"], 5, 2)
        refused = await campus.wang.http.patch(f"/v1/booking_quotas/{first['id']}", json={"hours_max": 99})
        assert refused.status_code == 403


class TestPrices:
    @pytest.mark.parametrize(
        ("rate", "hours", "fen"),
        [
            (("hour", 10_000), 1.5, 15_000),
            (("hour", 1), 0.1, 1),
            (("booking", 700), 5, 700),
            (("night", 900), 46, 1800),
        ],
    )
    def test_by_its_rate(self, rate: tuple[str, int], hours: float, fen: int) -> None:
        start = datetime(2026, 11, 23, 6, tzinfo=UTC)
        bookable = Bookable(rate_per=rate[0], rate_fen=rate[1], zone="Asia/Shanghai")
        assert pricing.cost_of(bookable, Span(start, start + timedelta(hours=hours))) == fen
