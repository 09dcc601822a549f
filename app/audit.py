"""`guanjia audit`: whether the books are right, and no call lies forgotten, from the command line. Ends with 1 if not."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.invariants import audit
from kernel import audit_log
from kernel.audit_log import Anchor
from kernel.db import Database
from kernel.invariants import Finding
from kernel.settings import get_settings

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True)
_console = Console()

LogOption = Annotated[bool, typer.Option("--log", help="Check the log of who did what instead of the books.")]
AnchorOption = Annotated[
    str | None, typer.Option(help="With --log: the head that an earlier check printed, kept elsewhere since.")
]


@commands.command("audit", rich_help_panel="Money")
def audit_books(log: LogOption = False, anchor: AnchorOption = None) -> None:
    """Check every invariant, of books and of calls; whatever breaks one is named. Ends with 1 if anything does."""
    if not (_audit_log(_parse_anchor(anchor)) if log else _audit_books()):
        raise typer.Exit(1)


def _audit_books() -> bool:
    findings = _with_database(_find)
    _console.print(_table_of(findings))
    for finding in findings:
        _print_offenders(finding)
    broken = [finding.invariant.name for finding in findings if not finding.holds]
    verdict = f"[red]Broken: {', '.join(broken)}." if broken else "[green]All invariants hold."
    _console.print(verdict)
    return not broken


async def _find(db: Database) -> list[Finding]:
    async with db.session() as session:
        return await audit(session)


def _table_of(findings: Sequence[Finding]) -> Table:
    table = Table("", "invariant", "rows that break it", title="账目与呼叫审计  Audit of books and calls")
    for finding in findings:
        count = "[green]0[/]" if finding.holds else f"[red]{finding.offender_count}[/]"
        table.add_row(finding.invariant.name, f"{finding.invariant.zh}\n[dim]{finding.invariant.en}[/]", count)
    return table


def _print_offenders(finding: Finding) -> None:
    for offender in finding.offenders:
        line = f"{finding.invariant.name}  {offender.what}: {offender.subject} ({offender.detail})"
        _console.print(escape(line), soft_wrap=True)
    hidden = finding.offender_count - len(finding.offenders)
    if hidden:
        _console.print(f"{finding.invariant.name}  and {hidden} more", soft_wrap=True)


def _audit_log(anchor: Anchor | None) -> bool:
    async def verify(db: Database) -> tuple[audit_log.BadRow | None, Anchor]:
        async with db.session() as session:
            return await audit_log.verify(session, anchor), await audit_log.head(session)

    bad, head = _with_database(verify)
    if bad is not None:
        _console.print(f"[red]The first bad row: {bad}", soft_wrap=True)
        return False
    _console.print(f"[green]The log is as it was written.[/] Its head, to keep elsewhere: {head}", soft_wrap=True)
    return True


def _parse_anchor(text: str | None) -> Anchor | None:
    if text is None:
        return None
    try:
        return Anchor.parse(text)
    except ValueError:
        raise typer.BadParameter("an anchor is n:hash, as `guanjia audit --log` prints it") from None


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

    return asyncio.run(run())
