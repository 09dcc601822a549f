"""What is told of a dispute: to its payer whole, to the canteen without the person."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


class DisputeChanged(Event, frozen=True, kw_only=True):
    """A dispute was opened, answered, passed on, decided or paid; or its canteen is reminded."""

    type: ClassVar[str] = "dispute.changed"

    dispute: str
    payment: str
    person: str
    canteen: str
    reason: str
    # open and remind, or a trigger of the table.
    trigger: str
    state: str
    granted_fen: int | None
    due_at: str | None

    def audience(self) -> Sequence[Delivery]:
        full = self.data()
        masked = {name: value for name, value in full.items() if name != "person"}
        return (Delivery(f"person:{self.person}", full), Delivery(f"canteen:{self.canteen}", masked))
