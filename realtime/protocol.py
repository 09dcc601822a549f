"""The server's side of one WebSocket, with a door to its transport.

uvicorn's own way of sending waits for each socket in turn, so one slow reader delays all that stand behind it. Here a
finished frame is written straight to the transport, and what piles up there is watched: over the limit the socket is
cut with a code, and resumes when it has caught its breath.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

SOCKET_EXTENSION: Final = "guanjia.socket"
# What a reader that was cut still has to read its last frames and the close code in.
_CUT_GRACE_S: Final = 5.0


class HubProtocol(WebSocketsSansIOProtocol):
    """Give it to uvicorn as `ws=`; the hub finds it in the ASGI scope's extensions."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        # The application's task has been made but has not run yet.
        if self.response.status_code == 101:
            extensions: Any = self.scope["extensions"]
            extensions[SOCKET_EXTENSION] = self

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        # A peer that is gone will not take the rest of the buffer either.
        self.loop.call_later(_CUT_GRACE_S, self.transport.abort)

    @property
    def is_open(self) -> bool:
        return self.handshake_complete and not self.close_sent and not self.transport.is_closing()

    @property
    def buffered_bytes(self) -> int:
        """What has been written and the peer's side has not taken yet."""
        return self.transport.get_write_buffer_size()

    def write_frames(self, frames: bytes) -> None:
        """Write finished WebSocket frames; never waits."""
        if self.is_open:
            self.transport.write(frames)

    async def drained(self, timeout_s: float) -> bool:
        """Wait until the peer has taken most of what was written; False when it did not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.writable.wait()
        except TimeoutError:
            return False
        return self.is_open

    def cut(self, code: int, reason: str) -> None:
        """Close now: what is buffered may still leave, for a moment."""
        if not self.is_open:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_CUT_GRACE_S, self.transport.abort)
