"""After the lunch the books are asked: is each acknowledged payment there once, and nothing else; do all invariants hold?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.lunch.sales import Sale
from kernel.db import Database
from kernel.ids import parse_public_id, public_id
from payments.invariants import audit

_SHOWN: Final = 5


@dataclass
class Books:
    """What they say of this lunch. Sums in fen."""

    payments: int = 0
    amount_fen: int = 0
    # What the ledger's lines owe to canteens.
    owed_fen: int = 0
    from_fen: dict[str, int] = field(default_factory=dict)
    between_regions_fen: int = 0
    lost: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    invariants: int = 0


async def ask_books(url: str, sales: Sequence[Sale], since: datetime) -> Books:
    """Everything of an installation that was ours alone since that moment."""
    in_doubt = [sale.key for sale in sales if sale.answered_s is None]
    acknowledged = {parse_public_id("pay", sale.payment): sale.amount_fen for sale in sales if sale.is_paid}
    database = Database(url, pool_size=2)
    try:
        async with database.session() as session:
            await session.execute(text("SET LOCAL statement_timeout = '120s'"))
            rows = (await session.execute(text(_PAYMENTS), {"since": since})).all()
            found = {row.id: row.amount_fen for row in rows}
            books = Books(payments=len(rows), amount_fen=sum(row.amount_fen for row in rows))
            books.lost = _named(acknowledged.keys() - found.keys())
            doubtful = set((await session.scalars(text(_OF_KEYS), {"keys": in_doubt})).all())
            books.unknown = _named(found.keys() - acknowledged.keys() - doubtful)
            books.different = _named(
                each for each in acknowledged.keys() & found.keys() if acknowledged[each] != found[each]
            )
            for row in await session.execute(text(_LINES), {"ids": list(found)}):
                _add(books, row.debit_kind, row.credit_kind, int(row.fen))
        async with database.session() as session:
            findings = await audit(session)
    finally:
        await database.close()
    books.invariants = len(findings)
    books.broken = [f"{each.invariant.name}: {each.offenders[:2]}" for each in findings if not each.holds]
    return books


_PAYMENTS: Final = "SELECT id, amount_fen FROM payments WHERE recorded_at >= :since"
# Somebody who was sent away without an answer may have paid; asked again with the key, the till would be told.
_OF_KEYS: Final = "SELECT payment_id FROM terminal_requests WHERE key = ANY(:keys) AND payment_id IS NOT NULL"
_LINES: Final = """
    SELECT debit_kind, credit_kind, sum(amount_fen) AS fen
      FROM ledger_lines WHERE transfer_id = ANY(:ids) GROUP BY debit_kind, credit_kind
"""


def _add(books: Books, debit_kind: str, credit_kind: str, fen: int) -> None:
    if credit_kind == "payable":
        books.owed_fen += fen
    if debit_kind == "due_from":
        books.between_regions_fen += fen
    else:
        books.from_fen[debit_kind] = books.from_fen.get(debit_kind, 0) + fen


def _named(ids: Iterable[UUID]) -> list[str]:
    named: Sequence[str] = sorted(public_id("pay", each) for each in ids)
    return [*named[:_SHOWN], *([f"and {len(named) - _SHOWN} more"] if len(named) > _SHOWN else [])]
