"""What the worker runs for real time: the relay, the boards, the days of `channel_events`."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from redis.asyncio import Redis

from kernel.db import Database
from realtime.api import boards
from realtime.channels import ChannelPolicy
from realtime.partitions import keep_partitions
from realtime.relay import Relay

_PARTITIONS_EVERY_S: Final = 3600

log = structlog.get_logger(__name__)


async def relay_events(db: Database, valkey: Redis) -> None:
    """Give events their positions and tell the hubs, until cancelled."""
    await Relay(db, valkey).run()


async def send_boards(db: Database, valkey: Redis, policies: Sequence[ChannelPolicy]) -> None:
    """Send what `publish_board` has noted, until cancelled."""
    await boards.run(db, valkey, {policy.prefix for policy in policies if policy.is_latest_value})


async def keep_channel_days(db: Database) -> None:
    """Make days ahead and drop old ones, until cancelled."""
    while True:
        dropped = await keep_partitions(db)
        if dropped:
            log.info("channel_days_dropped", partitions=dropped)
        await asyncio.sleep(_PARTITIONS_EVERY_S)
