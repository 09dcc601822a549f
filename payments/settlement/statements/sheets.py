"""Statements as CSV and XLSX, row by row. A re-run gives the same bytes: nothing in them says when they were made."""

import csv
import hashlib
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO, Any, Final, Protocol

import openpyxl
from xlsxwriter import Workbook

from payments.settlement.statements.statement import StatementLine
from payments.settlement.statements.telling import Teller

# What a sheet holds at the most; the last row is for the totals.
SHEET_ROWS_MAX: Final = 1_048_576
_FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r")
_MONEY_FORMAT: Final = "#,##0.00"
_WIDTHS: Final = (8, 13, 21, 14, 30)
_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODIFIED: Final = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")


class LineWriter(Protocol):
    """Takes lines, some at a time; `close` ends the file and returns the SHA-256 of its bytes."""

    def write_all(self, lines: Sequence[StatementLine]) -> None: ...

    def close(self) -> str: ...


def harmless(cell: str) -> str:
    """A name that begins like a formula must not be one for whoever opens the file."""
    return f"'{cell}" if cell.startswith(_FORMULA_BEGINS) else cell


def yuan(amount_fen: int) -> Decimal:
    """`1800` as 18.00, exactly."""
    return Decimal(amount_fen).scaleb(-2)


class HashingFile(io.RawIOBase):
    """Writes through to another file and hashes what goes by."""

    def __init__(self, target: IO[bytes]) -> None:
        super().__init__()
        self._target, self._digest = target, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._digest.update(content)
        return self._target.write(content)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class CsvWriter:
    """UTF-8 with its mark, so that spreadsheets read Chinese rightly."""

    def __init__(self, target: IO[bytes], teller: Teller) -> None:
        self._teller, self._file = teller, HashingFile(target)
        self._text = io.TextIOWrapper(self._file, encoding="utf-8-sig", newline="", write_through=True)  # type: ignore[type-var]  # a raw file is enough for writing
        self._rows = csv.writer(self._text)
        self._rows.writerow(teller.columns)

    def write_all(self, lines: Sequence[StatementLine]) -> None:
        """One row for each."""
        for row in map(self._teller.row, lines):
            words = [harmless(cell) for cell in (row.kind, row.place)]
            amounts = [str(yuan(fen)) for fen in row.gains_fen]
            self._rows.writerow(
                [row.number, row.business_date, row.time, *words, *amounts, row.transfer, row.takes_back]
            )

    def close(self) -> str:
        """The totals."""
        amounts = [str(yuan(total.change_fen)) for total in self._teller.sums]
        self._rows.writerow([self._teller.say("total"), "", "", "", "", *amounts, "", ""])
        self._text.flush()
        self._text.detach()
        return self._file.sha256


class XlsxWriter:
    """A workbook with what the statement is about above its lines; where a sheet is full the next one begins.

    Rows go to disk as they are written, in a third of the time that openpyxl takes; that stays for what is read and what is small.
    """

    def __init__(self, target: IO[bytes], teller: Teller) -> None:
        self._file, self._teller = HashingFile(target), teller
        self._made = _spool()
        # Where the rows wait until the end; gone with the writer, also with one that nobody has closed.
        self._folder = tempfile.TemporaryDirectory(prefix="guanjia-statement-")
        self._book = Workbook(self._made, {"constant_memory": True, "tmpdir": self._folder.name})
        self._book.use_zip64()
        self._book.set_properties({"created": month_begins(teller.statement.period)})
        self._money = self._book.add_format({"num_format": _MONEY_FORMAT})
        self._bold = self._book.add_format({"bold": True})
        self._bold_money = self._book.add_format({"bold": True, "num_format": _MONEY_FORMAT})
        self._begin_sheet()
        self._write_facts()
        self._write_columns()

    def _begin_sheet(self) -> None:
        number = len(self._book.worksheets()) + 1
        self._sheet = self._book.add_worksheet(f"{self._teller.statement.period} ({number})")
        widths = [*_WIDTHS, *[14] * len(self._teller.statement.account_kinds), 36, 36]
        for at, width in enumerate(widths):
            self._sheet.set_column(at, at, width)
        self._row = 0

    def _put(self, cells: Sequence[Any], *, bold: bool = False) -> None:
        sheet, row = self._sheet, self._row
        for at, value in enumerate(cells):
            if value is None or value == "":
                continue
            if isinstance(value, str):
                # Text is text, whatever it begins with.
                sheet.write_string(row, at, value, self._bold if bold else None)
            elif isinstance(value, Decimal):
                sheet.write_number(row, at, value, self._bold_money if bold else self._money)
            else:
                sheet.write_number(row, at, value)
        self._row += 1

    def _write_facts(self) -> None:
        teller = self._teller
        self._put([teller.title], bold=True)
        for name, value in teller.facts:
            self._put([name, None, value])
        self._put([teller.say("unit_of_money")])
        self._put([])
        self._put([None, None, *(teller.say(word) for word in ("opening", "change", "closing"))], bold=True)
        for total in teller.sums:
            sums = (total.opening_fen, total.change_fen, total.closing_fen)
            self._put([total.account, None, *(None if fen is None else yuan(fen) for fen in sums)])
        self._put([])

    def _write_columns(self) -> None:
        self._put(self._teller.columns, bold=True)

    def write_all(self, lines: Sequence[StatementLine]) -> None:
        """One row for each."""
        for row in map(self._teller.row, lines):
            # The last row is for the totals.
            if self._row == SHEET_ROWS_MAX - 1:
                self._begin_sheet()
                self._write_columns()
            amounts = [yuan(fen) for fen in row.gains_fen]
            self._put(
                [row.number, row.business_date, row.time, row.kind, row.place, *amounts, row.transfer, row.takes_back]
            )

    def close(self) -> str:
        """The totals, then the file."""
        amounts = [yuan(total.change_fen) for total in self._teller.sums]
        self._put([self._teller.say("total"), None, None, None, None, *amounts], bold=True)
        self._book.close()
        self._folder.cleanup()
        with self._made as made:
            made.seek(0)
            shutil.copyfileobj(made, self._file)
        return self._file.sha256


def month_begins(period: str) -> datetime:
    """What stands in a workbook in the place of the instant of its making."""
    return datetime(int(period[:4]), int(period[5:]), 1, tzinfo=UTC).replace(tzinfo=None)


def save_repeatably(book: openpyxl.Workbook, target: IO[bytes], period: str) -> str:
    """Write a workbook without the instant of its making; returns the SHA-256.

    The library writes the current time into the properties and into each part of the archive; here it is the month's.
    """
    month = month_begins(period)
    book.properties.created = month
    stamp = month.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    file = HashingFile(target)
    with _spool() as made, _spool() as packed:
        book.save(made)
        with zipfile.ZipFile(made) as parts, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(parts.namelist()):
                part = zipfile.ZipInfo(name, _FIXED_TIME)
                part.compress_type = zipfile.ZIP_DEFLATED
                with parts.open(name) as source, archive.open(part, "w", force_zip64=True) as copy:
                    if name == "docProps/core.xml":
                        copy.write(_MODIFIED.sub(rb"\g<1>" + stamp + rb"\g<2>", source.read()))
                    else:
                        shutil.copyfileobj(source, copy)
        packed.seek(0)
        shutil.copyfileobj(packed, file)
    return file.sha256


def _spool() -> IO[bytes]:
    """In memory while it is small; a month of a province goes to the disk."""
    return tempfile.SpooledTemporaryFile(max_size=16 * 1024 * 1024)
