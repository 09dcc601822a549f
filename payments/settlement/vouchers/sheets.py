"""Vouchers as CSV and XLSX, as accounting programs read them: one row for each debit and credit."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from identity.api import PlaceName
from payments.settlement.statements.sheets import harmless, save_repeatably, yuan
from payments.settlement.statements.words import Language, account_kind, line_kind
from payments.settlement.vouchers.making import Voucher, VoucherEntry

Names = Mapping[UUID, PlaceName]

_COLUMNS: Final = (
    ("日期", "Date"),
    ("凭证字", "Type"),
    ("凭证号", "Number"),
    ("摘要", "Summary"),
    ("科目编码", "Account code"),
    ("科目名称", "Account name"),
    ("借方金额", "Debit"),
    ("贷方金额", "Credit"),
    ("来源科目", "Our account"),
)
_WORD: Final = ("记", "JV")
_TOTAL: Final = ("合计", "Total")
_LINES: Final = ("笔", "lines")
_WIDTHS: Final = (12, 8, 8, 30, 16, 28, 16, 16, 36)
_AMOUNTS: Final = (6, 7)


def vouchers_csv(vouchers: Sequence[Voucher], names: Names, language: Language) -> bytes:
    """UTF-8 with its mark; no cell of it is a formula."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(_heads(language))
    for row in [*_rows(vouchers, names, language), _totals(vouchers, language)]:
        rows.writerow([_csv_cell(at, value) for at, value in enumerate(row)])
    return text.getvalue().encode("utf-8-sig")


def _csv_cell(at: int, value: Any) -> str:
    if at in _AMOUNTS:
        return str(yuan(value)) if value else ""
    return harmless(str(value))


def vouchers_xlsx(vouchers: Sequence[Voucher], names: Names, language: Language, period: str) -> bytes:
    """A workbook; a re-run gives the same bytes."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(period)
    for at, width in enumerate(_WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(at)].width = width
    sheet.append([_xlsx_cell(sheet, -1, head, bold=True) for head in _heads(language)])
    for row in _rows(vouchers, names, language):
        sheet.append([_xlsx_cell(sheet, at, value) for at, value in enumerate(row)])
    sheet.append([_xlsx_cell(sheet, at, value, bold=True) for at, value in enumerate(_totals(vouchers, language))])
    target = io.BytesIO()
    save_repeatably(book, target, period)
    return target.getvalue()


def _xlsx_cell(sheet: Any, at: int, value: Any, *, bold: bool = False) -> Any:
    if value in {"", 0}:
        return None
    # The library takes a Decimal, and writes it exactly; its types do not know.
    cell = WriteOnlyCell(sheet, value=yuan(value) if isinstance(value, int) and at in _AMOUNTS else value)  # type: ignore[arg-type]
    if isinstance(value, str):
        # Text is text, whatever it begins with.
        cell.data_type = "s"
    elif at in _AMOUNTS:
        cell.number_format = "#,##0.00"
    if bold:
        cell.font = Font(bold=True)
    return cell


def _pick(pair: tuple[str, str], language: Language) -> str:
    return pair[1] if language == "en" else pair[0]


def _heads(language: Language) -> list[str]:
    return [_pick(pair, language) for pair in _COLUMNS]


def _rows(vouchers: Sequence[Voucher], names: Names, language: Language) -> list[list[Any]]:
    return [_row(voucher, entry, names, language) for voucher in vouchers for entry in voucher.entries]


def _row(voucher: Voucher, entry: VoucherEntry, names: Names, language: Language) -> list[Any]:
    summary = f"{line_kind(voucher.line_kind, language)} {voucher.line_count} {_pick(_LINES, language)}"
    return [
        voucher.day.isoformat(),
        _pick(_WORD, language),
        voucher.number,
        summary,
        entry.chart.code,
        entry.chart.name,
        entry.debit_fen,
        entry.credit_fen,
        _account(entry.account, names, language),
    ]


def _account(account: str, names: Names, language: Language) -> str:
    kind, _, owner = account.partition(":")
    place = names.get(UUID(hex=owner)) if owner else None
    word = account_kind(kind, language)
    if place is None:
        return word
    return f"{word} {place.name_en if language == 'en' else place.name_zh}"


def _totals(vouchers: Sequence[Voucher], language: Language) -> list[Any]:
    entries = [entry for voucher in vouchers for entry in voucher.entries]
    debit_fen, credit_fen = sum(entry.debit_fen for entry in entries), sum(entry.credit_fen for entry in entries)
    return [_pick(_TOTAL, language), "", "", "", "", "", debit_fen, credit_fen, ""]
