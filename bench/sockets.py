"""Many sockets in one process of their own: they note when each frame came, and what it said is read afterwards.

A client library would cost more than the server that is measured, so these speak just enough WebSocket: they shake
hands, say their first words, answer pings, and keep the bytes of every frame with the time at which they were read.
"""

import asyncio
import base64
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple, Self, cast

import msgspec
import uvloop

from app.listening import allow_open_files

# A socket of this kind stops reading once it is ready.
STALLED: Final = "stalled"
_READY_WITHIN_S: Final = 90
_OPENED_AT_ONCE: Final = 100
_FILES_BESIDE: Final = 100
_PING: Final = 0x89
_CLOSE: Final = 0x88


class Ear(NamedTuple):
    """One socket to be opened: what kind it is counted as, its path, what it says first, and what it then waits for."""

    kind: str
    path: str
    says: tuple[bytes, ...]
    ready_when: bytes


class Heard(NamedTuple):
    """An event as one socket heard it; `key` is the field that the bench asked for."""

    kind: str
    socket: int
    key: Any
    at: float


def hub_ear(kind: str, token: str, channel: str, after: int | None = None) -> Ear:
    """A socket of /v1/realtime on one channel."""
    says = (
        msgspec.json.encode({"op": "auth", "token": token}),
        msgspec.json.encode({"op": "subscribe", "channel": channel, "after": after}),
    )
    return Ear(kind, "/v1/realtime", says, b'"op":"subscribed"')


def bare_ear(kind: str, path: str) -> Ear:
    """A socket that need not say anything: shaken hands is ready."""
    return Ear(kind, path, (), b"")


class _Socket(asyncio.Protocol):
    def __init__(self, ear: Ear, number: int, ready: Callable[[], None]) -> None:
        self.ear, self.number = ear, number
        self.frames: list[tuple[float, bytes]] = []
        self.is_closed = False
        self._ready = ready
        self._is_ready = False
        self._shook_hands = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self.ear.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.time()  # noqa: TID251  the benches' own clock
        data = self._rest + data if self._rest else data
        if not self._shook_hands:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.is_closed = True
                return
            self._shook_hands = True
            for words in self.ear.says:
                self.transport.write(masked(0x81, words))
            if not self.ear.ready_when:
                self._become_ready()
        self._rest = self._take_frames(data, now)

    def _take_frames(self, data: bytes, now: float) -> bytes:
        at = 0
        while (end := _end_of_frame(data, at)) is not None:
            start, stop = end
            opcode = data[at]
            if opcode == _PING:
                self.transport.write(masked(0x8A, data[start:stop]))
            elif opcode == _CLOSE:
                self.is_closed = True
            elif self._is_ready:
                self.frames.append((now, data[start:stop]))
            elif self.ear.ready_when in data[start:stop]:
                self._become_ready()
            at = stop
        return data[at:]

    def _become_ready(self) -> None:
        self._is_ready = True
        self._ready()
        if self.ear.kind == STALLED:
            self.transport.pause_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.is_closed = True


def _itself(one: _Socket) -> _Socket:
    return one


def masked(opcode: int, text: bytes) -> bytes:
    """A client's frame; its mask is four zero bytes, which RFC 6455 allows for a bench."""
    length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return bytes([opcode]) + length + b"\0\0\0\0" + text


def _end_of_frame(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `at` begins and ends; None while it is not all there."""
    if len(data) < at + 2:
        return None
    length, start = data[at + 1], at + 2
    if length >= 126:
        start += 2 if length == 126 else 8
        if len(data) < start:
            return None
        length = int.from_bytes(data[at + 2 : start], "big")
    return (start, start + length) if len(data) >= start + length else None


class Audience:
    """Sockets in a process of their own. `with Audience(port, ears) as audience: ...; heard = audience.stop("payment")`."""

    def __init__(self, port: int, ears: Sequence[Ear], *, at_once: int = _OPENED_AT_ONCE) -> None:
        require_open_files(len(ears))
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_listen, args=(theirs, port, list(ears), at_once))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.join(timeout=1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    @property
    def pid(self) -> int:
        """Of the process that holds the sockets."""
        assert self._process.pid is not None
        return self._process.pid

    async def wait_until_ready(self) -> float:
        """Every socket has heard what it waits for; returns the seconds that took, from the first connection on."""
        if not await asyncio.to_thread(self._pipe.poll, _READY_WITHIN_S):
            raise TimeoutError(f"the sockets were not ready within {_READY_WITHIN_S} s")
        seconds: float = self._pipe.recv()
        return seconds

    async def stop(self, key: str) -> tuple[list[Heard], int]:
        """What was heard, each event with this field of its data; and how many sockets had been closed by then."""
        self._pipe.send(key)
        heard: tuple[list[Heard], int] = await asyncio.to_thread(self._pipe.recv)
        return heard


def require_open_files(count: int) -> None:
    """Refuse to measure with fewer sockets than the row says."""
    allowed = allow_open_files()
    if allowed < count + _FILES_BESIDE:
        raise RuntimeError(
            f"this machine allows {allowed} open files a process, and {count} sockets are wanted: ulimit -Hn"
        )


def _listen(pipe: "Connection[Any, Any]", port: int, ears: list[Ear], at_once: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_hear_all(pipe, port, ears, at_once))


async def _hear_all(pipe: "Connection[Any, Any]", port: int, ears: list[Ear], at_once: int) -> None:
    allow_open_files()
    loop = asyncio.get_running_loop()
    ready = asyncio.Semaphore(0)
    sockets = [_Socket(ear, number, ready.release) for number, ear in enumerate(ears)]
    began = time.monotonic()
    for at in range(0, len(sockets), at_once):
        some = sockets[at : at + at_once]
        await asyncio.gather(*(loop.create_connection(partial(_itself, each), "127.0.0.1", port) for each in some))
        for _ in some:
            await ready.acquire()
    pipe.send(time.monotonic() - began)
    key = await loop.run_in_executor(None, pipe.recv)
    closed = sum(each.is_closed for each in sockets)
    pipe.send((_read(sockets, key), closed))
    for each in sockets:
        with suppress(OSError):
            each.transport.abort()


def _read(sockets: Sequence[_Socket], key: str) -> list[Heard]:
    heard = []
    for each in sockets:
        for at, text in each.frames:
            message = msgspec.json.decode(text)
            data = message.get("data", message)
            if key in data:
                heard.append(Heard(each.ear.kind, each.number, data[key], at))
    return heard
