"""Money for the demo province: units pay ahead and grant subsidies, people top up at the counter."""

import random
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from app.demo_data.people import Population, Resident
from app.demo_data.places import ACTOR, UNITS, Places
from kernel.db import Database
from kernel.handlers import run_handler
from payments.api import Allotment, change_state, grant_subsidies, prefund_unit, top_up_many_at_counter
from payments.handlers import follow_people

# 22 working days of 16.00; of 10.00 for those who have retired.
MONTHLY_LOT_FEN: Final = {"staff": 22 * 1600, "retired": 22 * 1000}
PREFUND_FEN: Final = 30_000_000
# A demo employee always has at least 500.00, whatever was eaten before.
DEMO_CASH_FEN: Final = 120_000
DEMO_LOT_DAYS: Final = 60


async def open_accounts(db: Database) -> None:
    """Let payments' own handler see who joined: it opens an account for each."""
    while await run_handler(db, "payments.follow_people", follow_people):
        pass


async def fund(db: Database, places: Places, population: Population, demo_ids: set[UUID], dice: random.Random) -> None:
    """Units pay ahead; everybody brings some cash to the counter."""
    async with db.session() as session:
        for code, region, *_ in UNITS:
            await prefund_unit(session, places.organisations[code], places.regions[region], PREFUND_FEN, actor=ACTOR)
    for start in range(0, len(population.residents), 50):
        amounts_fen = {
            resident.id: DEMO_CASH_FEN if resident.id in demo_ids else 1000 * dice.randint(10, 90)
            for resident in population.residents[start : start + 50]
        }
        async with db.session() as session:
            await top_up_many_at_counter(session, amounts_fen, actor=ACTOR)


async def report_a_loss(db: Database, population: Population, demo_ids: set[UUID]) -> None:
    """Somebody's card is lost, and somebody's account is frozen: a till shows what that looks like."""
    lost, frozen = [r for r in population.residents if r.id not in demo_ids][:2]
    async with db.session() as session:
        await change_state(session, lost.id, "report_lost", actor=ACTOR, reason="食堂门口遗失")
        await change_state(session, frozen.id, "freeze", actor=ACTOR, reason="离职手续办理中")


async def grant_month(db: Database, places: Places, population: Population, on: date) -> None:
    """Each unit grants its people the lots of a month, good until its last day."""
    last = (on.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    for code, *_ in UNITS:
        await _grant(db, places, code, [r for r in population.residents if r.unit == code], last)


async def grant_demo_lots(db: Database, places: Places, population: Population, demo_ids: set[UUID], on: date) -> None:
    """The demo's own people get a lot that outlives the month, so that a look at the demo next week finds one too."""
    last = on + timedelta(days=DEMO_LOT_DAYS)
    for code, *_ in UNITS:
        chosen = [r for r in population.residents if r.unit == code and r.id in demo_ids]
        await _grant(db, places, code, chosen, last, everybody=True)


async def _grant(
    db: Database, places: Places, code: str, people: list[Resident], last: date, *, everybody: bool = False
) -> None:
    allotments = [
        Allotment(r.id, MONTHLY_LOT_FEN.get(r.person_class, MONTHLY_LOT_FEN["staff"]))
        for r in people
        if everybody or r.person_class in MONTHLY_LOT_FEN
    ]
    if allotments:
        async with db.session() as session:
            await grant_subsidies(session, places.organisations[code], allotments, expires_on=last, actor=ACTOR)
