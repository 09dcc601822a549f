"""L2: every sale and return against its ledger lines, leg by leg, lot by lot.

A sale without lines is missing here, lines without their sale are missing there. Top-ups and guests' meals have one leg.
"""

from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.ids import first_id_at, public_id
from payments.reconciliation.found import Comparison, Found, Kind
from payments.reconciliation.sequence_level import bounds_of

_LATE: Final = timedelta(days=8)
_PREFIXES: Final = {"payment": "pay", "void": "void", "refund": "ref", "top_up": "top", "guest_payment": "gst"}

# Legs are written out one way on both sides: purse, lot and amount, in order. A purse's account is debited by a sale and
# credited by a return; the other side of the line is the canteen's, or the other region's.
_COMPARED: Final = text("""
    WITH said AS (
        SELECT 'payment' AS kind, id, home_region_id AS region_id, site_id, amount_fen, legs FROM payments
         WHERE business_date = :day AND id >= :first AND id < :last
        UNION ALL
        SELECT r.kind, r.id, p.home_region_id, p.site_id, r.amount_fen, r.legs
          FROM reversals r JOIN payments p ON p.bucket = r.bucket AND p.id = r.payment_id
         WHERE r.business_date = :day AND r.id >= :first AND r.id < :last
    ), told AS (
        SELECT s.kind, s.id, s.region_id, s.site_id, s.amount_fen,
               (SELECT string_agg(purse || coalesce(lot, '') || fen, ' ' ORDER BY purse, lot, fen)
                  FROM (SELECT leg ->> 'purse' AS purse, leg ->> 'lot' AS lot, sum((leg ->> 'amount_fen')::bigint) AS fen
                          FROM json_array_elements(s.legs) AS leg GROUP BY 1, 2) AS summed) AS legs
          FROM said s
        UNION ALL
        SELECT 'guest_payment', id, region_id, site_id, amount_fen, NULL FROM guest_payments
         WHERE business_date = :day AND status = 'succeeded'
    ), lined AS (
        SELECT kind, transfer_id AS id, min(region_id::text)::uuid AS region_id, sum(fen)::bigint AS amount_fen,
               string_agg(purse || coalesce(lot, '') || fen, ' ' ORDER BY purse, lot, fen) AS legs
          FROM (SELECT l.kind, l.transfer_id, l.region_id,
                       CASE WHEN l.kind IN ('void', 'refund') THEN l.credit_kind ELSE l.debit_kind END AS purse,
                       l.lot_id::text AS lot, sum(l.amount_fen) AS fen
                  FROM ledger_lines l
                 WHERE l.business_date = :day AND l.transfer_id >= :first AND l.transfer_id < :last
                   AND CASE WHEN l.kind IN ('payment', 'guest_payment') THEN l.debit_kind
                            WHEN l.kind IN ('void', 'refund') THEN l.credit_kind END
                       IN ('cash', 'subsidy', 'official', 'receivable', 'suspense', 'psp_clearing')
                 GROUP BY 1, 2, 3, 4, 5) AS by_leg
         GROUP BY kind, transfer_id
    )
    SELECT coalesce(t.kind, l.kind) AS kind, coalesce(t.id, l.id) AS id, coalesce(t.region_id, l.region_id) AS region_id,
           t.site_id, t.amount_fen AS told_fen, l.amount_fen AS lined_fen, t.legs AS told_legs, l.legs AS lined_legs
      FROM told t FULL JOIN lined l ON l.id = t.id AND l.kind = t.kind
     WHERE t.id IS NULL OR l.id IS NULL OR t.amount_fen <> l.amount_fen
        OR (t.legs IS NOT NULL AND t.legs <> l.legs)
""")
_COUNTED: Final = text("""
    SELECT (SELECT count(*) FROM payments WHERE business_date = :day AND id >= :first AND id < :last) AS sales,
           (SELECT count(*) FROM reversals WHERE business_date = :day AND id >= :first AND id < :last) AS returns
""")


async def compare(session: AsyncSession, day: date) -> Comparison:
    """The day's sales and returns."""
    since, until = bounds_of(day)
    window = {"day": day, "first": first_id_at(since - timedelta(days=1)), "last": first_id_at(until + _LATE)}
    rows = await session.execute(_COMPARED, window)
    counted = (await session.execute(_COUNTED, window)).one()
    figures = {"sales": counted.sales, "returns": counted.returns}
    return Comparison([_found(row) for row in rows], counted.sales + counted.returns, figures)


def _found(row: Any) -> Found:
    if row.lined_fen is None:
        kind = Kind.MISSING_HERE
    else:
        kind = Kind.MISSING_THERE if row.told_fen is None else Kind.AMOUNT
    return Found(
        key=f"{row.kind}:{row.id}",
        kind=kind,
        reference=public_id(_PREFIXES[row.kind], row.id),
        expected_fen=row.lined_fen,
        found_fen=row.told_fen,
        region_id=row.region_id,
        site_id=row.site_id,
        detail={"what": row.kind, "said": row.told_legs or "", "booked": row.lined_legs or ""},
    )
