"""`guanjia web`: one web process."""

import asyncio
import signal
import socket

import uvicorn

from app.gate import wait_at_gate
from app.listening import BACKLOG, allow_open_files, open_listening_sockets
from app.memory import settle_memory
from app.payments_protocol import PaymentsProtocol
from app.production import refuse_weak_settings
from kernel.logging import configure_logging
from kernel.request_ids import current_request_id
from kernel.settings import Settings
from realtime.protocol import HubProtocol

# Longer than the proxy's own, so that it is never we who hang up on it in the moment it sends.
KEEP_ALIVE_S = 75
STOP_TIMEOUT_S = 5
WEBSOCKET_MESSAGE_BYTES_MAX = 64 * 1024


class _Server(uvicorn.Server):
    """uvicorn, settled before the first request."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind and begin; then settle."""
        await super().startup(sockets)
        settle_memory()


def serve(settings: Settings, *, fd: int | None) -> int:
    """Serve until SIGTERM, on the supervisor's socket or on one of our own. Returns the exit status."""
    refuse_weak_settings(settings)
    allow_open_files()  # Each page that listens is one.
    configure_logging(process="web", as_json=settings.log_json, request_id=current_request_id)
    listener = (
        socket.socket(fileno=fd) if fd is not None else open_listening_sockets(settings.host, settings.port, 1)[0]
    )
    server = _Server(
        uvicorn.Config(
            "app.main:create_served_app",
            factory=True,
            loop="uvloop",
            http=PaymentsProtocol,
            ws=HubProtocol,
            ws_max_size=WEBSOCKET_MESSAGE_BYTES_MAX,
            ws_ping_interval=20,
            ws_ping_timeout=20,
            ws_per_message_deflate=False,  # Small messages to many: compressing each costs more than it saves.
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
            ssl_certfile=settings.tls_pem,
            proxy_headers=False,  # Not on a till's way: app/main.py puts it behind the payments.
        )
    )
    server.config.load()  # Imports everything, which takes a while: before the gate.
    wait_at_gate()
    # uvicorn ends in order and then raises the signal a second time; being told to stop is no failure.
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop_signal, lambda *_: None)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))
    return 0 if server.started else 1
