"""What is told of work orders: to the desk of the region, and to the people whose order it is."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from kernel.events import Delivery, Event

# Which of the desks' services this is: `desk:repairs-<reg_...>`.
SERVICE: Final = "repairs"


def desk_id(region: str) -> str:
    """The desk of a region: what follows `desk:`."""
    return f"{SERVICE}-{region}"


def desk_channel(region: str) -> str:
    """The channel that those at a region's desk hear."""
    return f"desk:{desk_id(region)}"


class WorkOrderChanged(Event, frozen=True, kw_only=True):
    """A step of an order's life. `trigger` is `raise` or one of the state table's; the rest is its card on the board."""

    type: ClassVar[str] = "work_order.changed"

    order: str
    region: str
    trigger: str
    state: str
    # The order's own, as triggers may name it.
    order_version: int
    category: str
    urgency: str
    place: str | None
    place_text: str
    words: str
    round: int
    declines: int
    assignee: str | None
    assignee_name: str | None
    hold_cause: str | None
    problem: str | None
    merged_into: str | None
    raised_at: str
    changed_at: str
    # Who raised it, is served, or has it: they hear it wherever they are.
    people: list[str]

    def audience(self) -> Sequence[Delivery]:
        full: dict[str, Any] = {name: value for name, value in self.data().items() if name != "people"}
        channels = [desk_channel(self.region), *(f"person:{person}" for person in self.people)]
        return [Delivery(channel, full) for channel in dict.fromkeys(channels)]


class WorkOrderNoted(Event, frozen=True, kw_only=True):
    """Words, pictures, a tick or time at an order; its version stays as it is."""

    type: ClassVar[str] = "work_order.noted"

    order: str
    region: str
    kind: str
    author: str
    author_name: str
    words: str
    people: list[str]

    def audience(self) -> Sequence[Delivery]:
        full: dict[str, Any] = {name: value for name, value in self.data().items() if name != "people"}
        channels = [desk_channel(self.region), *(f"person:{person}" for person in self.people)]
        return [Delivery(channel, full) for channel in dict.fromkeys(channels)]


class ProblemChanged(Event, frozen=True, kw_only=True):
    """Many of one kind have become a problem, or somebody has found out more about it."""

    type: ClassVar[str] = "repair_problem.changed"

    problem: str
    region: str
    category: str
    place_text: str
    state: str
    orders: int

    def audience(self) -> Sequence[Delivery]:
        return [Delivery(desk_channel(self.region), self.data())]
