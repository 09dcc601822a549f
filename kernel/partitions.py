"""Partitions of the tables that grow with every payment: by month or by day, on the range of their UUIDv7 ids.

An id carries its instant, so a table partitioned on the id keeps its primary key and needs no date column for it.
Partitions are made ahead of time by the first migration and by the worker; `default` catches nothing on purpose: a
missing partition is an error that says so, not a slow surprise.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.ids import first_id_at

Step = Literal["month", "day"]

ONE_MAKER_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtext('guanjia.partitions'))"


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table, the span of one of its partitions, and how many days a partition is kept (None: forever)."""

    name: str
    step: Step
    kept_days: int | None = None


def next_bound(at: datetime, step: Step) -> datetime:
    """The first instant of the step after the one that holds `at`."""
    if step == "day":
        return start_of(at, step) + timedelta(days=1)
    first = start_of(at, step)
    return first.replace(year=first.year + 1, month=1) if first.month == 12 else first.replace(month=first.month + 1)


def start_of(at: datetime, step: Step) -> datetime:
    """The first instant of the step that holds `at`."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if step == "day" else day.replace(day=1)


def partition_name(table: str, start: datetime, step: Step) -> str:
    """`payments_p2026_11` or `stored_answers_p2026_11_23`."""
    return f"{table}_p{start:%Y_%m}" if step == "month" else f"{table}_p{start:%Y_%m_%d}"


def statements_to_create(table: PartitionedTable, first: datetime, last: datetime) -> Iterator[str]:
    """CREATE TABLE statements for every partition from the one that holds `first` to the one that holds `last`."""
    start = start_of(first, table.step)
    while start <= last:
        end = next_bound(start, table.step)
        yield (
            f"CREATE TABLE IF NOT EXISTS {partition_name(table.name, start, table.step)} PARTITION OF {table.name} "
            f"FOR VALUES FROM ('{first_id_at(start)}') TO ('{first_id_at(end)}')"
        )
        start = end


async def create_partitions(
    session: AsyncSession, tables: Iterable[PartitionedTable], first: datetime, last: datetime
) -> None:
    """Make what is missing, one maker at a time: IF NOT EXISTS alone lets two makers of one name collide.

    Existing partitions are left alone.
    """
    await session.execute(text(ONE_MAKER_AT_A_TIME))
    for table in tables:
        for statement in statements_to_create(table, first, last):
            await session.execute(text(statement))


async def drop_expired_partitions(
    session: AsyncSession, tables: Iterable[PartitionedTable], now: datetime
) -> list[str]:
    """Drop whole partitions that are older than their table keeps; returns their names."""
    dropped: list[str] = []
    for table in tables:
        if table.kept_days is None:
            continue
        oldest = partition_name(table.name, start_of(now - timedelta(days=table.kept_days), table.step), table.step)
        names = await session.scalars(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = cast(:parent AS regclass)"),
            {"parent": table.name},
        )
        for name in sorted(names):
            if name < oldest:
                await session.execute(text(f"DROP TABLE {name}"))
                dropped.append(name)
    return dropped
