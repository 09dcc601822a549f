"""Rows into a file, one by one: CSV, XLSX or JSON lines, by the file's name. Whatever the number of rows, memory stays small."""

import csv
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Protocol

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from app.problems import ExportRefused

# What a sheet holds at the most; the last row is for the totals.
SHEET_ROWS_MAX: Final = 1_048_576
_FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r")


class Sheet(Protocol):
    """Takes rows, then the totals, which close it."""

    def write(self, row: Sequence[Any]) -> None:
        """One more row, in the order of the columns."""

    def close(self, totals: Mapping[str, Any]) -> None:
        """The last line."""


@contextmanager
def opened_sheet(target: str, columns: Sequence[str]) -> Iterator[Sheet]:
    """A sheet in that file, readable by its owner only and there as a whole or not at all; `-` is standard output."""
    kinds: dict[str, Any] = {".csv": CsvSheet, ".jsonl": JsonLines, ".xlsx": XlsxSheet}
    if target == "-":
        yield CsvSheet(sys.stdout.buffer, columns)
        sys.stdout.buffer.flush()
        return
    file = Path(target)
    kind = kinds.get(file.suffix.lower())
    if kind is None:
        raise ExportRefused(f"{file.name}: a name that ends in {', '.join(kinds)} says which form is wanted.")
    unfinished = file.with_name(file.name + ".unfinished")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise ExportRefused(f"{file} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as content:
            yield kind(content, columns)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


class CsvSheet:
    """For spreadsheets: UTF-8 with its mark, so that they read Chinese rightly."""

    def __init__(self, content: IO[bytes], columns: Sequence[str]) -> None:
        self._columns = columns
        self._text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="", write_through=True)
        self._rows = csv.writer(self._text)
        self._rows.writerow(columns)

    def write(self, row: Sequence[Any]) -> None:
        """One line."""
        self._rows.writerow([_harmless(cell) for cell in row])

    def close(self, totals: Mapping[str, Any]) -> None:
        """`total` in the first column."""
        self._rows.writerow(_total_row(self._columns, totals))
        self._text.flush()
        self._text.detach()


def _harmless(cell: Any) -> Any:
    """A name that begins like a formula must not be one for whoever opens the file."""
    if isinstance(cell, str) and cell.startswith(_FORMULA_BEGINS):
        return f"'{cell}"
    return cell


def _total_row(columns: Sequence[str], totals: Mapping[str, Any]) -> list[Any]:
    return [f"total of {totals['rows']}", *(totals.get(column, "") for column in columns[1:])]


class JsonLines:
    """For programs: an object a line; the last one is `{"total": {...}}`."""

    def __init__(self, content: IO[bytes], columns: Sequence[str]) -> None:
        self._content = content
        self._columns = columns

    def write(self, row: Sequence[Any]) -> None:
        """One line."""
        self._put(dict(zip(self._columns, row, strict=True)))

    def close(self, totals: Mapping[str, Any]) -> None:
        """The last one."""
        self._put({"total": dict(totals)})

    def _put(self, value: dict[str, Any]) -> None:
        self._content.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")


class XlsxSheet:
    """A workbook; where a sheet is full the next one begins."""

    def __init__(self, content: IO[bytes], columns: Sequence[str]) -> None:
        self._content = content
        self._columns = columns
        self._book = Workbook(write_only=True)
        self._begin_sheet()

    def _begin_sheet(self) -> None:
        self._sheet = self._book.create_sheet()
        self._rows_left = SHEET_ROWS_MAX - 2
        self._sheet.append(self._bold(self._columns))

    def _bold(self, cells: Sequence[Any]) -> list[Any]:
        found = []
        for value in cells:
            cell = WriteOnlyCell(self._sheet, value=value)
            cell.font = Font(bold=True)
            found.append(cell)
        return found

    def write(self, row: Sequence[Any]) -> None:
        """One row. Text is written as text, whatever it begins with."""
        if not self._rows_left:
            self._begin_sheet()
        self._rows_left -= 1
        self._sheet.append([self._plain(value) for value in row])

    def _plain(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith("="):
            return value
        cell = WriteOnlyCell(self._sheet, value=value)
        cell.data_type = "s"
        return cell

    def close(self, totals: Mapping[str, Any]) -> None:
        """The last row, then the file."""
        self._sheet.append(self._bold(_total_row(self._columns, totals)))
        self._book.save(self._content)
