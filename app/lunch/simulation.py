"""From the command to the page: a place to eat, the lunch, the books, the report. Whatever happens, nothing is left running."""

import asyncio
import json
import os
import platform
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop

from app.lunch.books import Books, ask_books
from app.lunch.installation import PARTS, Installation, adopt, own_installation
from app.lunch.plan import VISITS_OF_A_HOLDER_MAX, Size, plan_lunch
from app.lunch.play import Fault, Lunch
from app.lunch.report import write_report
from app.lunch.summary import Quantiles, Summary, sum_up
from app.lunch.watch import Watch
from app.lunch.world import Say, World, borrow_demo, furnish
from app.problems import LunchRefused
from kernel import clock
from kernel.settings import Settings

# The fullest moment, and then one after the other while people still come.
_FIRST_FAULT: Final = 0.28
_NEXT_FAULT: Final = 0.12
_PREPARING_MAX_S: Final = 180.0
_PREPARING_A_HOLDER_MAX_S: Final = 0.1


@dataclass(frozen=True)
class Wishes:
    """What the person at the keyboard wants."""

    size: Size
    url: str | None
    faults: tuple[str, ...]
    workers: int
    report: Path
    peak_is_given: bool = True


def simulate_lunch(wishes: Wishes, say: Say) -> bool:
    """Play it; whether everything was as it must be."""
    _refuse(wishes)
    _let_many_files_be_open()
    # Told to stop is told to stop, also while nothing but the preparation runs.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if wishes.url is not None:
            return _played(_at_a_demo(wishes, wishes.url, say))
        say("· Making an installation of its own ...")
        with own_installation(workers=wishes.workers) as installation:
            adopt(installation)
            return _played(_at_home(wishes, installation, say))
    except KeyboardInterrupt:
        say("\nStopped before the doors opened; there is nothing to report. Everything has ended.")
        return False
    finally:
        signal.signal(signal.SIGTERM, before)


def _refuse(wishes: Wishes) -> None:
    if Settings().production:
        raise LunchRefused("GUANJIA_PRODUCTION is on: nothing is simulated with such settings.")
    for part in wishes.faults:
        if part not in PARTS:
            raise LunchRefused(f"--fault {part}: one of {', '.join(PARTS)}.")
    if wishes.url is None:
        wishes.size.check()
    elif wishes.faults:
        raise LunchRefused("--fault goes with an installation of its own only: nobody else's parts are killed.")
    if not wishes.report.parent.is_dir():
        raise LunchRefused(f"There is no folder {wishes.report.parent} for the report.")


def _let_many_files_be_open() -> None:
    """Each phone has a line and a socket."""
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _played(work: Coroutine[Any, Any, bool]) -> bool:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(work)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


# ---- the two places


async def _at_home(wishes: Wishes, installation: Installation, say: Say) -> bool:
    limit_s = _PREPARING_MAX_S + wishes.size.holders * _PREPARING_A_HOLDER_MAX_S
    try:
        with _interrupting(_cancel_me()):
            async with asyncio.timeout(limit_s):
                world = await furnish(installation, wishes.size, say)
    except TimeoutError:
        raise LunchRefused(f"Preparing {wishes.size.holders} people took more than {limit_s:.0f} s.") from None
    return await _eat(wishes, wishes.size, world, installation, say)


async def _at_a_demo(wishes: Wishes, url: str, say: Say) -> bool:
    with _interrupting(_cancel_me()):
        world, size = await borrow_demo(Settings(), url, wishes.size, say)
    if not wishes.peak_is_given:
        size = replace(size, peak=_peak_for(size))
    size.check()
    return await _eat(wishes, size, world, None, say)


def _peak_for(size: Size) -> int:
    """As busy as the demo's few people can be."""
    busiest = replace(size, peak=1000)
    return max(1, 1000 * size.holders * VISITS_OF_A_HOLDER_MAX // (2 * busiest.visits))


# ---- the lunch


async def _eat(wishes: Wishes, size: Size, world: World, installation: Installation | None, say: Say) -> bool:
    visits = plan_lunch(size, world.guests)
    faults = [
        Fault(part, size.seconds * (_FIRST_FAULT + _NEXT_FAULT * number)) for number, part in enumerate(wishes.faults)
    ]
    watch = Watch(installation.parts if installation is not None else dict)
    lunch, began = Lunch(world, size, visits, faults, installation, watch, say), clock.now()
    with _interrupting(lunch.stopping.set):
        await lunch.play()
        say("· Asking the books ...")
        books = await _ask(world, lunch, began)
    summary = sum_up(lunch, books, clock.rfc3339(began), _machine())
    _write(wishes.report, lunch, summary)
    _tell(summary, wishes.report, say)
    return summary.passed


async def _ask(world: World, lunch: Lunch, since: datetime) -> Books | None:
    return await ask_books(world.database_url, lunch.sales, since) if world.database_url is not None else None


def _cancel_me() -> Callable[[], object]:
    task = asyncio.current_task()
    assert task is not None
    return task.cancel


@contextmanager
def _interrupting(stop: Callable[[], object]) -> Iterator[None]:
    """What Ctrl-C and SIGTERM do meanwhile."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


# ---- told


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _write(report: Path, lunch: Lunch, summary: Summary) -> None:
    report.write_text(write_report(lunch, summary), encoding="utf-8")
    wire = json.dumps(summary.wire(), ensure_ascii=False, indent=1)
    report.with_suffix(".json").write_text(wire + "\n", encoding="utf-8")


def _tell(summary: Summary, report: Path, say: Say) -> None:
    if summary.ended != "as planned":
        say(f"! Ended {summary.ended}.")
    say(
        f"\n{summary.paid} paid, {sum(summary.refused.values())} refused, {summary.peak_rate:.0f} a second at the peak."
    )
    for name, found in (
        ("at the peak", summary.latency_at_peak_ms),
        ("whole lunch", summary.latency_ms),
        ("told on the phone", summary.told_ms),
        ("fetching a code", summary.code_ms),
    ):
        if found is not None:
            say(f"  {name:<18} {_quantiles(found)}")
    for check in summary.checks:
        say(f"{'✓' if check.ok else '✗'} {check.name}: {check.found}")
    say(f"\n{report}\n{report.with_suffix('.json')}")


def _quantiles(found: Quantiles) -> str:
    return f"p50 {found.p50:.1f} ms, p90 {found.p90:.1f} ms, p99 {found.p99:.1f} ms, most {found.most:.1f} ms"
