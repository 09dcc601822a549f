"""The sockets people connect to. The supervisor opens them and keeps them while web processes come and go.

Each web process has a socket of its own on the same address (SO_REUSEPORT): the kernel spreads connections evenly, which
processes sharing one socket do not. A connection to a process that is just being restarted waits in its socket's queue
instead of being refused.
"""

import errno
import resource
import socket
from collections.abc import Sequence

from app.problems import CannotListen

BACKLOG = 2048


def allow_open_files() -> int:
    """As many open files, and so sockets, as the system lets us have without asking; returns how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS names infinity and takes less; there the soft limit stays.
    if hard not in (soft, resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


def open_listening_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """`count` sockets on one address, listening; port 0 takes a free one. Who connects early waits for the first process."""
    family, address = _resolve(host, port)
    # Without SO_REUSEPORT this fails when anything else listens there, a second copy of us included.
    with _bound(family, address, reuse_port=False) as probe:
        address = (address[0], probe.getsockname()[1], *address[2:])
    listeners = [_bound(family, address, reuse_port=True) for _ in range(count)]
    for listener in listeners:
        listener.listen(BACKLOG)
    return listeners


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise CannotListen(f"GUANJIA_HOST={host} is no address of this machine.") from error
    return found[0], found[4]  # type: ignore[return-value]  # of the two internet families we get a host and a port first


def _bound(family: socket.AddressFamily, address: Sequence[object], *, reuse_port: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A port whose last connections still linger is free; one that is listened to is not.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(tuple(address))
    except OSError as error:
        listener.close()
        raise CannotListen(_in_words(error, address)) from error
    return listener


def _in_words(error: OSError, address: Sequence[object]) -> str:
    host, port = address[0], address[1]
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is already taken on {host}. Stop what uses it, or set GUANJIA_PORT to another one."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be opened by this user. Set GUANJIA_PORT to 1024 or above."
    return f"Cannot listen on {host}:{port}: {error.strerror}."
