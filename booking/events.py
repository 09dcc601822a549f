"""What is told of bookings: whole to the organiser, the person served, the driver and the office; to whoever looks at the
bookable without names."""

from collections.abc import Sequence
from typing import ClassVar, Final

from kernel.events import Delivery, Event

# Whose desk: `desk:bookings-<reg_...>`.
DESK: Final = "bookings"


class BookingChanged(Event, frozen=True, kw_only=True):
    """A booking was held, confirmed, moved, ended, or the clock struck for it."""

    type: ClassVar[str] = "booking.changed"
    version: ClassVar[int] = 2

    booking: str
    bookable: str
    organiser: str
    served: str | None
    # hold, waitlist and close, or a trigger of the table.
    trigger: str
    state: str
    starts_at: str
    ends_at: str
    # Since version 2.
    region: str | None = None
    driver: str | None = None

    def audience(self) -> Sequence[Delivery]:
        full = self.data()
        told = (self.organiser, self.served, self.driver)
        people = tuple(Delivery(f"person:{person}", full) for person in dict.fromkeys(told) if person is not None)
        desk = (Delivery(f"desk:{DESK}-{self.region}", full),) if self.region is not None else ()
        seen = {name: full[name] for name in ("bookable", "trigger", "state", "starts_at", "ends_at")}
        return *people, *desk, Delivery(f"bookable:{self.bookable}", seen)
