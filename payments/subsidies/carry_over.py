"""How much of a lot's rest its holder keeps when it ends, and for how long. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class CarryOver:
    """The rest of a lot lives on for `days`, up to `max_fen` or `percent` of it, whichever is less."""

    days: int
    max_fen: int | None = None
    percent: int | None = None

    def __post_init__(self) -> None:
        if self.days < 1 or (self.max_fen is None and self.percent is None):
            raise ValueError("a carry-over has days, and a sum or a share")

    def stored(self) -> dict[str, Any]:
        """As a column keeps it."""
        return {"days": self.days, "max_fen": self.max_fen, "percent": self.percent}


def read_carry_over(column: dict[str, Any] | None) -> CarryOver | None:
    """What a column says; None where nothing is carried over."""
    return CarryOver(**column) if column is not None else None


def carried_fen(rest_fen: int, rule: CarryOver) -> int:
    """What the holder keeps: never more than there is, and rounded to the unit's favour."""
    kept = rest_fen if rule.max_fen is None else min(rest_fen, rule.max_fen)
    return kept if rule.percent is None else min(kept, rest_fen * rule.percent // 100)


def carried_until(expires_on: date, rule: CarryOver) -> date:
    """The last day of what is carried over: counted from the lot's own, so that a late worker takes no day away."""
    return expires_on + timedelta(days=rule.days)
