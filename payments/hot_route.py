"""`POST /v1/payments` as pure ASGI: what surrounds a payment costs more than the payment, so nothing does here.

The route is listed in the OpenAPI page by `routes.py`; requests reach this function first (app/main.py puts it in
front of the framework). Errors have the same wire form as everywhere.
"""

from typing import Any, Final

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

BODY_MAX: Final = 16_384


class PaymentsEndpoint:
    """One till's request in, one stored answer out."""

    path = "/v1/payments"

    def __init__(self, database: Database, posting: Posting, terminals: TerminalCache) -> None:
        self._database = database
        self._posting = posting
        self._terminals = terminals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one POST."""
        authorization = key = language = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"idempotency-key":
                key = value.decode("latin-1")
            elif name == b"accept-language":
                language = value.decode("latin-1")
        request_id, speaks = http.new_request_id(), http.language_of(language)
        try:
            terminal = await self._terminal(authorization)
            key = check_key(key)
            body = decode_payment_request(await _read_body(receive))
            presented = await self._present(terminal, key, body)
            item = queue_item(terminal, key, body, request_id=request_id, language=speaks, presented=presented)
            answer = await self._posting.submit(item)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            await _send_error(send, Malformed(reason=str(error)), speaks, request_id)
        except GuanjiaError as error:
            await _send_error(send, error, speaks, request_id)
        except Exception as error:
            # No handler of the framework stands behind this: what it does elsewhere is done here.
            told = http.error_for_database(error)
            if told is None:
                log.exception("payments.failed", request_id=request_id)
            await _send_error(send, told or GuanjiaError(), speaks, request_id)
        else:
            await _send_answer(send, answer, request_id)

    async def _present(self, terminal: Terminal, key: str, body: PaymentRequest) -> Presented | None:
        """Look up what is no pay code; a pay code names its holder by its own row, and costs nothing here."""
        credential = body.credential
        if credential is None or credential.kind == "pay_code":
            return None
        return await present(self._database, terminal.id, key, credential)

    async def _terminal(self, authorization: bytes | None) -> Terminal:
        if authorization is None or authorization[:7].lower() != b"bearer ":
            raise Unauthenticated
        token = authorization[7:].strip().decode("latin-1")
        terminal = self._terminals.by_token(token)
        if terminal is None:
            # Enrolled a moment ago, perhaps by another process: the first payment must not be the one that is refused.
            async with self._database.session() as session:
                return await authenticate_terminal(session, token)
        if terminal.status == "revoked":
            raise Unauthenticated
        return terminal


async def _read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_MAX:
            raise Malformed(reason="the body is too large")
    return body


_JSON: Final = (b"content-type", b"application/json")
_REPLAYED: Final = (b"idempotent-replayed", b"true")


async def _send_answer(send: Send, answer: Answer, request_id: str) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(answer.body)), (b"x-request-id", request_id.encode())]
    if answer.replayed:
        headers.append(_REPLAYED)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _send_error(send: Send, error: GuanjiaError, language: str, request_id: str) -> None:
    body = msgspec.json.encode(http.error_body(error, language, request_id), enc_hook=str)
    headers: list[tuple[bytes, bytes]] = [
        _JSON,
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode()),
    ]
    if "retry_after_s" in error.data:
        headers.append((b"retry-after", str(error.data["retry_after_s"]).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    start: dict[str, Any] = {"type": "http.response.start", "status": error.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
