"""A call for help that is handed over becomes an order with all that was said and shown, and ends with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from identity.api import Role
from kernel import clock
from kernel.files import take_file
from kernel.ids import parse_public_id, uuid7
from kernel.settings import get_settings
from realtime.calls import hand_over
from repairs.orders import queries, service, views
from repairs.orders.api import RepairOfCall, may_read_files
from repairs.orders.models import RepairCategory
from repairs.orders.parties import actor_of
from repairs.orders.schemas import OrderTriggerBody
from tests.identity.conftest import House, house
from tests.realtime.calls.switchroom import Somebody, Switchroom, open_switchroom, somebody
from tests.repairs.orders.workshop import photo

__all__ = ["house"]


@pytest.fixture
async def room(
    house: House, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Switchroom]:
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)
    monkeypatch.setattr(hand_over, "_targets", {"repair": RepairOfCall()})
    with clock.frozen(clock.now()):
        async with open_switchroom(house, valkey_url) as opened:
            await _open_kind(opened)
            yield opened


async def _open_kind(room: Switchroom) -> None:
    now = clock.now()
    async with room.db.session() as session:
        session.add(
            RepairCategory(
                id=uuid7(),
                code="other",
                name_zh="其他",
                name_en="Other",
                icon="",
                urgency="low",
                dispatch="manual",
                checklist=[],
                problem_threshold=5,
                ordinal=1,
                created_at=now,
                changed_at=now,
            )
        )


async def _photo(room: Switchroom, who: Somebody) -> str:
    async def stream() -> AsyncIterator[bytes]:
        yield photo()

    return f"file_{(await take_file(room.db, stream(), owner=who.public_id)).id.hex}"


async def _handed(room: Switchroom) -> tuple[str, str]:
    call = await room.placed(kind="other", words="水管爆了", files=[await _photo(room, room.caller)])
    await room.pulled(room.first, call, "acknowledge")
    await room.pulled(room.first, call, "connect", way="text")
    body = {"words": "在三楼东侧", "files": [await _photo(room, room.caller)]}
    await room.http.post(f"/v1/calls/{call['id']}/messages", json=body, headers=room.caller.headers)
    handed = await room.pulled(room.first, call, "hand_over", target="repair")
    return call["id"], handed["handed_to"]


async def test_words_pictures_and_messages_come_along(room: Switchroom) -> None:
    call_id, order_id = await _handed(room)
    technician = await somebody(room.house, "师傅", Role.TECHNICIAN)

    async with room.db.session() as session:
        order = await queries.get_order(session, parse_public_id("wo", order_id))
        view = await views.whole_view_of(session, order, actor_of(await room.house.principal(room.caller.id)))
        reader = await room.house.principal(technician.id)
        assert await may_read_files(session, reader, order_id)

    assert (view.words, view.call, view.state, view.is_mine) == ("水管爆了", call_id, "submitted", True)
    assert len(view.files) == 1
    assert view.notes is not None
    assert [(note.words, note.author_name, len(note.files)) for note in view.notes] == [("在三楼东侧", "王病人", 1)]


async def test_the_call_ends_with_the_order(room: Switchroom) -> None:
    call_id, order_id = await _handed(room)
    caller = actor_of(await room.house.principal(room.caller.id))
    async with room.db.session() as session:
        body = OrderTriggerBody(words="自己好了")
        await service.pull(session, caller, parse_public_id("wo", order_id), "withdraw", body)

    assert (await room.seen(room.caller, {"id": call_id}))["state"] == "resolved"
