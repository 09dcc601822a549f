"""What settlement tells the house: a period came to a state, a bank instruction was written or paid."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


class SettlementAdvanced(Event, frozen=True, kw_only=True):
    """A region's period came to a state, or something was done in it. For handlers: screens ask again."""

    type: ClassVar[str] = "settlement.advanced"

    settlement: str
    region: str
    period: str
    trigger: str
    state: str

    def audience(self) -> Sequence[Delivery]:
        return ()


class StatementSent(Event, frozen=True, kw_only=True):
    """A canteen got its statement of a period: it may confirm or dispute until the day that is named."""

    type: ClassVar[str] = "statement.sent"

    statement: str
    settlement: str
    canteen: str
    period: str
    due_fen: int
    silence_ends_at: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)


class PayoutPaid(Event, frozen=True, kw_only=True):
    """A bank has moved what a canteen was owed."""

    type: ClassVar[str] = "payout.paid"

    instruction: str
    canteen: str
    period: str
    amount_fen: int

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)
