"""A batch as a workbook: who gets how much and why, and afterwards what was eaten and what came back."""

import io
from collections.abc import Sequence
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from payments.subsidies.schemas import BatchRowView, BatchView

_TITLES: Final = (
    "工号", "姓名", "金额（元）", "天数", "外勤天数", "请假天数", "扣回（元）", "留待下月扣回（元）", "已用（元）", "退回单位（元）", "备注",
)  # fmt: skip  # one line each would hide that it is one row
_YUAN: Final = "#,##0.00"


def build_workbook(batch: BatchView, rows: Sequence[BatchRowView], unit_name: str) -> bytes:
    """One sheet, closed by its sum; amounts are written as text of yuan turned into cells, never through a fraction."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = "补贴"
    _write(sheet, 1, [f"{unit_name} {batch.name}", "", f"截止 {batch.expires_on}"], bold=True)
    _write(sheet, 2, _TITLES, bold=True)
    for number, row in enumerate(rows, start=3):
        _write(sheet, number, _cells(row))
    _write(sheet, len(rows) + 3, ["合计", f"{len(rows)} 人", Fen(batch.amount_fen)], bold=True)
    sheet.freeze_panes = "A3"
    for number in range(1, len(_TITLES) + 1):
        sheet.column_dimensions[get_column_letter(number)].width = 16
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


class Fen(int):
    """An amount: shown in yuan by the sheet itself."""


def _cells(row: BatchRowView) -> list[object]:
    return [
        row.staff_number or "",
        row.name,
        Fen(row.amount_fen),
        row.days,
        row.field_days,
        row.leave_days,
        Fen(row.deducted_fen),
        Fen(row.still_to_deduct_fen),
        Fen(row.spent_fen) if row.spent_fen is not None else "",
        Fen(row.returned_fen) if row.returned_fen is not None else "",
        row.note,
    ]


def _write(sheet: Worksheet, number: int, values: Sequence[object], *, bold: bool = False) -> None:
    for at, value in enumerate(values, start=1):
        cell: Any = sheet.cell(number, at)
        _fill(cell, value)
        if bold:
            cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="E3EFEA")


def _fill(cell: Cell, value: object) -> None:
    if isinstance(value, Fen):
        # Two implied decimals, written as a decimal's text: a spreadsheet reads the very digits.
        cell.value = f"{value // 100}.{value % 100:02d}"
        cell.data_type, cell.number_format = "n", _YUAN
        return
    cell.value = str(value)
    # Text, whatever it begins with: nobody's name is a formula.
    cell.data_type = "s"
