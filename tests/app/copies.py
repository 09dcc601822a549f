"""A whole copy of the product, started as a person starts it, for tests that stop and break it."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.embedded.postgres import EmbeddedPostgres
from tests.processes import children_of, command_of, is_gone

ROOT = Path(__file__).resolve().parents[2]


class Copy:
    """`./guanjia run` with a data folder of its own on a free port."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None, *arguments: str) -> None:
        self.data_dir = data_dir
        settings = {"GUANJIA_DATA_DIR": str(data_dir), "GUANJIA_PORT": "0"} | dict(environment or {})
        self.process = subprocess.Popen(
            [str(ROOT / "guanjia"), "run", "--no-frontend", "--no-demo", *arguments],
            env=os.environ | settings,
            cwd="/",  # It must not matter where a person stands.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def said(self) -> str:
        """Everything so far."""
        return "\n".join(self.lines)

    @property
    def url(self) -> str:
        """Where it answers."""
        return (self.data_dir / "base_url").read_text().strip()

    @property
    def database_url(self) -> str:
        """Its embedded database."""
        postgres = EmbeddedPostgres(self.data_dir)
        assert postgres.attach()
        return postgres.url

    def hears(self, sentence: str, timeout_s: float = 30) -> "Copy":
        """Wait until it has said that."""
        wait_until(lambda: sentence in self.said or self.process.poll() is not None, timeout_s, lambda: self.said)
        assert sentence in self.said, self.said
        return self

    def forget(self) -> None:
        """What it has said so far."""
        self.lines.clear()

    def pid_of(self, name: str) -> int:
        """One of its children, by what it runs."""
        marks = {
            "web": "app.cli web",
            "worker": "app.cli worker",
            "postgres": "bin/postgres -D",
            "valkey": "valkey-server",
        }
        found = [pid for pid in children_of(self.process.pid) if marks[name] in command_of(pid)]
        assert found, f"{name} is not running:\n{self.said}"
        return min(found)

    def kill(self, name: str) -> None:
        """`kill -9` of one child."""
        os.kill(self.pid_of(name), signal.SIGKILL)

    def ready(self) -> dict[str, str]:
        """Its parts, as /readyz names them."""
        answer = httpx.get(f"{self.url}/readyz", timeout=10)
        return {name: part["status"] for name, part in answer.json()["parts"].items()}

    def interrupt(self) -> int:
        """Ctrl-C, then wait for the end."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self, timeout_s: float = 30) -> int:
        """Its exit status."""
        status = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@contextmanager
def running_copy(data_dir: Path, environment: Mapping[str, str] | None = None, *arguments: str) -> Iterator[Copy]:
    """Started and up; ended afterwards whatever happens."""
    copy = Copy(data_dir, environment, *arguments)
    try:
        yield copy.hears("Ctrl-C stops everything", 60)
    finally:
        end(copy)


def end(copy: Copy) -> None:
    """Leave nothing behind."""
    if copy.process.poll() is not None:
        return
    children = children_of(copy.process.pid)
    copy.interrupt()
    wait_until(lambda: all(is_gone(pid) for pid in children), 10, lambda: f"left behind: {children}")


def wait_until(question: Callable[[], bool], timeout_s: float, complaint: Callable[[], str]) -> None:
    """Ask until it is true."""
    deadline = time.monotonic() + timeout_s
    while not question():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.05)
