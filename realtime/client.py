"""A client of /v1/realtime in Python: signs in, subscribes, and after a cut goes on where it stopped.

For tests, and for programs and terminals without a browser. docs/listening.md shows it at work.

Most want `listen`: it reconnects by itself, resumes each channel after the last position it has seen, and yields every
event once. `receive` and `messages` are one socket's, for who wants to see it break.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Self, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from kernel.events import Event
from realtime.errors import CLOSE_UNAUTHENTICATED
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

E = TypeVar("E", bound=Event)
OnResync = Callable[[Resync], Awaitable[None]]

RETRY_FIRST_S: Final = 0.25
RETRY_MAX_S: Final = 15.0


class SignedOut(ConnectionError):
    """The token is no good, or not any more: trying again would not help."""


class RealtimeClient:
    """One socket at a time; remembers the last position of each channel.

    async with RealtimeClient(url, token) as client:
        await client.subscribe("me")
        async for message in client.listen():
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

    async def listen(
        self, *, on_resync: OnResync | None = None, retry_first_s: float = RETRY_FIRST_S
    ) -> AsyncIterator[ServerMessage]:
        """Everything that comes, across cuts, until the token is no good any more (SignedOut).

        Between two attempts it waits twice as long each time, spread by chance, so that a thousand clients of a server
        that has restarted do not all come at once. With `on_resync` that is awaited instead of yielding the message:
        fetch the snapshot there; events that it already holds may follow.
        """
        attempt = 0
        while True:
            try:
                if self._socket is None:
                    await self.connect()
                while True:
                    message = await self.receive(timeout_s=None)
                    attempt = 0
                    if isinstance(message, Resync) and on_resync is not None:
                        await on_resync(message)
                    else:
                        yield message
            except (OSError, TimeoutError, WebSocketException) as error:
                self._socket = None
                _raise_if_hopeless(error)
            attempt += 1
            longest_s = min(RETRY_MAX_S, retry_first_s * 2 ** min(attempt, 10))
            await asyncio.sleep(random.uniform(longest_s / 2, longest_s))  # noqa: S311  to spread clients, not to hide

    async def _send(self, message: Auth | Subscribe | Unsubscribe | Ping) -> None:
        await self.socket.send(msgspec.json.encode(message).decode())


def as_event(frame: EventFrame, event_class: type[E]) -> E:
    """The frame's event as its class; msgspec.ValidationError where this channel is told less than the whole of it."""
    return msgspec.convert({**frame.data, "happened_at": frame.happened_at}, event_class)


def _raise_if_hopeless(error: Exception) -> None:
    """A refusal that stays one: signed out, or an address that is none of ours."""
    if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code == CLOSE_UNAUTHENTICATED:
        raise SignedOut("signed out") from error
    if isinstance(error, InvalidStatus) and error.response.status_code < 500:
        raise error


__all__ = [
    "BoardFrame",
    "EventFrame",
    "Pong",
    "RealtimeClient",
    "Refused",
    "Resync",
    "SignedOut",
    "Subscribed",
    "as_event",
]
