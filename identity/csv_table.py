"""A table that somebody made in a spreadsheet, CSV or XLSX, read cell by cell; what cannot be read is named, not guessed.

Knows nothing of people: it turns bytes and a list of columns into parsed rows and bad cells.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from openpyxl.utils import get_column_letter

from identity.schemas import BadCell
from identity.workbook import COLUMNS_MAX, OLD_MAGIC, ZIP_MAGIC, BadValue, Value, read_rows
from kernel.errors import Malformed

ROWS_MAX: Final = 20_000
_VALUE_SHOWN_MAX: Final = 60
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class CellError(Exception):
    """Why a cell cannot be read, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, the titles by which people know it, how a cell is read, and what a template says of it."""

    name: str
    titles: tuple[str, ...]
    read: Callable[[str], Any]
    required: bool = True
    hint: str = ""
    example: str = ""
    choices: tuple[str, ...] = ()


@dataclass(slots=True)
class ParsedRow:
    """A row of the file (the header is row 1) by column name; None where an optional cell is empty."""

    number: int
    cells: dict[str, Any]


@dataclass(slots=True)
class ParsedTable:
    """What could be read, and what could not."""

    rows: list[ParsedRow] = field(default_factory=list)
    bad_cells: list[BadCell] = field(default_factory=list)
    # Where a column stands, as a spreadsheet letters it.
    letters: dict[str, str] = field(default_factory=dict)

    def complain(self, row: int, column: str, value: Any, error: CellError, *, at: int | None = None) -> None:
        """Name a cell by its column, or by its place (`at`, counted from 0) where it has no column of its own."""
        shown = _CONTROL.sub("�", str(value))[:_VALUE_SHOWN_MAX]
        letter = self.letters.get(column) if at is None else get_column_letter(at + 1)
        cell = f"{letter}{row}" if letter else None
        self.bad_cells.append(
            BadCell(row=row, column=column, cell=cell, value=shown, reason_zh=error.zh, reason_en=error.en)
        )


def parse_table(content: bytes, columns: Sequence[Column], key: str) -> ParsedTable:
    """Read a CSV or XLSX file. A cell that is wrong spoils its row only, so that one look finds all mistakes."""
    table = ParsedTable()
    lines = _read_lines(content)
    if not lines:
        raise Malformed(reason="an empty file", field="file")
    if len(lines[0][1]) > COLUMNS_MAX:
        raise Malformed(reason=f"more than {COLUMNS_MAX} columns", field="file")
    header = _read_header(table, lines[0][1], columns)
    if header is None:
        return table
    first_seen: dict[Any, int] = {}
    for number, values in lines[1:]:
        row = _read_row(table, number, values, header)
        if row is None:
            continue
        known_as = row.cells[key]
        if known_as in first_seen:
            seen = first_seen[known_as]
            table.complain(number, key, known_as, CellError(f"与第 {seen} 行重复", f"the same as in row {seen}"))
            continue
        first_seen[known_as] = number
        table.rows.append(row)
    return table


def _read_lines(content: bytes) -> Sequence[tuple[int, Sequence[Value]]]:
    """Rows with their numbers, blank ones left out, whichever way they were written down."""
    if content.startswith(ZIP_MAGIC):
        return read_rows(content, ROWS_MAX)
    if content.startswith(OLD_MAGIC):
        raise Malformed(reason="an old (.xls) or protected workbook; save it as .xlsx without a password", field="file")
    return _lines_of(_decode(content))


def _decode(content: bytes) -> str:
    """UTF-8 with or without a BOM, or what a Chinese spreadsheet writes."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Malformed(reason="neither UTF-8 nor GBK", field="file")


def _lines_of(text: str) -> Sequence[tuple[int, Sequence[Value]]]:
    first_line = text.split("\n", 1)[0]
    delimiter = max(",\t;", key=first_line.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise Malformed(reason=f"not a CSV file: {error}", field="file") from error
    if len(rows) > ROWS_MAX + 1:
        raise Malformed(reason=f"more than {ROWS_MAX} rows", field="file")
    numbered = [(number, [cell.strip() for cell in row]) for number, row in enumerate(rows, start=1)]
    return [(number, row) for number, row in numbered if any(row)]


def _read_header(table: ParsedTable, titles: Sequence[Value], columns: Sequence[Column]) -> list[Column] | None:
    by_title = {title.casefold(): column for column in columns for title in (column.name, *column.titles)}
    header: list[Column] = []
    for at, value in enumerate(titles):
        title = value.shown if isinstance(value, BadValue) else value
        column = by_title.get(title.casefold())
        if column is None:
            table.complain(1, title, title, CellError("不认识的列", "an unknown column"), at=at)
        elif column in header:
            table.complain(1, title, title, CellError("重复的列", "the same column twice"), at=at)
        else:
            table.letters[column.name] = get_column_letter(at + 1)
            header.append(column)
    for column in columns:
        if column.required and column not in header:
            table.complain(1, column.name, "", CellError(f"缺少“{column.titles[0]}”列", "this column is missing"))
    return None if table.bad_cells else header


def _read_row(table: ParsedTable, number: int, values: Sequence[Value], header: Sequence[Column]) -> ParsedRow | None:
    before = len(table.bad_cells)
    if len(values) > len(header):
        extra = values[len(header)]
        shown = extra.shown if isinstance(extra, BadValue) else extra
        table.complain(number, "", shown, CellError("多出的单元格", "one cell too many"), at=len(header))
    padded = [*values, *[""] * (len(header) - len(values))]
    cells: dict[str, Any] = {}
    for column, value in zip(header, padded, strict=False):
        try:
            cells[column.name] = _read_cell(column, value)
        except CellError as error:
            shown = value.shown if isinstance(value, BadValue) else value
            table.complain(number, column.name, shown, error)
    return ParsedRow(number, cells) if len(table.bad_cells) == before else None


def _read_cell(column: Column, value: Value) -> Any:
    if isinstance(value, BadValue):
        raise CellError(value.zh, value.en)
    if value:
        return column.read(value)
    if column.required:
        raise CellError("不能为空", "must not be empty")
    return None


# ---- how cells are read


def words(length_max: int) -> Callable[[str], str]:
    """Text of a bounded length without control characters."""

    def read(value: str) -> str:
        if len(value) > length_max:
            raise CellError(f"超过 {length_max} 个字符", f"more than {length_max} characters")
        if _CONTROL.search(value):
            raise CellError("含有不可见的控制字符", "holds an invisible control character")
        return value

    return read


def matching(pattern: str, zh: str, en: str) -> Callable[[str], str]:
    """Text of a shape."""
    shape = re.compile(pattern, re.ASCII)

    def read(value: str) -> str:
        if shape.fullmatch(value) is None:
            raise CellError(zh, en)
        return value

    return read


def one_of(known: dict[str, str]) -> Callable[[str], str]:
    """One of these words, in either language."""

    def read(value: str) -> str:
        meant = known.get(value.casefold())
        if meant is None:
            allowed = "、".join(known)
            raise CellError(f"只能是：{allowed}", f"must be one of: {allowed}")
        return meant

    return read


_DAY: Final = re.compile(r"(\d{4})[-/.年]?(\d{1,2})[-/.月]?(\d{1,2})日?", re.ASCII)


def day(value: str) -> date:
    """`2026-01-31`, `2026/1/31`, `20260131`, `2026年1月31日`."""
    found = _DAY.fullmatch(value)
    try:
        parsed = date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        parsed = None
    if parsed is None or not 1900 <= parsed.year <= 2200:
        raise CellError("不是有效日期，应如 2026-01-31", "not a date such as 2026-01-31")
    return parsed
