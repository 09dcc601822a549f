"""A call that is handed over to booking: a room near the caller, from the next quarter of an hour on."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from booking.catalogue import open_bookable
from booking.hand_over import BookingOfCall
from booking.queries import get_booking, span_of
from booking.schemas import NewBookable
from identity.api import NewPlace, Role, open_place
from kernel import clock
from kernel.ids import parse_public_id, public_id
from realtime.calls import hand_over
from tests.identity.conftest import House, house
from tests.realtime.calls.switchroom import Switchroom, open_switchroom

__all__ = ["house"]
Json = dict[str, Any]
# Nine minutes past ten in Hangzhou.
LATE_MORNING = datetime(2026, 11, 23, 2, 9, tzinfo=UTC)
QUARTER = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)


@pytest.fixture
async def room(house: House, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Switchroom]:
    monkeypatch.setattr(hand_over, "_targets", {"booking": BookingOfCall()})
    with clock.frozen(LATE_MORNING):
        async with open_switchroom(house, valkey_url) as opened:
            yield opened


async def _floor(room: Switchroom, code: str) -> str:
    """A building of its own with a room in it; returns the room."""
    async with room.db.session() as session:
        building = await open_place(
            session,
            NewPlace(code=code, kind="building", name_zh=f"{code}楼", name_en=code),
            site_id=room.house.canteen,
            actor="system",
        )
        found = await open_place(
            session,
            NewPlace(code=f"{code}-1", kind="room", name_zh=f"{code}一室", name_en=f"{code} one"),
            parent_id=building.id,
            actor="system",
        )
    return public_id("pla", found.id)


async def _hall(room: Switchroom, **more: Any) -> str:
    office = await room.house.principal(await room.house.person("陈静", Role.SYSTEM_ADMIN))
    fields = {"kind": "venue", "name_zh": "谈话室", "region": room.region, "capacity": 6}
    async with room.db.session() as session:
        made = await open_bookable(session, office, NewBookable.model_validate({**fields, **more}))
    return public_id("bkb", made.id)


async def _handed(room: Switchroom, **call: Any) -> httpx.Response:
    placed = await room.placed(kind="other", words="要一间安静的屋子谈话", **call)
    await room.pulled(room.first, placed, "acknowledge")
    await room.pulled(room.first, placed, "connect", way="text")
    return await room.pull(room.first, placed, "hand_over", target="booking")


async def test_the_nearest_free_room_is_the_callers_from_the_next_quarter_on(room: Switchroom) -> None:
    here, elsewhere = await _floor(room, "N1"), await _floor(room, "N2")
    await _hall(room, place=elsewhere, capacity=2)
    near = await _hall(room, place=here)

    handed = await _handed(room, place=here)

    assert handed.status_code == 200, handed.text
    async with room.db.session() as session:
        booking = await get_booking(session, parse_public_id("bkg", handed.json()["handed_to"]))
    assert (public_id("bkb", booking.bookable_id), booking.organiser_id) == (near, room.caller.id)
    assert (booking.state, booking.title) == ("confirmed", "要一间安静的屋子谈话")
    assert span_of(booking.during).start == QUARTER


async def test_where_it_is_taken_the_next_one_is_had_and_what_costs_something_is_only_held(room: Switchroom) -> None:
    here, elsewhere = await _floor(room, "N1"), await _floor(room, "N2")
    await _hall(room, place=here)
    far = await _hall(room, place=elsewhere, rate_fen=10_000, rate_per="hour")
    first = await _handed(room, place=here)
    assert first.status_code == 200, first.text

    second = await _handed(room, place=here)

    async with room.db.session() as session:
        booking = await get_booking(session, parse_public_id("bkg", second.json()["handed_to"]))
    assert (public_id("bkb", booking.bookable_id), booking.state) == (far, "held")


async def test_where_nothing_is_free_the_call_stays_with_whoever_has_it(room: Switchroom) -> None:
    # It opens at noon.
    await _hall(room, opens_at="12:00", closes_at="18:00")

    refused = await _handed(room)

    assert (refused.status_code, refused.json()["code"]) == (409, "NOTHING_FREE_NEARBY")
    (call,) = (await room.http.get("/v1/calls", headers=room.caller.headers)).json()["data"]
    assert call["state"] == "connected"
