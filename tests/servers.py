"""One real PostgreSQL for a whole test run, shared by all of its processes.

The first test that needs it starts a keeper process, which starts the server, migrates the template database, and ends it
when the pytest process that began the run is gone, however it went. So no test leaves a process behind.
"""

import asyncio
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

from app.embedded.postgres import EmbeddedPostgres
from app.migrate import upgrade

ROOT = Path(__file__).resolve().parent.parent
RUN_FOLDER_VARIABLE = "GUANJIA_TEST_RUN_FOLDER"
TEMPLATE = "template_guanjia"
START_TIMEOUT_S = 90


@dataclass(frozen=True)
class SharedPostgres:
    """How to reach the shared server."""

    port: int
    role: str
    password: str
    superuser: str

    def database_url(self, name: str) -> str:
        return f"postgresql://{self.role}:{self.password}@127.0.0.1:{self.port}/{name}"

    @property
    def superuser_url(self) -> str:
        return f"postgresql://{self.superuser}:{self.password}@127.0.0.1:{self.port}/postgres"


# Held so that nobody believes the child was forgotten.
keepers: dict[int, "subprocess.Popen[bytes]"] = {}


def shared_postgres() -> SharedPostgres:
    """The server of this run, started now if this is the first call in any of its processes."""
    folder = Path(os.environ[RUN_FOLDER_VARIABLE])
    addresses = folder / "postgres.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not addresses.exists():
            _start_keeper(folder, addresses)
    return SharedPostgres(**json.loads(addresses.read_text()))


def _start_keeper(folder: Path, addresses: Path) -> None:
    run_pid = int((folder / "run.pid").read_text())
    with (folder / "keeper.log").open("ab") as log:
        keeper = keepers[run_pid] = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", str(folder), str(run_pid)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (folder / "keeper.pid").write_text(str(keeper.pid))
    deadline = time.monotonic() + START_TIMEOUT_S
    while not addresses.exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            keeper.kill()
            raise RuntimeError(f"The test server did not start:\n{(folder / 'keeper.log').read_text()}")
        time.sleep(0.02)


def end_keeper(folder: Path) -> None:
    """At the end of the run: ask the keeper to end its server, and wait for it."""
    pid_file = folder / "keeper.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    keeper = keepers.pop(os.getpid(), None)
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    if keeper is not None:
        keeper.wait(20)
        return
    deadline = time.monotonic() + 20
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def keep(folder: Path, run_pid: int) -> None:
    """The keeper process: start it, say where, then wait for the end of the run."""

    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    postgres = EmbeddedPostgres(folder, throw_away=True)
    try:
        postgres.start()
        _make_template(postgres.superuser_url, EmbeddedPostgres.ROLE)
        upgrade(postgres.url_of(TEMPLATE))
        shared = SharedPostgres(postgres.port, postgres.ROLE, postgres.password, postgres.SUPERUSER)
        unfinished = folder / "postgres.json.unfinished"
        unfinished.write_text(json.dumps(asdict(shared)))
        unfinished.rename(folder / "postgres.json")
        _wait_for_end(run_pid, ended)
    finally:
        postgres.stop()


def _make_template(superuser_url: str, owner: str) -> None:
    async def create() -> None:
        connection = await asyncpg.connect(superuser_url)
        await connection.execute(f'CREATE DATABASE "{TEMPLATE}" OWNER {owner}')
        await connection.close()

    asyncio.run(create())


def _wait_for_end(run_pid: int, ended: list[bool]) -> None:
    if hasattr(os, "pidfd_open"):
        run = os.pidfd_open(run_pid)
        while not ended and not select.select([run], [], [], 0.2)[0]:
            pass
        return
    while not ended and _is_alive(run_pid):
        time.sleep(0.2)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))
