"""`guanjia seed`: as many people and canteens as somebody wants to try the product with, made through its own services.

Of one seed and one day everything is the same each time: names, units, prices, who eats where. A database that was seeded
knows it (the demo's mark), and production never starts on it.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import text

from app.demo_data.history import History
from app.demo_data.kitchens import Kitchens, Till, set_general_prices, set_round_the_clock
from app.demo_data.money import MONTHLY_LOT_FEN
from app.demo_data.people import PASSWORD, Population, Resident, draw_class, draw_name
from app.demo_data.places import ACTOR
from app.demo_logins import write_private_json
from app.problems import SeedingRefused
from app.seeding import mark_as_demo
from canteen.api import open_canteen
from canteen.handlers import TAKINGS_HANDLER, keep_takings
from identity.api import (
    NewPerson,
    enrol_terminal,
    hash_password,
    open_organisation,
    open_people,
    open_region,
    open_site,
    open_terminal,
    write_credential,
)
from kernel import clock, ids
from kernel.calendar import seed_calendar
from kernel.db import Database
from kernel.handlers import run_handler
from kernel.ids import public_id
from kernel.settings import Settings, get_settings
from payments.api import (
    Allotment,
    create_partitions_around,
    grant_subsidies,
    holder_keys,
    prefund_unit,
    root_public_key,
    top_up_many_at_counter,
)
from payments.handlers import follow_people

Say = Callable[[str], None]
T = TypeVar("T")

PEOPLE_MAX: Final = 1_000_000
CANTEENS_MAX: Final = 5_000
DAYS_MAX: Final = 60
PEOPLE_OF_A_UNIT: Final = 100
CANTEENS_OF_A_REGION: Final = 10
TILLS_OF_A_CANTEEN: Final = 4
LOGINS: Final = 100
_PEOPLE_AT_ONCE: Final = 500
_ACCOUNTS_TIMEOUT_S: Final = 600.0
_BELONG_SINCE: Final = date(2024, 1, 1)


@dataclass(frozen=True)
class Size:
    """How much of it."""

    people: int
    canteens: int
    days: int = 0
    seed: int = 1

    def check(self) -> None:
        """Refuse what makes no sense."""
        bounds = (
            ("--people", self.people, 1, PEOPLE_MAX),
            ("--canteens", self.canteens, 1, CANTEENS_MAX),
            ("--days", self.days, 0, DAYS_MAX),
            ("--seed", self.seed, 1, 9999),
        )
        for name, value, least, most in bounds:
            if not least <= value <= most:
                raise SeedingRefused(f"{name} {value}: {least} to {most}.")

    @property
    def mark(self) -> str:
        """Begins every code of this seed."""
        return f"S{self.seed}"


@dataclass
class Ground:
    """What stands before anybody eats, by code."""

    regions: list[UUID] = field(default_factory=list)
    units: dict[str, UUID] = field(default_factory=dict)
    region_of_unit: dict[str, UUID] = field(default_factory=dict)
    canteens: dict[str, UUID] = field(default_factory=dict)
    usual_canteen: dict[str, str] = field(default_factory=dict)
    kitchens: Kitchens = field(default_factory=Kitchens)


async def seed(settings: Settings, url: str, size: Size, say: Say) -> Path:
    """Bring it in beside whatever is there; returns the file with tokens and logins."""
    size.check()
    if settings.production:
        raise SeedingRefused("GUANJIA_PRODUCTION is on: made-up people and tokens never come into such a database.")
    db = Database(url)
    try:
        await _refuse_twice(db, size)
        await mark_as_demo(db)
        now = clock.now()
        first = clock.business_date(now, get_settings().zone) - timedelta(days=size.days)
        with clock.frozen(_at(first, 5) if size.days else now), ids.seeded(size.seed):
            card = await _fill(db, size, first, now, say)
    finally:
        await db.close()
    file = settings.data_dir / f"seed-{size.seed}.json"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    write_private_json(file, card)
    return file


async def _refuse_twice(db: Database, size: Size) -> None:
    async with db.session() as session:
        if await session.scalar(text("SELECT count(*) FROM regions WHERE code = :code"), {"code": f"{size.mark}-R1"}):
            raise SeedingRefused(f"Seed {size.seed} is in this database already; another --seed brings in more.")


async def _fill(db: Database, size: Size, first: date, now: datetime, say: Say) -> dict[str, Any]:
    dice = random.Random(size.seed)  # noqa: S311  a repeatable play, no secret
    async with db.session() as session:
        await seed_calendar(session)
        await create_partitions_around(session, clock.now())
        root = await root_public_key(session)
    assert root
    say(f"· {size.canteens} canteens with {TILLS_OF_A_CANTEEN} tills each ...")
    ground = await _lay_ground(db, size)
    residents = await _open_people(db, size, ground, dice, say)
    say("· Their accounts, and money in them ...")
    await _open_accounts(db, residents)
    await _fund(db, ground, residents, dice, first)
    logins = await _open_logins(db, residents)
    if size.days:
        await _live(db, size, ground, residents, (first, now), dice, say)
    return {
        "employees": logins,
        "terminals": [
            {
                "id": public_id("ter", till.id),
                "token": till.token,
                "name": till.name,
                "canteen": public_id("can", ground.canteens[till.canteen]),
                "modes": list(till.modes),
            }
            for tills in ground.kitchens.tills.values()
            for till in tills
        ],
    }


# ---- places


async def _lay_ground(db: Database, size: Size) -> Ground:
    ground = Ground()
    async with db.session() as session:
        await set_general_prices(session)
        for number in range(1, _parts(size.canteens, CANTEENS_OF_A_REGION) + 1):
            ground.regions.append(
                await open_region(
                    session,
                    code=f"{size.mark}-R{number}",
                    name_zh=f"试用{size.seed}区第{number}片",
                    name_en=f"Trial {size.seed} District {number}",
                    timezone=get_settings().timezone,
                    parent_id=None,
                    actor=ACTOR,
                )
            )
        await _open_units(session, size, ground)
    for number in range(1, size.canteens + 1):
        await _open_canteen(db, size, ground, number)
    codes = list(ground.canteens)
    # A unit eats in a canteen of its region: units and canteens go round the regions in the same order.
    ground.usual_canteen = {unit: codes[place % len(codes)] for place, unit in enumerate(ground.units)}
    return ground


async def _open_units(session: Any, size: Size, ground: Ground) -> None:
    for number in range(1, _parts(size.people, PEOPLE_OF_A_UNIT) + 1):
        code, region_id = f"{size.mark}-U{number}", ground.regions[(number - 1) % len(ground.regions)]
        ground.region_of_unit[code] = region_id
        ground.units[code] = await open_organisation(
            session,
            code=code,
            name_zh=f"试用单位{size.seed}-{number}",
            name_en=f"Trial Unit {size.seed}-{number}",
            kind="unit",
            home_region_id=region_id,
            parent_id=None,
            actor=ACTOR,
        )


async def _open_canteen(db: Database, size: Size, ground: Ground, number: int) -> None:
    code, region_id = f"{size.mark}-C{number}", ground.regions[(number - 1) % len(ground.regions)]
    operator_id = next(iter(ground.units.values()))
    async with db.session() as session:
        site_id = await open_site(
            session,
            code=code,
            name_zh=f"试用食堂{size.seed}-{number}",
            name_en=f"Trial Canteen {size.seed}-{number}",
            kind="canteen",
            region_id=region_id,
            operator_id=operator_id,
            actor=ACTOR,
        )
        await open_canteen(session, site_id, open_to_all=True, unit_ids=[], seats=200, actor=ACTOR)
        await set_round_the_clock(session, site_id)
    ground.canteens[code] = site_id
    ground.kitchens.tills[code] = [await _enrol(db, site_id, code, till) for till in range(1, TILLS_OF_A_CANTEEN + 1)]


async def _enrol(db: Database, site_id: UUID, code: str, number: int) -> Till:
    modes, name = ("keyed", "fixed"), f"{number}号机"
    async with db.session() as session:
        till_id, pairing = await open_terminal(
            session, site_id=site_id, name=name, modes=modes, serial=f"{code}-{number:02d}", actor=ACTOR
        )
    enrolled = await enrol_terminal(db, pairing.code, "127.0.0.1")
    return Till(till_id, enrolled["token"], name, code, modes)


# ---- people and money


async def _open_people(db: Database, size: Size, ground: Ground, dice: random.Random, say: Say) -> list[Resident]:
    units = itertools.cycle(ground.units)
    residents: list[Resident] = []
    for numbers in _chunks(range(1, size.people + 1), _PEOPLE_AT_ONCE):
        drawn = [(draw_name(dice), draw_class(dice), next(units)) for _ in numbers]
        rows = [
            NewPerson(
                name=name,
                organisation_id=ground.units[unit],
                person_class=person_class,
                valid_from=_BELONG_SINCE,
                staff_number=f"{size.mark}-{number:07d}",
            )
            for number, (name, person_class, unit) in zip(numbers, drawn, strict=True)
        ]
        async with db.session() as session:
            opened = await open_people(session, rows, actor=ACTOR)
        residents += [
            Resident(person_id, name, person_class, unit, f"{size.mark.lower()}-{number}")
            for number, person_id, (name, person_class, unit) in zip(numbers, opened, drawn, strict=True)
        ]
        if numbers[-1] % 10_000 == 0:
            say(f"· {numbers[-1]} people ...")
    return residents


async def _open_accounts(db: Database, residents: Sequence[Resident]) -> None:
    """Payments' own handler opens them; beside a running worker it is whoever of us comes first."""
    async with asyncio.timeout(_ACCOUNTS_TIMEOUT_S):
        for chunk in _chunks(residents, 5000):
            while not await _all_have_accounts(db, chunk):
                if not await run_handler(db, "payments.follow_people", follow_people):
                    await asyncio.sleep(0.05)


async def _all_have_accounts(db: Database, residents: Sequence[Resident]) -> bool:
    async with db.session() as session:
        return len(await holder_keys(session, [resident.id for resident in residents])) == len(residents)


async def _fund(db: Database, ground: Ground, residents: Sequence[Resident], dice: random.Random, on: date) -> None:
    last = (on.replace(day=28) + timedelta(days=36)).replace(day=1) - timedelta(days=1)
    for people in _chunks(residents, _PEOPLE_AT_ONCE):
        async with db.session() as session:
            amounts = {resident.id: 1000 * dice.randint(30, 90) for resident in people}
            await top_up_many_at_counter(session, amounts, actor=ACTOR)
    by_unit: dict[str, list[Resident]] = {unit: [] for unit in ground.units}
    for resident in residents:
        by_unit[resident.unit].append(resident)
    for unit, people in by_unit.items():
        allotments = [
            Allotment(r.id, MONTHLY_LOT_FEN[r.person_class]) for r in people if r.person_class in MONTHLY_LOT_FEN
        ]
        if allotments:
            async with db.session() as session:
                total_fen = sum(allotment.amount_fen for allotment in allotments)
                await prefund_unit(session, ground.units[unit], ground.region_of_unit[unit], total_fen, actor=ACTOR)
                await grant_subsidies(session, ground.units[unit], allotments, expires_on=last, actor=ACTOR)


async def _open_logins(db: Database, residents: Sequence[Resident]) -> list[dict[str, Any]]:
    password_hash = await hash_password(PASSWORD)
    async with db.session() as session:
        for resident in residents[:LOGINS]:
            await write_credential(session, resident.id, resident.username, password_hash, actor=ACTOR)
    return [
        {"username": r.username, "password": PASSWORD, "name": r.name, "class": r.person_class}
        for r in residents[:LOGINS]
    ]


# ---- days


async def _live(
    db: Database,
    size: Size,
    ground: Ground,
    residents: list[Resident],
    between: tuple[date, datetime],
    dice: random.Random,
    say: Say,
) -> None:
    first, now = between
    history = History(
        db,
        ground.kitchens,
        get_settings().zone,
        dice,
        None,  # Nobody works these tills in shifts, so nobody takes a payment back at one.
        usual_canteen=ground.usual_canteen,
        shared=list(ground.canteens),
        keys_begin=size.mark,
    )
    await history.start(Population(residents, [], []))
    try:
        for day in (first + timedelta(days=n) for n in range(size.days)):
            if (morning := min(_at(day, 5), now)) > clock.now():
                clock.advance(morning - clock.now())
            async with db.session() as session:
                await create_partitions_around(session, clock.now())
            paid = await history.live_day(day, residents, now)
            say(f"· {day}: {paid} payments")
            while await run_handler(db, TAKINGS_HANDLER, keep_takings):
                pass
    finally:
        await history.stop()


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=get_settings().zone)


def _parts(whole: int, size: int) -> int:
    return -(-whole // size)


def _chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
