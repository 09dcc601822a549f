"""What is told of meetings: to the organiser, to whoever has the meeting's page open, and to the office's desk."""

from collections.abc import Sequence
from typing import ClassVar

from booking.events import DESK
from kernel.events import Delivery, Event


class MeetingChanged(Event, frozen=True, kw_only=True):
    """A meeting was held, changed or has come to another state."""

    type: ClassVar[str] = "meeting.changed"

    meeting: str
    region: str
    organiser: str
    title: str
    # hold, or a trigger of the table.
    trigger: str
    state: str
    revision: int

    def audience(self) -> Sequence[Delivery]:
        told = self.data()
        channels = (f"person:{self.organiser}", f"meeting:{self.meeting}", f"desk:{DESK}-{self.region}")
        return tuple(Delivery(channel, told) for channel in channels)


class GuestArrived(Event, frozen=True, kw_only=True):
    """A guest was counted at a step: the hall, the hotel, a car, a meal."""

    type: ClassVar[str] = "meeting.guest_arrived"

    meeting: str
    line: str
    kind: str
    guest: str
    guest_name: str
    # When it was, which for a scan without a network is before it is known here.
    counted_at: str
    # So many have come to this step now.
    counted: int

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"meeting:{self.meeting}", self.data()),)
