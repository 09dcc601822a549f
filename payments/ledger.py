"""Posting outside of the hot path: the office writes its ledger lines here, through lane 0.

Balances that stand beside their owner (purses, lots, prefunds) are changed by the use case under the owner's row
lock; this module writes the lines, the deltas of the house accounts, and the next link of the office's chain.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.outbox import OFFICE_LANE, lock_office_lane
from payments.lines import GENESIS, Line, chain_hash, house_deltas
from payments.models import AccountDelta, LedgerBatch, LedgerLine
from payments.settlement.periods import enter_gate, period_for_posting, period_of, read_closed


async def open_period(session: AsyncSession, region_id: UUID, business_date: date, *other_regions: UUID) -> str:
    """The first period from a day's month on that is open in a region's book, held open for this commit.

    With `other_regions`, open in their books too: what stands in two books stands in one period.
    """
    regions = (region_id, *other_regions)
    await enter_gate(session)
    wanted = period_of(business_date)
    return period_for_posting(await read_closed(session, regions, wanted), wanted, *regions)


async def post_lines(session: AsyncSession, lines: Sequence[Line]) -> None:
    """Write lines, deltas and the next link of the office chain. Call it late: it holds up the office."""
    if not lines:
        return
    await lock_office_lane(session)
    head = (
        await session.execute(
            select(LedgerBatch.n, LedgerBatch.hash)
            .where(LedgerBatch.lane == OFFICE_LANE)
            .order_by(LedgerBatch.n.desc())
            .limit(1)
        )
    ).one_or_none()
    n, previous = (head.n + 1, head.hash) if head else (1, GENESIS)
    await session.execute(insert(LedgerLine), [_line_row(line, n) for line in lines])
    await session.execute(
        insert(AccountDelta),
        [
            {
                "lane": OFFICE_LANE,
                "n": n,
                "region_id": delta.region_id,
                "kind": delta.kind,
                "owner": delta.owner,
                "amount_fen": delta.amount_fen,
                "entry_count": delta.entry_count,
            }
            for delta in house_deltas(lines)
        ],
    )
    await session.execute(
        insert(LedgerBatch).values(
            lane=OFFICE_LANE,
            n=n,
            line_count=len(lines),
            hash=chain_hash(previous, lines),
            recorded_at=clock.now(),
        )
    )


def _line_row(line: Line, n: int) -> dict[str, object]:
    return {
        "bucket": line.bucket,
        "transfer_id": line.transfer_id,
        "ordinal": line.ordinal,
        "kind": line.kind,
        "region_id": line.region_id,
        "debit_kind": line.debit.kind,
        "debit_owner": line.debit.owner,
        "credit_kind": line.credit.kind,
        "credit_owner": line.credit.owner,
        "lot_id": line.lot_id,
        "amount_fen": line.amount_fen,
        "business_date": line.business_date,
        "accounting_period": line.accounting_period,
        "lane": OFFICE_LANE,
        "n": n,
    }


async def house_balance(session: AsyncSession, region_id: UUID, kind: str, owner: UUID) -> int:
    """A house account's balance, + debit and - credit: its checkpoint and the deltas since."""
    balance = await session.scalar(
        text("""
            SELECT coalesce((SELECT balance_fen FROM account_checkpoints
                              WHERE region_id = :region AND kind = :kind AND owner = :owner), 0)
                 + coalesce((SELECT sum(d.amount_fen) FROM account_deltas d
                               LEFT JOIN checkpoint_vector v ON v.lane = d.lane
                              WHERE d.region_id = :region AND d.kind = :kind AND d.owner = :owner
                                AND d.n > coalesce(v.n, 0)), 0)
        """),
        {"region": region_id, "kind": kind, "owner": owner},
    )
    return int(balance or 0)


async def fold_deltas(session: AsyncSession) -> int:
    """Fold the deltas since the last checkpoint into `account_checkpoints`; returns how many were folded.

    The vector is read first; a lane's deltas up to it are all committed, because a lane has one writer at a time.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('fold_deltas'))"))
    heads = await session.execute(
        select(LedgerBatch.lane, func.max(LedgerBatch.n).label("n")).group_by(LedgerBatch.lane)
    )
    folded = 0
    for lane, n in heads.all():
        result = await session.execute(
            text("""
                WITH since AS (SELECT coalesce((SELECT n FROM checkpoint_vector WHERE lane = :lane), 0) AS n),
                taken AS (
                    SELECT d.region_id, d.kind, d.owner, sum(d.amount_fen) AS amount_fen, sum(d.entry_count) AS entries
                      FROM account_deltas d, since
                     WHERE d.lane = :lane AND d.n > since.n AND d.n <= :n
                     GROUP BY d.region_id, d.kind, d.owner)
                INSERT INTO account_checkpoints AS c (region_id, kind, owner, balance_fen, entry_count)
                SELECT region_id, kind, owner, amount_fen, entries FROM taken
                ON CONFLICT (region_id, kind, owner) DO UPDATE
                   SET balance_fen = c.balance_fen + excluded.balance_fen,
                       entry_count = c.entry_count + excluded.entry_count
                RETURNING 1
            """),
            {"lane": lane, "n": n},
        )
        folded += len(result.all())
        await session.execute(
            text("""
                INSERT INTO checkpoint_vector (lane, n) VALUES (:lane, :n)
                ON CONFLICT (lane) DO UPDATE SET n = excluded.n
            """),
            {"lane": lane, "n": n},
        )
    return folded
