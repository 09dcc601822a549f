"""What can be booked in the demo province, and bookings in every state: used, missed, in use, asked for, waited for, refused."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.demo_data.people import Population, demo_people
from app.demo_data.places import Places
from booking import catalogue, delegates, invitations, jobs, quotas, series, service
from booking.schemas import BookingAnswer, NewBookable, NewBooking, NewClosure, NewInvitees, NewQuota, NewSeries
from identity.api import Principal, Role, principal_of, today
from kernel import clock, timers
from kernel.db import Database
from kernel.ids import public_id, uuid7
from kernel.settings import get_settings

Json = dict[str, Any]

_HALL: Final[Json] = {
    "kind": "venue",
    "opens_at": "08:00",
    "closes_at": "22:00",
    "setup_minutes": 15,
    "cleanup_minutes": 15,
}
_ROOM: Final[Json] = {
    "kind": "hotel_room",
    "arrive_at": "14:00",
    "leave_at": "12:00",
    "no_show_minutes": 1080,
    "minutes_max": 20_160,
    "cleanup_minutes": 60,
}
_CAR: Final[Json] = {"kind": "car", "with_driver": True, "cleanup_minutes": 15, "minutes_max": 4320}

# Where (a place, or a region's code), whose, Chinese name, English name, the rest. Lists show the last first.
_BOOKABLES: Final[tuple[tuple[str, str | None, str, str, Json], ...]] = (
    ("U6-1-2-3", "U6", "丽水主楼会议室", "Lishui Meeting Room", {**_HALL, "capacity": 24, "features": ["投影"]}),
    (
        "U4-1-3-3",
        "U4",
        "门诊楼示教室",
        "Clinic Teaching Room",
        {**_HALL, "capacity": 60, "features": ["投影", "录播"], "unit_books": True, "needs_approval": True},
    ),
    ("U1-2-1-3", "U1", "二号楼小会议室", "Building Two Small Room", {**_HALL, "capacity": 8, "features": ["白板"]}),
    (
        "U1-1-1-3",
        "U1",
        "应急会商室",
        "Situation Room",
        {"kind": "venue", "capacity": 16, "features": ["视频会议", "大屏"], "layouts": {"board": 16}},
    ),
    (
        "U1-3-2-3",
        "U1",
        "会议中心 201 厅",
        "Conference Hall 201",
        {
            **_HALL,
            "capacity": 80,
            "features": ["投影", "视频会议", "同声传译"],
            "layouts": {"theatre": 80, "classroom": 50, "u_shape": 32},
            "rate_fen": 20_000,
            "rate_per": "hour",
            "late_refund_percent": 50,
        },
    ),
    (
        "U1-3-1-3",
        "U1",
        "会议中心大礼堂",
        "Grand Hall",
        {
            **_HALL,
            "capacity": 300,
            "features": ["投影", "音响", "舞台", "同声传译"],
            "layouts": {"theatre": 300, "classroom": 160, "banquet": 200},
            "setup_minutes": 60,
            "cleanup_minutes": 60,
            "needs_approval": True,
            "rate_fen": 60_000,
            "rate_per": "hour",
            "late_refund_percent": 50,
        },
    ),
)
_ROOM_TYPES: Final = (
    ("single", "单人间", "Single", 26_000),
    ("twin", "双床房", "Twin", 32_000),
    ("suite", "套房", "Suite", 58_000),
)
_ROOMS_OF_A_TYPE: Final = (4, 8, 2)
_CARS: Final = (
    ("DP-HZ", "浙A·00001", "公务轿车一号", "Saloon One", 4),
    ("DP-HZ", "浙A·00002", "公务轿车二号", "Saloon Two", 4),
    ("DP-HZ", "浙A·00003", "商务车", "Van", 7),
    ("DP-HZ", "浙A·00004", "中巴", "Minibus", 20),
    ("DP-NB", "浙B·00001", "宁波公务轿车", "Ningbo Saloon", 4),
    ("DP-LS", "浙K·00001", "丽水越野车", "Lishui Offroader", 5),
)
_DRIVERS: Final = 3


@dataclass
class _Office:
    """Who books and who decides, and what there is to book, by its Chinese name."""

    db: Database
    now: datetime
    office: Principal
    people: list[Principal]
    other: Principal
    bookables: dict[str, UUID] = field(default_factory=dict)

    async def hold(self, who: Principal, name: str, start: datetime, hours: float, title: str, **more: Any) -> UUID:
        new = NewBooking(
            bookable=public_id("bkb", self.bookables[name]),
            starts_at=start,
            ends_at=start + timedelta(hours=hours),
            title=title,
            request_id=uuid7(),
            **more,
        )
        async with self.db.session() as session:
            booking, _ = await service.hold(session, who, new)
            return booking.id

    async def pull(self, who: Principal, booking: UUID, *triggers: str, **answer: Any) -> None:
        async with self.db.session() as session:
            for trigger in triggers:
                await service.pull(session, who, booking, trigger, BookingAnswer(**answer))

    def day(self, days: int, hour: float) -> datetime:
        """So many days from today, at an hour of the province."""
        zone = get_settings().zone
        date = self.now.astimezone(zone).date() + timedelta(days=days)
        return datetime.combine(date, time(0), zone) + timedelta(hours=hour)


async def fill_the_booking_office(db: Database, places: Places, population: Population) -> None:
    """By people without a login, but for one booking of the first who has one."""
    house = await _enter(db, population)
    async with db.session() as session:
        await _open_all(session, house, places, population)
        await _keep_quotas(session, house, places)
    await _yesterday(house)
    await _today(house)
    await _to_come(house)


async def _enter(db: Database, population: Population) -> _Office:
    known = demo_people(population)
    staff = [r.id for r in population.residents if r.person_class == "staff" and r.unit == "U1" and r.id not in known]
    first = next(r.id for r in population.employees if r.unit == "U1")
    other = next(
        r.id for r in population.residents if r.unit == "U2" and r.person_class == "staff" and r.id not in known
    )
    async with db.session() as session:
        people = [await principal_of(session, each, today()) for each in (first, *staff[:4])]
        return _Office(
            db,
            clock.now(),
            await principal_of(session, population.staff_id(Role.DISPATCHER), today()),
            people,
            await principal_of(session, other, today()),
        )


async def _open_all(session: AsyncSession, house: _Office, places: Places, population: Population) -> None:
    at = {row.code: row.id for row in await session.execute(text("SELECT code, id FROM places"))}

    async def opened(name_zh: str, name_en: str, unit: str | None, where: Json, facts: Json) -> UUID:
        clock.advance(timedelta(milliseconds=5))
        owner = public_id("org", places.organisations[unit]) if unit else None
        body = {"name_zh": name_zh, "name_en": name_en, "unit": owner, **where, **facts}
        bookable = await catalogue.open_bookable(session, house.office, NewBookable.model_validate(body))
        house.bookables[name_zh] = bookable.id
        return bookable.id

    for kind, (zh, en, fen), count in zip(
        [kind for kind, *_ in _ROOM_TYPES], [facts for _, *facts in _ROOM_TYPES], _ROOMS_OF_A_TYPE, strict=True
    ):
        for number in range(1, count + 1):
            facts = {
                **_ROOM,
                "room_type": kind,
                "capacity": 1 if kind == "single" else 2,
                "rate_fen": fen,
                "rate_per": "night",
            }
            where = {"place": public_id("pla", at["U1-2-2"])}
            await opened(f"招待所{zh} {number}", f"Guest House {en} {number}", "U1", where, facts)
    drivers = [r.id for r in population.residents if r.unit == "U1" and r.person_class == "contract"][:_DRIVERS]
    for region, plate, zh, en, seats in _CARS:
        where = {"region": public_id("reg", places.regions[region])}
        car = await opened(zh, en, "U1", where, {**_CAR, "plate": plate, "capacity": seats})
        await catalogue.name_drivers(session, house.office, car, drivers)
    for code, unit, zh, en, facts in _BOOKABLES:
        await opened(zh, en, unit, {"place": public_id("pla", at[code])}, facts)


async def _keep_quotas(session: AsyncSession, house: _Office, places: Places) -> None:
    for kind, hours in (("venue", 120), ("car", 60)):
        new = NewQuota.model_validate(
            {
                "region": public_id("reg", places.regions["DP-HZ"]),
                "kind": kind,
                "per": "unit",
                "period": "week",
                "hours_max": hours,
            }
        )
        await quotas.open_quota(session, house.office, new)
    # The first with a login has a colleague who books for them.
    await delegates.name_delegate(session, house.people[0], house.people[1].person_id)


async def _yesterday(house: _Office) -> None:
    """One meeting took place, and ended early; nobody came to the other."""
    wang, zhou = house.people[1:3]
    with clock.frozen(house.day(-2, 15)):
        used = await house.hold(wang, "二号楼小会议室", house.day(-1, 9), 2, "项目周会", attendees=6)
        missed = await house.hold(zhou, "会议中心 201 厅", house.day(-1, 14), 2, "培训", attendees=30)
        for who, booking in ((wang, used), (zhou, missed)):
            await house.pull(who, booking, "confirm")
    with clock.frozen(house.day(-1, 8.95)):
        await house.pull(wang, used, "check_in")
        await _let_strike(house, house.day(-1, 9.01))
        clock.advance(timedelta(minutes=95))
        await house.pull(wang, used, "finish")
        await _let_strike(house, house.day(-1, 14.3))


async def _let_strike(house: _Office, until: datetime) -> None:
    """As in the worker."""
    clock.advance(until - clock.now())
    while await timers.fire_due(house.db, jobs.TIMERS):
        pass


async def _today(house: _Office) -> None:
    """Somebody is in, somebody has just taken a time and not yet confirmed it."""
    begun = house.now - timedelta(minutes=20)
    with clock.frozen(begun - timedelta(hours=1)):
        present = await house.hold(house.people[2], "应急会商室", begun, 2, "防汛会商", attendees=9, layout="board")
        await house.pull(house.people[2], present, "confirm")
    with clock.frozen(begun):
        await house.pull(house.people[2], present, "check_in")
    await house.hold(house.people[3], "应急会商室", house.now + timedelta(hours=3), 1, "视频调度", attendees=5)


async def _to_come(house: _Office) -> None:
    await _confirmed_and_waited_for(house)
    await _decided_by_the_office(house)
    await _every_week(house)
    await _closed(house)


async def _confirmed_and_waited_for(house: _Office) -> None:
    first, wang, zhou, chen, _ = house.people
    hall = "会议中心 201 厅"
    booked = await house.hold(first, hall, house.day(1, 9), 3, "季度工作会", attendees=40, layout="classroom")
    await house.pull(first, booked, "confirm")
    await house.hold(zhou, hall, house.day(1, 10), 1, "接待来访", attendees=12, waitlist=True)
    await house.hold(chen, hall, house.day(1, 9), 2, "业务交流", attendees=20, waitlist=True)
    paid = await house.hold(house.other, hall, house.day(2, 14), 2, "市民开放日", attendees=60, layout="theatre")
    await house.pull(house.other, paid, "confirm")
    given_up = await house.hold(wang, hall, house.day(3, 9), 1, "改为线上", attendees=10)
    await house.pull(wang, given_up, "confirm", "cancel", words="改为线上")
    for name, who, title in (("公务轿车一号", wang, "送文件到宁波"), ("商务车", first, "机场接站")):
        ride = await house.hold(who, name, house.day(1, 13), 3, title, attendees=3)
        await house.pull(who, ride, "confirm")
    night = await house.hold(zhou, "招待所双床房 1", house.day(1, 14), 22, "外地同事来访", attendees=2)
    await house.pull(zhou, night, "confirm")
    async with house.db.session() as session:
        booking, bookable = await service.seen_booking(session, first, booked)
        guests = NewInvitees.model_validate(
            {"people": [public_id("per", each.person_id) for each in (wang, zhou)]}
            | {"guests": [{"name": "赵先生", "address": "zhao@partner.example"}]}
        )
        await invitations.invite(session, booking, bookable, guests)


async def _decided_by_the_office(house: _Office) -> None:
    wang, zhou = house.people[1:3]
    for days, who, title, trigger in (
        (6, wang, "先进集体表彰会", None),
        (8, zhou, "读书报告会", "approve"),
        (9, wang, "商品展销", "reject"),
    ):
        asked = await house.hold(who, "会议中心大礼堂", house.day(days, 14), 3, title, attendees=150, layout="theatre")
        await house.pull(who, asked, "confirm")
        if trigger is not None:
            await house.pull(house.office, asked, trigger, words="礼堂不用于商业活动" if trigger == "reject" else "")


async def _every_week(house: _Office) -> None:
    start = house.day(4, 9)
    new = NewSeries(
        bookable=public_id("bkb", house.bookables["二号楼小会议室"]),
        starts_at=start,
        ends_at=start + timedelta(hours=1),
        title="科室例会",
        attendees=7,
        rule="FREQ=WEEKLY;COUNT=8",
        excluded=[house.day(18, 9).date()],
        request_id=uuid7(),
    )
    async with house.db.session() as session:
        held, _ = await series.hold_series(session, house.people[0], new)
        _, bookings = await series.confirm_series(session, house.people[0], held.series.id)
    moved = bookings[1]
    await house.pull(house.people[0], moved.id, "move", starts_at=house.day(11, 14), ends_at=house.day(11, 15))


async def _closed(house: _Office) -> None:
    new = NewClosure(starts_at=house.day(12, 8), ends_at=house.day(13, 18), reason="音响检修", request_id=uuid7())
    async with house.db.session() as session:
        await service.close(session, house.office, house.bookables["会议中心大礼堂"], new)
