"""`guanjia backup`, `restore`, `doctor`: for whoever runs the house."""

import json
import os
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app.operation.backup import back_up
from app.operation.doctor import examine
from app.operation.findings import Found, State
from app.operation.reach import installation_secret
from app.operation.restore import restore
from kernel.settings import Settings

commands = typer.Typer(no_args_is_help=True)
_console = Console(soft_wrap=True, highlight=False)
PANEL: Final = "Operate"
_SIGNS: Final = {State.OK: "[green]ok  [/]", State.WARN: "[yellow]warn[/]", State.BAD: "[red]bad [/]"}


def _say(sentence: str) -> None:
    _console.print(sentence, markup=False)


@commands.command("backup", rich_help_panel=PANEL)
def backup_command(
    file: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced by a whole one.")],
    secrets: Annotated[
        bool,
        typer.Option("--secrets/--no-secrets", help="Put the data folder's secret key and the demo's logins into it."),
    ] = True,
) -> None:
    """Write the whole installation into one file, as of one instant. Nothing has to be stopped for it."""
    manifest = back_up(Settings(), file.absolute(), with_secrets=secrets, say=_say)
    size_mib = file.stat().st_size / 1024 / 1024
    _say(f"{file}: {size_mib:.1f} MiB, schema {manifest.schema}, as of {manifest.made_at}.")
    if "secret_key" in manifest.members:
        _say("It holds the secret key: whoever has this file can open what the keys protect. Keep it as safe as they.")


@commands.command("restore", rich_help_panel=PANEL)
def restore_command(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A file of `backup`.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Where there is data: back it up, then put this in its place.")
    ] = False,
) -> None:
    """Bring a backup in, into an empty place or, with --replace, over data. Guanjia must be stopped. Audited afterwards."""
    restored = restore(Settings(), file.absolute(), replace=replace, say=_say)
    if restored.kept_before is not None:
        _say(f"What was there before is in {restored.kept_before}.")
    for complaint in restored.complaints:
        _say(f"! {complaint}")
    if restored.complaints:
        raise typer.Exit(1)
    lanes = json.dumps(restored.manifest.heads.ledger)
    _say(f"Restored as of {restored.manifest.made_at}; all invariants hold; the chains end at {lanes}.")


@commands.command("doctor", rich_help_panel=PANEL)
def doctor_command(
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: a list of {name, state, found, advice}.")
    ] = False,
) -> None:
    """Look whether all is well here: clock, disk, port, versions, keys, durability, schema, lag. Ends with 1 if not."""
    settings = Settings()
    if not settings.production:
        # As the processes of this data folder know it; in production it is set, or its absence is a finding.
        os.environ["GUANJIA_SECRET_KEY"] = installation_secret(settings)
    lines: list[Found] = []
    for line in examine(settings):
        lines.append(line)
        if not as_json:
            _tell(line)
    if as_json:
        typer.echo(json.dumps([line.wire() for line in lines], ensure_ascii=False, indent=2))
    if any(line.state is State.BAD for line in lines):
        raise typer.Exit(1)


def _tell(line: Found) -> None:
    _console.print(f"{_SIGNS[line.state]} {line.name:<16} {escape(line.found)}")
    if line.advice:
        _console.print(f"{'':<21} {escape(line.advice)}")
