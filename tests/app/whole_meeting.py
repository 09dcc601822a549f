"""Tells docs/stories/whole-meeting.md: a hall, nine hotel rooms, two cars and forty meals, all of it or nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy import text

import booking.meetings.routes
import booking.routes
from booking import jobs as booking_jobs
from booking.meetings import jobs
from booking.meetings.api import OWN_LINES, register_meeting_line
from canteen.api import Capacities, DayType, Meal, MeetingMeals, NewWindow, open_canteen, set_capacities, set_timetable
from identity.api import Place, Role
from kernel import clock, timers
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import public_id
from tests.app.paid_lunch import Story
from tests.identity.conftest import House

Json = dict[str, Any]
# A Monday, nine o'clock in Hangzhou.
MORNING: Final = datetime(2026, 11, 23, 1, tzinfo=UTC)
ROOMS, CARS, MEALS, COVERS_MAX = 9, 2, 40, 60

_MADE: Final = "<!-- Lived by tests/app/whole_meeting.py; WRITE_STORIES=1 .venv/bin/pytest tests/app/test_stories.py writes it anew. -->"
_LEAD: Final = (
    "An organiser fills in one form: the hall on Wednesday, nine single rooms for a night, two cars from the station, forty lunches. The clock stands at fixed times and the ids are "
    "fixed; a test lives it again and compares: these are the answers and the rows of a real database."
)


@dataclass
class _Guest:
    """Somebody at the addresses of booking."""

    http: httpx.AsyncClient

    async def post(self, url: str, body: Json) -> httpx.Response:
        return await self.http.post(url, json=body)


async def tell_whole_meeting(house: House) -> str:
    """Live it; returns the page."""
    for line in (*OWN_LINES, MeetingMeals()):
        register_meeting_line(line)
    story = Story()
    story.say("# A whole meeting", _MADE, _LEAD)
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    for router in (booking.routes.router, booking.meetings.routes.router):
        app.include_router(router)
    app.state.database = house.db
    office = await house.person("陈静", Role.DISPATCHER, Place(region_id=house.city))
    wang, zhou = [await house.person(name, None, Place(region_id=house.city)) for name in ("王芳", "周明")]
    async with _at(app, house, office) as desk, _at(app, house, wang) as first, _at(app, house, zhou) as second:
        names = await _furnish(house, desk)
        story.names.update(names)
        meeting = await _all(story, house, first, names)
        await _nothing(story, house, second, names)
        await _taken(story, house, first, meeting)
    return story.page()


def _at(app: FastAPI, house: House, person: UUID) -> "_SignedIn":
    return _SignedIn(app, house, person)


class _SignedIn:
    """A person with a sign-in, for as long as the block lasts."""

    def __init__(self, app: FastAPI, house: House, person: UUID) -> None:
        self._app, self._house, self._person = app, house, person

    async def __aenter__(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {await self._house.token(self._person)}"}
        transport = httpx.ASGITransport(app=self._app)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://story", headers=headers, timeout=60)
        return self._http

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()


# ---- what there is


async def _furnish(house: House, desk: httpx.AsyncClient) -> dict[str, str]:
    """A hall, ten rooms, two cars, a kitchen; the names by which the page calls them, by public id."""
    async with house.db.session() as session:
        await open_canteen(session, house.canteen, open_to_all=True, seats=120, actor="system")
        await set_timetable(session, house.canteen, [NewWindow(Meal.LUNCH, DayType.ANY, 660, 780)], actor="system")
        await set_capacities(session, house.canteen, Capacities(lunch=COVERS_MAX), actor="system")
    names = {public_id("can", house.canteen): "the kitchen"}

    async def open_one(name: str, **more: Any) -> None:
        body = {"kind": "venue", "name_zh": name, "region": public_id("reg", house.city), "capacity": 80, **more}
        answer = await desk.post("/v1/bookables", json=body)
        assert answer.status_code == 201, answer.text
        names[answer.json()["id"]] = name

    await open_one("百人厅", setup_minutes=30, cleanup_minutes=30)
    for number in range(ROOMS + 1):
        night = {"kind": "hotel_room", "room_type": "single", "arrive_at": "14:00", "leave_at": "12:00", "capacity": 1}
        await open_one(f"客房{number + 1:02d}", minutes_max=44_640, **night)
    for number in range(CARS):
        await open_one(f"商务车{number + 1}", kind="car", capacity=7, plate=f"浙A0000{number + 1}")
    return names


def _wishes(names: dict[str, str]) -> list[Json]:
    ids = {name: identifier for identifier, name in names.items()}
    hall = {"starts_at": "2026-11-25T01:00:00.000Z", "ends_at": "2026-11-25T09:00:00.000Z"}
    way = {"starts_at": "2026-11-25T00:00:00.000Z", "ends_at": "2026-11-25T01:00:00.000Z"}
    car = {"kind": "car", "seats": 5, "from_text": "杭州东站", "to_text": "百人厅", "with_driver": False, **way}
    return [
        {"kind": "venue", "bookable": ids["百人厅"], "title": "主会场", **hall},
        {"kind": "rooms", "room_type": "single", "count": ROOMS, "first_night": "2026-11-24", "title": "住宿"},
        *({**car, "title": f"接站{number}"} for number in range(1, CARS + 1)),
        {
            "kind": "meals",
            "canteen": ids["the kitchen"],
            "business_date": "2026-11-25",
            "meal": "lunch",
            "covers": MEALS,
        }
        | {"title": "午餐"},
    ]


# ---- all of it


async def _all(story: Story, house: House, first: httpx.AsyncClient, names: dict[str, str]) -> Json:
    story.say("## All", "王芳 sends the form. Everything is held by one transaction, for ten minutes:")
    lines = _wishes(names)
    body = {
        "request_id": "00000000-0000-4000-8000-000000000001",
        "title": "年度工作会议",
        "attendees": 40,
        "lines": lines,
    }
    told = {**body, "lines": [{**line, **_named(line, names)} for line in lines]}
    story.show_request("POST /v1/meetings", told)
    answer = await first.post("/v1/meetings", json=body)
    meeting = _had(answer, 201)
    story.say(f"The answer is {answer.status_code}, the meeting is `{meeting['state']}`. What holds its lines:")
    await _show_held(story, house)
    story.say("She confirms; the lines follow in the same commit:")
    story.show_request(f"POST /v1/meetings/{meeting['id']}/confirm")
    meeting = _had(await first.post(f"/v1/meetings/{meeting['id']}/confirm", json={}))
    story.show_rows(
        ("line", "kind", "how many", "state"),
        [(line["title"], line["kind"], line["quantity"], line["state"]) for line in meeting["lines"]],
    )
    return meeting


def _named(line: Json, names: dict[str, str]) -> Json:
    return {key: f"<{names[line[key]]}>" for key in ("bookable", "canteen") if key in line}


def _had(answer: httpx.Response, status: int = 200) -> Json:
    assert answer.status_code == status, answer.text
    found: Json = answer.json()
    return found


async def _show_held(story: Story, house: House) -> None:
    """The rows that keep others out, by what they hold."""
    async with house.db.session() as session:
        bookings = (
            await session.execute(
                text("""
                    SELECT b.kind, string_agg(b.name_zh, '、' ORDER BY b.name_zh) AS which, count(*) AS held,
                           to_char(lower(k.blocked) AT TIME ZONE 'Asia/Shanghai', 'MM-DD HH24:MI') AS since,
                           to_char(upper(k.blocked) AT TIME ZONE 'Asia/Shanghai', 'MM-DD HH24:MI') AS until, k.state
                      FROM bookings k JOIN bookables b ON b.id = k.bookable_id
                     WHERE k.blocks GROUP BY b.kind, k.blocked, k.state ORDER BY b.kind, since
                """)
            )
        ).all()
        covers = (await session.execute(text("SELECT taken, capacity FROM cover_days ORDER BY business_date"))).all()
    story.show_rows(("kind", "which", "rows", "blocked from", "until", "state"), [tuple(row) for row in bookings])
    story.say("and in the kitchen, where a check of the database keeps the sum within the capacity:")
    story.show_rows(("taken", "capacity"), [tuple(row) for row in covers])


# ---- or nothing


async def _nothing(story: Story, house: House, second: httpx.AsyncClient, names: dict[str, str]) -> None:
    story.say(
        "## Or nothing",
        "周明 wants the same on that Wednesday, with three rooms: the hall is gone, both cars are on the road, one room is left, and of the meals twenty. All that cannot be had is told at once, "
        "with what could be had instead at this moment:",
    )
    before = await _counts(house)
    lines = _wishes(names)
    lines[1]["count"] = 3
    body = {"request_id": "00000000-0000-4000-8000-000000000002", "title": "部门会议", "attendees": 40, "lines": lines}
    answer = await second.post("/v1/meetings", json=body)
    assert answer.status_code == 409, answer.text
    clashes = answer.json()["data"]["clashes"]
    story.show_rows(
        ("line", "answer", "instead"),
        [(lines[clash["line"]]["title"], clash["code"], _instead(clash, names)) for clash in clashes],
    )
    after = await _counts(house)
    assert after == before, "a meeting that is refused leaves nothing"
    story.say(
        f"The answer is {answer.status_code}, `{answer.json()['code']}`. Nothing of it is left: the rows that hold something are {after} before and after."
    )


def _instead(clash: Json, names: dict[str, str]) -> str:
    return "; ".join(_in_words(each["kind"], each["line"], names) for each in clash["suggestions"]) or "nothing"


def _in_words(kind: str, line: Json, names: dict[str, str]) -> str:
    at = f"{line['starts_at'][5:16].replace('T', ' ')} UTC" if line.get("starts_at") else ""
    which = names.get(line.get("bookable") or line.get("canteen") or "", "")
    many = str(line.get("count") or line.get("covers") or "")
    day = str(line.get("first_night") or line.get("business_date") or "")
    return " ".join(part for part in (f"{kind}:", which, many, day, at) if part)


async def _counts(house: House) -> int:
    async with house.db.session() as session:
        found: int | None = await session.scalar(
            text(
                "SELECT (SELECT count(*) FROM bookings WHERE blocks) + (SELECT count(*) FROM covers WHERE state <> 'released')"
            )
        )
    return found or 0


# ---- what is taken back


async def _taken(story: Story, house: House, first: httpx.AsyncClient, meeting: Json) -> None:
    story.say(
        "## And taken back",
        "A second form of 王芳's, for the day after, is held and never confirmed. After ten minutes its clock strikes, and all its lines are free:",
    )
    copy = {"request_id": "00000000-0000-4000-8000-000000000003", "starts_on": "2026-11-25"}
    other = _had(await first.post(f"/v1/meetings/{meeting['id']}/copies", json=copy), 201)
    held = await _counts(house)
    clock.advance(timedelta(minutes=10))
    while await timers.fire_due(house.db, {**jobs.TIMERS, **booking_jobs.TIMERS}):
        pass
    state = _had(await first.get(f"/v1/meetings/{other['id']}"))["state"]
    story.show_rows(
        ("when", "rows that hold something", "state of the second"),
        [("held", held, "held"), ("ten minutes later", await _counts(house), state)],
    )
