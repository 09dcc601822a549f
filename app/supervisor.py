"""`guanjia run`: starts everything on one machine, keeps it running, ends it in order.

Every child is bound to this process's life (app/embedded/become.py), so that nothing stays behind even if we are killed.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from app import demo_logins, frontend_build
from app.data_folder import only_user_of
from app.embedded.child import bound_to_us, remembered_secret
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.valkey import EmbeddedValkey
from app.gate import Gate
from app.kept_child import ChildPlan, KeptChild
from app.lan import Lan
from app.listening import open_listening_sockets
from app.problems import Problem, StartFailed
from app.processes import Kind, process
from app.simulators.opening import open_alipay
from kernel.settings import Settings

ROOT: Final = Path(__file__).resolve().parent.parent


class Supervisor:
    """Starts the table of processes (app/processes.py) in order and keeps it running until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        *,
        say: Callable[[str], None],
        build_frontend: bool = True,
        with_demo: bool = True,
        with_lan: bool = False,
    ) -> None:
        self._settings = settings
        self._with_demo = with_demo and not settings.production
        self._build_frontend = build_frontend
        self._with_lan = with_lan
        self._lan: Lan | None = None
        self._say = say
        self._data_dir = settings.data_dir.absolute()
        self._environment = dict(os.environ)
        self._stopping = asyncio.Event()
        self._children: dict[str, KeptChild] = {}
        self._postgres: EmbeddedPostgres | None = None
        self._sockets: list[socket.socket] = []
        self._alipay: socket.socket | None = None
        self._gate: Gate | None = None

    async def run(self) -> int:
        """Until Ctrl-C or SIGTERM. Returns the exit status."""
        started = time.monotonic()
        for stop_signal in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(stop_signal, self._stopping.set)
        try:
            with only_user_of(self._data_dir):
                try:
                    if await self._finished_before_stop(self._start()):
                        self._welcome(time.monotonic() - started)
                    await self._stopping.wait()
                    self._say("\nStopping ...")
                finally:
                    await self._stop()
        except Problem as error:
            self._say(f"\n{error}\n")
            return 1
        self._say("Everything has stopped.")
        return 0

    # ---- start and stop, in order

    async def _start(self) -> None:
        # Held as long as we live: while a web process is being replaced, its socket goes on taking connections.
        self._sockets = open_listening_sockets(self._settings.host, self._settings.port, self._settings.workers)
        self._gate = Gate()
        self._prepare_environment(port=self._sockets[0].getsockname()[1])
        if self._with_lan:
            self._open_lan()
        if self._with_demo:
            self._open_simulators()
        building = [asyncio.to_thread(frontend_build.build_if_stale)] if self._build_frontend else []
        # Neither the front end nor the database needs the other: a first start takes as long as the slower of the two.
        await _together(self._make_database_ready(), *building)
        self._gate.open()
        await _together(*(child.first_ready() for child in self._children.values()))

    async def _make_database_ready(self) -> None:
        servers = await self._prepare_servers()
        self._spawn_services()
        await _together(*(self._keep(plan).first_ready() for plan in servers))
        await self._run_once("migrate", *(["--demo"] if self._with_demo else []))

    def _spawn_services(self) -> None:
        """As soon as the servers' addresses are known: to import their code takes them longer than the servers need, and they
        wait at the gate until the database is ready."""
        for number, listener in enumerate(self._sockets, start=1):
            name = "web" if len(self._sockets) == 1 else f"web-{number}"
            self._keep(self._service("web", name, ["--fd", str(listener.fileno())], [listener.fileno()]))
        if self._lan is not None:
            listener = self._lan.listener
            plan = self._service("web", "web-lan", ["--fd", str(listener.fileno())], [listener.fileno()])
            self._keep(replace(plan, environment={**plan.environment, "GUANJIA_TLS_PEM": str(self._lan.pem)}))
        self._keep(self._service("worker", "worker"))
        if self._alipay is not None:
            descriptor = self._alipay.fileno()
            self._keep(self._service("alipay", "alipay", ["--fd", str(descriptor)], [descriptor]))

    def _open_lan(self) -> None:
        self._lan = Lan.open(self._settings, self._data_dir)
        # What is printed for phones to scan must lead to where phones can go.
        self._environment.setdefault("GUANJIA_PUBLIC_URL", self._lan.url)

    def _open_simulators(self) -> None:
        port = self._sockets[0].getsockname()[1]
        opened = open_alipay(self._settings, self._data_dir, port)
        if opened is not None:
            self._alipay = opened.listener
            self._environment |= opened.environment

    async def _prepare_servers(self) -> list[ChildPlan]:
        """Those that are ours to run; afterwards the environment says where they will be."""
        plans = []
        if self._settings.database_url is None:
            plans.append(await self._prepare_postgres())
        if self._settings.redis_url is None:
            plans.append(await self._prepare_valkey())
        return plans

    async def _stop(self) -> None:
        """Ours first, then the servers they stand on."""
        for listener in self._sockets:
            listener.close()
        if self._alipay is not None:
            self._alipay.close()
        if self._lan is not None:
            self._lan.close()
        is_server = {name: name in ("postgres", "valkey") for name in self._children}
        for servers in (False, True):
            await asyncio.gather(*(c.stop() for name, c in self._children.items() if is_server[name] is servers))
        if self._postgres is not None:
            self._postgres.clean_up()
        if self._gate is not None:
            self._gate.close()

    async def _finished_before_stop(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work unless Ctrl-C comes first; whether it was finished."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
        try:
            await working
        except asyncio.CancelledError:
            return False
        except BaseExceptionGroup as group:
            raise _first_explained(group) from None
        return True

    # ---- the processes

    async def _prepare_postgres(self) -> ChildPlan:
        postgres = self._postgres = EmbeddedPostgres(self._data_dir)
        if not postgres.cluster.exists():
            self._say("· Making the database ...")
        await asyncio.to_thread(postgres.prepare)
        self._environment["GUANJIA_DATABASE_URL"] = postgres.url
        row = process("postgres")
        return ChildPlan(
            row.name,
            postgres.command,
            postgres.log_file,
            os.environ,
            start_timeout_s=row.start_timeout_s,
            stop_timeout_s=row.stop_timeout_s,
            stop_signal=postgres.stop_signal,
            prepare=postgres.prepare,
            is_ready=lambda pid: postgres.is_ready() and postgres.pid == pid,
        )

    async def _prepare_valkey(self) -> ChildPlan:
        valkey = EmbeddedValkey(self._data_dir)
        await asyncio.to_thread(valkey.prepare)
        self._environment["GUANJIA_REDIS_URL"] = valkey.url
        row = process("valkey")
        return ChildPlan(
            row.name,
            valkey.command,
            valkey.log_file,
            os.environ,
            start_timeout_s=row.start_timeout_s,
            stop_timeout_s=row.stop_timeout_s,
            stop_signal=valkey.stop_signal,
            prepare=valkey.prepare,
            is_ready=lambda _pid: valkey.is_ready(),
        )

    def _service(
        self, row_name: str, name: str, arguments: Sequence[str] = (), pass_fds: Sequence[int] = ()
    ) -> ChildPlan:
        row = process(row_name)
        assert row.kind in (Kind.SERVICE, Kind.SIMULATOR)
        # The table's health port is for a container of its own; here a pipe tells when the process is up.
        program = [sys.executable, "-m", "app.cli", row.command[0], *arguments]
        return ChildPlan(
            name,
            lambda: bound_to_us(program, signal.SIGTERM),
            self._data_dir / "logs" / f"{name}.log",
            self._environment,
            start_timeout_s=row.start_timeout_s,
            stop_timeout_s=row.stop_timeout_s,
            pass_fds=pass_fds,
            gate=self._gate if row.kind is Kind.SERVICE else None,
        )

    def _keep(self, plan: ChildPlan) -> KeptChild:
        child = self._children[plan.name] = KeptChild(plan, say=self._say, folder=ROOT)
        return child

    async def _run_once(self, *arguments: str) -> None:
        """A step that must succeed before the others start; its words go to the person."""
        command = bound_to_us([sys.executable, "-m", "app.cli", *arguments], signal.SIGTERM)
        running = await asyncio.create_subprocess_exec(
            *command, env=self._environment, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        try:
            status = await running.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                running.terminate()
            await running.wait()
            raise
        if status != 0:
            raise StartFailed(f"`guanjia {' '.join(arguments)}` failed; the reason stands above.")

    # ---- surroundings

    def _prepare_environment(self, *, port: int) -> None:
        metrics = self._data_dir / "run" / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)  # Of processes that are gone.
        metrics.mkdir(parents=True)
        self._environment |= {
            "GUANJIA_PORT": str(port),
            "GUANJIA_DATA_DIR": str(self._data_dir),
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        if self._environment.pop("PYTHONDONTWRITEBYTECODE", ""):
            # Nothing beside the sources, then; but to compile every package anew costs each process three seconds.
            self._environment["PYTHONPYCACHEPREFIX"] = str(self._data_dir / "run" / "bytecode")
        if self._settings.secret_key is None and not self._settings.production:
            # Kept in the data folder, so that what was derived from it stays valid over restarts.
            self._environment["GUANJIA_SECRET_KEY"] = remembered_secret(self._data_dir / "secret_key")

    def _welcome(self, took_s: float) -> None:
        address = demo_logins.remember_base_url(self._settings, int(self._environment["GUANJIA_PORT"]))
        self._say(demo_logins.welcome(address, self._data_dir))
        if self._lan is not None:
            self._say(self._lan.welcome())
        self._say(f"Started in {took_s:.1f} s. Logs are in {self._data_dir / 'logs'}. Ctrl-C stops everything.")


async def _together(*work: Coroutine[Any, Any, Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for part in work:
            group.create_task(part)


def _first_explained(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one a person can do something about, if there is one among those that failed together."""
    explained, others = group.split(Problem)
    found: BaseException = explained if explained is not None else others or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
