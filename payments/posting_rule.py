"""What payments asks of the domain that prices a sale, and the plain data that passes between them.

Payments knows no meals. A `PostingRule` (canteen/pricing.py is one, registered in app/wiring.py) keeps a snapshot of
its prices in memory, names the usage counters that it needs, and decides with a pure function. Everything it reads
is handed to it under the holder's row lock; it does no I/O while it decides.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, Protocol
from uuid import UUID

import asyncpg
import msgspec


class DenyCode(StrEnum):
    """Why a payment was refused: a stable list; a till shows a sentence and plays a sound for each."""

    CODE_EXPIRED = "DENY_CODE_EXPIRED"
    CODE_USED = "DENY_CODE_USED"
    CODE_UNKNOWN = "DENY_CODE_UNKNOWN"
    LOST = "DENY_LOST"
    FROZEN = "DENY_FROZEN"
    NO_FUNDS = "DENY_NO_FUNDS"
    AMOUNT_LIMIT = "DENY_AMOUNT_LIMIT"
    COUNT_LIMIT = "DENY_COUNT_LIMIT"
    OUT_OF_PERIOD = "DENY_OUT_OF_PERIOD"
    TERMINAL = "DENY_TERMINAL"
    CLASS = "DENY_CLASS"


class SaleItem(msgspec.Struct, frozen=True):
    """One line of a menu sale."""

    dish_id: UUID
    quantity: int


class Sale(msgspec.Struct, frozen=True):
    """What a till (or the phone, at a wall code) asks to be paid.

    Neither `amount_fen` nor `items`: the meal's fixed price. At most one of them is given.
    """

    site_id: UUID
    terminal_id: UUID | None
    at: datetime
    amount_fen: int | None = None
    items: tuple[SaleItem, ...] = ()


class Payer(msgspec.Struct, frozen=True):
    """Who pays, as far as a price may depend on it."""

    holder_id: UUID
    person_class: str
    unit_id: UUID
    region_id: UUID


class Usage(msgspec.Struct, frozen=True):
    """A usage counter's value: how often, and how much in sum."""

    count: int
    amount_fen: int


NO_USAGE = Usage(0, 0)


class Refusal(msgspec.Struct, frozen=True):
    """A refusal, with data for the sentence that the till shows."""

    code: DenyCode
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class DeductionStep(NamedTuple):
    """One step of the deduction order: a purse, and for lots by which of their values they are taken, smallest first."""

    purse: Literal["subsidy", "official", "cash"]
    lots_by: tuple[Literal["expires_on", "available_fen", "id"], ...] = ()


# The lot that expires first, then the smallest, then cash. A rule that wants another order puts it into its quote.
DEFAULT_DEDUCTION: Final = (DeductionStep("subsidy", ("expires_on", "available_fen", "id")), DeductionStep("cash"))


class Quote(msgspec.Struct, frozen=True):
    """The price of one sale, and everything that posting must write beside it.

    `unit_share_fen` is the most that subsidy lots may pay; `lot_tags` are what a lot's scope is matched against
    (site id, meal); `counters` are increased by one and by the amount; `context` is stored with the payment and
    given back to the rule's domain in events; `trace` are the reasons, each `{"code", "zh", "en", ...}`; `deduction` is
    the order in which purses pay.
    """

    amount_fen: int
    unit_share_fen: int
    business_date: date
    accounting_period: str
    host_region_id: UUID
    site_id: UUID
    lot_tags: frozenset[str]
    counters: tuple[str, ...]
    context: dict[str, Any]
    trace: tuple[dict[str, Any], ...]
    deduction: tuple[DeductionStep, ...] = DEFAULT_DEDUCTION


class PostingRule(Protocol):
    """How a domain prices what is sold at its sites."""

    async def refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", since_version: int) -> None:
        """Load what changed after a configuration version (0: everything) into the snapshot. SELECTs only."""
        ...

    def counter_keys(self, sale: Sale) -> tuple[str, ...]:
        """The usage counters that `quote` may want to see, whoever pays, as plain keys. Pure."""
        ...

    def quote(self, sale: Sale, payer: Payer, usage: Mapping[str, Usage]) -> Quote | Refusal:
        """Price, share, limits, trace. Pure: the same arguments and snapshot give the same answer."""
        ...

    def site_label(self, site_id: UUID) -> str:
        """The site's name for people, for events and sentences; empty where it is unknown."""
        ...

    def site_label_en(self, site_id: UUID) -> str:
        """The same in English."""
        ...
