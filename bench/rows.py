"""What a bench returns, and how it is shown: a table for people, bench/results/latest.json for programs."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil
from rich.console import Console
from rich.table import Table

RESULTS: Final = Path(__file__).resolve().parent / "results" / "latest.json"


@dataclass(frozen=True)
class Row:
    """One figure. `baseline` is what it is compared with, `ratio` the quotient, `goal` what is wanted of it."""

    name: str
    value: float
    unit: str
    baseline: str | None = None
    ratio: float | None = None
    goal: str | None = None
    ok: bool | None = None


def at_least(name: str, value: float, unit: str, goal: float) -> Row:
    """A figure that should not be below its goal."""
    return Row(name, round(value, 2), unit, None, None, f">= {goal:g}", value >= goal)


def at_most(name: str, value: float, unit: str, goal: float) -> Row:
    """A figure that should not be above its goal."""
    return Row(name, round(float(value), 3), unit, None, None, f"<= {goal:g}", value <= goal)


def compared(name: str, value: float, unit: str, baseline: str, base: float, goal: float) -> Row:
    """A rate beside its baseline from the same run."""
    ratio = value / base if base else 0.0
    return Row(name, round(value, 2), unit, baseline, round(ratio, 3), f"ratio >= {goal:g}", ratio >= goal)


def compared_delay(name: str, value_ms: float, baseline: str, base_ms: float, goal: float) -> Row:
    """A delay beside its baseline from the same run: not more than so many times as long."""
    ratio = value_ms / base_ms if base_ms else 0.0
    return Row(name, round(value_ms, 2), "ms", baseline, round(ratio, 3), f"ratio <= {goal:g}", ratio <= goal)


def told(name: str, value: float, unit: str) -> Row:
    """A figure without a goal."""
    return Row(name, round(float(value), 3), unit)


def machine() -> dict[str, object]:
    """What it was measured on."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def show(rows: list[Row]) -> None:
    """Print the table."""
    table = Table(title="bench")
    for column in ("name", "value", "unit", "baseline", "ratio", "goal", ""):
        table.add_column(column, justify="right" if column in ("value", "ratio") else "left")
    for row in rows:
        mark = "" if row.ok is None else "ok" if row.ok else "below goal"
        table.add_row(
            row.name,
            f"{row.value:,.2f}",
            row.unit,
            row.baseline or "",
            "" if row.ratio is None else f"{row.ratio:.2f}",
            row.goal or "",
            mark,
        )
    Console(width=150).print(table)


def save(rows: list[Row]) -> None:
    """Write the results; rows of benches that did not run this time are kept."""
    fresh = {row.name: asdict(row) for row in rows}
    kept: dict[str, object] = {}
    if RESULTS.exists():
        kept = {row["name"]: row for row in json.loads(RESULTS.read_text())["rows"]}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps({"machine": machine(), "rows": list((kept | fresh).values())}, indent=1, ensure_ascii=False) + "\n"
    )
