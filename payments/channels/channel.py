"""What the house expects of a gateway: a few questions, and answers in the words of `payments/states.py`."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from payments.channels.bill import Bill


class Word(StrEnum):
    """What a gateway said of an order, as the state table reads it."""

    MISS = "miss"  # no answer, or none that we can believe: nobody knows what became of it
    NOT_THERE = "not_there"  # it does not know the order, or not yet
    AWAIT = "await"
    REFUSE = "refuse"
    CLOSE = "close"
    PAY = "pay"
    DIFFER = "differ"  # paid, and not what was asked for
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Heard:
    """One word, with what else was said. `detail` is for logs and for whoever was refused."""

    word: Word
    amount_fen: int | None = None
    trade_no: str | None = None
    qr_text: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a gateway came to tell by itself, once its signature was found good."""

    notice_id: str
    order_name: str
    heard: Heard


class NoticeRefused(Exception):
    """A notice that is not believed; the reason is for the log, never for the sender."""


class Channel(Protocol):
    """A gateway. No question ever raises: what cannot be understood is a `MISS`, and asked again."""

    name: str
    # Whether it is set up to send money to people.
    sends_money: bool

    async def prepare(self, order_name: str, amount_fen: int, subject: str, expires_at: datetime) -> Heard:
        """Have a QR code made, for the payer to scan. Asking again with the same name makes no second order."""
        ...

    async def charge(self, order_name: str, amount_fen: int, subject: str, auth_code: str) -> Heard:
        """Take money by a code from the payer's phone. Never asked twice with one name."""
        ...

    async def ask(self, order_name: str) -> Heard:
        """What became of an order."""
        ...

    async def close(self, order_name: str) -> Heard:
        """Let nobody pay it any more; a paid one stays paid."""
        ...

    async def cancel(self, order_name: str) -> Heard:
        """Take it back whatever became of it: what was paid is given back."""
        ...

    async def refund(self, order_name: str, number: str, amount_fen: int, reason: str) -> Heard:
        """Give back a part of a paid order, or all of it. Asked again with one number it is given back once."""
        ...

    async def ask_refund(self, order_name: str, number: str) -> Heard:
        """What became of a refund."""
        ...

    async def transfer(self, order_name: str, amount_fen: int, account: str, name: str, title: str) -> Heard:
        """Send money to somebody's account there, if it is theirs by name. Asked again with one name it is sent once."""
        ...

    async def ask_transfer(self, order_name: str) -> Heard:
        """What became of money that was sent."""
        ...

    def read_notice(self, body: bytes) -> Notice:
        """A notice's parameters, checked; NoticeRefused where anything about it is not as it must be."""
        ...

    def close_client(self) -> None:
        """Let go of what it holds."""
        ...


class BillSource(Protocol):
    """A gateway that makes a bill of each day, as days are in its zone."""

    name: str
    zone: ZoneInfo

    async def fetch_bill(self, day: date) -> bytes:
        """The file as it is; BillAbsent where there is none, or not yet."""
        ...

    def read_bill(self, content: bytes, day: date) -> Bill:
        """What stands in it; BillRefused where that is not the whole bill of that day."""
        ...
