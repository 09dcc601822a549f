"""Counting a period: a function of the journal up to the vector of its cut-off, and of nothing else.

The database counts, set by set, for all regions that were cut off together in one pass: what each account moved by day and
kind (persons merged), and what each unit's subsidies paid. Nothing of a payment comes to this process; what is hashed is read
back row by row. Counting again, here or on another machine that holds the journal, gives the same hash.

Each function works in the caller's transaction: a close that is killed has written nothing and is begun again.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.ids import first_id_at
from payments.lines import HOLDER_ACCOUNTS
from payments.models import AccountingPeriod
from payments.settlement.canonical import hash_of_close
from payments.settlement.periods import first_day

# What settling itself books: told in the books, and no part of what a period owes anybody.
SETTLEMENT_KINDS: Final = ("netting", "commission", "suspend", "bank_payment")
# Persons' accounts in totals: merged, and nobody's.
PERSONS_ACCOUNTS: Final = tuple(sorted(HOLDER_ACCOUNTS | {"receivable"}))
NOBODY: Final = UUID(int=0)
# No zone is further ahead of UTC than 14 hours, and no clock of ours a day off.
_MARGIN: Final = timedelta(days=1)
_LONG: Final = "SET LOCAL statement_timeout = '30min'"
# For two hash tables of a province's canteens and days; a close is one session.
_MEMORY: Final = "SET LOCAL work_mem = '128MB'"
_ROWS_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Counted:
    """What a close found of one region: the hash of it, and how many ledger lines it counted."""

    aggregates_hash: str
    line_count: int


async def count(session: AsyncSession, periods: Sequence[AccountingPeriod]) -> dict[UUID, Counted]:
    """Count these cut-off periods of one month into `closing_totals` and `closing_units`; by settlement id."""
    assert len({row.period for row in periods}) == 1, "one month at a time"
    await session.execute(text(_LONG))
    await session.execute(text(_MEMORY))
    await session.execute(text("DROP TABLE IF EXISTS closing_totals, closing_units, closing_pairs"))
    for number, group in enumerate(_by_vector(periods)):
        where = _where(group)
        into = "CREATE TEMP TABLE {} ON COMMIT DROP AS {}" if number == 0 else "INSERT INTO {} {}"
        await session.execute(text(into.format("closing_pairs", _PAIRS.format(where=where, persons=_PERSONS))))
        await session.execute(text(into.format("closing_units", _UNITS.format(where=where))))
    await session.execute(text(_TOTALS))
    return {row.id: await _hash(session, row) for row in periods}


async def keep(session: AsyncSession, row: AccountingPeriod) -> None:
    """Write down what was counted of one region; what an earlier attempt has written goes."""
    for table in ("settlement_totals", "settlement_unit_totals"):
        await session.execute(text(f"DELETE FROM {table} WHERE settlement_id = :id"), {"id": row.id})  # noqa: S608  our own names
    named = {"id": row.id, "region": row.region_id}
    await session.execute(text(_KEEP_TOTALS), named)
    await session.execute(text(_KEEP_UNITS), named)


def _by_vector(periods: Sequence[AccountingPeriod]) -> list[list[AccountingPeriod]]:
    """Regions that were cut off together are counted together."""
    groups: dict[tuple[tuple[str, int], ...], list[AccountingPeriod]] = {}
    for row in sorted(periods, key=lambda row: row.region_id.int):
        assert row.vector is not None, "it was cut off"
        groups.setdefault(tuple(sorted(row.vector.items())), []).append(row)
    return list(groups.values())


def _where(group: Sequence[AccountingPeriod]) -> str:
    """The lines of these regions' period up to their vector. Ids carry their instant: only near partitions are read.

    A period may have been begun early, by a cut-off of the one before it in the middle of its month.
    """
    period, vector = group[0].period, group[0].vector or {}
    begins = datetime.combine(first_day(period), time(), UTC)
    begun_early = [row.opened_early_at for row in group if row.opened_early_at is not None]
    cut_off = max(row.cut_off_at for row in group if row.cut_off_at is not None)
    lanes = " ".join(f"WHEN {int(lane)} THEN {int(n)}" for lane, n in sorted(vector.items()))
    reached = f"CASE l.lane {lanes} ELSE 0 END" if lanes else "0"
    regions = ", ".join(f"'{row.region_id}'" for row in group)
    return (
        f"l.accounting_period = '{period}' AND l.region_id IN ({regions}) AND l.n <= {reached} "
        f"AND l.transfer_id >= '{first_id_at(min([begins, *begun_early]) - _MARGIN)}' "
        f"AND l.transfer_id < '{first_id_at(cut_off + _MARGIN)}'"
    )


_PERSONS: Final = ", ".join(f"'{kind}'" for kind in PERSONS_ACCOUNTS)

# CREATE TABLE AS may run in parallel, INSERT ... SELECT may not.
_PAIRS: Final = f"""
SELECT l.region_id, l.business_date, l.kind, l.debit_kind, l.credit_kind,
       CASE WHEN l.debit_kind IN ({{persons}}) THEN '{NOBODY}'::uuid ELSE l.debit_owner END AS debit_owner,
       CASE WHEN l.credit_kind IN ({{persons}}) THEN '{NOBODY}'::uuid ELSE l.credit_owner END AS credit_owner,
       sum(l.amount_fen)::bigint AS amount_fen, count(*) AS line_count
  FROM ledger_lines l WHERE {{where}}
 GROUP BY 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608  made from our own constants
# A lot belongs to its unit for life.
_UNITS: Final = """
SELECT l.region_id, s.unit_id, l.business_date, l.kind, count(*) AS line_count,
       sum(CASE WHEN l.debit_kind = 'subsidy' THEN l.amount_fen ELSE -l.amount_fen END)::bigint AS amount_fen
  FROM ledger_lines l JOIN subsidy_lots s ON s.bucket = l.bucket AND s.id = l.lot_id
 WHERE {where} AND l.lot_id IS NOT NULL
   AND (l.credit_kind IN ('payable', 'due_to') OR l.debit_kind IN ('payable', 'due_to'))
 GROUP BY 1, 2, 3, 4
"""
_TOTALS: Final = """
CREATE TEMP TABLE closing_totals ON COMMIT DROP AS
SELECT region_id, account_kind, account_owner, business_date, kind,
       sum(debit_fen)::bigint AS debit_fen, sum(credit_fen)::bigint AS credit_fen, sum(line_count)::bigint AS line_count
  FROM (SELECT region_id, debit_kind AS account_kind, debit_owner AS account_owner, business_date, kind,
               amount_fen AS debit_fen, 0 AS credit_fen, line_count FROM closing_pairs
        UNION ALL
        SELECT region_id, credit_kind, credit_owner, business_date, kind, 0, amount_fen, line_count FROM closing_pairs) AS entries
 GROUP BY 1, 2, 3, 4, 5
"""
_KEEP_TOTALS: Final = """
INSERT INTO settlement_totals
       (settlement_id, account_kind, account_owner, business_date, kind, debit_fen, credit_fen, line_count)
SELECT :id, account_kind, account_owner, business_date, kind, debit_fen, credit_fen, line_count
  FROM closing_totals WHERE region_id = :region
"""
_KEEP_UNITS: Final = """
INSERT INTO settlement_unit_totals (settlement_id, unit_id, business_date, kind, amount_fen, line_count)
SELECT :id, unit_id, business_date, kind, amount_fen, line_count FROM closing_units WHERE region_id = :region
"""

# Sorted by bytes, whatever the database's locale.
_READ_TOTALS: Final = """
SELECT account_kind, account_owner, business_date, kind, debit_fen, credit_fen, line_count
  FROM closing_totals WHERE region_id = :region
 ORDER BY account_kind COLLATE "C", account_owner, business_date, kind COLLATE "C"
"""
_READ_UNITS: Final = """
SELECT unit_id, business_date, kind, amount_fen, line_count FROM closing_units WHERE region_id = :region
 ORDER BY unit_id, business_date, kind COLLATE "C"
"""
_LINES: Final = "SELECT coalesce(sum(line_count), 0) FROM closing_pairs WHERE region_id = :region"


async def _hash(session: AsyncSession, row: AccountingPeriod) -> Counted:
    assert row.vector is not None, "it was cut off"
    digest = await hash_of_close(
        row.region_id,
        row.period,
        row.vector,
        row.chain_heads or {},
        _rows(session, _READ_TOTALS, {"region": row.region_id}),
        _rows(session, _READ_UNITS, {"region": row.region_id}),
    )
    return Counted(digest, int(await session.scalar(text(_LINES), {"region": row.region_id}) or 0))


async def _rows(session: AsyncSession, statement: str, values: Mapping[str, Any]) -> AsyncIterator[tuple[Any, ...]]:
    """Rows as they come; the whole never stands in memory."""
    result = await session.stream(text(statement), values, execution_options={"yield_per": _ROWS_AT_ONCE})
    async for partition in result.partitions():
        for row in partition:
            yield tuple(row)
