"""uvicorn's HTTP/1.1 with a shorter way for one address: the tills' `POST /v1/payments`.

A request is parsed, framed, kept alive and ended as uvicorn does it. Only what lies between is left out for payments:
the scope, the task, the events and the two writes of an ASGI cycle cost as much as deciding and encoding the payment.
Everything else, and a payment that is pipelined behind another request, goes uvicorn's own way and meets the same
endpoint as an ASGI application (app/hot_path.py).
"""

from time import perf_counter
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.hot_path import HotPath
from app.request_metrics import payment_durations
from payments.api import PAYMENT_BODY_MAX, PaymentsEndpoint, Reply

_PATH: Final = PaymentsEndpoint.path.encode()


class _NobodyWaits:
    """In the place of the event that an ASGI application would wait for."""

    def set(self) -> None:
        """Wakes nobody."""


class _PaymentCycle:
    """What uvicorn's protocol wants to know of the request under way."""

    __slots__ = ("body", "disconnected", "keep_alive", "more_body", "response_complete", "started")
    message_event: Final = _NobodyWaits()

    def __init__(self, *, keep_alive: bool) -> None:
        self.body = bytearray()
        self.more_body = True
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = keep_alive
        self.started = perf_counter()


class PaymentsProtocol(HttpToolsProtocol):
    """One connection."""

    cycle: Any
    # The list of headers that was last written out, and how.
    common: ClassVar[tuple[list[tuple[bytes, bytes]], bytes]] = ([], b"")

    def on_headers_complete(self) -> None:
        """Take a payment out of the way; leave everything else to uvicorn."""
        if (
            self.url != _PATH
            or self.parser.get_method() != b"POST"
            or not (self.cycle is None or self.cycle.response_complete)
            or self.expect_100_continue
            or self.parser.should_upgrade()
            or not isinstance(self.app, HotPath)
        ):
            super().on_headers_complete()
            return
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        self.cycle = _PaymentCycle(keep_alive=keep_alive)

    def on_body(self, body: bytes) -> None:
        """Collect; a body that is too large is answered at once, and what follows of it is not read."""
        cycle = self.cycle
        if not isinstance(cycle, _PaymentCycle) or cycle.response_complete:
            super().on_body(body)
            return
        cycle.body += body
        if len(cycle.body) > PAYMENT_BODY_MAX:
            cycle.keep_alive = False
            self._endpoint.refuse_size(self.headers, lambda reply: self._send(cycle, reply))

    def on_message_complete(self) -> None:
        """The request is whole: to the endpoint with it."""
        cycle = self.cycle
        if not isinstance(cycle, _PaymentCycle) or cycle.response_complete:
            super().on_message_complete()
            return
        cycle.more_body = False
        self._endpoint.receive(self.headers, bytes(cycle.body), lambda reply: self._send(cycle, reply))

    @property
    def _endpoint(self) -> PaymentsEndpoint:
        assert isinstance(self.app, HotPath), "only then does a payment come this way"
        endpoint: PaymentsEndpoint = self.app.state.payments_endpoint
        return endpoint

    def _common_head(self) -> bytes:
        """The lines that every answer has. uvicorn makes a new list of them once a second."""
        headers = self.server_state.default_headers
        known, lines = PaymentsProtocol.common
        if headers is not known:
            lines = b"".join([b"%b: %b\r\n" % header for header in headers])
            PaymentsProtocol.common = headers, lines
        return lines

    def _send(self, cycle: _PaymentCycle, reply: Reply) -> None:
        """Write the whole answer at once, and let uvicorn go on with the connection."""
        cycle.response_complete = True
        payment_durations.add(perf_counter() - cycle.started)
        if cycle.disconnected or self.transport.is_closing():
            return
        status, head, body = reply
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(b"".join((STATUS_LINE[status], self._common_head(), head, end, body)))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
