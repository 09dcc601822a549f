"""One child process of the supervisor: started, seen to be ready, started again when it ends unasked, stopped."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.embedded.child import log_tail, open_log
from app.gate import GATE_FD_VARIABLE, Gate
from app.problems import ChildFailed, EmbeddedServerError
from app.readiness import READY_FD_VARIABLE

RESTART_PAUSE_FIRST_S: Final = 0.2
RESTART_PAUSE_MAX_S: Final = 15.0
# A child that has lived this long has recovered: its next failure starts from the short pause again.
SETTLED_AFTER_S: Final = 30.0
# How often a child may fail before it was ever ready: more than once, since a killed server's last sessions may still
# be leaving when it is started again.
FIRST_ATTEMPTS_MAX: Final = 5


@dataclass(frozen=True)
class ChildPlan:
    """How to run it."""

    name: str
    command: Callable[[], Sequence[str]]
    log_file: Path
    environment: Mapping[str, str]
    start_timeout_s: float
    stop_timeout_s: float
    stop_signal: signal.Signals = signal.SIGTERM
    pass_fds: Sequence[int] = ()
    # Before each life: clear away what the last one left. Runs in a thread.
    prepare: Callable[[], None] | None = None
    # For servers that cannot tell us: asked again and again until it is true. Gets the child's pid.
    is_ready: Callable[[int], bool] | None = None
    # Where it waits, its code imported, until what it stands on is ready; that time is not counted as its own.
    gate: Gate | None = None


class KeptChild:
    """Runs a plan until `stop`."""

    def __init__(self, plan: ChildPlan, *, say: Callable[[str], None], folder: Path) -> None:
        self.plan = plan
        self._say = say
        self._folder = folder
        self._stopping = asyncio.Event()
        self._was_ready = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._keeper = asyncio.create_task(self._keep_running(), name=f"keep {plan.name}")

    @property
    def pid(self) -> int | None:
        """Of its present life."""
        return self._process.pid if self._process is not None else None

    async def first_ready(self) -> None:
        """Until it has been ready once; fails when it gives up before that."""
        waiting = asyncio.create_task(self._was_ready.wait())
        try:
            await asyncio.wait([waiting, self._keeper], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._keeper.done() and not self._was_ready.is_set():
            await self._keeper

    async def stop(self) -> None:
        """Ask it to end, insist after its stop timeout, and wait for it."""
        self._stopping.set()
        if self._process is not None:
            await self._end(self._process)
        with contextlib.suppress(ChildFailed):
            await self._keeper

    async def _keep_running(self) -> None:
        pause_s, failures = RESTART_PAUSE_FIRST_S, 0
        while not self._stopping.is_set():
            born = time.monotonic()
            ending = await self._one_life()
            if self._stopping.is_set():
                return
            failures += 1
            if not self._was_ready.is_set() and failures >= FIRST_ATTEMPTS_MAX:
                raise ChildFailed(f"{self.plan.name} {ending}. The end of {self.plan.log_file}:\n{self._log_tail()}")
            if time.monotonic() - born > SETTLED_AFTER_S:
                pause_s = RESTART_PAUSE_FIRST_S
            if self._was_ready.is_set():
                self._say(
                    f"! {self.plan.name} {ending}; starting it again in {pause_s:.1f} s (see {self.plan.log_file})."
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            pause_s = min(pause_s * 2, RESTART_PAUSE_MAX_S)

    async def _one_life(self) -> str:
        """Start it, see it become ready, see it end. Returns how it ended."""
        try:
            if self.plan.prepare is not None:
                await asyncio.to_thread(self.plan.prepare)
            with _ready_pipe() as (listen_to, tell):
                process = await self._spawn(tell)
                os.close(tell)
                readiness = asyncio.create_task(self._watch_readiness(process, listen_to))
                status = await process.wait()
                readiness.cancel()
                await asyncio.gather(readiness, return_exceptions=True)
        except (EmbeddedServerError, OSError) as error:
            return f"cannot be started ({error})"
        finally:
            self._process = None
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    async def _spawn(self, tell: int) -> asyncio.subprocess.Process:
        with open_log(self.plan.log_file) as log:
            gate = self.plan.gate
            self._process = await asyncio.create_subprocess_exec(
                *self.plan.command(),
                env={
                    **self.plan.environment,
                    READY_FD_VARIABLE: str(tell),
                    **({GATE_FD_VARIABLE: str(gate.fd)} if gate is not None else {}),
                },
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which ends its children in order.
                pass_fds=[*self.plan.pass_fds, tell, *([gate.fd] if gate is not None else [])],
            )
        if self._stopping.is_set():  # Told to stop while it was being born.
            await self._end(self._process)
        return self._process

    async def _watch_readiness(self, process: asyncio.subprocess.Process, listen_to: int) -> None:
        if self.plan.gate is not None:
            await self.plan.gate.opened.wait()
        try:
            async with asyncio.timeout(self.plan.start_timeout_s):
                if self.plan.is_ready is None:
                    await _line_arrived(listen_to)
                else:
                    await _until_true(lambda: self.plan.is_ready is None or self.plan.is_ready(process.pid))
        except TimeoutError:
            self._say(f"! {self.plan.name} was not ready after {self.plan.start_timeout_s:.0f} s.")
            process.kill()
            return
        if self._was_ready.is_set():
            self._say(f"  {self.plan.name} is running again.")
        self._was_ready.set()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.plan.stop_signal)
        try:
            await asyncio.wait_for(process.wait(), self.plan.stop_timeout_s)
        except TimeoutError:
            self._say(f"! {self.plan.name} did not end within {self.plan.stop_timeout_s:.0f} s and is cut off.")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _log_tail(self) -> str:
        return log_tail(self.plan.log_file)


@contextmanager
def _ready_pipe() -> Iterator[tuple[int, int]]:
    """(end to listen to, end to hand to the child); the second is closed by whoever has handed it over."""
    listen_to, tell = os.pipe()
    try:
        yield listen_to, tell
    finally:
        os.close(listen_to)


async def _until_true(question: Callable[[], bool]) -> None:
    """A server that is not ours can only be asked again and again."""
    while not await asyncio.to_thread(question):  # noqa: ASYNC110  there is no event to wait for
        await asyncio.sleep(0.03)


async def _line_arrived(descriptor: int) -> None:
    """Until the child has written; its end without a word leaves this waiting, since the pipe then only closes."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()

    def look() -> None:
        if os.read(descriptor, 64):
            arrived.set()
        loop.remove_reader(descriptor)

    loop.add_reader(descriptor, look)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(descriptor)
