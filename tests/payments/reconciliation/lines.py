"""The lines of one commit, as the hash chain reads them."""

from sqlalchemy import select

from kernel.db import Database
from payments.lines import Account, Line
from payments.models import LedgerLine


async def lines_of_commit(db: Database, lane: int, n: int) -> list[Line]:
    async with db.session() as session:
        rows = await session.scalars(select(LedgerLine).where(LedgerLine.lane == lane, LedgerLine.n == n))
        return [
            Line(
                row.bucket,
                row.transfer_id,
                row.ordinal,
                row.kind,
                row.region_id,
                Account(row.debit_kind, row.debit_owner),
                Account(row.credit_kind, row.credit_owner),
                row.lot_id,
                row.amount_fen,
                row.business_date,
                row.accounting_period,
            )
            for row in rows
        ]
