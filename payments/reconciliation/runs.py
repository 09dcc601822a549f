"""One run: a level compares both sides of a day, and its differences become rows. Running again changes nothing.

A difference that is still there keeps its row; a new one opens one; one that is gone closes by itself and stays as history.
One that a person has closed stays closed as long as it is the same; if it changes, a new row opens.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Role, people_with_roles_in
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from payments.reconciliation import (
    bank_level,
    bill_level,
    hr_level,
    leg_level,
    region_level,
    sequence_level,
    shift_level,
)
from payments.reconciliation.events import ReconciliationFinished
from payments.reconciliation.found import LEVELS, Comparison, Found, Level
from payments.reconciliation.instructions import confirm_instructions
from payments.reconciliation.models import Difference, ReconciliationRun
from payments.reconciliation.states import DIFFERENCE
from payments.states import next_state

log = structlog.get_logger(__name__)

COMPARE: Mapping[int, Level] = {
    0: sequence_level.compare,
    1: shift_level.compare,
    2: leg_level.compare,
    3: bill_level.compare,
    4: bank_level.compare,
    5: region_level.compare,
    6: hr_level.compare,
}
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(4204260, :level)")


async def run_levels(
    db: Database, day: date, *, levels: Sequence[int] = LEVELS, actor: str = "system"
) -> list[ReconciliationRun]:
    """Compare some levels for one day, each in a transaction of its own."""
    return [await run_level(db, level, day, actor=actor) for level in levels]


async def run_level(db: Database, level: int, day: date, *, actor: str = "system") -> ReconciliationRun:
    """Compare one level for one day. What compares a month (L6) compares the month of the day."""
    day = day.replace(day=1) if level == hr_level.LEVEL else day
    async with db.session() as session:
        await session.execute(_ONE_AT_A_TIME, {"level": level})
        started_at, run_id = clock.now(), uuid7()
        comparison = await COMPARE[level](session, day)
        opened, vanished = await _write(session, level, day, run_id, comparison)
        run = ReconciliationRun(
            id=run_id,
            level=level,
            day=day,
            actor=actor,
            started_at=started_at,
            finished_at=clock.now(),
            compared=comparison.compared,
            found=len(comparison.found),
            opened=len(opened),
            vanished=len(vanished),
            figures=dict(comparison.figures),
        )
        session.add(run)
        await session.flush()
        if opened or vanished:
            await _tell(session, run, [*opened, *vanished])
    if level == bank_level.LEVEL:
        await confirm_instructions(db)
    log.info("reconciliation.run", compared_level=level, day=day.isoformat(), found=run.found, opened=run.opened)
    return run


async def _write(
    session: AsyncSession, level: int, day: date, run_id: UUID, comparison: Comparison
) -> tuple[list[Difference], list[Difference]]:
    """Rows that were opened, and rows that closed by themselves."""
    found = {each.key: each for each in comparison.found}
    assert len(found) == len(comparison.found), "a key names one difference"
    latest = await _latest(session, level, list(found))
    opened: list[Difference] = []
    for key, each in found.items():
        row = latest.get(key)
        if row is not None and row.state != "closed":
            _update(row, each)
        elif row is None or row.closed_by is None or not _is_same(row, each):
            opened.append(_open(session, level, day, run_id, each))
    vanished = [row for row in await _live_of_day(session, level, day) if row.key not in found]
    for row in vanished:
        row.state = next_state(DIFFERENCE, row.state, "vanish")
        row.closed_at, row.closed_by_run = clock.now(), run_id
    await session.flush()
    return opened, vanished


async def _latest(session: AsyncSession, level: int, keys: list[str]) -> dict[str, Difference]:
    """The newest row of each key, locked: the one that is alive, where one is."""
    rows = await session.scalars(
        select(Difference)
        .where(Difference.level == level, Difference.key == func.any(keys))
        .order_by(Difference.state != "closed", Difference.opened_at, Difference.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.key: row for row in rows}


async def _live_of_day(session: AsyncSession, level: int, day: date) -> list[Difference]:
    rows = await session.scalars(
        select(Difference)
        .where(Difference.level == level, Difference.day == day, Difference.state != "closed")
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(rows)


def _is_same(row: Difference, found: Found) -> bool:
    return (row.kind, row.expected_fen, row.found_fen) == (found.kind, found.expected_fen, found.found_fen)


def _update(row: Difference, found: Found) -> None:
    row.kind, row.reference = found.kind, found.reference
    row.expected_fen, row.found_fen, row.amount_fen = found.expected_fen, found.found_fen, found.amount_fen
    row.detail = dict(found.detail)


def _open(session: AsyncSession, level: int, day: date, run_id: UUID, found: Found) -> Difference:
    row = Difference(
        id=uuid7(),
        level=level,
        day=day,
        key=found.key,
        kind=found.kind,
        reference=found.reference,
        expected_fen=found.expected_fen,
        found_fen=found.found_fen,
        amount_fen=found.amount_fen,
        detail=dict(found.detail),
        owner_role=found.owner_role,
        region_id=found.region_id,
        site_id=found.site_id,
        unit_id=found.unit_id,
        state="open",
        opened_at=clock.now(),
        opened_by_run=run_id,
    )
    session.add(row)
    return row


async def _tell(session: AsyncSession, run: ReconciliationRun, changed: Sequence[Difference]) -> None:
    regions = {row.region_id for row in changed if row.region_id is not None}
    told = await people_with_roles_in(session, regions, [Role.FINANCE])
    still_open = (
        await session.execute(
            select(func.count(), func.coalesce(func.sum(Difference.amount_fen), 0)).where(
                Difference.level == run.level, Difference.day == run.day, Difference.state != "closed"
            )
        )
    ).one()
    publish(
        session,
        ReconciliationFinished(
            happened_at=clock.rfc3339(run.finished_at),
            run=public_id("rec", run.id),
            level=run.level,
            day=run.day.isoformat(),
            opened=run.opened,
            vanished=run.vanished,
            open=int(still_open[0]),
            open_fen=int(still_open[1]),
            told=[public_id("per", person) for person in told],
        ),
    )
