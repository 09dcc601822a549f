"""Partitions made ahead: by several makers at once, each thinking the month is missing."""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from kernel.db import Database
from kernel.partitions import PartitionedTable, create_partitions

VISITS = PartitionedTable("visits", "month")
AUTUMN = datetime(2031, 9, 15, tzinfo=UTC)


async def make_a_year(db: Database) -> None:
    async with db.session() as session:
        await create_partitions(session, [VISITS], AUTUMN, AUTUMN + timedelta(days=365))


class TestSeveralMakers:
    async def test_the_worker_and_two_lanes_make_the_same_months_and_none_trips(self, db: Database) -> None:
        async with db.session() as session:
            await session.execute(text("CREATE TABLE visits (id uuid NOT NULL) PARTITION BY RANGE (id)"))
        try:
            await asyncio.gather(*(make_a_year(db) for _ in range(6)))
            async with db.session() as session:
                made = await session.scalar(
                    text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'visits'::regclass")
                )
            assert made == 13
        finally:
            async with db.session() as session:
                await session.execute(text("DROP TABLE visits"))
