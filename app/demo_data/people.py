"""The people of the demo province: made-up names of all classes, and one login for each role.

Names are drawn from common surnames and given names; any likeness is chance.
"""

import random
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any, Final
from uuid import UUID

from pypinyin import lazy_pinyin

from app.demo_data.places import ACTOR, UNITS, Places
from identity.api import (
    NewPerson,
    Place,
    Role,
    approve,
    ask_to_grant,
    found_first_administrator,
    hash_password,
    open_people,
    principal_of,
    today,
    write_credential,
)
from kernel.db import Database

# Everybody in the demo signs in with this. It is no secret, and production mode never brings the demo in.
PASSWORD: Final = "longquan-celadon"  # noqa: S105  told to everybody on the sign-in page
EMPLOYEES_WITH_LOGIN: Final = 40
# What they sign with at a till, and no secret either.
TILL_PINS: Final = {Role.CASHIER: "246813", Role.CANTEEN_MANAGER: "975310"}
_BELONG_SINCE: Final = date(2024, 1, 1)

_SURNAMES: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段钱汤尹黎易常武乔贺赖龚文"
_GIVEN_FIRST: Final = "晓雨思志文建海国春秋明嘉子梦欣佳宇浩俊静雅丽秀永德金玉兰梅若清云可一书"
_GIVEN_SECOND: Final = "华强伟芳敏洁燕玲辉军磊洋勇艳杰涛超霞平刚桂英涵轩怡琳萱博航宁安然月星辰溪岚舟遥"

# Of a hundred people, so many of each class.
_CLASSES: Final = (("staff", 62), ("contract", 16), ("retired", 10), ("family", 7), ("visitor", 5))

# A login for each role, the first of a role its usual one: username, role, Chinese name, unit, where the role counts.
STAFF: Final = (
    ("cashier", Role.CASHIER, "沈秋月", "U1", ("site", "C1")),
    ("manager", Role.CANTEEN_MANAGER, "程海宁", "U1", ("site", "C1")),
    ("finance", Role.FINANCE, "顾文清", "U1", None),
    ("dispatcher", Role.DISPATCHER, "姚建平", "U1", ("region", "DP")),
    ("technician", Role.TECHNICIAN, "龙志强", "U1", ("region", "DP")),
    ("duty", Role.DUTY_STAFF, "戴晓岚", "U1", ("region", "DP")),
    ("sysadmin", Role.SYSTEM_ADMIN, "陆子航", "U1", None),
    ("secadmin", Role.SECURITY_ADMIN, "钟书宁", "U1", None),
    ("auditor", Role.AUDIT_ADMIN, "孟若兰", "U1", None),
    # Money goes back by two people of finance; a voucher to a locked month is asked for by one and approved by two others.
    ("finance2", Role.FINANCE, "邹慧敏", "U1", None),
    ("finance3", Role.FINANCE, "宋知远", "U1", None),
)


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody of the demo province. `username` is empty for those who never sign in."""

    id: UUID
    name: str
    person_class: str
    unit: str
    username: str


@dataclass(slots=True)
class Population:
    """Everybody, and who of them stands on the demo's list of logins."""

    residents: list[Resident]
    employees: list[Resident]
    staff: list[tuple[Resident, Role]]

    def staff_id(self, role: Role) -> UUID:
        """Whoever has this role's login."""
        return next(resident.id for resident, held in self.staff if held is role)


def draw_people(dice: random.Random) -> list[tuple[str, str, str]]:
    """Name, class and unit of each of the 300, unit by unit; no name twice."""
    reserved = {name for _, _, name, _, _ in STAFF}
    drawn: list[tuple[str, str, str]] = []
    for code, _, _, _, count, _ in UNITS:
        for _ in range(count):
            name = _draw_name(dice, reserved)
            reserved.add(name)
            drawn.append((name, draw_class(dice), code))
    return drawn


def _draw_name(dice: random.Random, taken: set[str]) -> str:
    while True:
        if (name := draw_name(dice)) not in taken:
            return name


def draw_name(dice: random.Random) -> str:
    """A surname and a given name of one or two characters."""
    given = dice.choice(_GIVEN_SECOND)
    if dice.random() < 0.8:
        given = dice.choice(_GIVEN_FIRST) + given
    return dice.choice(_SURNAMES) + given


def draw_class(dice: random.Random) -> str:
    """As often as in the province."""
    (person_class,) = dice.choices([c for c, _ in _CLASSES], [weight for _, weight in _CLASSES])
    return person_class


def usernames_of(names: list[str]) -> list[str]:
    """`王晓华` is `wangxiaohua`; who comes later with the same sound gets a number."""
    taken: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        sound = "".join(lazy_pinyin(name))
        taken[sound] = taken.get(sound, 0) + 1
        found.append(sound if taken[sound] == 1 else f"{sound}{taken[sound]}")
    return found


async def open_population(db: Database, places: Places, dice: random.Random) -> Population:
    """Open all people and their logins, then let the security administrator grant the roles."""
    drawn = draw_people(dice)
    drawn[: len(STAFF)] = [(name, "staff", unit) for _, _, name, unit, _ in STAFF]
    rows = [
        NewPerson(
            name=name,
            organisation_id=dice.choice(places.departments[unit]),
            person_class=person_class,
            valid_from=_BELONG_SINCE,
            staff_number=f"DP{number:05d}",
        )
        for number, (name, person_class, unit) in enumerate(drawn, start=1)
    ]
    async with db.session() as session:
        ids = await open_people(session, rows, actor=ACTOR)
    residents = [
        Resident(identifier, name, person_class, unit, username)
        for identifier, (name, person_class, unit), username in zip(
            ids, drawn, usernames_of([name for name, _, _ in drawn]), strict=True
        )
    ]
    staff = [(residents[number], role) for number, (_, role, _, _, _) in enumerate(STAFF)]
    population = Population(residents, _choose_employees(residents[len(STAFF) :]), staff)
    await _write_logins(db, population)
    await _grant_roles(db, places, population)
    return population


def _choose_employees(residents: list[Resident]) -> list[Resident]:
    """The demo's employees: staff of the first unit first, then some of each class and unit."""
    first = [r for r in residents if r.unit == "U1" and r.person_class == "staff"][:8]
    one_of_each = [
        next(r for r in residents if r.person_class == person_class and r not in first) for person_class, _ in _CLASSES
    ]
    others = [r for r in residents[::3] if r not in first and r not in one_of_each]
    return [*first, *one_of_each, *others][:EMPLOYEES_WITH_LOGIN]


async def _write_logins(db: Database, population: Population) -> None:
    # One hash for all of them: it is one password.
    password_hash = await hash_password(PASSWORD)
    named = [(r, r.username) for r in population.employees]
    named += [(resident, username) for (resident, _), (username, *_) in zip(population.staff, STAFF, strict=True)]
    async with db.session() as session:
        for resident, username in named:
            await write_credential(session, resident.id, username, password_hash, actor=ACTOR)


async def _grant_roles(db: Database, places: Places, population: Population) -> None:
    administrators = {Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN}
    async with db.session() as session:
        for resident, role in population.staff:
            if role in administrators:
                await found_first_administrator(session, resident.id, role)
    security_id = next(r.id for r, role in population.staff if role is Role.SECURITY_ADMIN)
    system_id = next(r.id for r, role in population.staff if role is Role.SYSTEM_ADMIN)
    async with db.session() as session:
        security = await principal_of(session, security_id, today())
        system = await principal_of(session, system_id, today())
        for (resident, role), (_, _, _, _, where) in zip(population.staff, STAFF, strict=True):
            if role not in administrators:
                approval = await ask_to_grant(
                    session, security, resident.id, role, _place_of(places, where), reason="演示"
                )
                await approve(session, system, approval)


def _place_of(places: Places, where: tuple[str, str] | None) -> Place:
    if where is None:
        return Place()
    kind, code = where
    return Place(site_id=places.canteens[code]) if kind == "site" else Place(region_id=places.regions[code])


def logins_of(population: Population) -> dict[str, list[dict[str, Any]]]:
    """`employees` and `staff` as `guanjia demo --json` prints them."""
    return {
        "employees": [
            {"username": r.username, "password": PASSWORD, "name": r.name, "class": r.person_class}
            for r in population.employees
        ],
        "staff": [
            {"username": username, "password": PASSWORD, "name": name, "roles": [role.value]} | _till_pin(role)
            for username, role, name, _, _ in STAFF
        ],
    }


def _till_pin(role: Role) -> dict[str, str]:
    return {"till_pin": TILL_PINS[role]} if role in TILL_PINS else {}


def demo_people(population: Population) -> set[UUID]:
    """Whose accounts the demo's visitors will use."""
    return {resident.id for resident in chain(population.employees, [r for r, _ in population.staff])}
