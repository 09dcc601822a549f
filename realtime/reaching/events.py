"""What is told of deliveries: to handlers only; whoever wanted it said knows whom it concerns."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


class DeliveryChanged(Event, frozen=True, kw_only=True):
    """A message has left on its way, has arrived, was shown, or will not arrive."""

    type: ClassVar[str] = "delivery.changed"

    delivery: str
    ref: str
    kind: str
    person: str | None
    # sent, delivered, failed, shown
    outcome: str
    error: str | None

    def audience(self) -> Sequence[Delivery]:
        return ()
