"""A client of /v1/realtime in Python: signs in, subscribes, and after a cut goes on where it stopped.

For tests, benchmarks and terminals without a browser.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from realtime.schemas import (
    Auth,
    BoardFrame,
    EventFrame,
    Ping,
    Pong,
    Refused,
    Resync,
    ServerMessage,
    Subscribe,
    Subscribed,
    Unsubscribe,
    decode_server_message,
)


class RealtimeClient:
    """One socket at a time; remembers the last position of each channel.

    async with RealtimeClient(url, token) as client:
        await client.subscribe("me")
        async for message in client.messages():
            ...
    """

    def __init__(self, url: str, token: str | None = None, **connect_options: Any) -> None:
        self._url = url
        self._token = token
        self._options: dict[str, Any] = {"compression": None, "proxy": None, "max_size": 2**22, **connect_options}
        self._socket: ClientConnection | None = None
        self.positions: dict[str, int | None] = {}

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def socket(self) -> ClientConnection:
        """The open socket."""
        if self._socket is None:
            raise ConnectionError("not connected")
        return self._socket

    async def connect(self) -> None:
        """Open a socket, sign in, and subscribe to everything again after the last position seen."""
        self._socket = await connect(self._url, **self._options)
        if self._token is not None:
            await self._send(Auth(token=self._token))
        for channel, position in self.positions.items():
            await self._send(Subscribe(channel=channel, after=position))

    async def close(self) -> None:
        """Hang up; positions are kept."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def drop(self) -> None:
        """Lose the line without a word, as a phone in a lift does."""
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.transport.abort()
            with contextlib.suppress(ConnectionClosed):
                await socket.recv()

    async def subscribe(self, channel: str, after: int | None = None) -> None:
        """Ask to hear a channel; the answer comes among the messages."""
        self.positions[channel] = after
        await self._send(Subscribe(channel=channel, after=after))

    async def unsubscribe(self, channel: str) -> None:
        """Hear it no more."""
        self.positions.pop(channel, None)
        await self._send(Unsubscribe(channel=channel))

    async def ping(self) -> None:
        """Ask for a pong."""
        await self._send(Ping())

    async def send_raw(self, text: str | bytes) -> None:
        """Anything at all."""
        await self.socket.send(text)

    async def receive(self, timeout_s: float | None = 5.0) -> ServerMessage:
        """The next message; positions are noted."""
        async with asyncio.timeout(timeout_s):
            message: ServerMessage = decode_server_message(await self.socket.recv())
        if isinstance(message, Subscribed | EventFrame | Resync) and message.channel in self.positions:
            self.positions[message.channel] = message.position
        return message

    async def messages(self) -> AsyncIterator[ServerMessage]:
        """Everything that comes, until the socket closes."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                yield await self.receive(timeout_s=None)

    async def _send(self, message: Auth | Subscribe | Unsubscribe | Ping) -> None:
        await self.socket.send(msgspec.json.encode(message).decode())


__all__ = ["BoardFrame", "EventFrame", "Pong", "RealtimeClient", "Refused", "Resync", "Subscribed"]
