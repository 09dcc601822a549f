"""`POST /v1/payments` without a framework: what surrounds a payment costs more than the payment, so nothing does here.

The route is listed in the OpenAPI page by `routes.py`; requests reach this endpoint first. A web process hands them over
from the HTTP protocol itself (app/payments_protocol.py); any other ASGI server calls it as an application
(app/hot_path.py). Errors have the same wire form as everywhere.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from identity.api import Terminal, authenticate_terminal
from kernel import http
from kernel.db import Database
from kernel.errors import GuanjiaError, Malformed, Unauthenticated
from kernel.idempotency import Answer, check_key
from payments.credentials.lookup import present
from payments.credentials.presented import Presented
from payments.posting_queue import Posting
from payments.schemas import PaymentRequest
from payments.service import decode_payment_request, queue_item
from payments.terminals import TerminalCache

log = structlog.get_logger()

PAYMENT_BODY_MAX: Final = 16_384

_HEAD: Final = b"content-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
_REPLAYED: Final = b"idempotent-replayed: true\r\n"


class Reply(NamedTuple):
    """What goes back: status, header lines with the length of the body among them, body."""

    status: int
    head: bytes
    body: bytes

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The lines as pairs, for who wants them so."""
        pairs = [line.partition(b": ") for line in self.head.splitlines()]
        return [(name, value) for name, _, value in pairs]


class _Exchange:
    """One request and the way back. Exactly one of `answer` and `fail` is called, once."""

    __slots__ = ("authorization", "body", "key", "language", "reply", "request_id")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]], body: bytes, reply: Callable[[Reply], None]) -> None:
        authorization = key = language = None
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"idempotency-key":
                key = value.decode("latin-1")
            elif name == b"accept-language":
                language = value.decode("latin-1")
        self.authorization = authorization
        self.key = key
        self.language = http.language_of(language)
        self.body = body
        self.reply = reply
        self.request_id = http.new_request_id()

    def finish(self, posted: "asyncio.Future[Answer]") -> None:
        """The posting queue is done with it."""
        if posted.cancelled():
            self.fail(GuanjiaError())
        elif (error := posted.exception()) is not None:
            self.fail(error)
        else:
            self.answer(posted.result())

    def answer(self, answer: Answer) -> None:
        """Send a payment or a refusal, as it was stored."""
        status, body, replayed = answer
        head = _HEAD % (len(body), self.request_id.encode())
        self.reply(Reply(status, head + _REPLAYED if replayed else head, body))

    def fail(self, error: BaseException) -> None:
        """Send an error. No handler of the framework stands behind this: what it does elsewhere is done here."""
        told = _told(error)
        if told is None:
            log.error("payments.failed", request_id=self.request_id, exc_info=error)
            told = GuanjiaError()
        body = msgspec.json.encode(http.error_body(told, self.language, self.request_id), enc_hook=str)
        head = _HEAD % (len(body), self.request_id.encode())
        if "retry_after_s" in told.data:
            head += b"retry-after: %b\r\n" % str(told.data["retry_after_s"]).encode()
        if told.status == 401:
            head += b"www-authenticate: Bearer\r\n"
        self.reply(Reply(told.status, head, body))


def _told(error: BaseException) -> GuanjiaError | None:
    """The error that a caller may see; None for what should not have happened."""
    if isinstance(error, GuanjiaError):
        return error
    if isinstance(error, (msgspec.DecodeError, UnicodeDecodeError)):
        return Malformed(reason=str(error))
    return http.error_for_database(error) if isinstance(error, Exception) else None


class PaymentsEndpoint:
    """One till's request in, one stored answer out."""

    path = "/v1/payments"

    def __init__(self, database: Database, posting: Posting, terminals: TerminalCache) -> None:
        self._database = database
        self._posting = posting
        self._terminals = terminals
        # What asks the database before it can be posted; kept, because a loop holds its tasks weakly.
        self._asking: set[asyncio.Task[None]] = set()

    def receive(self, headers: Iterable[tuple[bytes, bytes]], body: bytes, reply: Callable[[Reply], None]) -> None:
        """Serve one request. `reply` is called once, on this event loop: now, or when the payment is durable."""
        exchange = _Exchange(headers, body, reply)
        try:
            token = _bearer(exchange.authorization)
            terminal = self._terminals.by_token(token)
            if terminal is None:
                # Enrolled a moment ago, perhaps by another process: its first payment must not be refused.
                self._ask(exchange, self._authenticate_first(exchange, token))
            else:
                self._go_on(exchange, terminal)
        except Exception as error:  # noqa: BLE001  whatever it was, the caller is told
            exchange.fail(error)

    def _go_on(self, exchange: _Exchange, terminal: Terminal) -> None:
        """A pay code names its holder by its own row; anything else that was presented is looked up first."""
        if terminal.status == "revoked":
            raise Unauthenticated
        key = check_key(exchange.key)
        body = decode_payment_request(exchange.body)
        if body.credential is None or body.credential.kind == "pay_code":
            self._post(exchange, terminal, key, body, None)
        else:
            self._ask(exchange, self._look_up_first(exchange, terminal, key, body))

    def _post(
        self, exchange: _Exchange, terminal: Terminal, key: str, body: PaymentRequest, presented: Presented | None
    ) -> None:
        item = queue_item(
            terminal, key, body, request_id=exchange.request_id, language=exchange.language, presented=presented
        )
        self._posting.enqueue(item).add_done_callback(exchange.finish)

    async def _authenticate_first(self, exchange: _Exchange, token: str) -> None:
        async with self._database.session() as session:
            terminal = await authenticate_terminal(session, token)
        self._go_on(exchange, terminal)

    async def _look_up_first(self, exchange: _Exchange, terminal: Terminal, key: str, body: PaymentRequest) -> None:
        assert body.credential is not None, "only a credential is looked up"
        presented = await present(self._database, terminal.id, key, body.credential)
        self._post(exchange, terminal, key, body, presented)

    def _ask(self, exchange: _Exchange, asking: Coroutine[Any, Any, None]) -> None:
        async def ask() -> None:
            try:
                await asking
            except Exception as error:  # noqa: BLE001  whatever it was, the caller is told
                exchange.fail(error)

        task = asyncio.create_task(ask())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one POST as an ASGI application."""
        replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def reply(each: Reply) -> None:
            # The caller may have gone away meanwhile; what was posted stays posted.
            if not replied.done():
                replied.set_result(each)

        body = await _read_body(receive)
        if body is None:
            _Exchange(scope["headers"], b"", reply).fail(too_large())
        else:
            self.receive(scope["headers"], body, reply)
        answer = await replied
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers()})
        await send({"type": "http.response.body", "body": answer.body})

    def refuse_size(self, headers: Iterable[tuple[bytes, bytes]], reply: Callable[[Reply], None]) -> None:
        """Answer a request whose body is larger than PAYMENT_BODY_MAX."""
        _Exchange(headers, b"", reply).fail(too_large())


def too_large() -> Malformed:
    """No payment is that long."""
    return Malformed(reason="the body is too large")


def _bearer(authorization: bytes | None) -> str:
    if authorization is None or authorization[:7].lower() != b"bearer ":
        raise Unauthenticated
    return authorization[7:].strip().decode("latin-1")


async def _read_body(receive: Receive) -> bytes | None:
    """The body; None where it is too large."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > PAYMENT_BODY_MAX:
            return None
    return body
