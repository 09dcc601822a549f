"""The frames of /v1/realtime: what a client may say, and what it hears.

What a client says is decoded by these classes. What it hears is written by `frames.py` as text, once for each channel;
the classes here describe it for the schema and for clients in Python.
"""

import json
from typing import Annotated, Any

import msgspec

CHANNEL_PATTERN = r"^[a-z][a-z_]{0,31}(:[A-Za-z0-9_-]{1,80})?$"
ChannelName = Annotated[str, msgspec.Meta(pattern=CHANNEL_PATTERN, max_length=120)]
PeerName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{8,40}$")]
# Positions stay exact in every JSON reader.
Position = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class Auth(msgspec.Struct, tag_field="op", tag="auth"):
    """Sign in with a session's or a till's token; without one, the cookie has done it already."""

    token: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class Subscribe(msgspec.Struct, tag_field="op", tag="subscribe"):
    """Hear a channel: `after` null from now on, 0 from the start, n what follows n."""

    channel: ChannelName
    after: Position | None = None


class Unsubscribe(msgspec.Struct, tag_field="op", tag="unsubscribe"):
    """Hear it no more."""

    channel: ChannelName


class Ping(msgspec.Struct, tag_field="op", tag="ping"):
    """Answered by pong."""


class Talk(msgspec.Struct, tag_field="op", tag="talk"):
    """Take part in a call's audio signals (`call:<id>`); `peer` is a name that this page has given itself."""

    channel: ChannelName
    peer: PeerName


class Signal(msgspec.Struct, tag_field="op", tag="signal"):
    """For the other pages of those who talk in the call, or only for the page `to`; a WebRTC offer, answer or candidate."""

    channel: ChannelName
    data: dict[str, Any]
    to: PeerName | None = None


ClientMessage = Auth | Subscribe | Unsubscribe | Ping | Talk | Signal


class Subscribed(msgspec.Struct, tag_field="op", tag="subscribed"):
    """The subscription stands; `position` is the last one before what follows."""

    channel: str
    position: int


class EventFrame(msgspec.Struct, tag_field="op", tag="event"):
    """One event of a channel."""

    channel: str
    position: int
    type: str
    data: dict[str, Any]
    happened_at: str
    # A channel of latest values carries no events, and its frames no ids.
    id: str | None = None
    version: int = 1


class BoardFrame(msgspec.Struct, tag_field="op", tag="board"):
    """The latest value of a board; has no position, and a later one makes it worthless."""

    channel: str
    type: str
    data: dict[str, Any]
    happened_at: str


class Resync(msgspec.Struct, tag_field="op", tag="resync"):
    """What was missed is gone: fetch the snapshot; the subscription goes on after `position`."""

    channel: str
    position: int


class Refused(msgspec.Struct, tag_field="op", tag="error"):
    """Something was not done; `code` is stable."""

    code: str
    channel: str | None = None


class Pong(msgspec.Struct, tag_field="op", tag="pong"):
    """The answer to ping."""


class Talking(msgspec.Struct, tag_field="op", tag="talking"):
    """This page hears the signals of the call from now on."""

    channel: str


class Signalled(msgspec.Struct, tag_field="op", tag="signal", rename={"sender": "from"}):
    """A signal of another page: `from` is its person, `peer` its own name for itself."""

    channel: str
    sender: str
    peer: str
    data: dict[str, Any]


ServerMessage = Subscribed | EventFrame | BoardFrame | Resync | Refused | Pong | Talking | Signalled

decode_client_message = msgspec.json.Decoder(ClientMessage).decode
decode_server_message = msgspec.json.Decoder(ServerMessage).decode


def frames_schema() -> dict[str, Any]:
    """JSON Schema of all frames in both directions."""
    (client, server), components = msgspec.json.schema_components([ClientMessage, ServerMessage])
    return {"client": client, "server": server, "$defs": components}


def frames_schema_json() -> str:
    """docs/realtime.schema.json."""
    return json.dumps(frames_schema(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
