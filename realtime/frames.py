"""The server's frames as text, and text as it stands on a WebSocket.

A frame is encoded once and written to many sockets, so these are plain concatenations around JSON that is ready.
Inside the house a channel has an absolute name; to its owner `person:<id>` is called `me`.
"""

from typing import Final

import msgspec

PERSON: Final = "person"
ME: Final = "me"
_PERSON_PREFIX: Final = f"{PERSON}:"

_encode = msgspec.json.encode

PONG: Final = b'{"op":"pong"}'


def wire_name(channel: str) -> str:
    """What the client calls a channel."""
    return ME if channel.startswith(_PERSON_PREFIX) else channel


def event_frame(
    channel: str, position: int, event_id: str, event_type: str, version: int, data: bytes, happened_at: str
) -> bytes:
    """An event as a channel hears it; the same bytes live and on replay."""
    return b'{"op":"event","channel":%b,"position":%d,"id":%b,"type":%b,"version":%d,"data":%b,"happened_at":%b}' % (
        _encode(wire_name(channel)),
        position,
        _encode(event_id),
        _encode(event_type),
        version,
        data,
        _encode(happened_at),
    )


def board_frame(channel: str, board_type: str, data: bytes, happened_at: str) -> bytes:
    """The latest value of a board beside a channel's events."""
    return b'{"op":"board","channel":%b,"type":%b,"data":%b,"happened_at":%b}' % (
        _encode(wire_name(channel)),
        _encode(board_type),
        data,
        _encode(happened_at),
    )


def latest_value_frame(channel: str, position: int, board_type: str, data: bytes, happened_at: str) -> bytes:
    """The latest value on a channel that carries nothing else: there it has a position."""
    return b'{"op":"event","channel":%b,"position":%d,"type":%b,"version":1,"data":%b,"happened_at":%b}' % (
        _encode(wire_name(channel)),
        position,
        _encode(board_type),
        data,
        _encode(happened_at),
    )


def subscribed_frame(channel: str, position: int) -> bytes:
    """The first word of a subscription."""
    return b'{"op":"subscribed","channel":%b,"position":%d}' % (_encode(wire_name(channel)), position)


def resync_frame(channel: str, position: int) -> bytes:
    """Something is missing and cannot be had any more."""
    return b'{"op":"resync","channel":%b,"position":%d}' % (_encode(wire_name(channel)), position)


def error_frame(code: str, channel: str | None = None) -> bytes:
    """A refusal; `channel` as the client wrote it."""
    if channel is None:
        return b'{"op":"error","code":%b}' % _encode(code)
    return b'{"op":"error","code":%b,"channel":%b}' % (_encode(code), _encode(channel))


def as_websocket(text: bytes) -> bytes:
    """One unmasked, unfragmented text frame (RFC 6455, 5.2)."""
    length = len(text)
    if length < 126:
        return b"\x81" + length.to_bytes(1, "big") + text
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + text
    return b"\x81\x7f" + length.to_bytes(8, "big") + text
