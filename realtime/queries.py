"""The SELECTs of real time: heads, what was missed, how far the relay is behind."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from realtime.frames import event_frame
from realtime.models import ChannelEvent, ChannelHead


class PositionedFrame(NamedTuple):
    """A frame and its place in the channel."""

    position: int
    text: bytes


_AFTER: Final = text("""
    SELECT wanted.channel, e.position, e.event_id, e.type, e.version, e.data, e.happened_at
    FROM unnest(CAST(:channels AS text[]), CAST(:positions AS bigint[])) AS wanted (channel, position)
    CROSS JOIN LATERAL (
        SELECT * FROM channel_events c
        WHERE c.channel = wanted.channel AND c.position > wanted.position
        ORDER BY c.position LIMIT :limit
    ) e
    ORDER BY wanted.channel, e.position
""")

_OLDEST_UNRELAYED: Final = text("""
    SELECT min(waiting.recorded_at) FROM lanes
    LEFT JOIN relay_cursors c ON c.lane = lanes.lane
    CROSS JOIN LATERAL (
        SELECT recorded_at FROM outbox
        WHERE outbox.lane = lanes.lane AND outbox.n > coalesce(c.n, 0) ORDER BY n LIMIT 1
    ) waiting
""")


async def channel_position(session: AsyncSession, channel: str) -> int:
    """The last position of a channel. A snapshot reads this first and its data afterwards, then streams on from it."""
    return await session.scalar(select(ChannelHead.position).where(ChannelHead.channel == channel)) or 0


async def channel_positions(session: AsyncSession, channels: Sequence[str]) -> dict[str, int]:
    """The same for many; channels without an event are absent."""
    rows = await session.execute(
        text("SELECT channel, position FROM channel_heads WHERE channel = ANY(CAST(:channels AS text[]))"),
        {"channels": list(channels)},
    )
    return {row.channel: row.position for row in rows}


async def frames_after(
    session: AsyncSession, positions: Mapping[str, int], limit: int
) -> dict[str, list[PositionedFrame]]:
    """For each channel what follows its position, at most `limit` frames each, in order."""
    rows = await session.execute(
        _AFTER, {"channels": list(positions), "positions": list(positions.values()), "limit": limit}
    )
    found: dict[str, list[PositionedFrame]] = {channel: [] for channel in positions}
    for row in rows:
        happened_at = clock.rfc3339(row.happened_at)
        frame = event_frame(
            row.channel, row.position, row.event_id, row.type, row.version, row.data.encode(), happened_at
        )
        found[row.channel].append(PositionedFrame(row.position, frame))
    return found


async def deliveries_of(
    session: AsyncSession, channels: Sequence[str], event_ids: Sequence[str]
) -> dict[tuple[str, str], int]:
    """Positions by (event id, channel) of those events that these channels have heard and still keep."""
    rows = await session.execute(
        select(ChannelEvent.event_id, ChannelEvent.channel, ChannelEvent.position).where(
            ChannelEvent.channel.in_(channels), ChannelEvent.event_id.in_(event_ids)
        )
    )
    return {(row.event_id, row.channel): row.position for row in rows}


async def relay_lag_s(session: AsyncSession) -> float:
    """For how long the oldest event that the relay has not stamped has been waiting; 0.0 when there is none."""
    oldest: datetime | None = await session.scalar(_OLDEST_UNRELAYED)
    return max(0.0, (clock.now() - oldest).total_seconds()) if oldest is not None else 0.0
