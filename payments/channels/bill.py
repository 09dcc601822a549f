"""A gateway's bill of one day as plain data, whichever gateway wrote it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class BillRow:
    """A trade or a refund. `fee_fen` is + what the gateway keeps and - what it gives back with a refund."""

    kind: str
    trade_no: str
    order_name: str
    refund_name: str | None
    amount_fen: int
    fee_fen: int
    completed_at: datetime


@dataclass(frozen=True, slots=True)
class Bill:
    """All rows of a day, summed as the bill itself sums them."""

    day: date
    rows: Sequence[BillRow]

    def of_kind(self, kind: str) -> list[BillRow]:
        return [row for row in self.rows if row.kind == kind]

    @property
    def trade_fen(self) -> int:
        return sum(row.amount_fen for row in self.of_kind("trade"))

    @property
    def refund_fen(self) -> int:
        return sum(row.amount_fen for row in self.of_kind("refund"))

    @property
    def fee_fen(self) -> int:
        return sum(row.fee_fen for row in self.rows)


class BillRefused(Exception):
    """A file that is not the bill that it should be. `reason` is a word of a closed list, `line` where it was seen."""

    def __init__(self, reason: str, line: int = 0, said: str = "") -> None:
        super().__init__(f"{reason}, line {line}: {said}")
        self.reason, self.line, self.said = reason, line, said[:80]


class BillAbsent(Exception):
    """The gateway gave no file. `not_ready`: it says that there is none yet."""

    def __init__(self, detail: str, *, not_ready: bool = False) -> None:
        super().__init__(detail)
        self.not_ready = not_ready
