"""Which period a posting books in, and the gate between posting and a cut-off.

Posting must never write into a period that was cut off, nor may a cut-off wait for every till of a province. So each
transaction that posts holds the gate's advisory lock shared, which costs no row, no WAL and no multixact; a cut-off takes it
alone for the few milliseconds of its own transaction. Whoever posts reads the closed periods *after* it has the gate, and
keeps it until its commit: what it read holds, and what the cut-off then reads of the journal is everything that was booked.

There is one gate, not one for each region and month: a batch knows its regions only once its payers are locked, which is too
late to begin waiting for anything.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import TryAgain
from payments.models import AccountingPeriod

GATE: Final = 4_204_240
ENTER_GATE: Final = f"SELECT pg_advisory_xact_lock_shared({GATE})"
"""First statement of a posting transaction; it ends with the transaction."""

# Small: the regions times the months since, and only those past their cut-off.
CLOSED_PERIODS: Final = "SELECT region_id, period FROM accounting_periods WHERE state <> 'open' AND period >= $1"
"""What a batch reads after it has the gate, with the month before the oldest business date that it may book as $1."""

LATE_WITHOUT_QUESTION: Final = timedelta(days=7)
_GATE_ATTEMPTS: Final = 100
_GATE_WAIT: Final = "200ms"
_GATE_PAUSE_S: Final = 0.1
_USUAL_WAIT: Final = "10s"
_LOCK_NOT_AVAILABLE: Final = "55P03"

# {region: its periods past the cut-off}
ClosedPeriods = Mapping[UUID, frozenset[str]]
NONE_CLOSED: Final[ClosedPeriods] = {}


def period_of(business_date: date) -> str:
    """The accounting period of a day: its month."""
    return f"{business_date:%Y-%m}"


def month_after(period: str) -> str:
    """The next period."""
    year, month = int(period[:4]), int(period[5:])
    return f"{year + 1}-01" if month == 12 else f"{year}-{month + 1:02d}"


def first_day(period: str) -> date:
    """The first business date of a period."""
    return date(int(period[:4]), int(period[5:]), 1)


def closed_periods(rows: Iterable[tuple[UUID, str]]) -> ClosedPeriods:
    """The rows of `CLOSED_PERIODS`, by region."""
    found: dict[UUID, set[str]] = {}
    for region_id, period in rows:
        found.setdefault(region_id, set()).add(period)
    return {region_id: frozenset(periods) for region_id, periods in found.items()}


def period_for_posting(closed: ClosedPeriods, wanted: str, *regions: UUID) -> str:
    """The first period from `wanted` on that is open in the books of all these regions.

    What stands in two books stands in one period: else what two regions say of each other would not match month by month.
    """
    if not closed:
        return wanted
    taken = frozenset().union(*(closed.get(region, frozenset()) for region in regions))
    while wanted in taken:
        wanted = month_after(wanted)
    return wanted


def is_late(business_date: date, period: str) -> bool:
    """Whether a sale was booked in a later period than its day's: it keeps its business date and is told apart."""
    return period_of(business_date) < period


def needs_a_look(business_date: date, booked_on: date) -> bool:
    """Whether a sale comes so late that a person must say it is right."""
    return booked_on - business_date > LATE_WITHOUT_QUESTION


async def enter_gate(session: AsyncSession) -> None:
    """Hold off cut-offs until this transaction ends."""
    await session.execute(text(ENTER_GATE))


async def read_closed(session: AsyncSession, regions: Iterable[UUID], since: str) -> ClosedPeriods:
    """The closed periods of some regions from a month on. Call it behind the gate."""
    rows = await session.execute(
        select(AccountingPeriod.region_id, AccountingPeriod.period).where(
            AccountingPeriod.region_id.in_(set(regions)),
            AccountingPeriod.period >= since,
            AccountingPeriod.state != "open",
        )
    )
    return closed_periods((row.region_id, row.period) for row in rows)


async def close_gate(session: AsyncSession) -> None:
    """Wait until nobody posts, and keep everybody out until this transaction ends: milliseconds, please.

    A waiting writer lets no new reader in. So it waits in short attempts with pauses between: a long act of the office
    (ten thousand grants) makes the cut-off late, and not the tills slow.
    """
    for _ in range(_GATE_ATTEMPTS):
        try:
            async with session.begin_nested():
                await session.execute(text(f"SET LOCAL lock_timeout = '{_GATE_WAIT}'"))
                await session.execute(text(f"SELECT pg_advisory_xact_lock({GATE})"))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            await asyncio.sleep(_GATE_PAUSE_S)
        else:
            await session.execute(text(f"SET LOCAL lock_timeout = '{_USUAL_WAIT}'"))
            return
    raise TryAgain(reason="somebody has been posting for a long time")
