"""Last month's books of the demo province: cut off, counted and sent to the parties; this month's are open."""

from datetime import date, timedelta

from app.demo_data.people import Population
from app.demo_data.places import Places
from identity.api import Role
from kernel.db import Database
from kernel.ids import public_id
from payments.settlement import service
from payments.settlement.api import list_settlements


async def close_last_month(db: Database, places: Places, population: Population, on: date) -> None:
    """By finance, each trigger in a transaction of its own, as from the page."""
    actor = public_id("per", population.staff_id(Role.FINANCE))
    regions = list(places.regions.values())
    last = f"{on.replace(day=1) - timedelta(days=1):%Y-%m}"
    async with db.session() as session:
        await service.open_settlements(session, last, regions)
        await service.open_settlements(session, f"{on:%Y-%m}", regions)
    async with db.session() as session:
        rows = await list_settlements(session, regions=frozenset(regions), period=last, limit=len(regions))
        ids = [row.id for row in rows]
    async with db.session() as session:
        await service.cut_off(session, ids, actor=actor)
    async with db.session() as session:
        await service.reconcile(session, ids, actor=actor)
    for settlement_id in ids:
        async with db.session() as session:
            await service.send_statement(session, settlement_id, actor=actor)
