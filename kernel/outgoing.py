"""Requests out to addresses that somebody typed in: webhooks, robots, gateways, the push services of browsers.

Without a guard such an address could be this machine, the database's network, or a cloud's metadata service. So the name is
resolved here, every address it has is looked at, and the connection is made to the very address that was looked at: a name
that answers differently the second time gains nothing. Redirects are not followed. A receiver that stalls is cut after ten
seconds, and only the beginning of what it says is read.
"""

import asyncio
import socket
import time
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, NamedTuple

import httpcore

from kernel.settings import Settings

TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 1000

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressRefused(OSError):
    """The receiver's name leads to an address that nothing may be sent to."""


class AddressGuard:
    """Which addresses may be connected to: public ones, and the networks that the operator names. None names all."""

    def __init__(self, networks: Iterable[Network] | None) -> None:
        self._networks = None if networks is None else tuple(networks)

    @classmethod
    def of_settings(cls, settings: Settings) -> "AddressGuard":
        """The operator's word; without one, everything outside production and public addresses only in it."""
        text = settings.webhook_networks
        if text is None:
            return cls(() if settings.production else None)
        return cls(ip_network(part.strip()) for part in text.split(",") if part.strip())

    def allows(self, address: Address) -> bool:
        """Whether something may go there."""
        if self._networks is None:
            return True
        # ::ffff:127.0.0.1 is 127.0.0.1 to the kernel, and is_global has not always known it.
        plain = getattr(address, "ipv4_mapped", None) or address
        if any(plain.version == network.version and plain in network for network in self._networks):
            return True
        return plain.is_global and not plain.is_multicast

    def refuse_literal(self, host: str) -> None:
        """AddressRefused for a host that is written as an address, or is plainly this machine. Names are looked at later."""
        if host.lower().rstrip(".") == "localhost":
            host = "127.0.0.1"
        try:
            address = ip_address(host)
        except ValueError:
            return
        if not self.allows(address):
            raise AddressRefused(f"{host} is not a public address")

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host, if each of them is allowed."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
        for address in addresses:
            if not self.allows(ip_address(address)):
                raise AddressRefused(f"{host} leads to {address}, which is not a public address")
        return addresses


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to what was looked at; TLS still checks the certificate against the name."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the library's own interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._guard.resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return await self._plain.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("requests go to hosts")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Tried(NamedTuple):
    """What came of one POST."""

    took_ms: int
    status: int | None
    error: str | None
    answer: str

    @property
    def arrived(self) -> bool:
        """Any 2xx; a redirect is no arrival."""
        return self.status is not None and 200 <= self.status < 300


class GuardedSender:
    """POSTs over a pool of guarded connections."""

    def __init__(self, guard: AddressGuard, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=_GuardedBackend(guard),
            max_connections=200,
            max_keepalive_connections=20,
            keepalive_expiry=2,
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.aclose()

    async def send(self, url: str, payload: bytes, headers: Mapping[str, str]) -> Tried:
        """One try; never raises for what the receiver does."""
        started = time.monotonic()
        status: int | None = None
        answer = b""
        error: str | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._pool.stream(
                    "POST", url, headers=_as_sent(payload, headers), content=payload
                ) as response:
                    status = response.status
                    async for chunk in response.aiter_stream():
                        answer += chunk
                        if len(answer) >= ANSWER_BYTES_MAX:
                            break
        except TimeoutError:
            status, error = None, f"no answer within {self._timeout_s:g} s"
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as failure:
            status, error = None, str(failure) or type(failure).__name__
        if error is None and status is not None and 300 <= status < 400:
            error = "redirects are not followed"
        text = answer[:ANSWER_BYTES_MAX].decode("utf-8", "replace").replace("\0", "")
        return Tried(int((time.monotonic() - started) * 1000), status, error, text)


def _as_sent(payload: bytes, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    named = {"content-length": str(len(payload)), "accept": "*/*", **headers}
    return [(name.encode(), value.encode()) for name, value in named.items()]
