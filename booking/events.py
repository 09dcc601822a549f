"""What is told of bookings: to the organiser and the person served whole, to whoever looks at the bookable without names."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


class BookingChanged(Event, frozen=True, kw_only=True):
    """A booking was held, confirmed, moved, ended, or the clock struck for it."""

    type: ClassVar[str] = "booking.changed"

    booking: str
    bookable: str
    organiser: str
    served: str | None
    # hold, waitlist and close, or a trigger of the table.
    trigger: str
    state: str
    starts_at: str
    ends_at: str

    def audience(self) -> Sequence[Delivery]:
        full = self.data()
        people = dict.fromkeys(person for person in (self.organiser, self.served) if person is not None)
        return tuple(Delivery(f"person:{person}", full) for person in people)
