"""`guanjia settle`: the months of all regions from the command line. What is done already is left alone, so a killed run is
simply run again; what may not be done yet is refused with the reason, and ends with 1.

To confirm is not here: the other side does that, signed in, or five work days of silence do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final, Protocol, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import PlaceName, place_names
from kernel.db import Database
from kernel.errors import GuanjiaError
from kernel.settings import get_settings
from payments.models import AccountingPeriod
from payments.settlement import clearing, queries, service
from payments.settlement.states import SETTLEMENT
from payments.states import next_state, states_of

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True)
settle = typer.Typer(no_args_is_help=True, help="Months of the regions' books, from open to locked.")
commands.add_typer(settle, name="settle", rich_help_panel="Money")
_console = Console()
_ACTOR: Final = "command line"

PeriodArgument = Annotated[str, typer.Argument(help="The month, as 2026-11.")]
RegionOption = Annotated[
    list[str] | None, typer.Option("--region", help="Code of a region; again for more. All, if none.")
]
EarlyOption = Annotated[bool, typer.Option("--early", help="Also where the month is not over yet.")]
ReferenceOption = Annotated[
    str, typer.Option("--reference", help="What the bank calls it: kept with each instruction.")
]
RecountOption = Annotated[bool, typer.Option("--recount", help="Count the journal again and compare the hashes.")]


@settle.command("status")
def show_status(period: Annotated[str | None, typer.Argument(help="A month; without it, the latest.")] = None) -> None:
    """How far the months have come, newest first."""

    async def read(db: Database) -> tuple[Sequence[AccountingPeriod], dict[UUID, PlaceName]]:
        async with db.session() as session:
            rows = await queries.list_settlements(session, regions=None, period=period, limit=60)
            return rows, await place_names(session, {row.region_id for row in rows})

    rows, names = _with_database(read)
    _print_rows(rows, names)


@settle.command("cut-off")
def cut_off(period: PeriodArgument, region: RegionOption = None, early: EarlyOption = False) -> None:
    """Let nothing more into a month; regions that were cut off before stay as they are."""
    _with_database(lambda db: _cut_off(db, period, region, early=early))
    show_status(period)


@settle.command("close")
def close(period: PeriodArgument, region: RegionOption = None, early: EarlyOption = False) -> None:
    """Cut a month off and count it: totals, statements, the hash. Killed anywhere, it is simply run again."""

    async def run(db: Database) -> None:
        await _cut_off(db, period, region, early=early)
        await _reconcile(db, period, region)

    _with_database(run)
    show_status(period)


@settle.command("show")
def show(period: PeriodArgument, region: RegionOption = None, recount: RecountOption = False) -> None:
    """A month's totals by account and its hash. With --recount, ends with 1 where the journal gives another hash."""

    async def read(db: Database) -> bool:
        rows, names = await _rows_of(db, period, region)
        counted = [row for row in rows if row.aggregates_hash is not None]
        async with db.session() as session:
            for row in counted:
                name = names[row.region_id].name_zh if row.region_id in names else str(row.region_id)
                table = Table("account", "debit", "credit", "lines", title=f"{name} {period} {row.aggregates_hash}")
                for kind, debit, credit, lines in await queries.totals_by_account(session, row.id):
                    table.add_row(kind, f"{debit:,}", f"{credit:,}", f"{lines:,}")
                _console.print(table)
        return await _recounted(db, counted) if recount else True

    if not _with_database(read):
        raise typer.Exit(1)


@settle.command("send")
def send(period: PeriodArgument, region: RegionOption = None) -> None:
    """Send every party its statement; each then has five work days to answer."""
    _with_database(lambda db: _take_on(db, period, region, "send_statement", service.send_statement))
    show_status(period)


@settle.command("net")
def net(period: PeriodArgument, region: RegionOption = None) -> None:
    """Net what the regions owe each other, and write what banks are to move. Once all that owe each other have confirmed."""
    _with_database(lambda db: _net(db, period, region))
    show_status(period)


@settle.command("pay")
def pay(period: PeriodArgument, reference: ReferenceOption, region: RegionOption = None) -> None:
    """Book as moved by the bank all that is still to be paid. A bank's statement that is brought in says so by itself."""

    async def run(db: Database) -> None:
        rows, _ = await _rows_of(db, period, region)
        for row in rows:
            if not _is_past(row.state, "settle"):
                async with db.session() as session:
                    paid = await clearing.pay(session, row.id, None, reference, actor=_ACTOR)
                _console.print(f"{paid} instructions were booked as paid.")

    _with_database(run)
    show_status(period)


@settle.command("settle")
def end(period: PeriodArgument, region: RegionOption = None) -> None:
    """Say that every sum of the month is paid; refused as long as one is not."""
    _with_database(lambda db: _take_on(db, period, region, "settle", service.settle))
    show_status(period)


@settle.command("lock")
def lock(period: PeriodArgument, region: RegionOption = None) -> None:
    """Lock a settled month: only adjustment vouchers follow."""
    _with_database(lambda db: _take_on(db, period, region, "lock", service.lock))
    show_status(period)


class _Step(Protocol):
    def __call__(self, session: AsyncSession, settlement_id: UUID, /, *, actor: str) -> Awaitable[None]: ...


async def _take_on(db: Database, period: str, codes: Sequence[str] | None, trigger: str, step: _Step) -> None:
    """One step for each region that has not taken it; one that may not take it yet refuses."""
    rows, _ = await _rows_of(db, period, codes)
    for row in rows:
        if not _is_past(row.state, trigger):
            async with db.session() as session:
                await step(session, row.id, actor=_ACTOR)


async def _net(db: Database, period: str, codes: Sequence[str] | None) -> None:
    rows, _ = await _rows_of(db, period, codes)
    for row in rows:
        async with db.session() as session:
            # Whoever owes it, or is owed by it, was netted with it.
            if (await queries.get_settlement(session, row.id)).clearing_id is None:
                await clearing.net(session, row.id, actor=_ACTOR)


def _is_past(state: str, trigger: str) -> bool:
    """Whether a month is where this trigger leads, or further."""
    states = list(states_of(SETTLEMENT))
    (start,) = (start for start, pressed in SETTLEMENT if pressed == trigger)
    return states.index(state) >= states.index(next_state(SETTLEMENT, start, trigger))


async def _recounted(db: Database, rows: Sequence[AccountingPeriod]) -> bool:
    with _progress() as progress:
        progress.add_task("counting the journal again")
        async with db.session() as session:
            same = await service.recount(session, [row.id for row in rows])
    differing = [row for row in rows if not same[row.id]]
    for row in differing:
        _console.print(f"[red]Another hash than at the close: region {row.region_id}")
    if not differing:
        _console.print(f"[green]The journal gives the same hash for {len(rows)} regions.")
    return not differing


async def _cut_off(db: Database, period: str, codes: Sequence[str] | None, *, early: bool) -> None:
    async with db.session() as session:
        await service.open_settlements(session, period, await queries.regions_with_books(session))
    rows, _ = await _rows_of(db, period, codes)
    due = [row.id for row in rows if row.state == "open"]
    if not due:
        return
    with _progress() as progress:
        progress.add_task(f"cutting off {len(due)} regions")
        async with db.session() as session:
            await service.cut_off(session, due, actor=_ACTOR, early=early)


async def _reconcile(db: Database, period: str, codes: Sequence[str] | None) -> None:
    rows, _ = await _rows_of(db, period, codes)
    due = [row.id for row in rows if row.state == "cutoff"]
    if not due:
        return
    with _progress() as progress:
        progress.add_task(f"counting {len(due)} regions together")
        async with db.session() as session:
            await service.reconcile(session, due, actor=_ACTOR)


async def _rows_of(
    db: Database, period: str, codes: Sequence[str] | None
) -> tuple[list[AccountingPeriod], dict[UUID, PlaceName]]:
    async with db.session() as session:
        rows = await queries.list_settlements(session, regions=None, period=period, limit=10_000)
        names = await place_names(session, {row.region_id for row in rows})
    if codes:
        known = {name.code for name in names.values()}
        unknown = sorted(set(codes) - known)
        if unknown:
            raise typer.BadParameter(f"no such region: {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
        rows = [row for row in rows if row.region_id in names and names[row.region_id].code in codes]
    return list(rows), names


def _print_rows(rows: Sequence[AccountingPeriod], names: dict[UUID, PlaceName]) -> None:
    table = Table("month", "region", "state", "lines", "hash", title="结算 Settlement")
    for row in rows:
        name = names.get(row.region_id)
        table.add_row(
            row.period,
            f"{name.name_zh} {name.code}" if name else str(row.region_id),
            row.state,
            "" if row.line_count is None else f"{row.line_count:,}",
            (row.aggregates_hash or "")[:16],
        )
    _console.print(table)


def _progress() -> Progress:
    return Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=_console)


def _with_database(act: Callable[[Database], Awaitable[T]]) -> T:
    url = get_settings().database_url
    if url is None:
        _console.print("There is no database: start one with `guanjia run`, or set GUANJIA_DATABASE_URL.")
        raise typer.Exit(1)

    async def run() -> T:
        db = Database(url.get_secret_value())
        try:
            return await act(db)
        finally:
            await db.close()

    try:
        return asyncio.run(run())
    except GuanjiaError as refused:
        _console.print(f"[red]{refused.message('zh')}\n{refused.message('en')}[/] {refused.data or ''}")
        raise typer.Exit(1) from None
