"""What Alipay knows: trades, by our number, by its own, and by the QR code. Kept over restarts in one file."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from kernel import clock

CHINA: Final = ZoneInfo("Asia/Shanghai")
# How many are remembered: the demo must not grow for ever.
KEPT_MAX: Final = 2000

PREPARED: Final = "PREPARED"  # a QR code that nobody has scanned yet: there is no trade
WAITING: Final = "WAIT_BUYER_PAY"
PAID: Final = "TRADE_SUCCESS"
FINISHED: Final = "TRADE_FINISHED"
CLOSED: Final = "TRADE_CLOSED"


@dataclass
class Trade:
    """One trade."""

    out_trade_no: str
    total_fen: int
    subject: str
    notify_url: str | None
    created_at: str
    expires_at: str
    status: str = PREPARED
    trade_no: str = ""
    qr_token: str = ""
    auth_code: str = ""
    # What it tells others that was paid; another sum when it lies.
    told_fen: int | None = None
    paid_at: str | None = None
    refunds: dict[str, int] = field(default_factory=dict)
    refunded_at: dict[str, str] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """For whoever asks: only once somebody has scanned it."""
        return self.status != PREPARED

    @property
    def is_paid(self) -> bool:
        return self.status in (PAID, FINISHED)

    @property
    def told(self) -> int:
        return self.total_fen if self.told_fen is None else self.told_fen

    @property
    def refunded_fen(self) -> int:
        return sum(self.refunds.values())

    @property
    def is_expired(self) -> bool:
        return clock.now() >= datetime.fromisoformat(self.expires_at)

    def refund(self, number: str, amount_fen: int) -> None:
        """Money goes back, under a number of its own."""
        self.refunds[number], self.refunded_at[number] = amount_fen, _now()

    def pay(self, told_fen: int | None = None) -> None:
        """The payer has agreed."""
        self.status, self.paid_at, self.told_fen = PAID, _now(), told_fen


class Trades:
    """All of them, newest last."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._by_our_no: dict[str, Trade] = {}
        if file is not None and file.exists():
            for row in json.loads(file.read_text(encoding="utf-8")):
                trade = Trade(**row)
                self._by_our_no[trade.out_trade_no] = trade

    def __iter__(self) -> Iterator[Trade]:
        return iter(self._by_our_no.values())

    def open(self, out_trade_no: str, total_fen: int, subject: str, notify_url: str | None, life: timedelta) -> Trade:
        """A new one, not yet seen by anybody."""
        trade = Trade(
            out_trade_no,
            total_fen,
            subject,
            notify_url,
            created_at=_now(),
            expires_at=(clock.now() + life).isoformat(),
            trade_no=f"{clock.now().astimezone(CHINA):%Y%m%d}22001{secrets.randbelow(10**15):015d}",
            qr_token=secrets.token_hex(10),
        )
        self._by_our_no[out_trade_no] = trade
        while len(self._by_our_no) > KEPT_MAX:
            del self._by_our_no[next(iter(self._by_our_no))]
        return trade

    def find(self, out_trade_no: str | None, trade_no: str | None = None) -> Trade | None:
        """By our number, else by its own."""
        if out_trade_no:
            return self._by_our_no.get(out_trade_no)
        return next((trade for trade in self if trade_no and trade.trade_no == trade_no), None)

    def find_by_qr(self, token: str) -> Trade | None:
        return next((trade for trade in self if trade.qr_token == token), None)

    def find_by_auth_code(self, auth_code: str) -> Trade | None:
        return next((trade for trade in self if trade.auth_code and trade.auth_code == auth_code), None)

    def keep(self) -> None:
        """Write all down: a gateway that forgets what was paid would be no gateway."""
        if self._file is None:
            return
        rows: list[dict[str, Any]] = [asdict(trade) for trade in self]
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        unfinished.replace(self._file)


def china_time(at: str | None) -> str:
    """`2026-11-23 12:00:00`, as Alipay writes times."""
    return datetime.fromisoformat(at).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def _now() -> str:
    return clock.now().isoformat()
