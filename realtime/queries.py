"""The SELECTs of real time: heads, what was missed, how far the relay is behind."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

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

_MISSED: Final = text("""
    SELECT wanted.number, wanted.channel, coalesce(h.position, 0) AS head,
           e.position, e.event_id, e.type, e.version, e.data, e.happened_at
    FROM unnest(CAST(:channels AS text[]), CAST(:positions AS bigint[])) WITH ORDINALITY
         AS wanted (channel, after, number)
    LEFT JOIN channel_heads h ON h.channel = wanted.channel
    LEFT JOIN LATERAL (
        SELECT * FROM channel_events c
        WHERE c.channel = wanted.channel AND c.position > wanted.after
        ORDER BY c.position LIMIT :limit
    ) e ON true
    ORDER BY wanted.number, e.position
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
        found[row.channel].append(_frame_of(row))
    return found


def _frame_of(row: Any) -> PositionedFrame:
    happened_at = clock.rfc3339(row.happened_at)
    frame = event_frame(row.channel, row.position, row.event_id, row.type, row.version, row.data.encode(), happened_at)
    return PositionedFrame(row.position, frame)


class Missed(NamedTuple):
    """A channel's last position, and what of it follows the position that somebody had seen."""

    head: int
    frames: list[PositionedFrame]


async def missed(session: AsyncSession, wanted: Sequence[tuple[str, int | None]], limit: int) -> list[Missed]:
    """For each (channel, position) in turn its head and at most `limit` later frames; none where no position is named."""
    rows = await session.execute(
        _MISSED,
        {"channels": [channel for channel, _ in wanted], "positions": [after for _, after in wanted], "limit": limit},
    )
    found = [Missed(0, []) for _ in wanted]
    for row in rows:
        number = row.number - 1
        found[number] = found[number]._replace(head=row.head)
        if row.position is not None:
            found[number].frames.append(_frame_of(row))
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
