"""The whole product as a newcomer gets it: a copy of this tree, `make run`, the page; a second start; what it takes of memory.

Caches are warm (packages that were fetched once are not fetched again), the copy itself has nothing: no environment, no front end, no data.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from bench.rig import ROOT, free_port

# What a clone does not have.
_NOT_CLONED: Final = (".git", ".venv", ".data", "node_modules", "dist", "__pycache__", ".mypy_cache", ".ruff_cache")
_START_MAX_S: Final = 600
_STOP_MAX_S: Final = 60


@dataclass
class Whole:
    """A running copy."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"
    started_in_s: float

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def card(self) -> dict[str, Any]:
        """`guanjia demo --json`."""
        found: dict[str, Any] = json.loads(
            subprocess.run(
                [str(self.folder / "guanjia"), "demo", "--json"],
                cwd=self.folder,
                env=_environment(self.port),
                check=True,
                capture_output=True,
            ).stdout
        )
        return found

    def memory_gib(self) -> float:
        """Of all its processes together; pages that they share are counted once."""
        root = psutil.Process(self.process.pid)
        total = 0
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total / 2**30


@contextmanager
def fresh_copy() -> Iterator[Path]:
    """This tree as somebody who has cloned it has it."""
    folder = Path(tempfile.mkdtemp(prefix="guanjia-whole-"))
    try:
        shutil.copytree(ROOT, folder / "guanjia", ignore=shutil.ignore_patterns(*_NOT_CLONED), symlinks=True)
        yield folder / "guanjia"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_whole(folder: Path) -> Iterator[Whole]:
    """`make run` until its page is there; Ctrl-C afterwards."""
    port = free_port()
    started = time.monotonic()
    with (folder / "bench.log").open("ab") as log:
        process = subprocess.Popen(
            ["make", "run"], cwd=folder, env=_environment(port), stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for_page(f"http://127.0.0.1:{port}/", process, folder / "bench.log")
        yield Whole(folder, port, process, time.monotonic() - started)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(_STOP_MAX_S)


def _environment(port: int) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GUANJIA_", "MAKE", "MFLAGS"))}
    return own | {"GUANJIA_PORT": str(port)}


def _wait_for_page(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_MAX_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"`make run` ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        # The socket is open long before anybody answers on it.
        with suppress(OSError), urllib.request.urlopen(url, timeout=_START_MAX_S) as answer:
            if b'id="app"' in answer.read():
                return
        time.sleep(0.1)
    raise TimeoutError(f"no page at {url} within {_START_MAX_S} s")
