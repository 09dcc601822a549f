"""Counting a period: a function of the journal up to the vector of its cut-off, and of nothing else.

The database counts, set by set, for all regions that were cut off together, in two passes: what each account was credited
by day and kind (persons merged), then what house accounts were debited and units' subsidies paid. The two are apart because
the pairs of accounts are many (each canteen with each region that eats there) and the accounts are few. Nothing of a payment
comes to this process; it hashes the totals as the database writes them. Counting again, here or on another machine that holds
the journal, gives the same hash.

Each function works in the caller's transaction: a close that is killed has written nothing and is begun again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from time import perf_counter
from typing import Final
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
# For hash tables of a province's canteens and days; a close is one session, on one processor: the tills need the others.
_MEMORY: Final = "SET LOCAL work_mem = '128MB'"
_HELPERS: Final = "SET LOCAL max_parallel_workers_per_gather = 0"
# Half a megabyte of totals is about one of log.
_PAGES_AT_ONCE: Final = 64


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
    await session.execute(text(_HELPERS))
    await session.execute(text("DROP TABLE IF EXISTS closing_credits, closing_debits, closing_totals, closing_units"))
    for number, group in enumerate(_by_vector(periods)):
        where = _where(group)
        into = "CREATE TEMP TABLE {} ON COMMIT DROP AS {}" if number == 0 else "INSERT INTO {} {}"
        await session.execute(text(into.format("closing_credits", _CREDITS.format(where=where))))
        await session.execute(text(into.format("closing_debits", _DEBITS.format(where=where))))
    await session.execute(text(_TOTALS))
    await session.execute(text(_UNITS))
    totals, units = await _texts(session, _TOTALS_TEXT), await _texts(session, _UNITS_TEXT)
    lines = {region: int(count) for region, count in (await session.execute(text(_LINES))).all()}
    return {
        row.id: Counted(
            hash_of_close(
                row.region_id,
                row.period,
                row.vector or {},
                row.chain_heads or {},
                totals.get(row.region_id, []),
                units.get(row.region_id, []),
            ),
            lines.get(row.region_id, 0),
        )
        for row in periods
    }


async def _texts(session: AsyncSession, statement: str) -> dict[UUID, list[str]]:
    """{region: rows as JSON, in order}; a piece for each kind of account."""
    found: dict[UUID, list[str]] = {}
    for region_id, piece in (await session.execute(text(statement))).all():
        found.setdefault(region_id, []).append(piece)
    return found


async def keep(session: AsyncSession, periods: Sequence[AccountingPeriod]) -> None:
    """Write down what was counted of these regions; what an earlier attempt has written goes."""
    ids, regions = [row.id for row in periods], [row.region_id for row in periods]
    for statement in (_FORGET_TOTALS, _FORGET_UNITS):
        await session.execute(text(statement), {"ids": ids})
    for counted, statement in (("closing_totals", _KEEP_TOTALS), ("closing_units", _KEEP_UNITS)):
        await _keep_in_turns(session, counted, statement, {"ids": ids, "regions": regions})


async def _keep_in_turns(session: AsyncSession, counted: str, statement: str, named: dict[str, list[UUID]]) -> None:
    """Some pages of what was counted, as they lie, and a rest as long as they took.

    A till's commit waits until everything is on disk that stands in the log before it. Written in one go, a province's
    totals are a hundred megabytes of it, and for their second nobody is served.
    """
    pages = await session.scalar(text(_PAGES), {"counted": f"pg_temp.{counted}"}) or 0
    for first in range(0, pages, _PAGES_AT_ONCE):
        started = perf_counter()
        turn = {"first": f"({first},0)", "following": f"({first + _PAGES_AT_ONCE},0)"}
        await session.execute(text(statement), named | turn)
        await asyncio.sleep(perf_counter() - started)


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
_CREDITS: Final = f"""
SELECT l.region_id, l.business_date, l.kind, l.credit_kind,
       CASE WHEN l.credit_kind IN ({_PERSONS}) THEN '{NOBODY}'::uuid ELSE l.credit_owner END AS credit_owner,
       sum(l.amount_fen)::bigint AS amount_fen, count(*) AS line_count
  FROM ledger_lines l WHERE {{where}}
 GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608  made from our own constants
# A lot belongs to its unit for life. What is left out are debits of cash, nearly half of all lines: they are the rest, as every
# line has one debit and one credit.
_DEBITS: Final = f"""
SELECT l.region_id, s.unit_id, l.business_date, l.kind, l.credit_kind, l.debit_kind,
       CASE WHEN l.debit_kind IN ({_PERSONS}) THEN '{NOBODY}'::uuid ELSE l.debit_owner END AS debit_owner,
       sum(l.amount_fen)::bigint AS amount_fen, count(*) AS line_count
  FROM ledger_lines l LEFT JOIN subsidy_lots s ON s.bucket = l.bucket AND s.id = l.lot_id
 WHERE {{where}} AND l.debit_kind <> 'cash'
 GROUP BY 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608  as above
_TOTALS: Final = f"""
CREATE TEMP TABLE closing_totals ON COMMIT DROP AS
SELECT region_id, account_kind, account_owner, business_date, kind,
       sum(debit_fen)::bigint AS debit_fen, sum(credit_fen)::bigint AS credit_fen, sum(line_count)::bigint AS line_count
  FROM (SELECT region_id, credit_kind AS account_kind, credit_owner AS account_owner, business_date, kind,
               0 AS debit_fen, amount_fen AS credit_fen, line_count FROM closing_credits
        UNION ALL
        SELECT region_id, debit_kind, debit_owner, business_date, kind, amount_fen, 0, line_count FROM closing_debits
        UNION ALL
        SELECT region_id, 'cash', '{NOBODY}'::uuid, business_date, kind, sum(amount_fen), 0, sum(line_count)
          FROM (SELECT region_id, business_date, kind, amount_fen, line_count FROM closing_credits
                UNION ALL
                SELECT region_id, business_date, kind, -amount_fen, -line_count FROM closing_debits) AS rest
         GROUP BY 1, 4, 5 HAVING sum(line_count) > 0) AS entries
 GROUP BY 1, 2, 3, 4, 5
 ORDER BY 1, 2, 3, 4, 5
"""  # noqa: S608  as above
_UNITS: Final = """
CREATE TEMP TABLE closing_units ON COMMIT DROP AS
SELECT region_id, unit_id, business_date, kind, sum(line_count)::bigint AS line_count,
       sum(CASE WHEN debit_kind = 'subsidy' THEN amount_fen ELSE -amount_fen END)::bigint AS amount_fen
  FROM closing_debits
 WHERE unit_id IS NOT NULL AND (credit_kind IN ('payable', 'due_to') OR debit_kind IN ('payable', 'due_to'))
 GROUP BY 1, 2, 3, 4
 ORDER BY 1, 2, 3, 4
"""
_PAGES: Final = "SELECT pg_relation_size(CAST(:counted AS text)) / CAST(current_setting('block_size') AS bigint)"
_FORGET_TOTALS: Final = "DELETE FROM settlement_totals WHERE settlement_id = ANY(CAST(:ids AS uuid[]))"
_FORGET_UNITS: Final = "DELETE FROM settlement_unit_totals WHERE settlement_id = ANY(CAST(:ids AS uuid[]))"
_KEEP_TOTALS: Final = """
INSERT INTO settlement_totals
       (settlement_id, account_kind, account_owner, business_date, kind, debit_fen, credit_fen, line_count)
SELECT s.id, account_kind, account_owner, business_date, kind, debit_fen, credit_fen, line_count
  FROM closing_totals t JOIN unnest(CAST(:ids AS uuid[]), CAST(:regions AS uuid[])) AS s(id, region_id) USING (region_id)
 WHERE t.ctid >= CAST(CAST(:first AS text) AS tid) AND t.ctid < CAST(CAST(:following AS text) AS tid)
"""
_KEEP_UNITS: Final = """
INSERT INTO settlement_unit_totals (settlement_id, unit_id, business_date, kind, amount_fen, line_count)
SELECT s.id, unit_id, business_date, kind, amount_fen, line_count
  FROM closing_units t JOIN unnest(CAST(:ids AS uuid[]), CAST(:regions AS uuid[])) AS s(id, region_id) USING (region_id)
 WHERE t.ctid >= CAST(CAST(:first AS text) AS tid) AND t.ctid < CAST(CAST(:following AS text) AS tid)
"""

# Written as JSON by the database, sorted by bytes whatever its locale: what canonical.py hashes.
_TOTALS_TEXT: Final = """
SELECT region_id,
       string_agg(format('[%s,"%s","%s",%s,%s,%s,%s]', to_json(account_kind), replace(account_owner::text, '-', ''),
                         to_char(business_date, 'YYYY-MM-DD'), to_json(kind), debit_fen, credit_fen, line_count),
                  ',' ORDER BY account_owner, business_date, kind COLLATE "C") AS rows
  FROM closing_totals GROUP BY region_id, account_kind ORDER BY region_id, account_kind COLLATE "C"
"""
_UNITS_TEXT: Final = """
SELECT region_id,
       string_agg(format('["%s","%s",%s,%s,%s]', replace(unit_id::text, '-', ''), to_char(business_date, 'YYYY-MM-DD'),
                         to_json(kind), amount_fen, line_count),
                  ',' ORDER BY unit_id, business_date, kind COLLATE "C") AS rows
  FROM closing_units GROUP BY region_id ORDER BY region_id
"""
_LINES: Final = "SELECT region_id, sum(line_count) FROM closing_credits GROUP BY region_id"
