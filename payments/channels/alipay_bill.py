"""Alipay's bill of a day: a ZIP of two CSV files in GBK, with `#` lines around the rows and tabs behind the numbers. Pure.

Read strictly: every column in its place, every amount two decimals, the footer's counts and sums those of the rows, and the
second file, the summary, the same again. Anything else is refused whole, with the reason and the line.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from payments.channels.bill import Bill, BillRefused, BillRow

CHINA: Final = ZoneInfo("Asia/Shanghai")
COLUMNS: Final = (
    "支付宝交易号", "商户订单号", "业务类型", "商品名称", "创建时间", "完成时间", "门店编号", "门店名称", "操作员", "终端号", "对方账户",
    "订单金额（元）", "商家实收（元）", "支付宝红包（元）", "集分宝（元）", "支付宝优惠（元）", "商家优惠（元）", "券核销金额（元）", "券名称",
    "商家红包消费金额（元）", "卡消费金额（元）", "退款批次号/请求号", "服务费（元）", "分润（元）", "备注",
)  # fmt: skip  # as the file's one line
SUMMARY_COLUMNS: Final = (
    "门店编号", "门店名称", "交易订单总笔数", "退款订单总笔数", "订单金额（元）", "商家实收（元）", "支付宝优惠（元）", "商家优惠（元）",
    "卡消费金额（元）", "服务费（元）", "分润（元）", "实收净额（元）",
)  # fmt: skip  # as above
DETAIL_TITLE: Final = "#支付宝业务明细查询"
SUMMARY_TITLE: Final = "#支付宝业务汇总查询"

_UNPACKED_BYTES_MAX: Final = 256 * 1024 * 1024
_FILES_MAX: Final = 10
_DAYS: Final = re.compile(
    r"#起始日期：\[(\d{4})年(\d\d)月(\d\d)日 00:00:00\]\s+终止日期：\[(\d{4})年(\d\d)月(\d\d)日 00:00:00\]"
)
_FOOTERS: Final = {
    "trade": re.compile(r"#交易合计：(\d+)笔，商家实收共(-?\d+\.\d\d)元，商家优惠共-?\d+\.\d\d元"),
    "refund": re.compile(r"#退款合计：(\d+)笔，商家实收退款共(-?\d+\.\d\d)元，商家优惠退款共-?\d+\.\d\d元"),
}
_AMOUNT: Final = re.compile(r"(-?)(\d{1,11})\.(\d\d)", re.ASCII)
_KINDS: Final = {"交易": "trade", "退款": "refund"}
_TIME: Final = "%Y-%m-%d %H:%M:%S"


def read_bill(content: bytes, day: date, seller_id: str | None = None) -> Bill:
    """The bill of a day; BillRefused for anything that is not exactly that."""
    files = _unpack(content)
    detail = _lines_of(files, DETAIL_TITLE)
    _check_header(detail, day, seller_id)
    rows = _rows_of(detail)
    bill = Bill(day, rows)
    _check_footer(detail, bill)
    _check_summary(_lines_of(files, SUMMARY_TITLE), bill)
    return bill


def _unpack(content: bytes) -> list[str]:
    """The texts inside. What they are is said by their first line, not by names that every tool spells in its own way."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if not parts or len(parts) > _FILES_MAX or sum(part.file_size for part in parts) > _UNPACKED_BYTES_MAX:
                raise BillRefused("zip", said=f"{len(parts)} files")
            unpacked = [archive.read(part) for part in parts]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise BillRefused("zip", said=str(error)) from error
    try:
        return [part.decode("gb18030") for part in unpacked]
    except UnicodeDecodeError as error:
        raise BillRefused("encoding", said=str(error)) from error


def _lines_of(files: Sequence[str], title: str) -> list[str]:
    found = [text for text in files if text.startswith(title)]
    if len(found) != 1:
        # Text in another encoding reads as other characters, and no file begins as it should.
        raise BillRefused("encoding" if found == [] and files else "header", 1, title)
    return found[0].splitlines()


def _check_header(lines: Sequence[str], day: date, seller_id: str | None) -> None:
    if len(lines) < 5 or not lines[1].startswith("#账号："):
        raise BillRefused("header", 2, lines[1] if len(lines) > 1 else "")
    if seller_id and f"[{seller_id}" not in lines[1]:
        raise BillRefused("header", 2, lines[1])
    found = _DAYS.match(lines[2])
    if found is None:
        raise BillRefused("header", 3, lines[2])
    starts = date(*(int(part) for part in found.groups()[:3]))
    if starts != day:
        raise BillRefused("day", 3, lines[2])


def _rows_of(lines: Sequence[str]) -> list[BillRow]:
    body = [(number, line) for number, line in enumerate(lines, start=1) if not line.startswith("#")]
    if not body or tuple(_cells(body[0][1])) != COLUMNS:
        raise BillRefused("columns", body[0][0] if body else 5, body[0][1] if body else "")
    return [_row_of(number, line) for number, line in body[1:]]


def _row_of(number: int, line: str) -> BillRow:
    cells = _cells(line)
    if len(cells) != len(COLUMNS):
        raise BillRefused("row", number, line)
    named = dict(zip(COLUMNS, cells, strict=True))
    kind = _KINDS.get(named["业务类型"])
    if kind is None or not named["支付宝交易号"] or not named["商户订单号"]:
        raise BillRefused("row", number, line)
    signed = _fen(named["订单金额（元）"], number)
    if (signed > 0) != (kind == "trade") or signed == 0:
        raise BillRefused("row", number, line)
    refund_name = named["退款批次号/请求号"] or None
    if kind == "refund" and refund_name is None:
        raise BillRefused("row", number, line)
    return BillRow(
        kind,
        named["支付宝交易号"],
        named["商户订单号"],
        refund_name if kind == "refund" else None,
        abs(signed),
        -_fen(named["服务费（元）"], number),
        _instant(named["完成时间"], number),
    )


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line]))] if line.strip() else []


def _fen(yuan: str, number: int) -> int:
    match = _AMOUNT.fullmatch(yuan)
    if match is None:
        raise BillRefused("row", number, yuan)
    fen = int(match[2]) * 100 + int(match[3])
    return -fen if match[1] else fen


def _instant(text: str, number: int) -> datetime:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=CHINA)
    except ValueError as error:
        raise BillRefused("row", number, text) from error


def _check_footer(lines: Sequence[str], bill: Bill) -> None:
    """A file that was cut off has no footer; one that was changed has another's."""
    for kind, pattern in _FOOTERS.items():
        found = next(((n, match) for n, line in enumerate(lines, start=1) if (match := pattern.match(line))), None)
        if found is None:
            raise BillRefused("cut_off", len(lines), lines[-1])
        number, match = found
        rows = bill.of_kind(kind)
        total_fen = sum(row.amount_fen for row in rows)
        signed = total_fen if kind == "trade" else -total_fen
        if (int(match[1]), _fen(match[2], number)) != (len(rows), signed):
            raise BillRefused("totals", number, lines[number - 1])


def _check_summary(lines: Sequence[str], bill: Bill) -> None:
    body = [(number, line) for number, line in enumerate(lines, start=1) if not line.startswith("#")]
    if not body or tuple(_cells(body[0][1])) != SUMMARY_COLUMNS:
        raise BillRefused("columns", body[0][0] if body else 5, body[0][1] if body else "")
    number, line = body[-1]
    cells = _cells(line)
    if len(cells) != len(SUMMARY_COLUMNS) or cells[0] != "合计":
        raise BillRefused("cut_off", number, line)
    named = dict(zip(SUMMARY_COLUMNS, cells, strict=True))
    said = (
        named["交易订单总笔数"],
        named["退款订单总笔数"],
        _fen(named["订单金额（元）"], number),
        -_fen(named["服务费（元）"], number),
    )
    ours = (
        str(len(bill.of_kind("trade"))),
        str(len(bill.of_kind("refund"))),
        bill.trade_fen - bill.refund_fen,
        bill.fee_fen,
    )
    if said != ours:
        raise BillRefused("totals", number, line)
