"""Payments' background steps, run by the worker: partitions ahead, checkpoints, expiry, old answers away."""

from datetime import timedelta
from typing import Final

from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from kernel.partitions import drop_expired_partitions
from payments import funding, ledger, tables

GUESSES_KEPT: Final = timedelta(hours=1)
IDEMPOTENT_REQUESTS_KEPT: Final = timedelta(days=8)


async def keep_partitions(db: Database) -> None:
    """Make the partitions of the days and months to come; drop those whose time is over."""
    async with db.session() as session:
        await tables.create_partitions_around(session, clock.now())
    async with db.session() as session:
        await drop_expired_partitions(session, tables.PARTITIONED, clock.now())


async def fold_account_deltas(db: Database) -> int:
    """Fold what the commits did to house accounts into checkpoints; returns how many accounts moved."""
    async with db.session() as session:
        return await ledger.fold_deltas(session)


async def expire_due_lots(db: Database) -> int:
    """Give unspent subsidies back to their units, in short transactions, until none is due."""
    total = 0
    while True:
        async with db.session() as session:
            ended = await funding.expire_lots(session)
        total += ended
        if not ended:
            return total


async def forget_old_requests(db: Database) -> None:
    """Drop what is kept for a while only: guesses of an hour, stored answers of the office of eight days."""
    async with db.session() as session:
        await session.execute(
            text("DELETE FROM terminal_guesses WHERE guessed_at < :before"), {"before": clock.now() - GUESSES_KEPT}
        )
        await session.execute(
            text("DELETE FROM idempotent_requests WHERE recorded_at < :before"),
            {"before": clock.now() - IDEMPOTENT_REQUESTS_KEPT},
        )
