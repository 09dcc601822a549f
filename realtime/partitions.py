"""Days of `channel_events`: made ahead, dropped whole when they are old."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import asyncpg
from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from kernel.partitions import ONE_MAKER_AT_A_TIME, PartitionedTable, drop_expired_partitions, partition_name

CHANNEL_EVENTS: Final = PartitionedTable("channel_events", "day", kept_days=14)
_DAYS_AHEAD: Final = 3


async def ensure_day(connection: "asyncpg.Connection[asyncpg.Record]", day: date) -> None:
    """Make the partition of a day unless it is there: the relay's own precaution at the turn of the day."""
    if await connection.fetchval("SELECT to_regclass($1)", _name(day)) is None:
        async with connection.transaction():
            await connection.execute(ONE_MAKER_AT_A_TIME)
            await connection.execute(_create(day))


async def keep_partitions(db: Database) -> list[str]:
    """Make the next days and drop those older than two weeks; returns what was dropped. The worker's, every hour."""
    now = clock.now()
    async with db.session() as session:
        await session.execute(text(ONE_MAKER_AT_A_TIME))
        for ahead in range(_DAYS_AHEAD + 1):
            day = now.astimezone(UTC).date() + timedelta(days=ahead)
            if await session.scalar(text("SELECT to_regclass(:name)"), {"name": _name(day)}) is None:
                await session.execute(text(_create(day)))
        return await drop_expired_partitions(session, [CHANNEL_EVENTS], now)


def _name(day: date) -> str:
    return partition_name(CHANNEL_EVENTS.name, datetime.combine(day, time(0), UTC), CHANNEL_EVENTS.step)


def _create(day: date) -> str:
    return (
        f"CREATE TABLE IF NOT EXISTS {_name(day)} PARTITION OF channel_events "
        f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    )
