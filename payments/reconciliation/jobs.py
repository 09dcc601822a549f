"""Background steps of reconciliation, run by the worker: bills are fetched, days are compared, the gauges follow.

A level is compared for yesterday once it is over, and again each day for every day that still has something open. What comes by
itself (a bill, a statement, a list) is compared when it has come.
"""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from kernel import clock
from kernel.db import Database
from kernel.settings import get_settings
from payments.banking.models import BankStatement
from payments.channels.channel import BillSource
from payments.reconciliation import metrics, queries
from payments.reconciliation.bills import fetch_due_bills, want_bills
from payments.reconciliation.found import LEVELS
from payments.reconciliation.models import ReconciliationRun
from payments.reconciliation.runs import run_level

log = structlog.get_logger(__name__)

_PAUSE_S: Final = 30
# After the day's audit of the books; the levels that need nobody else's file.
NIGHTLY_AT: Final = time(3, 30)
NIGHTLY: Final = (0, 1, 2, 5)
DAILY_AT: Final = {3: time(12, 30), 4: time(12, 30), 6: time(4, 0)}
AGES: Final = (0, 1, 3, 7, 30)
# A payout comes a few days after its day; a statement's days are compared together with those before.
_PAYOUT_AFTER: Final = timedelta(days=5)


async def reconcile_for_ever(db: Database, sources: Mapping[str, Any]) -> None:
    """The worker's loop."""
    while True:
        await reconcile_what_is_due(db, sources)
        await asyncio.sleep(_PAUSE_S)


async def reconcile_what_is_due(db: Database, sources: Mapping[str, BillSource]) -> None:
    """One round: bills, then levels, then gauges."""
    await want_bills(db, sources)
    for _channel, day in await fetch_due_bills(db, sources):
        await run_after_bill(db, day)
    for level in LEVELS:
        await _run_due(db, level)
    await show_open(db)


async def _run_due(db: Database, level: int) -> None:
    """Yesterday, and what is still open, once a day."""
    now = clock.now().astimezone(get_settings().zone)
    due_at = datetime.combine(now.date(), DAILY_AT.get(level, NIGHTLY_AT), get_settings().zone)
    if now < due_at:
        return
    yesterday = now.date() - timedelta(days=1)
    async with db.session() as session:
        days = {yesterday, *await queries.days_with_open(session, level)}
        if level == max(LEVELS):
            days = {day.replace(day=1) for day in days}
        due = [day for day in sorted(days) if not await queries.was_run_since(session, level, day, due_at)]
    for day in due:
        await run_level(db, level, day)


async def run_after_bill(db: Database, day: date, *, actor: str = "system") -> list[ReconciliationRun]:
    """A bill also answers for what its neighbours miss, and says what the bank should pay."""
    runs = [await run_level(db, 3, each, actor=actor) for each in (day - timedelta(days=1), day)]
    return [*runs, await run_level(db, 4, day, actor=actor)]


async def run_after_statement(db: Database, statement_id: UUID, *, actor: str = "system") -> BankStatement:
    """Compare the days of a statement, and those whose payouts it may bring."""
    async with db.session() as session:
        statement = await session.get(BankStatement, statement_id)
        assert statement is not None, "it was just taken"
    first = max(statement.first_day - _PAYOUT_AFTER, statement.last_day - timedelta(days=62))
    for number in range((statement.last_day - first).days + 1):
        await run_level(db, 4, first + timedelta(days=number), actor=actor)
    return statement


async def show_open(db: Database) -> None:
    """Set the operator's gauges."""
    async with db.session() as session:
        rows = await queries.open_ages(session)
    counts = {(level, age): 0 for level in LEVELS for age in AGES}
    sums = dict.fromkeys(LEVELS, 0)
    for level, opened_at, fen in rows:
        days = (clock.now() - opened_at).days
        counts[level, max(age for age in AGES if age <= max(days, 0))] += 1
        sums[level] += fen
    for (level, age), count in counts.items():
        metrics.OPEN.labels(f"L{level}", str(age)).set(count)
    for level, fen in sums.items():
        metrics.OPEN_FEN.labels(f"L{level}").set(fen)
