"""What reconciliation tells: one event for each run that found or lost a difference, to the people of finance it concerns."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


class ReconciliationFinished(Event, frozen=True, kw_only=True):
    """A level was compared for a day, and what is open there has changed."""

    type: ClassVar[str] = "reconciliation.finished"

    run: str
    level: int
    day: str
    opened: int
    vanished: int
    # How much is open at this level and day, and the sum of it.
    open: int
    open_fen: int
    told: list[str]

    def audience(self) -> Sequence[Delivery]:
        shown = self.data()
        del shown["told"]
        return tuple(Delivery(f"person:{person}", shown) for person in self.told)


class DifferenceClosed(Event, frozen=True, kw_only=True):
    """Somebody has closed a difference that another explained."""

    type: ClassVar[str] = "difference.closed"

    difference: str
    level: int
    owner: str
    reason: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.owner}", self.data()),)
