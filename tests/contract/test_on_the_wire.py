"""`POST /v1/payments` as bytes on a connection: framing, keep-alive, pipelining and what is too large.

A web process answers this one address from the HTTP protocol itself (app/payments_protocol.py); these stories hold that
nobody on the other side of the wire can tell.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.client import parse_headers
from io import BufferedReader
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.contract.test_paying import keyed
from tests.product import Diner, Json, Product, Till


@pytest.fixture(scope="module")
def till(product: Product) -> Till:
    return product.new_till()


@pytest.fixture(scope="module")
def diner(product: Product) -> Diner:
    return product.diner(7)


@contextmanager
def connection(product: Product) -> Iterator[socket.socket]:
    address = urlsplit(product.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as line:
        yield line


def request(
    till: Till, body: Json | bytes, *, version: str = "1.1", path: str = "/v1/payments", **headers: str
) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Host": "till", "Authorization": f"Bearer {till.card['token']}", "Idempotency-Key": uuid4().hex, **headers}
    lines = [f"POST {path} HTTP/{version}", *(f"{name.replace('_', '-')}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


class Reply(NamedTuple):
    """One answer, as it stood on the wire."""

    status: int
    headers: Message
    body: Json


def next_reply(reader: BufferedReader) -> Reply:
    """The next answer on a connection, read to its end and not further."""
    version, status, _ = reader.readline().split(b" ", 2)
    assert version == b"HTTP/1.1"
    headers = parse_headers(reader)
    return Reply(int(status), headers, json.loads(reader.read(int(headers["content-length"]))))


def is_closed(line: socket.socket) -> bool:
    return line.recv(1) == b""


class TestOneConnection:
    def test_carries_one_payment_after_the_other(self, product: Product, till: Till, diner: Diner) -> None:
        with connection(product) as line:
            reader, paid = line.makefile("rb"), set()
            for _ in range(3):
                line.sendall(request(till, keyed(diner)))
                status, headers, body = next_reply(reader)
                assert (status, headers["connection"]) == (201, None)
                assert headers["x-request-id"] == body["request_id"]
                assert headers["date"].endswith(" GMT")
                paid.add(body["id"])
            assert len(paid) == 3

    def test_carries_payments_between_other_requests(self, product: Product, till: Till, diner: Diner) -> None:
        with connection(product) as line:
            reader = line.makefile("rb")
            for path, status in (("/v1/payments", 201), ("/v1/payments/batch", 404), ("/v1/payments", 201)):
                line.sendall(request(till, keyed(diner), path=path))
                assert next_reply(reader).status == status

    def test_that_is_not_waited_for_gets_its_answers_in_order(self, product: Product, till: Till, diner: Diner) -> None:
        bodies = [keyed(diner) for _ in range(3)]
        with connection(product) as line:
            line.sendall(b"".join(request(till, body) for body in bodies))
            reader = line.makefile("rb")
            paid = [next_reply(reader).body for _ in bodies]
        assert [each["amount_fen"] for each in paid] == [body["amount_fen"] for body in bodies]

    def test_may_deliver_a_request_byte_by_byte(self, product: Product, till: Till, diner: Diner) -> None:
        with connection(product) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in request(till, keyed(diner)):
                line.sendall(bytes([byte]))
            assert next_reply(line.makefile("rb")).status == 201

    def test_asks_before_it_sends_and_is_told_to_go_on(self, product: Product, till: Till, diner: Diner) -> None:
        with connection(product) as line:
            head, _, body = request(till, keyed(diner), Expect="100-continue").partition(b"\r\n\r\n")
            line.sendall(head + b"\r\n\r\n")
            assert line.recv(64).startswith(b"HTTP/1.1 100 ")
            line.sendall(body)
            assert next_reply(line.makefile("rb")).status == 201

    @pytest.mark.parametrize(("version", "header"), [("1.1", {"Connection": "close"}), ("1.0", {})])
    def test_ends_where_the_caller_wants_it_to(
        self, product: Product, till: Till, diner: Diner, version: str, header: dict[str, str]
    ) -> None:
        with connection(product) as line:
            line.sendall(request(till, keyed(diner), version=version, **header))
            status, headers, _ = next_reply(line.makefile("rb"))
            assert (status, headers["connection"]) == (201, "close")
            assert is_closed(line)


class TestTrouble:
    def test_who_hangs_up_has_paid_all_the_same(self, product: Product, till: Till, diner: Diner) -> None:
        body, key = keyed(diner), uuid4().hex
        with connection(product) as line:
            line.sendall(request(till, body, **{"Idempotency-Key": key}))
        again = till.pay(body, key)
        assert (again.status_code, again.json()["amount_fen"]) == (201, body["amount_fen"])

    def test_a_body_that_no_payment_needs_is_refused_and_the_line_cut(self, product: Product, till: Till) -> None:
        with connection(product) as line:
            line.sendall(request(till, b"[" + b"0," * 20_000 + b"0]")[:40_000])
            status, headers, body = next_reply(line.makefile("rb"))
            assert (status, body["code"]) == (422, "MALFORMED")
            assert headers["connection"] == "close"

    def test_what_is_no_json_is_said_to_be_none(self, product: Product, till: Till) -> None:
        with connection(product) as line:
            line.sendall(request(till, b"\xff{"))
            status, _, body = next_reply(line.makefile("rb"))
            assert (status, body["code"]) == (422, "MALFORMED")

    def test_nobody_is_told_who_nobody_is(self, product: Product, till: Till, diner: Diner) -> None:
        with connection(product) as line:
            line.sendall(request(till, keyed(diner), Authorization="Bearer nobody"))
            status, headers, body = next_reply(line.makefile("rb"))
            assert (status, body["code"]) == (401, "UNAUTHENTICATED")
            assert headers["www-authenticate"] == "Bearer"
