"""Subsidies as an office has them: a schedule, last month's list, a batch that was paid and ends soon, and one that waits
for a second person."""

from datetime import date, timedelta
from typing import Final

from app.demo_data.people import Population, demo_people
from app.demo_data.places import ACTOR, Places
from identity.api import PersonClass, Role, approve, person_summary, principal_of, today
from kernel.db import Database
from kernel.ids import public_id
from payments.subsidies import batches, schedule, schemas, tables
from payments.subsidies.entitlement import month_after, month_before, month_of

UNIT: Final = "U1"
# Two lunches of 16.00 that end in three days: the phone of a demo employee says so.
ENDING_FEN: Final = 3200
_ENDS_IN_DAYS: Final = 3
_PAID: Final = 6


async def fill_the_subsidy_office(db: Database, places: Places, population: Population, on: date) -> None:
    """Each by the use case of the office itself."""
    await _import_attendance(db, places, population, month_before(month_of(on)))
    await _pay_overtime(db, places, population, on)
    await _prepare_next_month(db, places, population, month_after(month_of(on)))


async def _import_attendance(db: Database, places: Places, population: Population, month: str) -> None:
    people = [r.id for r in population.residents if r.unit == UNIT and r.person_class == "staff"][:24]
    async with db.session() as session:
        numbers = [each.staff_number for each in (await person_summary(session, people)).values()]
    lines = [
        f"{number},{20 - turn % 3},{turn % 3},{turn % 2}" for turn, number in enumerate(sorted(filter(None, numbers)))
    ]
    content = "\n".join(["工号,出勤天数,请假天数,外勤天数", *lines]).encode()
    await tables.import_attendance(db, content, places.organisations[UNIT], month, dry_run=False, actor=ACTOR)


async def _pay_overtime(db: Database, places: Places, population: Population, on: date) -> None:
    """Asked for by one officer of finance and approved by an administrator."""
    known = demo_people(population)
    people = [r for r in population.residents if r.unit == UNIT and r.username and r.id in known][:_PAID]
    wanted = batches.Wanted(
        places.organisations[UNIT],
        "加班补贴",
        [batches.NewRow(person.id, ENDING_FEN, "周末值班") for person in people],
        on + timedelta(days=_ENDS_IN_DAYS),
        {"meals": ["lunch"]},
    )
    async with db.session() as session:
        finance = await principal_of(session, population.staff_id(Role.FINANCE), today())
        system = await principal_of(session, population.staff_id(Role.SYSTEM_ADMIN), today())
        batch = await batches.prepare_batch(session, wanted, actor=ACTOR)
        await approve(session, system, await batches.ask_to_post(session, finance, batch.id, "周末值班"), "同意")


async def _prepare_next_month(db: Database, places: Places, population: Population, month: str) -> None:
    """By the rule, earlier than its day; it waits for whoever tries the demo out."""
    rule = schemas.RuleBody(
        unit=public_id("org", places.organisations[UNIT]),
        name="工作日餐补",
        basis="ahead",
        day_fen=1600,
        field_day_fen=0,
        person_classes=[PersonClass.STAFF, PersonClass.CONTRACT],
        prepare_on=3,
        carry_over=schemas.CarryOverBody(days=30, max_fen=5000),
        first_month=month,
    )
    async with db.session() as session:
        finance = await principal_of(session, population.staff_id(Role.FINANCE), today())
        made = await schedule.make_rule(session, rule, actor=finance.actor)
        batch = await schedule.prepare_by_hand(session, made.id, month, actor=finance.actor, without_list=True)
        await batches.ask_to_post(session, finance, batch.id, "下月餐补")
