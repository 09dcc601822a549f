"""`guanjia export`: payments, ledger lines and purses out of the database, row by row, closed by their totals.

People stand in it by their id, never by name: who ate what is nobody's business but their own. What is written comes from
one snapshot, so the totals are those of the rows.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.operation.sheets import opened_sheet
from app.problems import ExportRefused
from kernel import audit_log, clock
from kernel.db import Database
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id

_ROWS_AT_ONCE: Final = 2000


@dataclass(frozen=True)
class Export:
    """What can be taken out: its columns, its question, and which columns are added up."""

    columns: tuple[str, ...]
    sql: str
    added_up: tuple[str, ...]
    # Its rows have a business date and a canteen to choose by.
    has_days: bool = True


@dataclass(frozen=True)
class Choice:
    """Which rows: business dates from and to, both included, and one canteen."""

    first: date | None = None
    last: date | None = None
    canteen: str | None = None

    @property
    def is_all(self) -> bool:
        """Nothing is left out."""
        return self.first is None and self.last is None and self.canteen is None


# $1 and $2: first and last business date; $3: the canteen's site; each null where anything goes.
_PAYMENTS: Final = """
    SELECT p.id AS "pay:payment", p.status, p.business_date, p.happened_at, p.recorded_at, p.site_id AS "can:canteen",
        s.name_zh AS canteen_name, p.terminal_id AS "ter:terminal", p.seq, p.person_id AS "per:person",
        p.unit_id AS "org:unit", p.amount_fen, p.refunded_fen, legs.cash_fen, legs.subsidy_fen, legs.official_fen,
        p.accounting_period
    FROM payments p LEFT JOIN sites s ON s.id = p.site_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum((leg ->> 'amount_fen')::bigint) FILTER (WHERE leg ->> 'purse' = 'cash'), 0)::bigint AS cash_fen,
            coalesce(sum((leg ->> 'amount_fen')::bigint) FILTER (WHERE leg ->> 'purse' = 'subsidy'), 0)::bigint AS subsidy_fen,
            coalesce(sum((leg ->> 'amount_fen')::bigint) FILTER (WHERE leg ->> 'purse' = 'official'), 0)::bigint AS official_fen
        FROM json_array_elements(p.legs::json) leg
    ) legs
    WHERE (p.business_date >= $1 OR $1::date IS NULL) AND (p.business_date <= $2 OR $2::date IS NULL)
        AND (p.site_id = $3 OR $3::uuid IS NULL)
    ORDER BY p.id
"""

_LEDGER: Final = """
    SELECT l.transfer_id AS transfer, l.ordinal, l.kind, l.business_date, l.accounting_period, l.region_id AS "reg:book",
        l.debit_kind || ':' || l.debit_owner AS debit, l.credit_kind || ':' || l.credit_owner AS credit,
        l.lot_id AS "lot:lot", l.amount_fen, l.lane, l.n
    FROM ledger_lines l
    WHERE (l.business_date >= $1 OR $1::date IS NULL) AND (l.business_date <= $2 OR $2::date IS NULL)
        AND ($3::uuid IS NULL OR EXISTS (
        SELECT FROM payments p LEFT JOIN reversals r ON r.bucket = p.bucket AND r.payment_id = p.id
        WHERE p.bucket = l.bucket AND p.site_id = $3 AND (p.id = l.transfer_id OR r.id = l.transfer_id)))
    ORDER BY l.lane, l.n, l.transfer_id, l.ordinal
"""

_PURSES: Final = """
    SELECT h.person_id AS "per:person", h.unit_id AS "org:unit", h.person_class, h.state, all_of.purse,
        all_of.lot AS "lot:lot", all_of.expires_on, all_of.balance_fen, all_of.held_fen
    FROM holders h JOIN (
        SELECT bucket, holder_id, kind AS purse, NULL::uuid AS lot, NULL::date AS expires_on, balance_fen, held_fen
        FROM purses
        UNION ALL
        SELECT bucket, holder_id, 'subsidy', id, expires_on, balance_fen, held_fen FROM subsidy_lots WHERE balance_fen > 0
    ) all_of ON all_of.bucket = h.bucket AND all_of.holder_id = h.id
    WHERE $1::date IS NULL AND $2::date IS NULL AND $3::uuid IS NULL
    ORDER BY h.bucket, h.id, all_of.purse, all_of.expires_on, all_of.lot
"""


def _columns_of(sql: str) -> tuple[str, ...]:
    """Written out in code, so that a file's heads do not change with a query."""
    return tuple(sql.split())


EXPORTS: Final[Mapping[str, Export]] = {
    "payments": Export(
        _columns_of(
            "payment status business_date happened_at recorded_at canteen canteen_name terminal seq person unit amount_fen "
            "refunded_fen cash_fen subsidy_fen official_fen accounting_period"
        ),
        _PAYMENTS,
        ("amount_fen", "refunded_fen", "cash_fen", "subsidy_fen", "official_fen"),
    ),
    "ledger": Export(
        _columns_of("transfer ordinal kind business_date accounting_period book debit credit lot amount_fen lane n"),
        _LEDGER,
        ("amount_fen",),
    ),
    "purses": Export(
        _columns_of("person unit person_class state purse lot expires_on balance_fen held_fen"),
        _PURSES,
        ("balance_fen", "held_fen"),
        has_days=False,
    ),
}


def export(url: str, what: str, target: str, choice: Choice, say: Callable[[str], None]) -> dict[str, Any]:
    """Write it; returns the totals."""
    if choice.first and choice.last and choice.first > choice.last:
        raise ExportRefused(f"{choice.first} comes after {choice.last}.")
    if not choice.is_all and not EXPORTS[what].has_days:
        raise ExportRefused("Purses are told as they are now and everywhere: days and canteens do not divide them.")
    return asyncio.run(_export(url, what, target, choice, say))


async def _export(url: str, what: str, target: str, choice: Choice, say: Callable[[str], None]) -> dict[str, Any]:
    wanted = EXPORTS[what]
    connection: Any = await asyncpg.connect(url, server_settings={"statement_timeout": "0", "timezone": "UTC"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            site_id = await _find_canteen(connection, choice.canteen)
            with opened_sheet(target, wanted.columns) as sheet:
                totals = {"rows": 0, **dict.fromkeys(wanted.added_up, 0)}
                statement = await connection.prepare(wanted.sql)
                prefixes = [_prefix_of(attribute.name) for attribute in statement.get_attributes()]
                places = [wanted.columns.index(name) for name in wanted.added_up]
                async for row in statement.cursor(choice.first, choice.last, site_id, prefetch=_ROWS_AT_ONCE):
                    cells = [_cell(value, prefix) for value, prefix in zip(row, prefixes, strict=True)]
                    sheet.write(cells)
                    _add_up(totals, wanted.added_up, [cells[place] for place in places])
                    if totals["rows"] % 100_000 == 0:
                        say(f"· {totals['rows']} rows ...")
                sheet.close(totals)
    finally:
        await connection.close()
    await _remember(url, what, choice, totals)
    return totals


async def _find_canteen(connection: Any, canteen: str | None) -> UUID | None:
    """By its id or its code."""
    if canteen is None:
        return None
    found: UUID | None = await connection.fetchval("SELECT id FROM sites WHERE code = $1", canteen)
    if found is None:
        try:
            found = parse_public_id("can", canteen)
        except NotFound:
            raise ExportRefused(f"There is no canteen {canteen}: a code such as C1, or an id can_...") from None
    return found


def _prefix_of(attribute: str) -> str:
    """`pay:payment` is a column of ids that are shown as `pay_...`."""
    prefix, colon, _ = attribute.partition(":")
    return prefix if colon else ""


def _cell(value: Any, prefix: str) -> Any:
    if value is None:
        return ""
    if isinstance(value, UUID):
        return public_id(prefix, value) if prefix else str(value)
    if isinstance(value, str | int):
        return value
    return value.isoformat() if type(value) is date else clock.rfc3339(value)


def _add_up(totals: dict[str, int], names: Sequence[str], amounts: Sequence[int]) -> None:
    totals["rows"] += 1
    for name, amount_fen in zip(names, amounts, strict=True):
        totals[name] += amount_fen


async def _remember(url: str, what: str, choice: Choice, totals: Mapping[str, int]) -> None:
    """Who looks at everybody's payments leaves a trace of it."""
    db = Database(url, pool_size=1)
    try:
        async with db.session() as session:
            await audit_log.record(
                session,
                actor="command-line",
                action="data.exported",
                subject=what,
                data={
                    "from": str(choice.first or ""),
                    "to": str(choice.last or ""),
                    "canteen": choice.canteen or "",
                    "rows": totals["rows"],
                },
            )
    finally:
        await db.close()
