"""What a till's printer prints: slips and hand-over sheets as ESC/POS bytes. Pure: nothing is sent from here.

Printers of this trade take Chinese as GB 18030 in their Chinese mode; a Chinese character is two columns wide.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from escpos.printer import Dummy  # type: ignore[import-untyped]  # it has no types

from canteen.meals import MEAL_NAMES, Meal
from kernel.money import format_yuan

COLUMNS: Final = 32
# FS & begins the Chinese mode, FS . ends it.
_CHINESE_ON: Final = b"\x1c&"
_CHINESE_OFF: Final = b"\x1c."

_WORDS: Final = {
    "slip": ("消费凭条", "Receipt"),
    "sheet": ("交接单", "Hand-over sheet"),
    "voided": ("已撤销", "VOIDED"),
    "refunded": ("已退款", "REFUNDED"),
    "partially_refunded": ("部分退款", "PARTLY REFUNDED"),
    "till": ("收银台", "Till"),
    "cashier": ("收银员", "Cashier"),
    "time": ("时间", "Time"),
    "business_date": ("营业日", "Business day"),
    "meal": ("餐别", "Meal"),
    "subsidy": ("补贴", "Subsidy"),
    "cash": ("现金", "Cash"),
    "official": ("公务", "Official"),
    "alipay": ("支付宝", "Alipay"),
    "guests": ("访客", "Guests"),
    "from": ("开班", "Opened"),
    "to": ("交班", "Handed over"),
    "by": ("交班人", "Handed over by"),
    "count": ("笔数", "Payments"),
    "sales": ("销售", "Sales"),
    "voids": ("撤销", "Voids"),
    "refunds": ("退款", "Refunds"),
    "refusals": ("拒付", "Refusals"),
    "net": ("实收", "Net"),
    "ledger": ("账簿", "Ledger"),
    "ties": ("账实一致", "Ties to the ledger"),
    "apart": ("与账簿不符，请报财务", "DOES NOT TIE: tell finance"),
    "giver": ("交班签字", "Handed over"),
    "taker": ("接班签字", "Taken over"),
    "clean_plate": ("按需取餐，光盘行动", "Take what you eat, eat what you take"),
}


@dataclass(frozen=True, slots=True)
class SlipData:
    """What stands on a slip; times are local already."""

    canteen: str
    till: str
    cashier: str | None
    time: str
    business_date: str
    meal: str | None
    items: tuple[tuple[str, int, int], ...]
    amount_fen: int
    legs: tuple[tuple[str, int], ...]
    status: str
    number: str


@dataclass(frozen=True, slots=True)
class SheetData:
    """What stands on a hand-over sheet."""

    canteen: str
    till: str
    cashier: str
    business_date: str
    opened: str
    handed_over: str
    handed_over_by: str
    sheet: dict[str, Any]
    number: str


class _Paper:
    """A slip being written."""

    def __init__(self, columns: int, language: str) -> None:
        self._printer = Dummy()
        self._columns = columns
        self._english = language == "en"
        self._send(b"\x1b@" + _CHINESE_ON)

    def word(self, name: str) -> str:
        return _WORDS[name][self._english]

    def meal(self, name: str) -> str:
        return MEAL_NAMES[Meal(name)][self._english]

    def title(self, text: str) -> None:
        self._printer.set(align="center", bold=True, double_width=True, double_height=True)
        for line in wrapped(text, self._columns // 2):
            self._line(line)
        self._plain()

    def centred(self, text: str) -> None:
        self._printer.set(align="center")
        for line in wrapped(text, self._columns):
            self._line(line)
        self._plain()

    def large(self, left: str, right: str) -> None:
        self._printer.set(bold=True, double_height=True)
        self.pair(left, right)
        self._plain()

    def pair(self, left: str, right: str) -> None:
        """A word at the left edge, a figure at the right one; on lines of their own where they do not fit on one."""
        *above, last = wrapped(left, self._columns)
        if width_of(last) + width_of(right) >= self._columns:
            above, last = [*above, last], ""
        for line in above:
            self._line(line)
        self._line(last + " " * (self._columns - width_of(last) - width_of(right)) + right)

    def rule(self) -> None:
        self._line("-" * self._columns)

    def blank(self) -> None:
        self._line("")

    def finish(self) -> bytes:
        self._send(_CHINESE_OFF)
        self._printer.cut()
        output: bytes = self._printer.output
        return output

    def _plain(self) -> None:
        self._printer.set(align="left", bold=False, normal_textsize=True)

    def _line(self, text: str) -> None:
        self._send(text.encode("gb18030", "replace") + b"\n")

    def _send(self, data: bytes) -> None:
        self._printer._raw(data)  # noqa: SLF001  its public text() knows western code pages only


def width_of(text: str) -> int:
    """In columns."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def wrapped(text: str, columns: int) -> list[str]:
    """As many lines as it takes: Chinese breaks anywhere, and so does what has no place to break."""
    lines = [""]
    for character in text:
        if width_of(lines[-1] + character) > columns:
            lines.append("")
        lines[-1] += character
    return lines


def slip(data: SlipData, *, columns: int = COLUMNS, language: str = "zh") -> bytes:
    """One payment, for whoever wants paper."""
    paper = _Paper(columns, language)
    paper.title(data.canteen)
    paper.centred(paper.word("slip"))
    if data.status != "succeeded":
        paper.centred(f"*** {paper.word(data.status)} ***")
    paper.rule()
    paper.pair(paper.word("time"), data.time)
    paper.pair(paper.word("business_date"), data.business_date)
    if data.meal:
        paper.pair(paper.word("meal"), paper.meal(data.meal))
    paper.pair(paper.word("till"), data.till)
    if data.cashier:
        paper.pair(paper.word("cashier"), data.cashier)
    paper.rule()
    for name, quantity, price_fen in data.items:
        paper.pair(f"{name} x{quantity}", format_yuan(price_fen * quantity))
    paper.large("CNY", format_yuan(data.amount_fen))
    for purse, amount_fen in data.legs:
        paper.pair(paper.word(purse), format_yuan(amount_fen))
    paper.rule()
    paper.centred(data.number)
    paper.centred(paper.word("clean_plate"))
    return paper.finish()


def hand_over_sheet(data: SheetData, *, columns: int = COLUMNS, language: str = "zh") -> bytes:
    """A shift, with room for two signatures."""
    paper, sheet = _Paper(columns, language), data.sheet
    paper.title(data.canteen)
    paper.centred(paper.word("sheet"))
    paper.rule()
    _pairs(
        paper,
        [
            ("till", data.till),
            ("cashier", data.cashier),
            ("business_date", data.business_date),
            ("from", data.opened),
            ("to", data.handed_over),
            ("by", data.handed_over_by),
        ],
    )
    paper.rule()
    paper.pair(paper.word("count"), str(sheet["count"]))
    paper.pair(paper.word("sales"), format_yuan(sheet["sales_fen"]))
    for row in sheet["meals"]:
        paper.pair(f"  {paper.meal(row['meal'])} x{row['count']}", format_yuan(row["amount_fen"]))
    guests = sheet["guests"]
    if guests["count"]:
        paper.pair(f"  {paper.word('guests')} x{guests['count']}", format_yuan(guests["amount_fen"]))
    for kind in ("voids", "refunds"):
        found = sheet[kind]
        paper.pair(f"{paper.word(kind)} x{found['count']}", format_yuan(-found["amount_fen"]))
    paper.pair(paper.word("refusals"), str(sum(row["count"] for row in sheet["refusals"])))
    paper.rule()
    for row in sheet["purses"]:
        paper.pair(paper.word(row["purse"]), format_yuan(row["net_fen"]))
    paper.large(paper.word("net"), format_yuan(sheet["net_fen"]))
    ledger = sheet["ledger"]
    paper.pair(paper.word("ledger"), format_yuan(ledger["sales_fen"] - ledger["returned_fen"]))
    paper.centred(paper.word("ties" if sheet["ties"] else "apart"))
    paper.rule()
    for name in ("giver", "taker"):
        paper.blank()
        paper.pair(paper.word(name), "_" * 16)
    paper.centred(data.number)
    return paper.finish()


def _pairs(paper: _Paper, rows: Sequence[tuple[str, str]]) -> None:
    for name, value in rows:
        paper.pair(paper.word(name), value)
