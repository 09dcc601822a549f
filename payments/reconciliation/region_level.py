"""L5: what one region's book says that it owes, against what the other's says that it is owed, transfer by transfer."""

from datetime import date
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.ids import public_id
from payments.reconciliation.found import Comparison, Found, Kind

# + debit, - credit: what the debtor's book credits, the creditor's book debits.
_MIRRORED: Final = text("""
    WITH owed AS (
        SELECT transfer_id, kind, region_id AS debtor, account_owner AS creditor, -amount_fen AS said_fen, NULL::bigint AS heard_fen
          FROM entries WHERE account_kind = 'due_to' AND business_date = :day
        UNION ALL
        SELECT transfer_id, kind, account_owner, region_id, NULL, amount_fen
          FROM entries WHERE account_kind = 'due_from' AND business_date = :day
    ), summed AS (
        SELECT transfer_id, min(kind) AS kind, debtor, creditor, sum(said_fen)::bigint AS said_fen,
               sum(heard_fen)::bigint AS heard_fen
          FROM owed GROUP BY transfer_id, debtor, creditor
    )
    SELECT *, (SELECT count(*) FROM summed) AS total FROM summed WHERE said_fen IS DISTINCT FROM heard_fen
""")
_COUNTED: Final = text("""
    SELECT count(DISTINCT transfer_id) FROM entries WHERE account_kind IN ('due_to', 'due_from') AND business_date = :day
""")


async def compare(session: AsyncSession, day: date) -> Comparison:
    """All that two books have between them that day."""
    found = [_found(row) for row in await session.execute(_MIRRORED, {"day": day})]
    total = await session.scalar(_COUNTED, {"day": day}) or 0
    return Comparison(found, total, {"transfers": total})


def _found(row: Any) -> Found:
    if row.heard_fen is None:
        kind = Kind.MISSING_THERE
    else:
        kind = Kind.MISSING_HERE if row.said_fen is None else Kind.AMOUNT
    return Found(
        key=f"{row.transfer_id}:{row.debtor}:{row.creditor}",
        kind=kind,
        reference=f"{row.kind} {row.transfer_id.hex}",
        expected_fen=row.said_fen,
        found_fen=row.heard_fen,
        region_id=row.debtor,
        detail={"debtor": public_id("reg", row.debtor), "creditor": public_id("reg", row.creditor)},
    )
