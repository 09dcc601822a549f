"""The baseline of fan-out: a bare `websockets` server that broadcasts to all its sockets, and nothing else.

python -m bench.broadcasting PORT MESSAGES_A_SECOND BYTES
"""

import asyncio
import http
import sys
import time

import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.http11 import Request, Response


def _health(connection: ServerConnection, request: Request) -> Response | None:
    return connection.respond(http.HTTPStatus.OK, '{"status": "ok"}') if request.path == "/healthz" else None


async def _run(port: int, rate: float, size: int) -> None:
    everybody: set[ServerConnection] = set()

    async def keep(socket: ServerConnection) -> None:
        everybody.add(socket)
        try:
            await socket.wait_closed()
        finally:
            everybody.discard(socket)

    async with serve(keep, "127.0.0.1", port, compression=None, process_request=_health, backlog=2048):
        while True:
            await asyncio.sleep(1 / rate)
            sent = time.time()  # noqa: TID251  the benches' own clock
            broadcast(everybody, msgspec.json.encode({"data": {"sent": sent, "words": "x" * size}}).decode())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
