"""What an order costs: parts by what they cost when they were taken, minutes by the rate of their day. Pure, in whole fen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

MINUTES_OF_HOUR = 60


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line of a cost sheet; a part that came back has a negative quantity."""

    kind: Literal["part", "labour"]
    name: str
    quantity: int
    unit: str
    # Of one part, or of an hour.
    unit_cost_fen: int
    amount_fen: int
    actor_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Costs:
    """All lines with their sums."""

    lines: Sequence[CostLine]

    @property
    def parts_fen(self) -> int:
        return sum(line.amount_fen for line in self.lines if line.kind == "part")

    @property
    def labour_fen(self) -> int:
        return sum(line.amount_fen for line in self.lines if line.kind == "labour")

    @property
    def total_fen(self) -> int:
        return self.parts_fen + self.labour_fen


def labour_amount_fen(minutes: int, hour_fen: int) -> int:
    """So many minutes of an hour's price, half a fen up."""
    return (2 * minutes * hour_fen + MINUTES_OF_HOUR) // (2 * MINUTES_OF_HOUR)


def rate_on(rates: Sequence[tuple[date, int]], day: date) -> int:
    """What an hour costs on a day, of rates in order of their first days; nothing before the first."""
    hour_fen = 0
    for begins, price_fen in rates:
        if begins <= day:
            hour_fen = price_fen
    return hour_fen
