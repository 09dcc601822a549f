"""What is told of a withdrawal: to whose money it is."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


class WithdrawalChanged(Event, frozen=True, kw_only=True):
    """A withdrawal was asked for, is being sent, has arrived or came to nothing."""

    type: ClassVar[str] = "withdrawal.changed"

    withdrawal: str
    person: str
    channel: str
    amount_fen: int
    state: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)
