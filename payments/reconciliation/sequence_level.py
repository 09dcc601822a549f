"""L0: the tills' sequences and the lanes' hash chains.

A gap in a till's numbers is allowed by the contract and only counted. A payment whose number the till's sequence does not hold,
an answer "paid" without its payment, a number that paid twice, and a link of a chain that does not verify are differences.
"""

from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Role
from kernel.ids import first_id_at, public_id
from kernel.settings import get_settings
from payments.reconciliation.found import Comparison, Found, Kind

# An offline sale may be uploaded this much later.
_LATE: Final = timedelta(days=8)
# Lines of a commit may belong to a transfer that was begun so much earlier: an order at a gateway, a lot.
_BEGUN_EARLIER: Final = timedelta(days=40)

_PAYMENTS: Final = text("""
    WITH sales AS (
        SELECT id, terminal_id, epoch, seq, amount_fen, site_id, host_region_id FROM payments
         WHERE business_date = :day AND id >= :first AND id < :last AND seq IS NOT NULL
    )
    SELECT 'missing_there' AS kind, s.* FROM sales s
     WHERE NOT EXISTS (SELECT FROM terminal_requests r
                        WHERE r.terminal_id = s.terminal_id AND r.epoch = s.epoch AND r.seq = s.seq AND r.payment_id = s.id)
       AND (SELECT count(*) FROM sales t WHERE (t.terminal_id, t.epoch, t.seq) = (s.terminal_id, s.epoch, s.seq)) = 1
    UNION ALL
    SELECT 'duplicate', s.* FROM sales s
      JOIN (SELECT terminal_id, epoch, seq, min(id::text)::uuid AS first_id FROM sales
             GROUP BY terminal_id, epoch, seq HAVING count(*) > 1) AS d
        ON (d.terminal_id, d.epoch, d.seq) = (s.terminal_id, s.epoch, s.seq) AND s.id <> d.first_id
""")
# As long as the tills' answers are kept.
_ANSWERED: Final = text("""
    SELECT r.payment_id AS id, r.terminal_id, r.epoch, r.seq
      FROM terminal_requests r JOIN stored_answers a ON a.id = r.payment_id
     WHERE r.recorded_at >= :since AND r.recorded_at < :until AND a.status = 201
       AND NOT EXISTS (SELECT FROM payments p WHERE p.id = r.payment_id)
       AND NOT EXISTS (SELECT FROM guest_payments g WHERE g.id = r.payment_id)
""")
_SEQUENCES: Final = text("""
    SELECT count(*) AS numbers, count(DISTINCT (terminal_id, epoch)) AS tills,
           coalesce((SELECT sum(gaps) FROM (
               SELECT max(seq) - min(seq) + 1 - count(*) AS gaps FROM terminal_requests
                WHERE recorded_at >= :since AND recorded_at < :until GROUP BY terminal_id, epoch) AS g), 0) AS gaps
      FROM terminal_requests WHERE recorded_at >= :since AND recorded_at < :until
""")
# The same as I7 of payments/invariants.py, for the links of one day and the one before each.
_CHAIN: Final = text(r"""
    WITH links AS (
        SELECT b.lane, b.n, b.line_count, b.hash, p.n AS n_before,
               coalesce(p.hash, decode(repeat('00', 32), 'hex')) AS hash_before
          FROM ledger_batches b LEFT JOIN ledger_batches p ON p.lane = b.lane AND p.n = b.n - 1
         WHERE b.recorded_at >= :since AND b.recorded_at < :until
    ), spans AS (
        SELECT lane, min(n) AS first_n, max(n) AS last_n FROM links GROUP BY lane
    ), written AS (
        SELECT l.lane, l.n, count(*) AS line_count, sum(l.amount_fen) AS fen,
               string_agg(concat_ws(',', transfer_id, ordinal, kind, region_id, debit_kind || ':' || debit_owner,
                                    credit_kind || ':' || credit_owner, coalesce(lot_id::text, ''), amount_fen, business_date,
                                    accounting_period),
                          E'\n' ORDER BY transfer_id, ordinal) AS lines
          FROM ledger_lines l JOIN spans s ON s.lane = l.lane AND l.n BETWEEN s.first_n AND s.last_n
         WHERE l.transfer_id >= :begun
         GROUP BY l.lane, l.n
    )
    SELECT b.lane, b.n, b.line_count AS sealed, coalesce(w.line_count, 0) AS there, w.fen,
           count(*) OVER () AS bad, (SELECT count(*) FROM links) AS total
      FROM links b LEFT JOIN written w ON w.lane = b.lane AND w.n = b.n
     WHERE (b.n_before IS NULL AND b.n > 1) OR w.n IS NULL OR b.line_count <> w.line_count
        OR b.hash <> sha256(b.hash_before || convert_to(w.lines, 'UTF8'))
""")
_LINKS: Final = text("SELECT count(*) FROM ledger_batches WHERE recorded_at >= :since AND recorded_at < :until")


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """From when until when a business day lasts."""
    starts = datetime.combine(day, time(2), get_settings().zone)
    return starts, datetime.combine(day + timedelta(days=1), time(2), get_settings().zone)


async def compare(session: AsyncSession, day: date) -> Comparison:
    """The day's numbers and links."""
    since, until = bounds_of(day)
    window = {"since": since, "until": until}
    ids = {"day": day, "first": first_id_at(since - timedelta(days=1)), "last": first_id_at(until + _LATE)}
    found = [_payment(row) for row in await session.execute(_PAYMENTS, ids)]
    found += [_answer(row) for row in await session.execute(_ANSWERED, window)]
    chain = await session.execute(_CHAIN, window | {"begun": first_id_at(since - _BEGUN_EARLIER)})
    found += [_link(row) for row in chain]
    numbers = (await session.execute(_SEQUENCES, window)).one()
    links = await session.scalar(_LINKS, window)
    figures = {"numbers": numbers.numbers, "tills": numbers.tills, "gaps": int(numbers.gaps), "links": links or 0}
    return Comparison(found, numbers.numbers + (links or 0), figures)


def _payment(row: Any) -> Found:
    return Found(
        key=f"{row.kind}:{row.id}",
        kind=Kind(row.kind),
        reference=public_id("pay", row.id),
        expected_fen=row.amount_fen,
        found_fen=0 if row.kind == "missing_there" else 2 * row.amount_fen,
        owner_role=Role.CANTEEN_MANAGER,
        region_id=row.host_region_id,
        site_id=row.site_id,
        detail={"terminal": public_id("ter", row.terminal_id), "epoch": row.epoch, "seq": row.seq},
    )


def _answer(row: Any) -> Found:
    return Found(
        key=f"missing_here:{row.id}",
        kind=Kind.MISSING_HERE,
        reference=public_id("pay", row.id),
        detail={"terminal": public_id("ter", row.terminal_id), "epoch": row.epoch, "seq": row.seq},
    )


def _link(row: Any) -> Found:
    return Found(
        key=f"chain:{row.lane}:{row.n}",
        kind=Kind.CHAIN,
        reference=f"lane {row.lane}, n {row.n}",
        owner_role=Role.SYSTEM_ADMIN,
        detail={"lane": row.lane, "n": row.n, "sealed": row.sealed, "there": row.there},
    )
