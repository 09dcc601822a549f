"""`guanjia import ...` and `guanjia administrators ...`: identity from the command line, for whoever runs the house."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from identity import organisation_imports, people_imports, place_imports, second_factor
from identity.access import today
from identity.errors import ImportHasBadCells
from identity.kinds import ADMINISTRATORS, Role
from identity.passwords import check_password_strength, hash_password
from identity.people import NewPerson, open_person
from identity.queries import find_organisation_by_code
from identity.roles import found_first_administrator
from identity.schemas import BadCell, ImportReport
from identity.sign_in import write_credential
from kernel.db import Database
from kernel.errors import GuanjiaError
from kernel.settings import get_settings

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True)
importing = typer.Typer(help="Import organisations, people and places from a table: CSV or XLSX.", no_args_is_help=True)
administrators = typer.Typer(help="The first administrators of a new house.", no_args_is_help=True)
commands.add_typer(importing, name="import", rich_help_panel="People and places")
commands.add_typer(administrators, name="administrators", rich_help_panel="People and places")

FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The CSV or XLSX file.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; import nothing.")]
CompleteOption = Annotated[
    bool, typer.Option("--complete", help="The file is the whole list of its units: whoever is missing has left.")
]
_console = Console()
_ACTOR = "command-line"
_TEMPLATES = {
    "people": people_imports.people_template,
    "organisations": organisation_imports.organisation_template,
    "places": place_imports.place_template,
}


@importing.command("people")
def import_people(file: FileArgument, dry_run: DryRunOption = False, complete: CompleteOption = False) -> None:
    """People with their organisation and class. Columns: staff_number (工号), name (姓名), phone, organisation_code,
    person_class, valid_from, last_day, status, email."""
    _import(partial(people_imports.import_people, complete=complete), file, dry_run)


@importing.command("template")
def write_template(
    what: Annotated[str, typer.Argument(help="people, organisations or places.")],
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The XLSX file to write.")],
) -> None:
    """An empty workbook to fill in, with a note at each column."""
    if what not in _TEMPLATES:
        raise typer.BadParameter("people, organisations or places")
    file.write_bytes(_TEMPLATES[what]())
    _console.print(f"{file} is ready to be filled in.")


@importing.command("organisations")
def import_organisations(file: FileArgument, dry_run: DryRunOption = False) -> None:
    """Units, departments and operators. Columns: code, name_zh, name_en, kind, parent_code, home_region_code."""
    _import(organisation_imports.import_organisations, file, dry_run)


@importing.command("places")
def import_places(file: FileArgument, dry_run: DryRunOption = False) -> None:
    """Campuses, buildings, storeys and rooms. Columns: code, name_zh, name_en, kind, parent_code, site_code, ordinal,
    open_to_strangers."""
    _import(place_imports.import_places, file, dry_run)


def _import(act: Callable[..., Awaitable[ImportReport]], file: Path, dry_run: bool) -> None:
    content = file.read_bytes()
    try:
        report = _with_database(lambda db: act(db, content, dry_run=dry_run, cover=None, actor=_ACTOR))
    except ImportHasBadCells as refusal:
        _print_bad_cells([BadCell(**cell) for cell in refusal.data["bad_cells"]], refusal.data["bad_cells_total"])
        raise typer.Exit(1) from refusal
    for change in report.changes:
        _console.print(f"  {change.action:<7} {change.key}  {', '.join(change.fields)}")
    verb = "Would import" if dry_run else "Imported"
    _console.print(
        f"{verb}: {report.created} new, {report.updated} changed, {report.unchanged} as they were, {report.left} left."
    )
    if report.bad_cells:
        _print_bad_cells(report.bad_cells, report.bad_cells_total)
        raise typer.Exit(1)


def _print_bad_cells(bad_cells: list[BadCell], total: int) -> None:
    table = Table("cell", "column", "value", "why", title=f"{total} bad cells; nothing was imported")
    for cell in bad_cells:
        table.add_row(cell.cell or str(cell.row), cell.column, cell.value, f"{cell.reason_zh}  {cell.reason_en}")
    _console.print(table)


@administrators.command("first")
def first_administrator(
    role: Annotated[Role, typer.Argument(help="system_admin, security_admin or audit_admin.")],
    organisation: Annotated[str, typer.Option(help="Code of the organisation that this person belongs to.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    username: Annotated[str, typer.Option(help="What they sign in with.")],
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
) -> None:
    """Make a first administrator: two of security, one each of system and audit. They make all others."""
    if role not in ADMINISTRATORS:
        raise typer.BadParameter(f"one of {', '.join(sorted(ADMINISTRATORS))}")

    async def act(db: Database) -> None:
        check_password_strength(username, password)
        password_hash = await hash_password(password)
        async with db.session() as session:
            organisation_id = await find_organisation_by_code(session, organisation)
            new = NewPerson(name, organisation_id, "staff", today())
            person_id = await open_person(session, new, actor=_ACTOR)
            await found_first_administrator(session, person_id, role)
            await write_credential(session, person_id, username, password_hash, actor=_ACTOR)

    _with_database(act)
    _console.print(f"{name} is {role} and signs in as {username}.")


@administrators.command("forget-second-factor")
def forget_second_factor(
    username: Annotated[str, typer.Argument(help="Whose authenticator and recovery codes are lost.")],
) -> None:
    """For a house where no second administrator is left to agree: take somebody's second factor away. They are signed
    out everywhere, and an administrator sets up a new one at the next sign-in."""

    async def act(db: Database) -> None:
        async with db.session() as session:
            await second_factor.forget_factor(session, username, actor=_ACTOR)

    _with_database(act)
    _console.print(f"{username} has no second factor any more.")


def _with_database(act: Callable[[Database], Awaitable[T]]) -> T:
    """Run something against the database of the settings; a refusal is a sentence and exit code 1."""
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
    except ImportHasBadCells:
        raise
    except GuanjiaError as refusal:
        _console.print(f"{refusal.message('zh')}  {refusal.message('en')}")
        raise typer.Exit(1) from refusal
