"""The command line: `guanjia COMMAND`. Each command's work is elsewhere; here stand its name, options and help.

A domain's own commands stand in its `commands.py` as a typer application named `commands`; COMMANDS_OF_DOMAINS lists them, so
that a command imports only the code it needs and starts fast.
"""

import asyncio
import atexit
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from app.gate import wait_at_gate
from app.memory import start_without_collector
from app.problems import Problem
from kernel.settings import Settings, get_settings

ROOT: Final = Path(__file__).resolve().parent.parent

T = TypeVar("T")

# module: names of its commands.
COMMANDS_OF_DOMAINS: Final[dict[str, tuple[str, ...]]] = {
    "identity.commands": ("import", "administrators"),
    "app.audit": ("audit",),
    "payments.settlement.commands": ("settle",),
    "app.explain": ("explain",),
    "app.reconcile": ("reconcile",),
}

# The same for commands that find the database by themselves, or do without.
COMMANDS_APART: Final[dict[str, tuple[str, ...]]] = {
    "app.operation.commands": ("backup", "restore", "doctor", "export", "seed", "terminal"),
    "app.lunch.commands": ("simulate",),
    "payments.settlement.statements.commands": ("verify-statement",),
}

app = typer.Typer(
    name="guanjia",
    help="管家 Guanjia: canteens and campus services on one card. Settings are GUANJIA_* in the environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def say(sentence: str) -> None:
    """A line for the person at the terminal."""
    typer.echo(sentence)
    sys.stdout.flush()


@app.command(rich_help_panel="Run")
def run(
    frontend: Annotated[
        bool, typer.Option("--frontend/--no-frontend", help="Build the front end first if its sources have changed.")
    ] = True,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Bring in the demo if the database is empty (never in production).")
    ] = True,
    lan: Annotated[
        bool, typer.Option("--lan", help="Let phones of the local network in too, over TLS; shows a code to scan.")
    ] = False,
) -> None:
    """Start everything on this machine and keep it running; Ctrl-C stops it all."""
    from app.supervisor import Supervisor

    supervisor = Supervisor(get_settings(), say=say, build_frontend=frontend, with_demo=demo, with_lan=lan)
    raise typer.Exit(asyncio.run(supervisor.run()))


@app.command(rich_help_panel="Run")
def web(
    fd: Annotated[int | None, typer.Option(help="A listening socket that was handed to us.", hidden=True)] = None,
) -> None:
    """One web process. `guanjia run` starts it; compose does so too."""
    start_without_collector()
    from app.web import serve

    raise typer.Exit(_explained(lambda: serve(get_settings(), fd=fd)))


@app.command(rich_help_panel="Look")
def bench(
    only: Annotated[
        str | None,
        typer.Option(
            help="One bench: codes, posting, http, stripe, realtime, calls, booking, repairs, screens, close, growth, fan_out."
        ),
    ] = None,
) -> None:
    """Measure: start servers of its own, run the benches, print a table, write bench/results/latest.json."""
    try:
        from bench.main import run as run_benches
    except ModuleNotFoundError:
        typer.echo("The benches are not part of this installation; they need a clone, and `make bench`.", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(run_benches(only))


@app.command(rich_help_panel="Run")
def worker(
    health_port: Annotated[int | None, typer.Option(help="Answer /healthz and /metrics on this port.")] = None,
) -> None:
    """The process of the background loops: relay, timers, handlers."""
    start_without_collector()
    from app.worker import serve_worker

    wait_at_gate()
    _explained(lambda: serve_worker(get_settings(), health_port=health_port))


@app.command(rich_help_panel="Demo")
def simulated_alipay(
    fd: Annotated[int | None, typer.Option(help="A listening socket that was handed to us.", hidden=True)] = None,
) -> None:
    """The demo's Alipay: its signed gateway, and a page to pay as a person. `guanjia run` starts it; never in production."""
    from app.simulators.alipay.server import serve

    raise typer.Exit(_explained(lambda: serve(get_settings(), fd=fd)))


@app.command(rich_help_panel="Run")
def migrate(
    demo: Annotated[bool, typer.Option("--demo", help="Bring in the demo if the database is empty.")] = False,
) -> None:
    """Bring the database to the schema of this version."""
    start_without_collector()
    from app.preparation import prepare_database

    _explained(lambda: prepare_database(get_settings(), with_demo=demo, say=say))


@app.command(rich_help_panel="Run")
def health(url: Annotated[str, typer.Argument(help="Address to ask.")]) -> None:
    """Ask a process whether it is well; ends with 0 if it is."""
    from urllib.error import URLError
    from urllib.request import urlopen

    if not url.startswith("http://"):
        raise typer.BadParameter("an http:// address is needed")
    try:
        with urlopen(url, timeout=4) as answer:  # noqa: S310  the scheme was checked
            say(answer.read().decode())
    except (URLError, OSError) as error:
        say(str(error))
        raise typer.Exit(1) from None


@app.command(rich_help_panel="Demo")
def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
) -> None:
    """The demo's logins and tokens; works with the server stopped too."""
    from app.demo_logins import base_url, describe, read_demo_logins
    from app.simulators.opening import alipay_url

    settings = get_settings()
    logins = read_demo_logins(settings.data_dir)
    if logins is None:
        typer.echo(f"There is no demo in {settings.data_dir} yet: `make run` brings it in.", err=True)
        raise typer.Exit(1)
    logins = {"base_url": base_url(settings), **logins}
    if (alipay := alipay_url(settings.data_dir)) is not None:
        logins["simulators"] = {**logins["simulators"], "alipay": alipay}
    say(json.dumps(logins, ensure_ascii=False, indent=2) if as_json else describe(logins))


def _explained(work: Callable[[], T]) -> T:
    """Do it; a problem that a person can do something about is told in its own sentence."""
    try:
        return work()
    except Problem as problem:
        typer.echo(f"\n{problem}\n", err=True)
        raise SystemExit(1) from None


def _reach_database() -> None:
    """Let a domain's command reach the embedded database: the running one, or, with everything stopped, one started for it."""
    from app.embedded.child import remembered_secret
    from app.embedded.postgres import EmbeddedPostgres
    from app.embedded.valkey import EmbeddedValkey

    settings = Settings()
    postgres, valkey = EmbeddedPostgres(settings.data_dir), EmbeddedValkey(settings.data_dir)
    if settings.database_url is None and postgres.cluster.exists():
        if not postgres.attach():
            postgres.start()
            atexit.register(postgres.stop)
        os.environ["GUANJIA_DATABASE_URL"] = postgres.url
    if settings.redis_url is None and valkey.attach():
        os.environ["GUANJIA_REDIS_URL"] = valkey.url
    secret = settings.data_dir / "secret_key"
    if settings.secret_key is None and not settings.production and secret.exists():
        os.environ["GUANJIA_SECRET_KEY"] = remembered_secret(secret)


def main() -> None:
    """The entry point: registers the commands of domains, then lets typer read the arguments."""
    wanted = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    for module, names in (COMMANDS_OF_DOMAINS | COMMANDS_APART).items():
        if wanted is None or wanted in names:
            app.add_typer(import_module(module).commands)
        if wanted in names and module in COMMANDS_OF_DOMAINS and "--help" not in sys.argv:
            _explained(_reach_database)
    _explained(lambda: app(prog_name="guanjia"))


if __name__ == "__main__":
    main()
