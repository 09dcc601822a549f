"""What a close hands over, as plain data: statements with their lines, and instructions to banks.

Files (XLSX, CSV, PDF, pain.001) are written from these and from nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

StatementKind = Literal["canteen", "unit", "region_pair", "operator"]
PartyKind = Literal["region", "site", "organisation"]
InstructionKind = Literal["region_net", "canteen_payout", "operator_commission", "unit_bill", "canteen_return"]

PARTY_OF_STATEMENT: dict[StatementKind, PartyKind] = {
    "canteen": "site",
    "unit": "organisation",
    "region_pair": "region",
    "operator": "organisation",
}


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line of a statement: a day and what happened on it. `amount_fen` counts for the party (+) or against it (-).

    `counted` is False for what is told beside the sum: a unit reads what its people's subsidies paid, which moved between
    its people and the canteens and not on the unit's own account.
    """

    ordinal: int
    business_date: date
    kind: str
    amount_fen: int
    line_count: int
    is_late: bool
    counted: bool = True
    # For an operator's line: the canteen whose takings were shared, the sum that was shared, and the weight of it.
    site_id: UUID | None = None
    base_fen: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What one party is told of one region's period. Its lines that count sum to `net_fen`."""

    id: UUID
    settlement_id: UUID
    region_id: UUID
    period: str
    kind: StatementKind
    party_id: UUID
    state: str
    in_fen: int
    out_fen: int
    net_fen: int
    due_fen: int
    disputed_fen: int
    base_fen: int
    line_count: int
    aggregates_hash: str
    sent_at: datetime | None
    confirmed_at: datetime | None
    lines: Sequence[StatementLine] = ()

    @property
    def party_kind(self) -> PartyKind:
        """What `party_id` is the id of."""
        return PARTY_OF_STATEMENT[self.kind]


@dataclass(frozen=True, slots=True)
class Party:
    """One end of an instruction. The account is None until somebody has entered it."""

    kind: PartyKind
    id: UUID
    name_zh: str
    name_en: str
    account_name: str | None = None
    account_number: str | None = None
    bank_number: str | None = None
    bank_name: str | None = None


@dataclass(frozen=True, slots=True)
class BankInstruction:
    """One sum that a bank is to move. `end_to_end_id` (at most 35 characters) comes back on the bank's statement."""

    id: UUID
    settlement_id: UUID
    clearing_id: UUID | None
    period: str
    kind: InstructionKind
    debtor: Party
    creditor: Party
    amount_fen: int
    reference: str
    end_to_end_id: str
    state: str
    issued_at: datetime
    paid_at: datetime | None
    bank_reference: str | None
