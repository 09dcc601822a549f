"""Spreadsheets (XLSX): their rows as text, and the empty ones that people fill in.

A workbook comes from anywhere, so it is measured before it is opened, and its XML is read by a parser that expands
nothing. A formula is refused: what it shows depends on the machine that opens it.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any, Final, NamedTuple
from xml.etree.ElementTree import ParseError

from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from kernel.errors import Malformed

ZIP_MAGIC: Final = b"PK\x03\x04"
# What Excel wrote before 2007, and what it writes when a book has a password.
OLD_MAGIC: Final = b"\xd0\xcf\x11\xe0"
COLUMNS_MAX: Final = 64
_UNPACKED_BYTES_MAX: Final = 64 * 1024 * 1024
_PARTS_MAX: Final = 500
# A double holds fifteen digits; a longer number has already lost its end.
_EXACT_BELOW: Final = 10**15
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
    ParseError,
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    AssertionError,
)


class BadValue(NamedTuple):
    """A cell whose content cannot be taken as it stands, and why."""

    shown: str
    zh: str
    en: str


Value = str | BadValue


def read_rows(content: bytes, rows_max: int) -> list[tuple[int, list[Value]]]:
    """The rows of the first sheet with their numbers; blank ones are left out. Malformed for what is no workbook."""
    try:
        _refuse_too_large(content)
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
        try:
            return _rows_of(book.worksheets[0], rows_max)
        finally:
            book.close()
    except _UNREADABLE as error:
        raise Malformed(reason="not an XLSX workbook that can be read", field="file") from error


def _refuse_too_large(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
        # Reading a part stops at the size that is declared for it, so the declared sizes are the bound.
        if len(parts) > _PARTS_MAX or sum(part.file_size for part in parts) > _UNPACKED_BYTES_MAX:
            raise Malformed(reason="a workbook of more than 64 MB when unpacked", field="file")


def _rows_of(sheet: Any, rows_max: int) -> list[tuple[int, list[Value]]]:
    # What a sheet says of its own size is not to be trusted.
    sheet.reset_dimensions()
    rows: list[tuple[int, list[Value]]] = []
    for number, cells in enumerate(sheet.iter_rows(max_col=COLUMNS_MAX), start=1):
        values = [_value_of(cell) for cell in cells]
        while values and values[-1] == "":
            values.pop()
        if not values:
            continue
        if len(rows) > rows_max:
            raise Malformed(reason=f"more than {rows_max} rows", field="file")
        rows.append((number, values))
    return rows


def _value_of(cell: Any) -> Value:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        shown = value if isinstance(value, str) else "="
        return BadValue(shown, "不接受公式，请粘贴为数值", "a formula is not taken; paste its value")
    if cell.data_type == "e":
        return BadValue(str(value), "单元格里是错误值", "the cell holds an error")
    return _text_of(value, cell.number_format)


def _text_of(value: Any, number_format: str) -> Value:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _text_of_number(value, number_format)
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value).strip()


def _text_of_number(value: float, number_format: str) -> Value:
    """A number of the shape 00000 keeps its zeros."""
    if abs(value) >= _EXACT_BELOW:
        return BadValue(str(value), "数字过长会丢失末位，请设为文本格式", "too long for a number; make it text")
    if value != int(value):
        return str(value)
    width = len(number_format) if number_format.strip("0") == "" else 0
    return str(int(value)).zfill(width)


# ---- templates


class TemplateColumn(NamedTuple):
    """A column of a template: its title, what is said about it, an example, and the words it may hold."""

    title: str
    hint: str
    example: str
    choices: Sequence[str] = ()


def build_template(sheet_name: str, columns: Sequence[TemplateColumn]) -> bytes:
    """An empty workbook to fill in: titles with a note each, text cells, and lists where only some words are taken."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = sheet_name
    sheet.freeze_panes = "A2"
    for number, column in enumerate(columns, start=1):
        letter = get_column_letter(number)
        title = sheet.cell(1, number, column.title)
        title.font, title.fill = Font(bold=True), PatternFill("solid", fgColor="E3EFEA")
        title.alignment = Alignment(vertical="center")
        title.comment = Comment(f"{column.hint}\n例：{column.example}", "管家")
        sheet.column_dimensions[letter].width = 18
        # Text, so that a staff number keeps its zeros and a date stays what was typed.
        sheet.column_dimensions[letter].number_format = "@"
        if column.choices:
            words = DataValidation(type="list", formula1=f'"{",".join(column.choices)}"', allow_blank=True)
            words.add(f"{letter}2:{letter}20001")
            sheet.add_data_validation(words)
    _explain(book, columns)
    return _bytes_of(book)


def _explain(book: Workbook, columns: Sequence[TemplateColumn]) -> None:
    sheet = book.create_sheet("说明")
    for number, row in enumerate(_explanations(columns), start=1):
        for at, value in enumerate(row, start=1):
            sheet.cell(number, at, value).font = Font(bold=number == 1)
    for letter, width in (("A", 18), ("B", 60), ("C", 24)):
        sheet.column_dimensions[letter].width = width


def _explanations(columns: Sequence[TemplateColumn]) -> Iterator[tuple[str, str, str]]:
    yield "列", "填写说明", "例"
    for column in columns:
        yield column.title, column.hint, column.example


def _bytes_of(book: Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
