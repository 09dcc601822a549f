"""The bank's statement as a table (CSV or XLSX), for a bank that gives no camt.053: one row for each movement.

The first row is the opening balance and the last the closing one: their kind says so. Wrong cells are named, all at once.
"""

import re
from datetime import date
from typing import Final

from identity.api import CellError, Column, ParsedRow, TemplateColumn, build_template, matching, parse_table, words
from payments.banking.errors import StatementHasBadCells, StatementUnreadable
from payments.banking.statement import Statement, StatementLine, check_statement

_AMOUNT: Final = re.compile(r"(-?)(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.(\d{1,2}))?", re.ASCII)
_DAY: Final = re.compile(r"(\d{4})[-/.年]?(\d{1,2})[-/.月]?(\d{1,2})日?", re.ASCII)
_KINDS: Final = {
    "期初余额": "opening",
    "opening": "opening",
    "期末余额": "closing",
    "closing": "closing",
    "明细": "line",
    "line": "line",
}
CELLS_SHOWN_MAX: Final = 200


def read_day(value: str) -> date:
    """`2026-01-31`, `2026/1/31`, `20260131`, `2026年1月31日`."""
    found = _DAY.fullmatch(value)
    try:
        return date(*(int(part) for part in found.groups())) if found else date.min
    except ValueError:
        return date.min


def _day_cell(value: str) -> date:
    on = read_day(value)
    if on.year < 1900:
        raise CellError("不是有效日期，应如 2026-01-31", "not a date such as 2026-01-31")
    return on


def money_cell(value: str) -> int:
    """`1,800.50` or `-18` in fen."""
    found = _AMOUNT.fullmatch(value)
    if found is None:
        raise CellError("不是有效金额，应如 1800.50", "not an amount such as 1800.50")
    fen = int(found[2].replace(",", "")) * 100 + int((found[3] or "").ljust(2, "0"))
    return -fen if found[1] else fen


def _kind_cell(value: str) -> str:
    kind = _KINDS.get(value.casefold())
    if kind is None:
        raise CellError("只能是：期初余额、明细、期末余额", "must be opening, line or closing")
    return kind


COLUMNS: Final = (
    Column("bank_reference", ("流水号", "银行流水号"), words(64), hint="银行的流水号，不能重复；余额行写 期初、期末", example="2026112300017"),
    Column("kind", ("类型",), _kind_cell, hint="第一行 期初余额，最后一行 期末余额，其余 明细", example="明细", choices=("期初余额", "明细", "期末余额")),
    Column("booked_on", ("记账日期", "日期"), _day_cell, hint="如 2026-01-31", example="2026-11-23"),
    Column("amount", ("金额", "金额（元）"), money_cell, hint="元；收入为正，支出为负", example="9962.00"),
    Column("account", ("账号",), matching(r"[0-9A-Za-z-]{4,34}", "不是有效账号", "not an account number"), hint="本单位账号", example="6222000011112222"),
    Column("counterparty", ("对方户名",), words(140), required=False, hint="可不填", example="支付宝（中国）网络技术有限公司"),
    Column("end_to_end_id", ("付款指令号", "端到端标识"), words(35), required=False, hint="付款指令里的编号，可不填", example=""),
    Column("remittance", ("摘要", "附言"), words(300), required=False, hint="可不填", example="支付宝 20261122 结算款"),
)  # fmt: skip  # one column a line


def build_statement_template() -> bytes:
    """An empty workbook to fill in."""
    return build_template(
        "银行对账单", [TemplateColumn(each.titles[0], each.hint, each.example, each.choices) for each in COLUMNS]
    )


def read_table(content: bytes) -> Statement:
    """The statement; StatementHasBadCells with every cell that is wrong."""
    table = parse_table(content, COLUMNS, "bank_reference")
    for row in table.rows:
        if row.cells["kind"] == "line" and row.cells["amount"] == 0:
            table.complain(row.number, "amount", "0", CellError("金额不能为零", "must not be 0"))
    accounts = {row.cells["account"] for row in table.rows}
    for row in table.rows[1:] if len(accounts) > 1 else []:
        if row.cells["account"] != table.rows[0].cells["account"]:
            table.complain(row.number, "account", row.cells["account"], CellError("一份文件只能有一个账号", "one account in a file"))  # fmt: skip  # one call
    if table.bad_cells:
        shown = [cell.model_dump() for cell in table.bad_cells[:CELLS_SHOWN_MAX]]
        raise StatementHasBadCells(count=len(table.bad_cells), cells=shown)
    return check_statement(_statement_of(table.rows))


def _statement_of(rows: list[ParsedRow]) -> Statement:
    kinds = [row.cells["kind"] for row in rows]
    if len(rows) < 2 or kinds[0] != "opening" or kinds[-1] != "closing" or {*kinds[1:-1]} - {"line"}:
        raise StatementUnreadable(reason="sums", said="期初余额 first, 期末余额 last, once each")
    first, last = rows[0].cells, rows[-1].cells
    lines = [
        StatementLine(
            row.cells["booked_on"],
            row.cells["amount"],
            row.cells["counterparty"] or "",
            row.cells["end_to_end_id"] or "",
            row.cells["remittance"] or "",
            row.cells["bank_reference"],
        )
        for row in rows[1:-1]
    ]
    reference = f"{first['booked_on']:%Y%m%d}-{last['booked_on']:%Y%m%d}"
    return Statement(
        "csv",
        first["account"],
        reference,
        first["booked_on"],
        last["booked_on"],
        first["amount"],
        last["amount"],
        lines,
    )
