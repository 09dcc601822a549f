"""One keep-alive HTTP connection: a request at a time, parsed by httptools. Cheap, because hundreds of them share a machine
with what they measure."""

import asyncio
from typing import Final, NamedTuple
from urllib.parse import SplitResult

import httptools

ANSWER_TIMEOUT_S: Final = 15.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    replayed: bool


class NoAnswer(ConnectionError):
    """The line broke, or nobody spoke for too long; whether the request was served is unknown."""


class _Receiver(asyncio.Protocol):
    """Collects one answer at a time."""

    def __init__(self) -> None:
        self.waiting: asyncio.Future[Answer] | None = None
        self.is_open = True
        self._parser = httptools.HttpResponseParser(self)
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self._body: list[bytes] = []
        self._replayed = False

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(NoAnswer(str(error)))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"idempotent-replayed":
            self._replayed = value == b"true"

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        answer = Answer(self._parser.get_status_code(), b"".join(self._body), self._replayed)
        waiting, self.waiting = self.waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(NoAnswer(str(exc or "the server hung up")))

    def _end(self, error: NoAnswer) -> None:
        self.is_open = False
        waiting, self.waiting = self.waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)


class Line:
    """Opened when it is first needed, and again after it broke. One caller at a time."""

    def __init__(self, address: SplitResult, token: str) -> None:
        self._host = address.hostname or "127.0.0.1"
        self._is_secure = address.scheme == "https"
        self._port = address.port or (443 if self._is_secure else 80)
        self._receiver: _Receiver | None = None
        self._transport: asyncio.Transport | None = None
        known = f"Authorization: Bearer {token}\r\n" if token else ""
        self._head = f" HTTP/1.1\r\nHost: {address.netloc}\r\n{known}Content-Type: application/json\r\n"

    async def post(self, path: str, body: bytes = b"", key: str | None = None) -> Answer:
        """Send, and wait for the answer; NoAnswer where none comes."""
        named = f"Idempotency-Key: {key}\r\n" if key is not None else ""
        return await self._ask(f"POST {path}{self._head}{named}Content-Length: {len(body)}\r\n\r\n", body)

    async def get(self, path: str) -> Answer:
        """The same, to read."""
        return await self._ask(f"GET {path}{self._head}\r\n", b"")

    async def _ask(self, head: str, body: bytes) -> Answer:
        receiver, transport = await self._open()
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()
        receiver.waiting = answered
        patience = loop.call_later(ANSWER_TIMEOUT_S, transport.abort)
        transport.write(head.encode() + body)
        try:
            return await answered
        finally:
            patience.cancel()

    async def _open(self) -> tuple[_Receiver, asyncio.Transport]:
        if self._receiver is None or self._transport is None or not self._receiver.is_open:
            try:
                self._transport, self._receiver = await asyncio.get_running_loop().create_connection(
                    _Receiver, self._host, self._port, ssl=self._is_secure or None
                )
            except OSError as error:
                raise NoAnswer(str(error)) from error
        return self._receiver, self._transport

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()
