"""What the stories of statements share: one lunch at home, one in the other region, a part of it given back."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from kernel import clock
from kernel.db import Database
from payments.models import AccountingPeriod
from payments.settlement.statements import queries, service
from payments.settlement.statements.statement import StatementKind
from payments.settlement.statements.words import Language
from tests.payments.world import World

NOON = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)
PERIOD = "2026-11"


@dataclass(frozen=True)
class Month:
    """A person's November: 18.00 at home, 25.00 away (subsidy 16.00 each), 5.00 of the second given back."""

    world: World
    person: UUID
    lunch: dict[str, Any]
    away: dict[str, Any]


async def eat_a_month(world: World) -> Month:
    """E2 to E7 of the worked example."""
    person = await world.person(cash_fen=10_000, lots={35_200: NOON.date().replace(day=30)})
    lunch = await world.lunch(person)
    clock.advance(timedelta(days=1))
    away = await world.lunch(person, amount_fen=2500, terminal=world.terminal(world.tills[-1]))
    await world.refund(away["id"], 500)
    return Month(world, person, lunch, away)


async def cut_off(db: Database, region_id: UUID, period: str = PERIOD) -> None:
    """Fix the journal's position for a period, as the close does."""
    async with db.session() as session:
        vector = await queries.journal_heads(session)
        row = AccountingPeriod(
            region_id=region_id, period=period, state="cutoff", vector={str(lane): n for lane, n in vector.items()}
        )
        session.add(row)


async def fetch(
    db: Database,
    kind: StatementKind,
    region_id: UUID,
    subject_id: UUID,
    folder: Path,
    form: str = "lines",
    language: Language = "zh",
) -> tuple[service.Made, Path]:
    """A statement and one of its files, moved to a folder of the test."""
    async with db.session() as session:
        made = await service.make_statement(session, kind, region_id, subject_id, PERIOD)
        file = await service.write_file(session, made, form, language)
    return made, file.path.rename(folder / f"{kind}.{form}")
