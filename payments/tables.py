"""Which of payments' tables are partitioned, and how far ahead partitions are made."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from kernel.partitions import PartitionedTable, create_partitions

PARTITIONED = (
    PartitionedTable("pay_codes", "month", kept_days=62),
    PartitionedTable("payments", "month"),
    PartitionedTable("reversals", "month"),
    PartitionedTable("ledger_lines", "month"),
    PartitionedTable("stored_answers", "day", kept_days=8),
)

MADE_AHEAD = timedelta(days=45)
DAYS_MADE_AHEAD = timedelta(days=8)


async def create_partitions_around(session: AsyncSession, at: datetime) -> None:
    """Make the partitions that a payment of this instant needs, and those that will soon be needed."""
    for table in PARTITIONED:
        ahead = MADE_AHEAD if table.step == "month" else DAYS_MADE_AHEAD
        await create_partitions(session, [table], at - timedelta(days=1), at + ahead)
