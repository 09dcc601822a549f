"""What is told of the rota: to the desk of its region, and to the people whom it concerns."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


def desk_channel(region: str) -> str:
    """What those at a region's desk hear."""
    return f"desk:calls-{region}"


class DutyChanged(Event, frozen=True, kw_only=True):
    """A team, its rota, its notes or who is on duty: read it anew. `people` are those whose own duty it changes."""

    type: ClassVar[str] = "duty.changed"

    team: str
    region: str
    # team, rotation, override, swap, note, sign_in
    what: str
    people: list[str]

    def audience(self) -> Sequence[Delivery]:
        told = {"team": self.team, "region": self.region, "what": self.what}
        channels = [desk_channel(self.region), *(f"person:{person}" for person in dict.fromkeys(self.people))]
        return [Delivery(channel, told) for channel in channels]


class DutySwapChanged(Event, frozen=True, kw_only=True):
    """A swap was asked for, accepted, declined, withdrawn, or has lapsed: both are told."""

    type: ClassVar[str] = "duty.swap_changed"

    swap: str
    team: str
    region: str
    asker: str
    taker: str
    state: str
    starts_at: str
    ends_at: str

    def audience(self) -> Sequence[Delivery]:
        channels = [f"person:{self.asker}", f"person:{self.taker}"]
        return [Delivery(channel, self.data()) for channel in channels]


class DutyWarned(Event, frozen=True, kw_only=True):
    """Nobody will be on duty (`gap`) or nobody would be reached (`unreachable`) in this time; or that is over (`is_gone`)."""

    type: ClassVar[str] = "duty.warned"

    warning: str
    team: str
    team_name: str
    region: str
    kind: str
    starts_at: str
    ends_at: str
    is_gone: bool
    # Who keeps the rota.
    leads: list[str]

    def audience(self) -> Sequence[Delivery]:
        told = {name: value for name, value in self.data().items() if name != "leads"}
        channels = [desk_channel(self.region), *(f"person:{person}" for person in dict.fromkeys(self.leads))]
        return [Delivery(channel, told) for channel in channels]
