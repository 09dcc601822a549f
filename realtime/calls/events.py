"""What is told of calls: to the call's own channel, to the desk of its region, and to the people whom it concerns.

A call's channel and its people hear one after the other what happened to it; whoever loses the race to acknowledge hears
`call.changed` with `taken_by` there, in its place in the sequence. A page that rings stops when it hears of its call in a
state that does not ring, or of a later `ring_round`.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from kernel.events import Delivery, Event

# Which of the desks' services this is: `desk:calls-<reg_...>`.
SERVICE: Final = "calls"


def desk_id(region: str) -> str:
    """The desk of a region: what follows `desk:`."""
    return f"{SERVICE}-{region}"


def desk_channel(region: str) -> str:
    """The channel that those at a region's desk hear."""
    return f"desk:{desk_id(region)}"


class CallChanged(Event, frozen=True, kw_only=True):
    """A step of a call's life. `trigger` is one of the state table's, or place, press, ask, remind."""

    type: ClassVar[str] = "call.changed"

    call: str
    region: str
    trigger: str
    state: str
    # The call's own, as triggers may name it.
    call_version: int
    kind: str
    place: str | None
    place_text: str
    urgency: int
    step: int
    loop: int
    ring_round: int
    is_flagged: bool
    caller: str
    caller_name: str
    # Who has it: {id, name}.
    taken_by: dict[str, str] | None
    eta_minutes: int | None
    due_at: str | None
    # Whom the present round rings, and the caller: they hear it wherever they are.
    people: list[str]

    def audience(self) -> Sequence[Delivery]:
        full = self.data()
        personal = {name: value for name, value in full.items() if name != "people"}
        channels = [f"call:{self.call}", desk_channel(self.region), *(f"person:{person}" for person in self.people)]
        return [Delivery(channel, personal) for channel in dict.fromkeys(channels)]


class CallRinging(Event, frozen=True, kw_only=True):
    """A round rings: for these people, and on the screens of the desk. Pages answer with a receipt for `ring_round`."""

    type: ClassVar[str] = "call.ringing"

    call: str
    region: str
    kind: str
    place_text: str
    words: str
    urgency: int
    step: int
    loop: int
    ring_round: int
    seconds: int
    acks_needed: int
    caller_name: str
    # It is for everybody in the room: the public screen.
    is_public: bool
    people: list[str]

    def audience(self) -> Sequence[Delivery]:
        full = self.data()
        personal = {name: value for name, value in full.items() if name != "people"}
        rung = [Delivery(f"person:{person}", personal) for person in dict.fromkeys(self.people)]
        return [*rung, Delivery(desk_channel(self.region), full)]


class CallReceiptNoted(Event, frozen=True, kw_only=True):
    """A device was sent the ring, showed it, or was where it was taken. The caller sees "on 3 screens"."""

    type: ClassVar[str] = "call.receipt_noted"

    call: str
    region: str
    ring_round: int
    status: str
    # Of this round, by now.
    sent: int
    shown: int
    caller: str

    def audience(self) -> Sequence[Delivery]:
        return [Delivery(f"call:{self.call}", self.data()), Delivery(desk_channel(self.region), self.data())]


class CallMessageWritten(Event, frozen=True, kw_only=True):
    """Words from one side to the other."""

    type: ClassVar[str] = "call.message_written"

    call: str
    region: str
    message: str
    author: str
    author_name: str
    side: str
    words: str
    files: list[str]
    people: list[str]

    def audience(self) -> Sequence[Delivery]:
        data = {name: value for name, value in self.data().items() if name != "people"}
        short = {name: data[name] for name in ("call", "message", "side", "author_name")}
        heard = [Delivery(f"person:{person}", short) for person in dict.fromkeys(self.people)]
        return [Delivery(f"call:{self.call}", data), Delivery(desk_channel(self.region), short), *heard]


class DeskPresenceChanged(Event, frozen=True, kw_only=True):
    """Somebody's first page at a desk was opened, or their last one is gone."""

    type: ClassVar[str] = "desk.presence_changed"

    region: str
    person: str
    name: str
    is_present: bool

    def audience(self) -> Sequence[Delivery]:
        return [Delivery(desk_channel(self.region), self.data())]


class DeskAlarmChanged(Event, frozen=True, kw_only=True):
    """The watchdog: clocks of calls that do not strike, or that were missing; and when all is well again."""

    type: ClassVar[str] = "desk.alarm_changed"

    name: str
    is_on: bool
    detail: str
    # Of the desks that are told.
    regions: list[str]

    def audience(self) -> Sequence[Delivery]:
        data: dict[str, Any] = {name: value for name, value in self.data().items() if name != "regions"}
        return [Delivery(desk_channel(region), data) for region in self.regions]
