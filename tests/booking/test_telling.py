"""Who hears of a booking, and in how many words."""

from uuid import UUID

from sqlalchemy import select

from booking.channels import BOOKABLE_CHANNEL, DESK_OF_BOOKINGS
from booking.events import BookingChanged
from identity.api import Principal, principal_of, today
from kernel.events import decode_events
from kernel.ids import parse_public_id, public_id
from kernel.outbox import OutboxRow
from tests.booking.conftest import Campus


async def told(campus: Campus) -> list[BookingChanged]:
    async with campus.db.session() as session:
        rows = (await session.scalars(select(OutboxRow).order_by(OutboxRow.lane, OutboxRow.n))).all()
    events = [stored.event for row in rows for stored in decode_events(row.lane, row.n, row.events)]
    return [event for event in events if isinstance(event, BookingChanged)]


async def test_its_people_and_the_desk_hear_all_and_the_door_only_when(campus: Campus) -> None:
    await campus.wang.holds(campus.hall, 1, served=campus.zhou.id)

    (event,) = await told(campus)
    deliveries = {delivery.channel: delivery.data for delivery in event.audience()}

    region = public_id("reg", campus.house.city)
    assert set(deliveries) == {
        f"person:{campus.wang.id}",
        f"person:{campus.zhou.id}",
        f"desk:bookings-{region}",
        f"bookable:{campus.hall}",
    }
    assert set(deliveries[f"bookable:{campus.hall}"]) == {"bookable", "trigger", "state", "starts_at", "ends_at"}
    assert deliveries[f"desk:bookings-{region}"]["organiser"] == campus.wang.id


async def test_the_desk_is_the_office_s_and_a_door_is_anybody_s_who_is_signed_in(campus: Campus) -> None:
    async def principal(person: str) -> Principal:
        async with campus.db.session() as session:
            return await principal_of(session, parse_public_id("per", person), today())

    office, stranger = await principal(campus.office.id), await principal(campus.stranger.id)
    city, elsewhere = (public_id("reg", each) for each in (campus.house.city, campus.house.other_city))
    async with campus.db.session() as session:
        heard = [
            await DESK_OF_BOOKINGS.may_hear(session, who, where)
            for who, where in ((office, city), (office, elsewhere), (stranger, city), (office, "all"))
        ]
        doors = [
            await BOOKABLE_CHANNEL.may_hear(session, stranger, door)
            for door in (campus.hall, f"bkg_{UUID(int=1).hex}", "")
        ]
    assert (heard, doors) == ([True, False, False, False], [True, False, False])
