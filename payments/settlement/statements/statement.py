"""What a statement is, as plain data: about whom, which month of which book, up to where in the journal, and its lines."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from kernel import clock
from kernel.ids import public_id
from kernel.money import split_by_largest_remainder


class StatementKind(StrEnum):
    """Whom a statement is for."""

    UNIT = "unit"
    CANTEEN = "canteen"
    REGION_PAIR = "region_pair"
    # Its part of the takings of the canteens that it runs: their lines, and how they are shared.
    OPERATOR = "operator"
    PERSON = "person"
    # The whole book of a region: vouchers are made of it; it is sent to nobody.
    BOOK = "book"


PERIOD: Final = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])", re.ASCII)

# A person's accounts stand in a statement by their kind only: who ate what is nobody's business but their own.
PERSONAL_ACCOUNTS: Final = frozenset({"cash", "subsidy", "official", "receivable"})

# Accounts of which a debit is something that its owner gains; of all others it is a credit.
_GAINED_BY_DEBIT: Final = frozenset({"due_from", "due_to"})

SUBJECT_PREFIXES: Final[Mapping[StatementKind, str]] = {
    StatementKind.UNIT: "org",
    StatementKind.CANTEEN: "can",
    StatementKind.REGION_PAIR: "reg",
    StatementKind.OPERATOR: "org",
    StatementKind.PERSON: "per",
    StatementKind.BOOK: "reg",
}


def account_name(kind: str, owner: UUID) -> str:
    """How a statement names an account: `payable:<32 digits>`, and `cash` alone for a person's."""
    return kind if kind in PERSONAL_ACCOUNTS else f"{kind}:{owner.hex}"


def kind_of(account: str) -> str:
    """`payable` of `payable:<32 digits>`."""
    return account.partition(":")[0]


class StatementLine(NamedTuple):
    """One journal line, with what a reader wants to know of it."""

    number: int
    lane: int
    n: int
    transfer_id: UUID
    ordinal: int
    kind: str
    business_date: date
    happened_at: datetime
    debit: str
    credit: str
    amount_fen: int
    # The payment that a void or a refund takes back.
    reference: UUID | None
    # Where it was eaten.
    site_id: UUID | None

    def canonical(self) -> str:
        """The line as the line file has it."""
        reference = self.reference.hex if self.reference else ""
        site = self.site_id.hex if self.site_id else ""
        return (
            f"{self.number},{self.lane},{self.n},{self.transfer_id.hex},{self.ordinal},{self.kind},{self.business_date},"
            f"{clock.rfc3339(self.happened_at)},{self.debit},{self.credit},{self.amount_fen},{reference},{site}"
        )

    def gain_fen(self, account_kind: str) -> int:
        """What the line adds to an account of that kind, as its owner sees it: what they have, or are owed."""
        sign = 1 if account_kind in _GAINED_BY_DEBIT else -1
        debit = self.amount_fen if kind_of(self.debit) == account_kind else 0
        credit = self.amount_fen if kind_of(self.credit) == account_kind else 0
        return sign * (debit - credit)


@dataclass(frozen=True, slots=True)
class Party:
    """A region, unit, canteen or person, as a statement names it. Codes are what two installations know each other by."""

    id: UUID
    prefix: str
    code: str
    name_zh: str
    name_en: str

    def wire(self) -> dict[str, str]:
        return {
            "id": public_id(self.prefix, self.id),
            "code": self.code,
            "name_zh": self.name_zh,
            "name_en": self.name_en,
        }


@dataclass(frozen=True, slots=True)
class Share:
    """An operator's part of one canteen's takings: what was shared, by which weights, and which of them are the operator's."""

    canteen: Party
    base_fen: int
    weights: tuple[int, ...]
    places: tuple[int, ...]

    @property
    def amount_fen(self) -> int:
        """As the close splits it: by largest remainder, in the order given."""
        parts = split_by_largest_remainder(self.base_fen, self.weights)
        return sum(parts[place] for place in self.places)

    @property
    def weight(self) -> int:
        """The operator's weight of `sum(weights)`."""
        return sum(self.weights[place] for place in self.places)

    def wire(self) -> dict[str, Any]:
        return {
            "canteen": self.canteen.wire(),
            "account": f"payable:{self.canteen.id.hex}",
            "base_fen": self.base_fen,
            "weights": list(self.weights),
            "places": list(self.places),
            "amount_fen": self.amount_fen,
        }


@dataclass(frozen=True, slots=True)
class Statement:
    """Everything but the lines. Two runs over the same journal make the same one, on any machine."""

    kind: StatementKind
    region: Party
    subject: Party
    period: str
    zone: str
    # Up to where each lane of the journal was read, and the head of its chain there.
    vector: Mapping[int, int]
    chain: Mapping[int, str]
    # The period's books were cut off there; until then it is a draft.
    final: bool
    accounts: tuple[str, ...]
    totals: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    count: int = 0
    total_fen: int = 0
    # What the accounts held before the period, as their owner sees it; where that is told.
    opening_fen: Mapping[str, int] = field(default_factory=dict)
    # An operator's alone.
    shares: tuple[Share, ...] = ()

    @property
    def account_kinds(self) -> list[str]:
        """The kinds of its own accounts: the columns of a sheet. An operator reads several canteens in one."""
        return list(self.accounts_by_kind)

    @property
    def accounts_by_kind(self) -> dict[str, list[str]]:
        """Its own accounts, in their order."""
        found: dict[str, list[str]] = {}
        for account in self.accounts:
            found.setdefault(kind_of(account), []).append(account)
        return found

    def gain_fen(self, account: str) -> int:
        """What one of its accounts has gained over the period, as its owner sees it."""
        debit, credit = self.totals.get(account, (0, 0))
        return debit - credit if kind_of(account) in _GAINED_BY_DEBIT else credit - debit

    def header(self) -> dict[str, Any]:
        """What the line file says first."""
        shared = {"shares": [share.wire() for share in self.shares]} if self.kind is StatementKind.OPERATOR else {}
        return shared | {
            "kind": str(self.kind),
            "region": self.region.wire(),
            "subject": self.subject.wire(),
            "period": self.period,
            "zone": self.zone,
            "final": self.final,
            "vector": {str(lane): n for lane, n in self.vector.items()},
            "chain": {str(lane): head for lane, head in self.chain.items()},
            "accounts": list(self.accounts),
            "opening_fen": dict(self.opening_fen),
            "totals": [
                {"account": account, "debit_fen": debit, "credit_fen": credit}
                for account, (debit, credit) in sorted(self.totals.items())
            ],
            "count": self.count,
            "total_fen": self.total_fen,
        }

    @property
    def file_name(self) -> str:
        """Without its ending."""
        return f"{self.kind}-{self.subject.code}-{self.period}".replace("/", "-")
