"""Brings the demo province into an empty database: a small province that looks lived in.

Made through the same services as real use, with one seed, while the clock travels through the last four weeks. What it
returns is kept in the data folder for `guanjia demo`.
"""

import base64
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request

from app.demo_data.bookings import fill_the_booking_office
from app.demo_data.calls import place_calls
from app.demo_data.counters import cashiers_shift, report_in, set_pins, supervisor_of
from app.demo_data.credentials import give_cards, hang_wall_codes, tell_credentials
from app.demo_data.disputes import raise_disputes
from app.demo_data.duty import keep_a_rota
from app.demo_data.history import History
from app.demo_data.kitchens import Kitchens, open_kitchens, publish_menus
from app.demo_data.meetings import plan_meetings
from app.demo_data.money import fund, grant_demo_lots, grant_month, open_accounts, report_a_loss
from app.demo_data.offices import fill_the_desks, staff_canteens
from app.demo_data.people import Population, demo_people, logins_of, open_population
from app.demo_data.places import Places, open_places
from app.demo_data.plans import draw_plans
from app.demo_data.repairs import keep_repairs
from app.demo_data.settlement import close_last_month
from app.demo_data.subsidies import fill_the_subsidy_office
from app.demo_logins import read_demo_logins
from canteen.handlers import TAKINGS_HANDLER, keep_takings
from kernel import clock, ids, mail
from kernel.calendar import seed_calendar
from kernel.db import Database, SessionDep
from kernel.errors import NotFound
from kernel.handlers import run_handler
from kernel.http import raises
from kernel.settings import Settings, get_settings
from payments.api import create_partitions_around, root_public_key
from payments.stripe_door.api import make_key

SEED: Final = 20_261_123
WEEKS: Final = 4
_MENUS_FROM_DAYS_AGO: Final = 3
_MAILS_SHOWN: Final = 50


def _silent(_sentence: str) -> None:
    """Progress for nobody."""


async def seed_demo(db: Database, say: Callable[[str], None] = _silent) -> dict[str, Any]:
    """Bring the province in; returns what `guanjia demo --json` prints, without the address."""
    now = clock.now()
    zone = get_settings().zone
    today = clock.business_date(now, zone)
    first = today - timedelta(weeks=WEEKS)
    dice = random.Random(SEED)  # noqa: S311  a repeatable play, no secret
    with clock.frozen(_at(first, 5)), ids.seeded(SEED):
        places, population, kitchens = await _found(db, dice, say)
        say("· Demo: four weeks of meals ...")
        await _live(db, places, population, kitchens, first, today, now, dice)
        if now > clock.now():
            clock.advance(now - clock.now())
        await report_a_loss(db, population, demo_people(population))
        await grant_demo_lots(db, places, population, demo_people(population), today)
        await fill_the_desks(db, places, population, kitchens, today)
        await keep_a_rota(db, places, population)
        await place_calls(db, places, population)
        await keep_repairs(db, places, population)
        await draw_plans(db)
        await fill_the_booking_office(db, places, population)
        await plan_meetings(db, places, population)
        await fill_the_subsidy_office(db, places, population, today)
        await raise_disputes(db, places, population)
        await _count_takings(db)
        await close_last_month(db, places, population, today)
        await report_in(db, kitchens)
    async with db.session() as session:
        root = await root_public_key(session)
    logins = logins_of(population)
    return {
        "root_public_key": base64.b64encode(root).decode(),
        **logins,
        "employees": tell_credentials(population, logins["employees"]),
        "terminals": kitchens.wire(places),
        "stripe_key": await _make_stripe_key(db, places),
        "simulators": {"alipay": None, "wechat_pay": None},
    }


async def _make_stripe_key(db: Database, places: Places) -> str:
    """A secret key of the first canteen, which is open round the clock."""
    async with db.session() as session:
        return (await make_key(session, places.canteens["C1"], "演示程序", actor="demo")).secret


async def _found(db: Database, dice: random.Random, say: Callable[[str], None]) -> tuple[Places, Population, Kitchens]:
    """Places, people, canteens, accounts."""
    async with db.session() as session:
        await seed_calendar(session)
    say("· Demo: three cities, eight units, six canteens, 300 people ...")
    places = await open_places(db)
    population = await open_population(db, places, dice)
    kitchens = await open_kitchens(db, places)
    await open_accounts(db)
    await set_pins(db, population)
    await staff_canteens(db, places, population)
    await hang_wall_codes(db, places, kitchens)
    await give_cards(db, population)
    await fund(db, places, population, demo_people(population), dice)
    return places, population, kitchens


async def _live(
    db: Database,
    places: Places,
    population: Population,
    kitchens: Kitchens,
    first: date,
    today: date,
    now: datetime,
    dice: random.Random,
) -> None:
    """Day after day: grants on the first, menus once they begin, and everybody's meals."""
    demo_ids = demo_people(population)
    others = [resident for resident in population.residents if resident.id not in demo_ids]
    history = History(db, kitchens, get_settings().zone, dice, supervisor_of(population))
    await history.start(population)
    try:
        for day in (first + timedelta(days=n) for n in range((today - first).days + 1)):
            _wake_up(day, now)
            async with db.session() as session:
                await create_partitions_around(session, clock.now())
            if day == first or day.day == 1:
                await grant_month(db, places, population, day)
            if day == today - timedelta(days=_MENUS_FROM_DAYS_AGO):
                await publish_menus(db, places, kitchens, day, dice)
            # Today's lunch is left to whoever tries the demo out: their first serving is still to come.
            eaters = others if day == today else population.residents
            async with cashiers_shift(db, kitchens, population, day, today):
                await history.live_day(day, eaters, now, **({"bin_minutes": 1} if day == today else {}))
            await _count_takings(db)
    finally:
        await history.stop()


async def _count_takings(db: Database) -> None:
    """Bring the boards up to what was sold and given back."""
    while await run_handler(db, TAKINGS_HANDLER, keep_takings):
        pass


def _wake_up(day: date, now: datetime) -> None:
    """Five in the morning of a day, unless that is still to come or past already."""
    morning = min(_at(day, 5), now)
    if morning > clock.now():
        clock.advance(morning - clock.now())


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=get_settings().zone)


# ---- who may try it out

router = APIRouter(prefix="/v1", tags=["demo"])


@router.get("/demo_logins", responses=raises(NotFound))
async def list_demo_logins(request: Request) -> dict[str, list[dict[str, Any]]]:
    """The demo's logins for the sign-in page, and the tills of its first canteen; 404 in production and without a demo."""
    settings: Settings = request.app.state.settings
    logins = None if settings.production else read_demo_logins(settings.data_dir)
    if logins is None:
        raise NotFound
    employees = [{**login, "roles": ["employee"]} for login in logins["employees"]]
    staff = [{**login, "class": "staff"} for login in logins["staff"]]
    first_canteen = logins["terminals"][0]["canteen"]
    tills = [till for till in logins["terminals"] if till["canteen"] == first_canteen]
    return {"data": [*_one_of_each_class(employees), *staff], "terminals": tills}


@router.get("/demo_mails", responses=raises(NotFound))
async def list_demo_mails(request: Request, session: SessionDep) -> dict[str, list[dict[str, Any]]]:
    """Where no mail server is set, the invitations that would have gone out, the last fifty; 404 in production, without
    a demo, and where letters do go out."""
    settings: Settings = request.app.state.settings
    is_demo = not settings.production and read_demo_logins(settings.data_dir) is not None
    if not is_demo or mail.is_set_up(settings):
        raise NotFound
    letters = await mail.waiting_invitations(session, _MAILS_SHOWN)
    return {
        "data": [
            {
                "to": letter.to_address,
                "subject": letter.subject,
                "body": letter.body,
                "method": letter.invitation.method if letter.invitation else None,
                "calendar": letter.invitation.calendar.decode() if letter.invitation else None,
            }
            for letter in letters
        ]
    }


def _one_of_each_class(employees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two of the staff and one of each other class: a list that fits on a phone."""
    shown = [e for e in employees if e["class"] == "staff"][:2]
    classes = dict.fromkeys(e["class"] for e in employees if e["class"] != "staff")
    return shown + [next(e for e in employees if e["class"] == wanted) for wanted in classes]
