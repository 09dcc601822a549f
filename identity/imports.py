"""What all imports have in common: a table, CSV or XLSX, becomes a plan, and the plan a report.

First the whole file is looked at, then all of it is written or nothing. A row is known by its code or staff number, so
the same file twice changes nothing the second time. `dry_run` says what would happen and writes nothing.

`organisation_imports.py`, `people_imports.py` and `place_imports.py` say what a row means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.csv_table import CellError, Column, ParsedRow, ParsedTable, matching
from identity.errors import ImportHasBadCells
from identity.schemas import BadCell, ImportedRow, ImportReport
from identity.workbook import TemplateColumn, build_template

BAD_CELLS_SHOWN_MAX: Final = 200
CHANGES_SHOWN_MAX: Final = 1000
_ONE_AT_A_TIME: Final = 4_204_231

CODE = matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", "只能用字母、数字和 . _ -，至多 40 位", "letters, digits and . _ - up to 40"
)


def template_of(sheet: str, columns: Sequence[Column]) -> bytes:
    """The empty workbook to fill in."""
    return build_template(
        sheet, [TemplateColumn(column.titles[0], column.hint, column.example, column.choices) for column in columns]
    )


@dataclass(slots=True)
class Plan:
    """What a table would do: which rows are new, and which fields of known ones change."""

    table: ParsedTable
    new: list[ParsedRow] = field(default_factory=list)
    changed: list[tuple[ParsedRow, list[str]]] = field(default_factory=list)
    leaving: list[ParsedRow] = field(default_factory=list)
    # Staff number and id of those whom a complete list does not name any more.
    absent: list[tuple[str, UUID]] = field(default_factory=list)
    unchanged: int = 0

    def complain(self, row: ParsedRow, column: str, zh: str, en: str) -> None:
        self.table.complain(row.number, column, row.cells.get(column) or "", CellError(zh, en))

    def sort_in(self, row: ParsedRow, fields: list[str] | None) -> None:
        """None: new; no fields: as it is."""
        if fields is None:
            self.new.append(row)
        elif fields:
            self.changed.append((row, fields))
        else:
            self.unchanged += 1

    def report(self, key: str, *, dry_run: bool) -> ImportReport:
        return ImportReport(
            dry_run=dry_run,
            rows=len(self.table.rows),
            created=len(self.new),
            updated=len(self.changed),
            left=len(self.leaving) + len(self.absent),
            unchanged=self.unchanged,
            bad_cells_total=len(self.table.bad_cells),
            bad_cells=_shown(self.table.bad_cells),
            changes=self._changes(key)[:CHANGES_SHOWN_MAX],
        )

    def _changes(self, key: str) -> list[ImportedRow]:
        """Who leaves first: that is what somebody must not overlook."""
        gone = [ImportedRow(row=None, key=number, action="leave", fields=["status"]) for number, _ in self.absent]
        rows = [(row, "create", list[str]()) for row in self.new]
        rows += [(row, "update", fields) for row, fields in self.changed]
        rows += [(row, "leave", ["status"]) for row in self.leaving]
        rows.sort(key=lambda planned: planned[0].number)
        listed = [
            ImportedRow(row=r.number, key=r.cells[key], action=action, fields=fields) for r, action, fields in rows
        ]
        return gone + sorted(listed, key=lambda change: change.action != "leave")


def _shown(bad_cells: list[BadCell]) -> list[BadCell]:
    return sorted(bad_cells, key=lambda cell: cell.row)[:BAD_CELLS_SHOWN_MAX]


def refuse_bad_cells(plan: Plan) -> None:
    bad_cells = plan.table.bad_cells
    if bad_cells:
        shown = [cell.model_dump() for cell in _shown(bad_cells)]
        raise ImportHasBadCells(bad_cells=shown, bad_cells_total=len(bad_cells))


async def one_import_at_a_time(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})


def parents_first(rows: list[ParsedRow]) -> list[ParsedRow]:
    """So that what a row stands below is there before it."""
    by_code = {row.cells["code"]: row for row in rows}
    above = {code: [row.cells["parent_code"]] if row.cells.get("parent_code") else [] for code, row in by_code.items()}
    return [by_code[code] for code in TopologicalSorter(above).static_order() if code in by_code]


def rings_of(parents: dict[str, str | None]) -> set[str]:
    """Those who would stand below themselves. Each step up is taken once, however long the chains are."""
    seen: set[str] = set()
    in_rings: set[str] = set()
    for start in parents:
        path: list[str] = []
        code: str | None = start
        while code is not None and code not in seen:
            seen.add(code)
            path.append(code)
            code = parents.get(code)
        if code in path:
            in_rings.update(path[path.index(code) :])
    return in_rings
