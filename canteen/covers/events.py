"""What is told of covers: to the kitchen, on its canteen's channel."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


class CoversChanged(Event, frozen=True, kw_only=True):
    """Covers were held, confirmed or released, or those who come for them eat something else."""

    type: ClassVar[str] = "covers.changed"

    canteen: str
    covers: str
    business_date: str
    meal: str
    count: int
    state: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)
