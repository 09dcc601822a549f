"""The bill of a day, as Alipay writes it: a ZIP of two CSV files in GBK, made from the trades; and what can be wrong with it.

The address of a bill is told by the gateway's own method and lives 30 seconds. A fault stays set for its day until it is cleared.
"""

import io
import secrets
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final, Literal, get_args

from app.simulators.alipay.keys import SELLER_ID
from app.simulators.alipay.trades import CHINA, Trades
from kernel import clock

URL_LIFE: Final = timedelta(seconds=30)
# In hundredths of a per cent: 0.38 %.
FEE_RATE_BP: Final = 38
BillFault = Literal[
    "missing",
    "doubled",
    "changed",
    "next_day",
    "other_day",
    "truncated_zip",
    "truncated_file",
    "utf8",
    "bad_totals",
    "not_ready",
]
BILL_FAULTS: Final[tuple[str, ...]] = get_args(BillFault)

_COLUMNS: Final = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
    "支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
_SUMMARY_COLUMNS: Final = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,卡消费金额（元）,"
    "服务费（元）,分润（元）,实收净额（元）"
)


@dataclass(frozen=True)
class BilledRow:
    """A trade, or a refund of one: then `refund_no` names it and its amount is below 0."""

    trade_no: str
    out_trade_no: str
    subject: str
    created_at: datetime
    completed_at: datetime
    signed_fen: int
    refund_no: str = ""

    @property
    def fee_fen(self) -> int:
        """Half a fen counts as one. Nothing is given back with a refund."""
        return 0 if self.refund_no else (self.signed_fen * FEE_RATE_BP + 5000) // 10000


@dataclass
class Bills:
    """The bills of all days, the addresses that were told, and the faults that are set: {day or None for any: fault}."""

    trades: Trades
    faults: dict[str | None, str] = field(default_factory=dict)
    told: dict[str, tuple[date, datetime]] = field(default_factory=dict)

    def set_fault(self, fault: str, day: str | None) -> None:
        if fault not in BILL_FAULTS:
            raise ValueError(f"bill: one of {', '.join(BILL_FAULTS)}")
        self.faults[day] = fault

    @property
    def faults_told(self) -> dict[str, str]:
        return {day or "any": fault for day, fault in self.faults.items()}

    def fault_of(self, day: date) -> str | None:
        return self.faults.get(day.isoformat(), self.faults.get(None))

    def is_ready(self, day: date) -> bool:
        """From nine in the morning of the day after."""
        local = clock.now().astimezone(CHINA)
        nine = datetime.combine(day + timedelta(days=1), datetime.min.time(), CHINA) + timedelta(hours=9)
        return local >= nine and self.fault_of(day) != "not_ready"

    def tell_address(self, day: date) -> str:
        """A new one, good for 30 seconds."""
        token = secrets.token_hex(16)
        self.told[token] = (day, clock.now() + URL_LIFE)
        return token

    def download(self, token: str) -> tuple[date, bytes] | None:
        """The file; None for an address that nobody was told, or whose time is over."""
        day, until = self.told.get(token, (None, None))
        if day is None or until is None or clock.now() > until:
            return None
        return day, self.file_of(day)

    def file_of(self, day: date) -> bytes:
        """The ZIP, faults included."""
        fault = self.fault_of(day)
        rows = _with_fault(self.rows_of(day), fault)
        shown = day + timedelta(days=1) if fault == "other_day" else day
        detail, summary = _detail(rows, shown), _summary(rows, shown)
        if fault == "bad_totals":
            detail = detail.replace("#交易合计：", "#交易合计：1", 1)
        if fault == "truncated_file":
            detail = detail[: len(detail) // 2]
        encoding = "utf-8" if fault == "utf8" else "gb18030"
        content = _zip({f"{SELLER_ID}_{day:%Y%m%d}_业务明细.csv": detail, f"{SELLER_ID}_{day:%Y%m%d}_业务明细(汇总).csv": summary}, encoding)  # fmt: skip  # one file
        return content[: len(content) * 2 // 3] if fault == "truncated_zip" else content

    def rows_of(self, day: date) -> list[BilledRow]:
        """What was paid and given back that day, in China's time."""
        rows: list[BilledRow] = []
        for trade in self.trades:
            if trade.paid_at is None:
                continue
            paid_at = _local(trade.paid_at)
            row = BilledRow(
                trade.trade_no, trade.out_trade_no, trade.subject, _local(trade.created_at), paid_at, trade.told
            )
            if paid_at.date() == day:
                rows.append(row)
            for refund_no, amount_fen in trade.refunds.items():
                refunded_at = _local(trade.refunded_at.get(refund_no, trade.paid_at))
                if refunded_at.date() == day:
                    rows.append(replace(row, completed_at=refunded_at, signed_fen=-amount_fen, refund_no=refund_no))
        return sorted(rows, key=lambda row: (row.completed_at, row.trade_no, row.refund_no))


def _with_fault(rows: list[BilledRow], fault: str | None) -> list[BilledRow]:
    if not rows or fault not in ("missing", "doubled", "changed", "next_day"):
        return rows
    first, *others = rows
    match fault:
        case "missing":
            return others
        case "doubled":
            return [first, first, *others]
        case "changed":
            return [replace(first, signed_fen=first.signed_fen + 100), *others]
        case _:
            # One of the first minutes of the next day that has slipped into this bill.
            return [replace(first, completed_at=first.completed_at + timedelta(days=1)), *others]


def _local(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(CHINA)


def _detail(rows: Sequence[BilledRow], day: date) -> str:
    trades = [row for row in rows if not row.refund_no]
    refunds = [row for row in rows if row.refund_no]
    lines = [
        *_head("业务明细", day),
        _COLUMNS,
        *[_line(row) for row in rows],
        f"#{'-' * 41}业务明细列表结束{'-' * 36}",
        f"#交易合计：{len(trades)}笔，商家实收共{_yuan(sum(row.signed_fen for row in trades))}元，商家优惠共0.00元",
        f"#退款合计：{len(refunds)}笔，商家实收退款共{_yuan(sum(row.signed_fen for row in refunds))}元，商家优惠退款共0.00元",
        f"#导出时间：[{clock.now().astimezone(CHINA):%Y年%m月%d日 %H:%M:%S}]",
    ]
    return "\r\n".join(lines) + "\r\n"


def _summary(rows: Sequence[BilledRow], day: date) -> str:
    total_fen, fee_fen = sum(row.signed_fen for row in rows), sum(row.fee_fen for row in rows)
    refund_count = sum(1 for row in rows if row.refund_no)
    figures = (
        f"{len(rows) - refund_count},{refund_count},{_yuan(total_fen)},{_yuan(total_fen)},0.00,0.00,0.00,"
        f"{_yuan(-fee_fen)},0.00,{_yuan(total_fen - fee_fen)}"
    )
    lines = [
        *_head("业务汇总", day),
        _SUMMARY_COLUMNS,
        f"合计\t,\t,{figures}",
        f"#{'-' * 41}业务汇总列表结束{'-' * 36}",
        f"#导出时间：[{clock.now().astimezone(CHINA):%Y年%m月%d日 %H:%M:%S}]",
    ]
    return "\r\n".join(lines) + "\r\n"


def _head(what: str, day: date) -> list[str]:
    after = day + timedelta(days=1)
    return [
        f"#支付宝{what}查询",
        f"#账号：[{SELLER_ID}0156]",
        f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{after:%Y年%m月%d日} 00:00:00]",
        f"#{'-' * 41}{what}列表{'-' * 40}",
    ]


def _line(row: BilledRow) -> str:
    amount = _yuan(row.signed_fen)
    cells = (
        f"{row.trade_no}\t", f"{row.out_trade_no}\t", "退款" if row.refund_no else "交易", row.subject.replace(",", "，"),
        f"{row.created_at:%Y-%m-%d %H:%M:%S}", f"{row.completed_at:%Y-%m-%d %H:%M:%S}", "\t", "", "\t", "\t", "zha***@example.com\t",
        amount, amount, "0.00", "0.00", "0.00", "0.00", "0.00", "", "0.00", "0.00",
        f"{row.refund_no}\t", _yuan(-row.fee_fen), "0.00", "",
    )  # fmt: skip  # as the file's one line
    return ",".join(cells)


def _yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


class _GbkName(zipfile.ZipInfo):
    """A name in GBK without the flag for UTF-8, as Alipay's packer leaves it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802  the name that zipfile calls
        return self.filename.encode("gb18030"), self.flag_bits


def _zip(files: dict[str, str], encoding: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            info = _GbkName(name, clock.now().astimezone(CHINA).timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text.encode(encoding))
    return packed.getvalue()
