"""What is told of promises: to the desk of repairs in the region, and at a breach to those who lead."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


def _desk_channel(region: str) -> str:
    """The channel of those at a region's desk of repairs."""
    return f"desk:repairs-{region}"


class SlaWarned(Event, frozen=True, kw_only=True):
    """A promise is at risk: most of its time has gone by."""

    type: ClassVar[str] = "sla.warned"

    order: str
    region: str
    milestone: str
    due_at: str

    def audience(self) -> Sequence[Delivery]:
        return [Delivery(_desk_channel(self.region), self.data())]


class SlaBreached(Event, frozen=True, kw_only=True):
    """A promise was not kept."""

    type: ClassVar[str] = "sla.breached"

    order: str
    region: str
    milestone: str
    due_at: str
    # Those who lead, at that moment.
    leads: list[str]

    def audience(self) -> Sequence[Delivery]:
        data = {name: value for name, value in self.data().items() if name != "leads"}
        told = [Delivery(f"person:{lead}", data) for lead in dict.fromkeys(self.leads)]
        return [Delivery(_desk_channel(self.region), data), *told]


class SlaRecounted(Event, frozen=True, kw_only=True):
    """The calendar was changed: running orders of a region are due at other times than was shown."""

    type: ClassVar[str] = "sla.recounted"

    region: str
    orders: list[str]

    def audience(self) -> Sequence[Delivery]:
        return [Delivery(_desk_channel(self.region), self.data())]
