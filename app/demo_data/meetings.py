"""Meetings of the demo province: one over and charged, one to come with its guests, one that waits for the office, one called off."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.demo_data.people import Population
from app.demo_data.places import Places
from booking.meetings import guests, jobs, queries, scans, service
from booking.meetings.api import OWN_LINES, register_meeting_line
from booking.meetings.codes import guest_code
from booking.meetings.models import Meeting
from booking.meetings.queries import LINE
from booking.meetings.schemas import MeetingAnswer, NewGuest, NewMeeting, NewScan
from canteen.api import Capacities, MeetingMeals, set_capacities
from identity.api import Principal, Role, principal_of, today
from kernel import clock, timers
from kernel.db import Database
from kernel.ids import public_id, uuid7
from kernel.settings import get_settings

Json = dict[str, Any]

# Name, unit, diet.
_GUESTS: Final[tuple[tuple[str, str, list[str]], ...]] = (
    ("周文彬", "杭州市财政局", []),
    ("林小雅", "杭州市财政局", ["vegetarian"]),
    ("马建军", "宁波市教育局", ["halal"]),
    ("哈丽娜", "宁波市教育局", ["halal"]),
    ("陈立行", "丽水市卫生健康委", ["low_salt"]),
    ("吴佳怡", "丽水市卫生健康委", ["no_peanuts"]),
    ("徐志远", "省机关事务管理局", []),
    ("沈梅", "省机关事务管理局", ["mild"]),
    ("David Chen", "Partner Institute", ["gluten_free"]),
    ("何一帆", "杭州市第一医院", []),
    ("罗静", "杭州市第一医院", []),
    ("高云", "省档案馆", []),
)
_CONTACTS: Final = ({"name": "会务组", "phone": "0571-88880000", "role": "会务"},)


@dataclass(frozen=True)
class _House:
    db: Database
    now: datetime
    organiser: Principal
    office: Principal
    bookables: dict[str, UUID]
    canteen: str

    def day(self, days: int) -> date:
        """So many days from today, in the province."""
        return self.now.astimezone(get_settings().zone).date() + timedelta(days=days)

    def at(self, days: int, hour: float) -> datetime:
        return datetime.combine(self.day(days), time(0), get_settings().zone) + timedelta(hours=hour)

    def span(self, days: int, hour: float, hours: float) -> Json:
        start = self.at(days, hour)
        return {"starts_at": clock.rfc3339(start), "ends_at": clock.rfc3339(start + timedelta(hours=hours))}

    def hall(self, name: str, days: int, hour: float, hours: float, **more: Any) -> Json:
        bookable = public_id("bkb", self.bookables[name])
        return {"kind": "venue", "bookable": bookable, "title": name, **self.span(days, hour, hours), **more}

    def meal(self, days: int, covers: int) -> Json:
        wish = {"canteen": self.canteen, "business_date": self.day(days).isoformat(), "meal": "lunch"}
        return {"kind": "meals", "title": "午餐", "covers": covers, **wish}

    async def hold(self, title: str, attendees: int, *lines: Json, **more: Any) -> Meeting:
        body = {"request_id": uuid7(), "title": title, "attendees": attendees, "lines": lines, "contacts": _CONTACTS}
        async with self.db.session() as session:
            meeting, _ = await service.hold_meeting(
                session, self.organiser, NewMeeting.model_validate({**body, **more})
            )
            return meeting

    async def pull(self, who: Principal, meeting: Meeting, trigger: str, words: str = "") -> None:
        async with self.db.session() as session:
            await service.pull(session, who, meeting.id, trigger, MeetingAnswer(words=words))

    async def invite(self, meeting: Meeting, count: int) -> None:
        async with self.db.session() as session:
            for name, unit_name, diet in _GUESTS[:count]:
                guest = NewGuest.model_validate({"name": name, "unit_name": unit_name, "diet": diet})
                await guests.add_guest(session, self.organiser, meeting.id, guest)


async def plan_meetings(db: Database, places: Places, population: Population) -> None:
    """Of the first person with a login, so that whoever tries the demo out has meetings of their own."""
    for line in (*OWN_LINES, MeetingMeals()):
        register_meeting_line(line)
    house = await _enter(db, places, population)
    await _past(house)
    await _to_come(house)
    asked = await house.hold("全省机关后勤工作会议", 200, house.hall("会议中心大礼堂", 10, 9, 3), house.meal(10, 60))
    await house.pull(house.organiser, asked, "confirm")
    off = await house.hold("培训班筹备会", 12, house.hall("会议中心 201 厅", 7, 15, 1))
    await house.pull(house.organiser, off, "confirm")
    await house.pull(house.organiser, off, "cancel", "改为线上")


async def _enter(db: Database, places: Places, population: Population) -> _House:
    canteen = places.canteens["C1"]
    async with db.session() as session:
        rows = await session.execute(text("SELECT name_zh, id FROM bookables WHERE retired_at IS NULL"))
        await set_capacities(session, canteen, Capacities(lunch=120, dinner=80), actor="demo")
        return _House(
            db,
            clock.now(),
            await principal_of(session, population.employees[0].id, today()),
            await principal_of(session, population.staff_id(Role.DISPATCHER), today()),
            {row.name_zh: row.id for row in rows},
            public_id("can", canteen),
        )


async def _past(house: _House) -> None:
    """Ten came to the hall, eight of them ate; the unit was charged for these."""
    with clock.frozen(house.at(-3, 10)):
        lines = house.hall("会议中心 201 厅", -1, 9, 2.5), house.meal(-1, 12), {"kind": "badges", "count": 12}
        meeting = await house.hold("后勤服务标准评审会", 12, *lines)
        await house.invite(meeting, 12)
        await house.pull(house.organiser, meeting, "confirm")
    with clock.frozen(house.at(-1, 9.1)):
        await _let_strike(house)
        await _scan(house, meeting, "venue", 10)
    with clock.frozen(house.at(-1, 12.1)):
        await _scan(house, meeting, "meals", 8)
    with clock.frozen(house.at(-1, 16)):
        await _let_strike(house)
        await house.pull(house.office, meeting, "settle")


async def _let_strike(house: _House) -> None:
    """As in the worker."""
    while await timers.fire_due(house.db, jobs.TIMERS):
        pass


async def _scan(house: _House, meeting: Meeting, kind: str, count: int) -> None:
    async with house.db.session() as session:
        rows = (await queries.lines_of(session, [meeting.id]))[meeting.id]
        line = public_id(LINE, next(row.id for row in rows if row.kind == kind))
        made = [
            NewScan(code=guest_code(guest.id, guest.code_issue), line=line, nonce=uuid7(), happened_at=clock.now())
            for guest in (await queries.guests_of(session, meeting.id))[:count]
        ]
        await scans.take_scans(session, house.office, meeting.id, made)


async def _to_come(house: _House) -> None:
    meeting = await house.hold(
        "智慧后勤现场交流会",
        40,
        house.hall("会议中心 201 厅", 5, 9, 3),
        {
            "kind": "rooms",
            "title": "招待所",
            "room_type": "twin",
            "count": 3,
            "first_night": house.day(4).isoformat(),
            "nights": 2,
        },
        {
            "kind": "car",
            "title": "接站",
            "seats": 7,
            "from_text": "杭州东站",
            "to_text": "招待所",
            **house.span(4, 15, 2),
        },
        house.meal(5, 40),
        {"kind": "badges", "count": 40},
        words="请携带胸牌入场；停车请走北门。",
        agenda=[
            {**house.span(5, 9, 0.5), "title": "开幕与致辞", "speaker": "徐志远", "line": 0},
            {**house.span(5, 9.5, 1.5), "title": "一卡通与共享食堂", "speaker": "罗静", "line": 0},
            {**house.span(5, 11, 1), "title": "现场观摩", "line": 0},
            {**house.span(5, 12, 1), "title": "午餐", "line": 3},
        ],
    )
    await house.invite(meeting, len(_GUESTS))
    await house.pull(house.organiser, meeting, "confirm")
