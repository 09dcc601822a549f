"""The hub's ear: one connection to Valkey, subscribed to the channels that somebody in this process hears.

What it may miss (a reconnect, a restart of Valkey) is not its concern: the hub finds it in PostgreSQL.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from realtime.boards import VALKEY_BOARD_PREFIX, VALKEY_CHANNEL_PREFIX

_CONFIRM_TIMEOUT_S: Final = 0.5
_RECONNECT_PAUSE_S: Final = 0.1

log = structlog.get_logger(__name__)


class Listener:
    """`on_message(channel, payload)` is called for each message, in order."""

    def __init__(self, valkey: Redis | RedisCluster, on_message: Callable[[str, bytes], None]) -> None:
        self._valkey = valkey
        self._on_message = on_message
        self._pubsub: PubSub | None = None
        self._confirmations: dict[str, asyncio.Future[None]] = {}
        self._up = asyncio.Event()
        # How often the connection was lost: whatever was published meanwhile has not been heard.
        self.losses = 0

    @property
    def is_up(self) -> bool:
        """Whether Valkey is being heard."""
        return self._up.is_set()

    async def listening(self) -> None:
        """Wait until it is."""
        await self._up.wait()

    async def run(self, wanted: Callable[[], Iterable[str]]) -> None:
        """Listen until cancelled; after a loss subscribe again to whatever is wanted then."""
        while True:
            try:
                async with await self._open() as self._pubsub:
                    # One name of our own, so that there is a connection to lose before anybody subscribes.
                    known = {VALKEY_CHANNEL_PREFIX, *_names(wanted())}
                    await self._pubsub.subscribe(*known)
                    self._up.set()
                    if opened_meanwhile := _names(wanted()) - known:
                        await self._pubsub.subscribe(*opened_meanwhile)
                    await self._listen(self._pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                if self.is_up:
                    log.warning("hub_lost_valkey", error=type(error).__name__)
            finally:
                self.losses += self.is_up
                self._up.clear()
                self._pubsub = None
            await asyncio.sleep(_RECONNECT_PAUSE_S)

    async def _open(self) -> PubSub:
        """In a cluster any node hears everything: a new one each time, so that a node that is gone is not asked again."""
        await self._valkey.initialize()
        client: Redis | RedisCluster = self._valkey
        if isinstance(client, RedisCluster):
            return client.pubsub(node=client.get_random_node())
        return client.pubsub()

    async def _listen(self, pubsub: PubSub) -> None:
        while True:
            message = await pubsub.get_message(timeout=5)
            if message is None:
                # Silence: is anybody still there?
                await pubsub.ping()
                continue
            channel = message["channel"].decode() if message["channel"] else ""
            channel = channel.removeprefix(VALKEY_CHANNEL_PREFIX)
            if message["type"] == "message":
                self._on_message(channel, message["data"])
            elif message["type"] == "subscribe" and channel in self._confirmations:
                self._confirmations.pop(channel).set_result(None)

    async def subscribe(self, channel: str) -> None:
        """Begin to hear a channel, and wait until Valkey says so; without Valkey, at once."""
        if self._pubsub is None or not self.is_up:
            return
        confirmed = self._confirmations[channel] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_CONFIRM_TIMEOUT_S):
                await self._pubsub.subscribe(VALKEY_CHANNEL_PREFIX + channel)
                await confirmed
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("hub_could_not_subscribe", channel=channel, error=type(error).__name__)
        finally:
            self._confirmations.pop(channel, None)

    async def unsubscribe(self, channel: str) -> None:
        """Hear it no more."""
        if self._pubsub is None or not self.is_up:
            return
        try:
            async with asyncio.timeout(_CONFIRM_TIMEOUT_S):
                await self._pubsub.unsubscribe(VALKEY_CHANNEL_PREFIX + channel)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("hub_could_not_unsubscribe", channel=channel, error=type(error).__name__)

    async def last_boards(self, channel: str) -> list[bytes]:
        """The last message of each board of a channel; none without Valkey."""
        if not self.is_up:
            return []
        try:
            async with asyncio.timeout(_CONFIRM_TIMEOUT_S):
                kept = await self._valkey.hvals(VALKEY_BOARD_PREFIX + channel)
        except (RedisError, OSError, TimeoutError):
            return []
        return [message for message in kept if isinstance(message, bytes)]


def _names(channels: Iterable[str]) -> set[str]:
    return {VALKEY_CHANNEL_PREFIX + channel for channel in channels}
