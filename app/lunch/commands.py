"""`guanjia simulate`: its options and words."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(no_args_is_help=True)
simulate = typer.Typer(
    help="A busy hour played by real clients, with a report of what came of it.", no_args_is_help=True
)
commands.add_typer(simulate, name="simulate", rich_help_panel="Look")


@simulate.callback()
def simulate_() -> None:
    """One command of several, so that its name is asked for."""


@simulate.command("lunch")
def lunch_command(
    seconds: Annotated[
        int, typer.Option(help="Two hours of a canteen's lunch are squeezed into so many seconds.")
    ] = 60,
    peak: Annotated[
        int | None, typer.Option(help="Payments a second in the fullest five minutes.", show_default="100")
    ] = None,
    holders: Annotated[int, typer.Option(help="How many people come; each has a phone that listens.")] = 500,
    terminals: Annotated[int, typer.Option(help="How many tills.")] = 40,
    workers: Annotated[int, typer.Option(help="Web processes of the installation.", min=1, max=16)] = 1,
    url: Annotated[
        str | None,
        typer.Option(help="A running demo, played with its own logins; else an installation is made for it."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Kill a part at the peak: web, worker, valkey or postgres. Again for another, some moments later."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Where the page is written, the JSON beside it.", show_default="./lunch.html")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another number, another lunch.", min=1, max=9999)] = 1,
) -> None:
    """A lunch: tills and phones over HTTP and WebSocket, every answer checked, everybody told once, the books asked. Ctrl-C ends it."""
    from app.lunch.plan import Size
    from app.lunch.simulation import Wishes, simulate_lunch

    size = Size(seconds, peak or 100, holders, terminals, seed)
    wishes = Wishes(
        size,
        url,
        tuple(fault or ()),
        workers,
        (report or Path("lunch.html")).absolute(),
        peak_is_given=peak is not None,
    )
    if not simulate_lunch(wishes, _say):
        raise typer.Exit(1)


def _say(sentence: str) -> None:
    print(sentence, flush=True)
