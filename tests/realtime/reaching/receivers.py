"""The other side, on this machine: robots, a gateway and a push service that check what they are sent as the real ones do."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from kernel import clock


@dataclass
class Heard:
    """One POST."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Keeps what it is sent; `answers` says what it thinks of it."""

    answers: Callable[[Heard], tuple[int, bytes]]
    port: int = 0
    heard: list[Heard] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request_line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        parts = urlsplit(request_line.split(" ")[1])
        heard = Heard(parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()}, headers, body)
        self.heard.append(heard)
        status, answer = self.answers(heard)
        writer.write(
            f"HTTP/1.1 {status} x\r\ncontent-length: {len(answer)}\r\nconnection: close\r\n\r\n".encode() + answer
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiver(answers: Callable[[Heard], tuple[int, bytes]]) -> AsyncIterator[Receiver]:
    """A server on a free port."""
    there = Receiver(answers)
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    async with server:
        there.port = server.sockets[0].getsockname()[1]
        yield there


def _says(code: int, words: str) -> tuple[int, bytes]:
    return 200, json.dumps({"errcode": code, "errmsg": words}).encode()


DINGTALK_SECRET = "SEC1f0c2d3e4b5a69788796a5b4c3d2e1f0"


def dingtalk(heard: Heard) -> tuple[int, bytes]:
    """As its documentation has it: token, time within an hour, HMAC-SHA256 over `timestamp\\nsecret`, a text."""
    if heard.query.get("access_token") != "a-robot":
        return _says(300001, "token is not exist")
    timestamp = heard.query.get("timestamp", "0")
    if abs(int(timestamp) / 1000 - clock.now().timestamp()) > 3600:
        return _says(310000, "sign not match: timestamp")
    digest = hmac.new(DINGTALK_SECRET.encode(), f"{timestamp}\n{DINGTALK_SECRET}".encode(), hashlib.sha256).digest()
    if heard.query.get("sign") != base64.b64encode(digest).decode():
        return _says(310000, "sign not match")
    if heard.json["msgtype"] != "text" or not heard.json["text"]["content"]:
        return _says(400, "content is empty")
    return _says(0, "ok")


def wecom(heard: Heard) -> tuple[int, bytes]:
    """As its documentation has it: a key, a text of at most 2,048 bytes."""
    if heard.query.get("key") != "693a91f6":
        return _says(93000, "invalid webhook url")
    if heard.json["msgtype"] != "text" or len(heard.json["text"]["content"].encode()) > 2048:
        return _says(40058, "text content exceed max length")
    return _says(0, "ok")


GATEWAY_SECRET = "a-secret-that-was-agreed-upon"


def gateway(heard: Heard) -> tuple[int, bytes]:
    """As docs/reaching.md has it."""
    signed = heard.headers["guanjia-timestamp"].encode() + b"." + heard.body
    mark = "v1=" + hmac.new(GATEWAY_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(mark, heard.headers["guanjia-signature"]):
        return 401, b"{}"
    if heard.headers["idempotency-key"] != heard.json["id"]:
        return 400, b"{}"
    return 202, b'{"id": "sms-77"}'


@dataclass
class Browser:
    """A browser with a push subscription: it alone can read what it is sent."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = b"sixteen bytes ..."[:16]

    def subscription(self, endpoint: str) -> dict[str, Any]:
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": endpoint, "keys": {"p256dh": _unpadded(point), "auth": _unpadded(self.auth)}}

    def read(self, body: bytes) -> Any:
        plain = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        return json.loads(plain)


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def push_service(heard: Heard) -> tuple[int, bytes]:
    """As RFC 8030 and 8292 have it: a time to live, an encrypted body, and a signature that is good for this service."""
    if heard.path == "/gone":
        return 410, b""
    given = heard.headers.get("authorization", "")
    is_signed = given.startswith("vapid ") and Vapid02.verify(given)
    is_whole = heard.headers["content-encoding"] == "aes128gcm" and int(heard.headers["ttl"]) > 0
    return (201, b"") if is_signed and is_whole else (403, b"")
