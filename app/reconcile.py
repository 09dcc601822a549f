"""`guanjia reconcile`: compare levels for a day from the command line. Ends with 1 if anything differs."""

import asyncio
import logging
from datetime import date, datetime, timedelta
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import app.wiring  # noqa: F401  the counters are registered there
from kernel import clock
from kernel.db import Database
from kernel.settings import get_settings
from payments.reconciliation import queries
from payments.reconciliation.found import LEVELS
from payments.reconciliation.models import Difference, ReconciliationRun
from payments.reconciliation.runs import run_levels

commands = typer.Typer(no_args_is_help=True)
_console = Console()
_SHOWN_MAX = 50
NAMES = (
    "终端流水与哈希链  sequences and chains",
    "班次批次总额  shifts",
    "交易与分录  sales and their lines",
    "渠道订单与账单  orders and the gateway's bill",
    "账单净额与银行流水  bills and the bank",
    "地区之间  between regions",
    "单位账单与人事名单  units and their people",
)

LevelOption = Annotated[
    list[int] | None, typer.Option(help="0 to 6; may be given more than once. Without it all seven.")
]
DayOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The business date; yesterday without it.")
]


@commands.command("reconcile", rich_help_panel="Money")
def reconcile(level: LevelOption = None, day: DayOption = None) -> None:
    """Compare what two sides say of the same money, level by level; differences are kept and shown. Ends with 1 if there are any."""
    # The table says it; what is done on the way is for the logs of a server.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    levels = sorted(set(level)) if level else list(LEVELS)
    if any(each not in LEVELS for each in levels):
        raise typer.BadParameter("levels are 0 to 6")
    runs, rows = asyncio.run(_reconcile(levels, day.date() if day else _yesterday()))
    _console.print(_table_of(runs))
    for row in rows[:_SHOWN_MAX]:
        _console.print(_line_of(row), soft_wrap=True)
    if len(rows) > _SHOWN_MAX:
        _console.print(f"and {len(rows) - _SHOWN_MAX} more")
    _console.print("[green]Nothing differs." if not rows else f"[red]{len(rows)} differences are open.")
    if rows:
        raise typer.Exit(1)


def _yesterday() -> date:
    return clock.business_date(clock.now(), get_settings().zone) - timedelta(days=1)


async def _reconcile(levels: list[int], day: date) -> tuple[list[ReconciliationRun], list[Difference]]:
    url = get_settings().database_url
    if url is None:
        _console.print("There is no database: start one with `guanjia run`, or set GUANJIA_DATABASE_URL.")
        raise typer.Exit(1)
    db = Database(url.get_secret_value())
    try:
        runs = await run_levels(db, day, levels=levels, actor="command line")
        async with db.session() as session:
            rows = [
                row
                for run in runs
                for row in await queries.list_differences(
                    session, None, limit=10_000, before=None, level=run.level, state="live", day=run.day
                )
            ]
        return runs, rows
    finally:
        await db.close()


def _table_of(runs: list[ReconciliationRun]) -> Table:
    table = Table("", "level", "day", "compared", "found", "new", "gone", title="对账  Reconciliation")
    for run in runs:
        found = f"[red]{run.found}[/]" if run.found else "[green]0[/]"
        table.add_row(
            f"L{run.level}",
            NAMES[run.level],
            f"{run.day:%Y-%m}" if run.level == max(LEVELS) else run.day.isoformat(),
            str(run.compared),
            found,
            str(run.opened),
            str(run.vanished),
        )
    return table


def _line_of(row: Difference) -> str:
    expected = "-" if row.expected_fen is None else str(row.expected_fen)
    found = "-" if row.found_fen is None else str(row.found_fen)
    return escape(f"L{row.level}  {row.kind}: {row.reference}, {expected} here and {found} there (fen), {row.state}")
