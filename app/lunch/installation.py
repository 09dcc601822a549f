"""A whole installation for one lunch: its own data folder and ports, ended and removed with it.

It is `guanjia run`, as a person starts it; nothing of it is a stand-in. Only a part of such a one may be killed on purpose.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from app.embedded.child import log_tail, remembered_secret, spawn
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.valkey import EmbeddedValkey
from app.problems import LunchRefused
from kernel.settings import get_settings

# Each part, by what stands in its command line.
PARTS: Final = {
    "web": "app.cli web",
    "worker": "app.cli worker",
    "postgres": "bin/postgres -D",
    "valkey": "valkey-server",
}
_START_MAX_S: Final = 120.0
_STOP_MAX_S: Final = 45.0
_UP: Final = "Ctrl-C stops everything"


@dataclass
class Installation:
    """A running one."""

    data_dir: Path
    supervisor: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Where it answers."""
        return (self.data_dir / "base_url").read_text().strip()

    @property
    def database_url(self) -> str:
        """Its embedded database."""
        postgres = EmbeddedPostgres(self.data_dir)
        if not postgres.attach():
            raise LunchRefused("The lunch's own database is not running.")
        return postgres.url

    def said(self) -> list[str]:
        """What its supervisor has told since it was up: what ended, and when it was there again."""
        lines = (self.data_dir.parent / "run.log").read_text(errors="replace").partition(_UP)[2].splitlines()
        return [line.strip() for line in lines if line.startswith("!") or line.endswith("is running again.")]

    def parts(self) -> dict[str, list[psutil.Process]]:
        """The processes of each part; a server's sessions belong to it."""
        found: dict[str, list[psutil.Process]] = {part: [] for part in PARTS}
        for process in _family(self.supervisor.pid):
            part = _part_of(_command(process))
            if part is not None:
                found[part].append(process)
        return found

    def kill(self, part: str) -> bool:
        """`kill -9` of one part; False where it is not running just now."""
        for process in self.parts()[part]:
            # Not one of the server's sessions: the server.
            if PARTS[part] in _command(process):
                process.kill()
                return True
        return False


@contextmanager
def own_installation(*, workers: int) -> Iterator[Installation]:
    """Started and up; ended, and its folder removed, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="guanjia-lunch-"))
    try:
        with (folder / "run.log").open("wb") as log:
            supervisor = spawn(
                [sys.executable, "-m", "app.cli", "run", "--no-frontend", "--no-demo"],
                death_signal=signal.SIGTERM,
                log=log,
                environment=_environment(folder / "data", workers),
            )
        installation = Installation(folder / "data", supervisor)
        try:
            _wait_until_up(supervisor, folder / "run.log")
            yield installation
        finally:
            _end(installation)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def adopt(installation: Installation) -> None:
    """Let this process use the installation's keys and servers, as the commands of a data folder do."""
    valkey = EmbeddedValkey(installation.data_dir)
    if not valkey.attach():
        raise LunchRefused("The lunch's own Valkey is not running.")
    os.environ |= {
        "GUANJIA_DATA_DIR": str(installation.data_dir),
        "GUANJIA_DATABASE_URL": installation.database_url,
        "GUANJIA_REDIS_URL": valkey.url,
        "GUANJIA_SECRET_KEY": remembered_secret(installation.data_dir / "secret_key"),
    }
    get_settings.cache_clear()


def _environment(data_dir: Path, workers: int) -> dict[str, str]:
    """Nobody else's settings, and least of all those of production."""
    root = str(Path(__file__).resolve().parents[2])
    own = {name: value for name, value in os.environ.items() if not name.startswith("GUANJIA_")}
    return own | {
        "GUANJIA_DATA_DIR": str(data_dir),
        "GUANJIA_HOST": "127.0.0.1",
        "GUANJIA_PORT": "0",
        "GUANJIA_WORKERS": str(workers),
        "PYTHONPATH": root,
    }


def _wait_until_up(supervisor: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_MAX_S
    while _UP not in log.read_text(errors="replace"):
        if supervisor.poll() is not None or time.monotonic() > deadline:
            raise LunchRefused(f"The installation for the lunch did not start:\n{log_tail(log)}")
        time.sleep(0.1)


def _end(installation: Installation) -> None:
    """In order; and whatever would not end, at once. Its own children are bound to the supervisor's life."""
    supervisor, family = installation.supervisor, _family(installation.supervisor.pid)
    if supervisor.poll() is None:
        supervisor.send_signal(signal.SIGINT)
    try:
        supervisor.wait(_STOP_MAX_S)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
    _gone, alive = psutil.wait_procs(family, timeout=10)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _part_of(command: str) -> str | None:
    """A server's session does not carry its command line."""
    named = next((part for part, mark in PARTS.items() if mark in command), None)
    return "postgres" if named is None and command.startswith("postgres:") else named


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
