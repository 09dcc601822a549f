"""The frames as bytes: what the relay sends live is what PostgreSQL gives on replay, and both are good WebSocket."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from kernel.db import Database
from realtime import queries
from realtime.frames import as_websocket, error_frame, event_frame, wire_name
from realtime.relay import Relay
from realtime.schemas import EventFrame, decode_server_message, frames_schema
from tests.realtime.stories import tell

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(texts.filter(lambda name: not name.startswith("person:")), st.integers(1, 2**53), texts, st.integers(1, 99))
def test_an_event_frame_is_json_whatever_stands_in_it(channel: str, position: int, name: str, version: int) -> None:
    frame = event_frame(channel, position, "evt_0_1_0", name, version, b'{"a":1}', "2026-11-23T00:00:00.000Z")
    assert json.loads(frame) == {
        "op": "event",
        "channel": channel,
        "position": position,
        "id": "evt_0_1_0",
        "type": name,
        "version": version,
        "data": {"a": 1},
        "happened_at": "2026-11-23T00:00:00.000Z",
    }
    assert b"\n" not in frame
    assert b"\t" not in frame


def test_a_person_hears_of_me() -> None:
    assert wire_name("person:per_1") == "me"
    assert wire_name("canteen:sit_1") == "canteen:sit_1"


def test_a_refusal_names_the_channel_only_where_there_is_one() -> None:
    assert json.loads(error_frame("MALFORMED")) == {"op": "error", "code": "MALFORMED"}
    assert json.loads(error_frame("FORBIDDEN", "x")) == {"op": "error", "code": "FORBIDDEN", "channel": "x"}


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_client_reads_our_frames_at_every_length(length: int) -> None:
    client = Protocol(CLIENT, state=OPEN, max_size=2**20)
    client.receive_data(as_websocket(b"x" * length) + as_websocket(b"end"))
    first, second = client.events_received()
    assert (first.opcode, len(first.data), second.data) == (Opcode.TEXT, length, b"end")  # type: ignore[union-attr] # Frames, both.


async def test_live_and_replayed_frames_are_the_same_bytes(db: Database) -> None:
    sent: dict[str, list[bytes]] = {}

    class Overheard(Relay):
        def _hand_to_publisher(self, frames: dict[str, list[bytes]]) -> None:
            sent.update(frames)

    await tell(db, ["canteen:sit_1", "person:per_1"], 1, 2)
    relay = Overheard(db, None)
    await relay.connect()
    await relay.relay_once()
    await relay.close()
    async with db.session() as session:
        kept = await queries.frames_after(session, {"canteen:sit_1": 0, "person:per_1": 0}, 10)
    replayed = {channel: [b"%d\t%b" % frame for frame in frames] for channel, frames in kept.items()}
    assert replayed == sent
    frame = decode_server_message(kept["person:per_1"][1].text)
    assert isinstance(frame, EventFrame)
    assert (frame.channel, frame.position) == ("me", 2)


def test_the_schema_names_every_operation() -> None:
    text = json.dumps(frames_schema())
    for operation in ("auth", "subscribe", "unsubscribe", "ping", "subscribed", "event", "board", "resync", "error"):
        assert f'"{operation}"' in text
