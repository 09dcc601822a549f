"""Meetings held whole: how long one of twelve lines takes, and five thousand at once that want the same things.

Through the use case, on durable servers; every meeting is looked at afterwards. What is wanted by all is scarce: most of them
are refused, with alternatives, and none may be half there or die in a deadlock.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from bench import booking_hot_hour
from bench.rig import Rig
from bench.rows import Row, at_most, told
from booking.catalogue import open_bookable
from booking.meetings import service
from booking.meetings.api import OWN_LINES, register_meeting_line
from booking.meetings.errors import MeetingClash
from booking.meetings.schemas import NewMeeting
from booking.schemas import NewBookable
from canteen.api import Capacities, MeetingMeals, set_capacities
from identity.api import EVERYWHERE, Principal, Role, RoleGrant, principal_of
from kernel import clock
from kernel.db import Database
from kernel.errors import TryAgain
from kernel.http import error_for_database
from kernel.ids import public_id

ALONE: Final = 300
# Smaller for a first try: BENCH_MEETINGS=200.
TOGETHER: Final = int(os.environ.get("BENCH_MEETINGS", "5000"))
AT_ONCE: Final = 64
_ZONE: Final = ZoneInfo("Asia/Shanghai")
_HALLS, _CARS, _ROOMS = 12, 24, 60
Json = dict[str, Any]


async def measure(rig: Rig) -> list[Row]:
    """All rows of this file."""
    for line in (*OWN_LINES, MeetingMeals()):
        register_meeting_line(line)
    database = Database(rig.postgres.url, pool_size=AT_ONCE)
    try:
        world = await _World.open(rig, database)
        meetings = [*await _measure_alone(world), *await _measure_together(world)]
        return [*meetings, *await booking_hot_hour.measure(rig, database, office_of(world.organiser))]
    finally:
        await database.close()


class _World:
    """Halls, rooms, cars and a canteen, and somebody who wants them."""

    def __init__(self, rig: Rig, database: Database, organiser: Principal) -> None:
        self.rig, self.database, self.organiser = rig, database, organiser
        self.halls: list[str] = []

    @classmethod
    async def open(cls, rig: Rig, database: Database) -> "_World":
        async with database.session() as session:
            organiser = await principal_of(session, rig.people[0], clock.now().date())
        world = cls(rig, database, organiser)
        office = office_of(organiser)
        async with database.session() as session:
            for number in range(_HALLS):
                world.halls.append(public_id("bkb", (await open_bookable(session, office, world._hall(number))).id))
            for number in range(_CARS):
                await open_bookable(session, office, world._new("car", f"车 {number}", capacity=7))
            for number in range(_ROOMS):
                await open_bookable(
                    session, office, world._new("hotel_room", f"客房 {number}", room_type="twin", minutes_max=44_640)
                )
            await set_capacities(session, rig.canteen, Capacities(lunch=10_000, dinner=10_000), actor="bench")
        return world

    def _hall(self, number: int) -> NewBookable:
        return self._new(
            "venue",
            f"会议厅 {number}",
            capacity=200,
            rate_fen=20_000,
            rate_per="hour",
            unit=public_id("org", self.rig.unit),
        )

    def _new(self, kind: str, name: str, **more: Any) -> NewBookable:
        fields: Json = {"kind": kind, "name_zh": name, "region": public_id("reg", self.rig.region), "capacity": 2}
        return NewBookable.model_validate({**fields, "window_days": 730, **more})

    def meeting(self, day: date, hour: int) -> NewMeeting:
        """Twelve lines: three halls, rooms for two nights in three lines, three ways by car, two meals, badges."""
        halls = [self._at(day, hour, 2, kind="venue", bookable=hall) for hall in self.halls[:3]]
        cars = [self._at(day, hour + n, 1, kind="car", seats=5, with_driver=False) for n in range(3)]
        night = {"kind": "rooms", "room_type": "twin", "count": 2, "nights": 2, "first_night": day.isoformat()}
        meal: Json = {"kind": "meals", "canteen": public_id("can", self.rig.canteen), "covers": 40}
        meals = [{**meal, "business_date": day.isoformat(), "meal": name} for name in ("lunch", "dinner")]
        lines: list[Json] = [*halls, *cars, *([night] * 3), *meals, {"kind": "badges", "count": 40}]
        return NewMeeting.model_validate({"request_id": uuid4(), "title": "工作会议", "attendees": 40, "lines": lines})

    def _at(self, day: date, hour: int, hours: int, **more: Any) -> Json:
        start = datetime(day.year, day.month, day.day, hour, tzinfo=_ZONE)
        return {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=hours)).isoformat(), **more}

    async def hold(self, new: NewMeeting) -> str:
        """held, clash, or the SQLSTATE of what should not happen."""
        try:
            async with self.database.session() as session:
                await service.hold_meeting(session, self.organiser, new)
        except MeetingClash:
            return "clash"
        except Exception as error:  # noqa: BLE001  counted and told in a row
            again = error_for_database(error)
            return "try again" if isinstance(again, TryAgain) else type(error).__name__
        return "held"


def office_of(person: Principal) -> Principal:
    """The same person with the office's rights."""
    return Principal(
        person.person_id,
        person.name,
        None,
        (RoleGrant(Role.SYSTEM_ADMIN, *_place(EVERYWHERE)),),
        person.person_class,
        person.organisation_id,
        person.unit_id,
        person.region_id,
    )


def _place(place: Any) -> Sequence[Any]:
    return place.organisation_id, place.site_id, place.region_id


async def _measure_alone(world: _World) -> list[Row]:
    """One after another, each on a day of its own."""
    first = clock.now().date() + timedelta(days=30)
    took_ms: list[float] = []
    for number in range(ALONE + 10):
        new = world.meeting(first + timedelta(days=3 * (number % 200)), 9 if number < 200 else 14)
        started = time.perf_counter()
        outcome = await world.hold(new)
        took_ms.append((time.perf_counter() - started) * 1000)
        if outcome != "held":
            raise AssertionError(f"a meeting that nothing stands in the way of: {outcome}")
    measured = sorted(took_ms[10:])
    return [
        at_most("meeting of 12 lines held, p99", measured[int(len(measured) * 0.99)], "ms", 100),
        told("meeting of 12 lines held, p50", measured[len(measured) // 2], "ms"),
    ]


async def _measure_together(world: _World) -> list[Row]:
    """All want one of forty days, the halls in another order each: whoever comes later is refused."""
    first = clock.now().date() + timedelta(days=635)
    waiting = iter(range(TOGETHER))
    outcomes: Counter[str] = Counter()

    async def worker() -> None:
        for number in waiting:
            new = world.meeting(first + timedelta(days=2 * (number % 40)), 9)
            lines = new.lines[number % 12 :] + new.lines[: number % 12]
            outcomes[await world.hold(new.model_copy(update={"lines": lines}))] += 1

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    rate = TOGETHER / (time.perf_counter() - started)
    half = await world.rig.fetch("""
        SELECT count(*) AS n FROM meetings m
        WHERE (SELECT count(*) FROM bookings b WHERE b.meeting_id = m.id AND b.blocks) <> 12
           OR (SELECT count(*) FROM meeting_lines l WHERE l.meeting_id = m.id) <> 12
    """)
    orphans = await world.rig.fetch("""
        SELECT count(*) AS n FROM bookings b
        WHERE b.meeting_id IS NOT NULL AND NOT EXISTS (SELECT FROM meetings m WHERE m.id = b.meeting_id)
    """)
    failed = sum(count for outcome, count in outcomes.items() if outcome not in ("held", "clash"))
    return [
        at_most(f"deadlocks and failures in {TOGETHER:,} meetings at once", failed, "meetings", 0),
        at_most("meetings half held", half[0]["n"] + orphans[0]["n"], "meetings", 0),
        told("meetings at once, held", outcomes["held"], "meetings"),
        told("meetings at once", rate, "requests/s"),
    ]
