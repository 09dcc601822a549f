"""Runs the benches: all of them, or one by name. Called by `guanjia bench` and `make bench`."""

import asyncio
import sys

import uvloop

from bench import (
    booking,
    calls,
    close,
    growth,
    http_payments,
    posting,
    realtime,
    realtime_fan_out,
    repairs,
    screens,
    stripe_door,
)
from bench.audited import refuse_unclean_books
from bench.rig import open_rig
from bench.rows import Row, save, show

NAMES = ("codes", "posting", "http", "stripe", "realtime", "calls", "booking", "repairs", "screens", "close")
# These take minutes, and gigabytes or ten thousand open files: they run only where they are asked for by name.
LONG = ("growth", "fan_out")


def run(only: str | None) -> int:
    """Run, print the table, write bench/results/latest.json. A missed goal is a row that says so, no failure."""
    if only is not None and only not in NAMES + LONG:
        sys.stderr.write(f"There is no bench {only!r}; there are: {', '.join(NAMES + LONG)}\n")
        return 2
    rows: list[Row] = []
    if only not in ("screens", "close", "growth"):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows += runner.run(_run(only))
    if only in (None, "screens"):
        # A whole product of its own; its browser brings an event loop along.
        rows += screens.measure(_say)
    if only in (None, "close"):
        _say("closing months of " + ", ".join(f"{size:,}" for size in close.SIZES) + " payments ...")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows += runner.run(close.measure())
    if only == "growth":
        _say("10,000 accounts and no past, then the same with a past ...")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows += runner.run(growth.measure(_say))
    show(rows)
    save(rows)
    return 0


async def _run(only: str | None) -> list[Row]:
    wanted = NAMES if only is None else (only,)
    rows: list[Row] = []
    _say("starting servers, opening a canteen with 14 tills and 10,000 accounts ...")
    async with open_rig() as rig:
        if "codes" in wanted:
            rows += await posting.measure_codes(rig)
        if "posting" in wanted:
            _say("posting alone ...")
            rows += await posting.measure(rig)
        if "http" in wanted:
            _say("payments over HTTP ...")
            rate = next((row.value for row in rows if row.name == "posting alone"), None)
            rows += await http_payments.measure(rig, rate)
            save(rows)
        if "stripe" in wanted:
            _say("PaymentIntents confirmed, beside payments ...")
            rows += await stripe_door.measure(rig)
            save(rows)
        if "realtime" in wanted:
            _say("600 payments a second with 1,000 sockets ...")
            rows += await realtime.measure(rig)
        if "fan_out" in wanted:
            _say("one web process and 1,000, then 10,000 sockets ...")
            rows += await realtime_fan_out.measure(rig, _say)
            rows += await realtime.measure_me(rig)
        if "calls" in wanted:
            _say("presses for help, until they ring ...")
            rows += await calls.measure(rig, _say)
            save(rows)
        if "booking" in wanted:
            _say("meetings of twelve lines ...")
            rows += await booking.measure(rig)
            save(rows)
        if "repairs" in wanted:
            _say("work orders, and promises of time ...")
            rows += await repairs.measure(rig)
            save(rows)
        _say("auditing ...")
        await refuse_unclean_books(rig)
    return rows


def _say(sentence: str) -> None:
    sys.stdout.write(f"· {sentence}\n")
    sys.stdout.flush()
