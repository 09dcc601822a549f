"""Names, options and help of the operator's commands. Each imports its work when it is called, so that the others start fast."""

import asyncio
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.operation.findings import Found, State
from app.operation.reach import installation_secret, reached_database
from kernel.settings import Settings

commands = typer.Typer(no_args_is_help=True)
_console = Console(soft_wrap=True, highlight=False)
terminal = typer.Typer(help="Tills: list, pair, revoke, and play one from the keyboard.", no_args_is_help=True)
commands.add_typer(terminal, name="terminal", rich_help_panel="People and places")
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
    from app.operation.backup import back_up

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
    from app.operation.restore import restore

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
    from app.operation.doctor import examine

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


@commands.command("seed", rich_help_panel="Demo")
def seed_command(
    people: Annotated[int, typer.Option(help="How many people.")] = 1000,
    canteens: Annotated[int, typer.Option(help="How many canteens, each with four tills, open round the clock.")] = 10,
    days: Annotated[int, typer.Option(help="Payments of so many days past.")] = 0,
    number: Annotated[int, typer.Option("--seed", help="Another number brings in others; the same one the same.")] = 1,
) -> None:
    """Bring in made-up people and canteens, as many as wanted, through the product's own services. Never in production."""
    from app.operation.seed import Size, seed

    settings = Settings()
    with reached_database(settings) as url:
        file = asyncio.run(seed(settings, url, Size(people, canteens, days, number), _say))
    _say(
        f"{people} people, {canteens} canteens. Tokens of the tills and {file.name[:-5]}'s first logins are in {file}."
    )


# ---- figures


@commands.command("export", rich_help_panel="Money")
def export_command(
    what: Annotated[str, typer.Argument(help="payments, ledger or purses.")],
    target: Annotated[
        str, typer.Argument(metavar="FILE", help="Ends in .csv, .xlsx or .jsonl; - is CSV to the screen.")
    ],
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First business date.", show_default=False)
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last business date.", show_default=False)
    ] = None,
    canteen: Annotated[str | None, typer.Option(help="One canteen: its code or id.", show_default=False)] = None,
) -> None:
    """Take payments, ledger lines or purses out, row by row, with a last line of totals. People stand in it by id."""
    from app.operation.exports import EXPORTS, Choice, export

    if what not in EXPORTS:
        raise typer.BadParameter(f"one of {', '.join(EXPORTS)}")
    choice = Choice(first.date() if first else None, last.date() if last else None, canteen)
    silent = target == "-"
    with reached_database(Settings()) as url:
        totals = export(url, what, target, choice, (lambda _sentence: None) if silent else _say)
    if not silent:
        sums = ", ".join(f"{name} {value}" for name, value in totals.items() if name != "rows")
        _say(f"{target}: {totals['rows']} rows; {sums}.")


# ---- tills


@terminal.command("list")
def list_command() -> None:
    """All tills with their state."""
    from app.operation.tills import list_tills, on_database

    with reached_database(Settings()) as url:
        tills = asyncio.run(on_database(url, list_tills))
    table = Table("id", "name", "canteen", "state", "modes", "last seen")
    for till in tills:
        table.add_row(till.id, till.name, till.canteen, till.status, till.modes, till.last_seen)
    Console(width=None if _console.is_terminal else 200).print(table)


@terminal.command("pair")
def pair_command(till: Annotated[str, typer.Argument(help="The till's id: ter_...")]) -> None:
    """A new pairing code for a till, to be typed there; a code before it is void."""
    from app.operation.tills import on_database, pair

    with reached_database(Settings()) as url:
        code = asyncio.run(on_database(url, lambda db: pair(db, till)))
    _say(f"{code.code}  (until {code.expires_at:%H:%M} UTC)")


@terminal.command("revoke")
def revoke_command(till: Annotated[str, typer.Argument(help="The till's id: ter_...")]) -> None:
    """End a till for good: stolen, sold, broken. Its token is worth nothing within a second."""
    from app.operation.tills import on_database, revoke

    with reached_database(Settings()) as url:
        asyncio.run(on_database(url, lambda db: revoke(db, till)))
    _say("Revoked.")


ServerOption = Annotated[
    str | None, typer.Option(help="Address of the running server; else where this copy was last reached.")
]


@terminal.command("enrol")
def enrol_command(
    pairing_code: Annotated[str, typer.Argument(help="As `pair`, or /admin/terminals, shows it.")],
    server: ServerOption = None,
) -> None:
    """Become the till that a pairing code is for: prints its token, which `pay` wants."""
    from app.operation.tills import KeyboardTill, server_for

    _say(KeyboardTill(server_for(Settings(), server), "").enrol(pairing_code))


@terminal.command("pay")
def pay_command(
    code: Annotated[
        str | None,
        typer.Argument(help="The code's text, 20 or 220 digits; without it, one from each line that is typed."),
    ] = None,
    amount_fen: Annotated[int | None, typer.Option(help="What is keyed in; without it, the meal's price.")] = None,
    till: Annotated[str | None, typer.Option(help="A till of the demo, by id or name; else its first.")] = None,
    token: Annotated[str | None, typer.Option(help="A till's token; GUANJIA_TERMINAL_TOKEN hides it better.")] = None,
    server: ServerOption = None,
    confirm_repeat: Annotated[bool, typer.Option("--confirm-repeat", help="Yes, the same person once more.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The server's own answer.")] = False,
) -> None:
    """Play a till against a running server: scan a code, take the payment. Ends with 1 where one was refused."""
    from app.operation.tills import KeyboardTill, describe, scanned_lines, server_for, token_for

    settings = Settings()
    played = KeyboardTill(server_for(settings, server), token_for(settings, token=token, till=till))
    refused = False
    for scanned in [code] if code is not None else scanned_lines():
        answer = played.pay(scanned, amount_fen, confirm_repeat=confirm_repeat)
        typer.echo(json.dumps(answer.body, ensure_ascii=False) if as_json else describe(answer))
        refused = refused or answer.status != 201
    if refused:
        raise typer.Exit(1)


@terminal.command("listen")
def listen_command(
    till: Annotated[str | None, typer.Option(help="A till of the demo, by id or name; else its first.")] = None,
    token: Annotated[str | None, typer.Option(help="A till's token; GUANJIA_TERMINAL_TOKEN hides it better.")] = None,
    server: ServerOption = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many events; else with Ctrl-C.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what a till's canteen hears, as it happens. A line that is cut is taken up again where it stopped."""
    from app.operation.till_ear import listen
    from app.operation.tills import server_for, token_for

    settings = Settings()
    till_token = token_for(settings, token=token, till=till)
    asyncio.run(listen(server_for(settings, server), till_token, count=count, as_json=as_json))
