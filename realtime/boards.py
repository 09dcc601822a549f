"""Boards: the latest value of something, at most four frames a second for each channel.

Figures change with every payment; a screen needs only the last one. `publish_board` notes the value and returns; the
worker's loop sends what has changed, and keeps the last frame of each board in Valkey for who comes later. With Valkey
down a board is stale, and nothing else.

Beside events (`canteen:<id>`) a board has no position. On a channel of latest values only (`region:<id>`) a frame is an
event with a position of its own, and one channel carries one type of board.
"""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from kernel.valkey import publish_many
from realtime.frames import board_frame, latest_value_frame

VALKEY_BOARD_PREFIX: Final = "rt:board:"
VALKEY_CHANNEL_PREFIX: Final = "rt:"
FRAME_INTERVAL_S: Final = 0.25
_TICK_S: Final = 0.05

log = structlog.get_logger(__name__)

_NEXT_POSITION: Final = text("""
    INSERT INTO channel_heads AS h (channel, position) VALUES (:channel, 1)
    ON CONFLICT (channel) DO UPDATE SET position = h.position + 1 RETURNING position
""")


class _Value(NamedTuple):
    data: bytes
    happened_at: str


@dataclass
class _Board:
    """What waits to be sent on one channel, oldest type first."""

    waiting: dict[str, _Value] = field(default_factory=dict)
    sent_at: float = float("-inf")


class Boards:
    """The worker's boards."""

    def __init__(self) -> None:
        self._boards: dict[str, _Board] = {}

    def publish_board(self, channel: str, board_type: str, data: dict[str, Any]) -> None:
        """Let this be the board's value; a value that has not been sent yet is forgotten."""
        value = _Value(msgspec.json.encode(data), clock.rfc3339(clock.now()))
        self._boards.setdefault(channel, _Board()).waiting[board_type] = value

    async def run(self, db: Database, valkey: Redis, latest_value_prefixes: Collection[str]) -> None:
        """Send what has changed, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            for channel, board in list(self._boards.items()):
                if time.monotonic() - board.sent_at >= FRAME_INTERVAL_S:
                    await self._send_next(db, valkey, channel, board, latest_value_prefixes)

    async def _send_next(
        self, db: Database, valkey: Redis, channel: str, board: _Board, latest_value_prefixes: Collection[str]
    ) -> None:
        if not board.waiting:
            del self._boards[channel]
            return
        board_type = next(iter(board.waiting))
        value = board.waiting.pop(board_type)
        board.sent_at = time.monotonic()
        try:
            if channel.partition(":")[0] in latest_value_prefixes:
                position = await take_position(db, channel)
                frame = latest_value_frame(channel, position, board_type, *value)
            else:
                position = 0
                frame = board_frame(channel, board_type, *value)
            await _send(valkey, channel, board_type, b"b%d\t%b\t%b" % (position, board_type.encode(), frame))
        except (RedisError, OSError, TimeoutError) as error:
            # Sent again with the next tick, unless a newer value has come.
            board.waiting.setdefault(board_type, value)
            log.warning("board_not_sent", channel=channel, error=type(error).__name__)


async def take_position(db: Database, channel: str) -> int:
    """The next position of a channel of latest values; only boards give positions there."""
    async with db.session() as session:
        return int((await session.execute(_NEXT_POSITION, {"channel": channel})).scalar_one())


async def _send(valkey: Redis, channel: str, board_type: str, message: bytes) -> None:
    async with asyncio.timeout(1):
        # Kept first, then told: who subscribes in between hears it twice rather than not at all.
        await valkey.hset(VALKEY_BOARD_PREFIX + channel, board_type, message)
        await publish_many(valkey, [(VALKEY_CHANNEL_PREFIX + channel, message)])
