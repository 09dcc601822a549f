"""What must hold at every moment, as lists: a name, a sentence, and the SQL that returns the offending rows.

Each domain keeps a list of its own (`invariants.py`); app/invariants.py has all of them, for `guanjia audit`, the nightly job and
docs/invariants.md. Each query is one statement and so sees one moment, also while everything runs; it returns no row where
all is well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

OFFENDERS_SHOWN: Final = 20
_NAMED: Final = (
    "SELECT what, subject, detail, count(*) OVER () AS total FROM ({}) AS offending ORDER BY what, subject LIMIT {}"
)
# An audit of a year may take its time; it locks nothing.
_STATEMENT_TIMEOUT: Final = "SET LOCAL statement_timeout = '30min'"


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise. `sql` finds whatever breaks it: (what, subject, detail)."""

    name: str
    zh: str
    en: str
    sql: str


@dataclass(frozen=True, slots=True)
class Offender:
    """A row that breaks an invariant, in words."""

    what: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What one invariant's query found: how many rows, and the first of them."""

    invariant: Invariant
    offender_count: int
    offenders: tuple[Offender, ...]

    @property
    def holds(self) -> bool:
        return self.offender_count == 0


async def find_offenders(session: AsyncSession, invariant: Invariant) -> Finding:
    """Ask one invariant's question; the first rows that break it are named, the others counted."""
    rows = (await session.execute(text(_NAMED.format(invariant.sql, OFFENDERS_SHOWN)))).all()
    offenders = tuple(Offender(row.what, row.subject or "", row.detail or "") for row in rows)
    return Finding(invariant, rows[0].total if rows else 0, offenders)


async def audit(session: AsyncSession, invariants: Sequence[Invariant]) -> list[Finding]:
    """Ask every invariant's question, in order."""
    await session.execute(text(_STATEMENT_TIMEOUT))
    return [await find_offenders(session, invariant) for invariant in invariants]
