"""What a level says when it has compared both sides. Plain data; what becomes of it is `runs.py`.

"Here" are our books, "there" is the other side: a till's sequence, a gateway's bill, the bank, the other region, a personnel
office. 长款 (over) is missing here, 短款 (short) is missing there.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Role


class Kind(StrEnum):
    """The class of a difference."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    FEE = "fee"
    REFUND = "refund"
    DUPLICATE = "duplicate"
    LATE = "late"
    CHAIN = "chain"


@dataclass(frozen=True, slots=True)
class Found:
    """One difference. `key` names it within its level, the same in every run."""

    key: str
    kind: Kind
    reference: str
    expected_fen: int | None = None
    found_fen: int | None = None
    owner_role: Role = Role.FINANCE
    region_id: UUID | None = None
    site_id: UUID | None = None
    unit_id: UUID | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def amount_fen(self) -> int:
        return abs((self.found_fen or 0) - (self.expected_fen or 0))


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that one level found for one day, and how much it looked at."""

    found: Sequence[Found]
    compared: int
    figures: Mapping[str, int] = field(default_factory=dict)


Level = Callable[[AsyncSession, date], Awaitable[Comparison]]
LEVELS: Final = range(7)
