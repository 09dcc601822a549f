"""One socket in the hub: who is behind it, what it hears, and writing to it."""

from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import Counter

from realtime.channels import Caller
from realtime.errors import CLOSE_SLOW_READER
from realtime.frames import as_websocket, error_frame
from realtime.protocol import HubProtocol

log = structlog.get_logger(__name__)
_cut = Counter("guanjia_sockets_cut_total", "Sockets that were cut because they read too slowly")
_DRAIN_ABOVE_BYTES: Final = 64 * 1024


@dataclass(eq=False)
class Connection:
    """One open socket."""

    protocol: HubProtocol
    buffer_bytes_max: int
    slow_after_s: float
    token: str | None = None
    token_hash: bytes | None = None
    caller: Caller | None = None
    subscriptions: dict[str, "Subscription"] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.protocol.is_open

    def send(self, text: bytes) -> None:
        """One frame."""
        self.write(as_websocket(text))

    def refuse(self, code: str, channel: str | None = None) -> None:
        """Say that something was not done."""
        self.send(error_frame(code, channel))

    def write(self, frames: bytes) -> None:
        """Finished frames, at once. A reader that lets too much pile up is cut; nobody waits for it."""
        self.protocol.write_frames(frames)
        if self.protocol.buffered_bytes > self.buffer_bytes_max:
            self.cut_as_slow()

    def cut_as_slow(self) -> None:
        if self.is_open:
            _cut.inc()
            log.info("slow_reader_cut", buffered_bytes=self.protocol.buffered_bytes)
            self.protocol.cut(CLOSE_SLOW_READER, "reading too slowly")

    async def has_room(self) -> bool:
        """Between the pieces of a long replay: wait for the reader, but not for ever. False when it is gone."""
        if self.protocol.buffered_bytes > _DRAIN_ABOVE_BYTES and not await self.protocol.drained(self.slow_after_s):
            self.cut_as_slow()
        return self.is_open


@dataclass(eq=False)
class Subscription:
    """One channel as one socket hears it. `position` is the last one written to it.

    While it is not live it is catching up by itself, and the channel's new frames pass it by.
    """

    connection: Connection
    channel: str
    position: int = 0
    is_live: bool = False
    is_cancelled: bool = False
