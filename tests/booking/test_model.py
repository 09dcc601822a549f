"""Random bookings, moves and cancellations against a model; and whatever is suggested can be had at once, by whoever asked.

The model knows one thing: for each bookable the times that are taken, buffers included. What it says is free must be taken by
the product, and what it says is taken must not.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from booking import catalogue, queries, service
from booking.errors import BookingClash, NotBookable, OutsideOpening
from booking.models import Bookable
from booking.schemas import BookingAnswer, NewBookable, NewBooking
from booking.spans import Span
from identity.api import EVERYWHERE, NewPerson, Role, open_person, principal_of
from identity.roles import write_grant
from kernel import clock
from kernel.db import Database
from kernel.ids import parse_public_id, public_id

T = TypeVar("T")
# Eight in the morning of a Monday in Hangzhou.
EIGHT = datetime(2026, 11, 23, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
QUARTERS = st.integers(0, 39)
LENGTHS = st.integers(1, 12)


class Bookings(RuleBasedStateMachine):
    """Two halls with buffers and a car with one driver, who also drives the second car."""

    database_url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.stack.enter_context(clock.frozen(EIGHT))
        # Booking, bookable, what it blocks.
        self.taken: dict[UUID, tuple[int, Span]] = {}
        self.run(self.open())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(asyncio.wait_for(coroutine, 30))

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()

    async def open(self) -> None:
        self.db = Database(self.database_url, pool_size=2)
        self.stack.push_async_callback(self.db.close)
        async with self.db.session() as session:
            region, ward = (
                await session.execute(text("SELECT home_region_id, id FROM organisations WHERE code = 'H-1'"))
            ).one()
            people = [NewPerson(name, ward, "staff", date(2026, 1, 1)) for name in ("王芳", "陈静", "司机")]
            ids = [await open_person(session, person, actor="system") for person in people]
            await write_grant(session, ids[1], Role.DISPATCHER, EVERYWHERE, granted_by=None)
        async with self.db.session() as session:
            self.wang, office = [await principal_of(session, each, date(2026, 11, 23)) for each in ids[:2]]
            hall = {"kind": "venue", "setup_minutes": 30, "cleanup_minutes": 15}
            car = {"kind": "car", "with_driver": True}
            self.bookables: list[Bookable] = []
            for number, facts in enumerate((hall, hall, car, car)):
                new = NewBookable.model_validate(
                    {
                        "name_zh": f"资源{number}",
                        "region": public_id("reg", region),
                        "capacity": 10,
                        "opens_at": "08:00",
                        "closes_at": "18:00",
                        "window_days": 3,
                        **facts,
                    }
                )
                self.bookables.append(await catalogue.open_bookable(session, office, new))
            for each in self.bookables[2:]:
                await catalogue.name_drivers(session, office, each.id, ids[2:])

    def blocked(self, which: int, span: Span) -> Span:
        return span.widened(*catalogue.buffers_of(self.bookables[which]))

    def is_free(self, which: int, span: Span, but: UUID | None = None) -> bool:
        """The cars are one thing: they have one driver."""
        rivals = {which} if which < 2 else {2, 3}
        blocked = self.blocked(which, span)
        return not any(
            other in rivals and blocked.overlaps(theirs)
            for booking, (other, theirs) in self.taken.items()
            if booking != but
        )

    async def book(self, bookable: UUID, span: Span) -> UUID:
        new = NewBooking(
            bookable=public_id("bkb", bookable),
            starts_at=span.start,
            ends_at=span.end,
            title="会",
            attendees=5,
            request_id=uuid4(),
        )
        async with self.db.session() as session:
            booking, _ = await service.hold(session, self.wang, new)
            return booking.id

    async def pull(self, booking: UUID, trigger: str, **answer: Any) -> None:
        async with self.db.session() as session:
            await service.pull(session, self.wang, booking, trigger, BookingAnswer(**answer))

    @rule(which=st.integers(0, 3), start=QUARTERS, length=LENGTHS)
    def somebody_books(self, which: int, start: int, length: int) -> None:
        span = Span(EIGHT + start * QUARTER, EIGHT + (start + length) * QUARTER)
        closes = EIGHT + timedelta(hours=10)
        try:
            booking = self.run(self.book(self.bookables[which].id, span))
        except OutsideOpening:
            assert span.end > closes
        except BookingClash as refused:
            assert not self.is_free(which, span)
            self.run(self.take_each(refused.data["suggestions"], length))
        else:
            assert self.is_free(which, span)
            assert span.end <= closes
            self.taken[booking] = (which, self.blocked(which, span))

    async def take_each(self, suggestions: list[dict[str, str]], length: int) -> None:
        """One after the other, each given back: every one of them could have been had."""
        for each in suggestions:
            span = Span(datetime.fromisoformat(each["starts_at"]), datetime.fromisoformat(each["ends_at"]))
            assert span.end - span.start == length * QUARTER
            await self.pull(await self.book(parse_public_id("bkb", each["bookable"]), span), "cancel")

    @rule(number=st.integers(0, 20), start=QUARTERS, length=LENGTHS)
    def one_is_moved(self, number: int, start: int, length: int) -> None:
        if not self.taken:
            return
        booking = sorted(self.taken)[number % len(self.taken)]
        which, _ = self.taken[booking]
        span = Span(EIGHT + start * QUARTER, EIGHT + (start + length) * QUARTER)
        if self.blocked(which, span) == self.taken[booking][1]:
            return
        try:
            self.run(self.pull(booking, "move", starts_at=span.start, ends_at=span.end))
        except BookingClash:
            assert not self.is_free(which, span, booking)
        except (OutsideOpening, NotBookable):
            assert span.end > EIGHT + timedelta(hours=10)
        else:
            assert self.is_free(which, span, booking)
            self.taken[booking] = (which, self.blocked(which, span))

    @rule(number=st.integers(0, 20))
    def one_is_cancelled(self, number: int) -> None:
        if self.taken:
            booking = sorted(self.taken)[number % len(self.taken)]
            self.run(self.pull(booking, "cancel"))
            del self.taken[booking]

    @invariant()
    def the_database_says_the_same(self) -> None:
        assert self.run(self.busy()) == sorted((which, span) for which, span in self.taken.values())

    async def busy(self) -> list[tuple[int, Span]]:
        window = Span(EIGHT - timedelta(days=2), EIGHT + timedelta(days=10))
        async with self.db.session() as session:
            busy = await queries.busy_of(session, [each.id for each in self.bookables], window)
        return sorted((n, span) for n, each in enumerate(self.bookables) for span in busy[each.id])


def test_random_bookings_moves_and_cancellations_are_what_the_model_says(house_url: str) -> None:
    machine = type("BookingsHere", (Bookings,), {"database_url": house_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=20,
            deadline=None,
            # Each example opens halls of its own: making a failure smaller would take longer than a test may.
            phases=(Phase.generate,),
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )
