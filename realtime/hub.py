"""The hub of one web process: which sockets hear which channel, and nothing twice, nothing left out.

Each channel that somebody here hears has one position (`open_channel.py`), and each subscription its own. What Valkey
tells goes to those who are live. What it does not tell, the hub fetches from PostgreSQL, where every published frame has
been committed before: the holes that a channel finds, and whatever the heads of the channels there show to be missing.

A new subscription catches up by itself, reading what follows its own position until that has reached the channel's;
from then on it is live. Between that last comparison and becoming live nothing is awaited, so nothing slips through.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import Gauge
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import authenticate_caller, hash_token, live_token_hashes
from kernel import clock
from kernel.db import Database
from kernel.errors import Forbidden, GuanjiaError, TryAgain, Unauthenticated
from kernel.http import error_for_database
from realtime import queries
from realtime.catching_up import CatchingUp
from realtime.channels import Caller, ChannelPolicy
from realtime.connection import Connection, Subscription
from realtime.errors import CLOSE_UNAUTHENTICATED, TooManySubscriptions
from realtime.frames import ME, as_websocket, resync_frame, subscribed_frame, wire_name
from realtime.listener import Listener
from realtime.open_channel import OpenChannel, board_of
from realtime.queries import Missed, PositionedFrame
from realtime.rights import Rights, absolute_name
from realtime.schemas import Subscribe

_REPLAY_CHUNK_FRAMES: Final = 100
# Channels whose heads one poll asks for: ten thousand at once would hold up those who are waiting for a payment.
_POLLED_AT_ONCE: Final = 2_000
# Database reads of all sockets together: the rest of the pool is for people at the counter.
_READS_AT_ONCE: Final = 3

log = structlog.get_logger(__name__)
_sockets = Gauge("guanjia_sockets", "Open sockets", multiprocess_mode="livesum")


@dataclass(frozen=True)
class HubLimits:
    """How patient the hub is. Tests are less so."""

    auth_deadline_s: float = 10.0
    subscriptions_max: int = 50
    message_bytes_max: int = 4096
    buffer_bytes_max: int = 1024 * 1024
    slow_after_s: float = 10.0
    replay_frames_max: int = 1000
    poll_interval_s: float = 0.5
    recheck_interval_s: float = 2.0


class Hub:
    """One in each web process, at `app.state.hub`."""

    def __init__(
        self, db: Database, valkey: Redis, policies: Sequence[ChannelPolicy], limits: HubLimits | None = None
    ) -> None:
        self.limits = limits or HubLimits()
        self._db = db
        self._rights = Rights(policies)
        self._listener = Listener(valkey, self._hear)
        self._channels: dict[str, OpenChannel] = {}
        self._connections: set[Connection] = set()
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self._catching_up = CatchingUp(self._read, self.limits.replay_frames_max)
        self._tasks: set[asyncio.Task[None]] = set()
        self._poll_turn = 0
        self._losses = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Hub"]:
        """The hub with its loops; closes its sockets at the end."""
        loops = [
            asyncio.create_task(self._listener.run(self._names_of_open_channels), name="hub listener"),
            asyncio.create_task(self._poll_for_ever(), name="hub poll"),
            asyncio.create_task(self._recheck_for_ever(), name="hub recheck"),
        ]
        try:
            yield self
        finally:
            for task in [*loops, *self._tasks]:
                task.cancel()
            await asyncio.gather(*loops, *self._tasks, return_exceptions=True)
            await self._catching_up.close()
            for connection in list(self._connections):
                connection.protocol.cut(1012, "restarting")

    async def listening(self) -> None:
        """Wait until Valkey can be heard: what was published before comes from PostgreSQL, and later."""
        await self._listener.listening()

    # ---- sockets

    def add(self, connection: Connection) -> None:
        self._connections.add(connection)
        _sockets.inc()

    async def remove(self, connection: Connection) -> None:
        """A socket has gone."""
        if connection in self._connections:
            self._connections.discard(connection)
            _sockets.dec()
        for name in list(connection.subscriptions):
            await self.unsubscribe(connection, name)

    async def sign_in(self, connection: Connection, token: str) -> None:
        """Let the socket speak for a person or a till. Unauthenticated where the token is no good."""
        async with self._read() as session:
            connection.caller = await authenticate_caller(session, token)
        connection.token, connection.token_hash = token, hash_token(token)
        if connection.subscriptions:
            await self._recheck_subscriptions([connection])

    # ---- subscribing

    async def subscribe(self, connection: Connection, request: Subscribe) -> None:
        """Check, tell the position, replay what was missed, go live. Raises what the client is to be told."""
        name = absolute_name(connection.caller, request.channel)
        if name in connection.subscriptions:
            await self.unsubscribe(connection, name)
        if len(connection.subscriptions) >= self.limits.subscriptions_max:
            raise TooManySubscriptions(retry_after_s=1)
        if self._rights.is_in_question(name):
            async with self._read() as session:
                await self._rights.require_may_hear(session, connection.caller, name)
        channel, missed = await self._open(name, request.after)
        subscription = Subscription(connection, name)
        channel.expected += 1
        try:
            await self._begin(channel, subscription, request.after, missed)
            await self._catch_up(channel, subscription)
        except BaseException:
            connection.subscriptions.pop(name, None)
            channel.subscriptions.discard(subscription)
            raise
        finally:
            channel.expected -= 1
            await self._close_if_unheard(channel)

    async def unsubscribe(self, connection: Connection, name: str) -> None:
        """Stop hearing a channel; unknown ones are no matter."""
        subscription = connection.subscriptions.pop(name, None)
        if subscription is None:
            return
        subscription.is_cancelled = True
        channel = self._channels.get(name)
        if channel is not None:
            channel.subscriptions.discard(subscription)
            await self._close_if_unheard(channel)

    async def unsubscribe_by_wire_name(self, connection: Connection, channel: str) -> None:
        await self.unsubscribe(connection, absolute_name(connection.caller, channel))

    async def _begin(
        self, channel: OpenChannel, subscription: Subscription, after: int | None, missed: Missed | None
    ) -> None:
        """`subscribed`, what was missed since `after`, and the boards as they stand."""
        connection = subscription.connection
        start, head, frames = channel.position, channel.position, list[PositionedFrame]()
        if after is not None and after != channel.position and not channel.is_latest_value:
            start = after
            head, frames = missed or await self._catching_up.missed(channel.name, after)
        if not connection.is_open:
            raise Unauthenticated
        connection.subscriptions[channel.name] = subscription
        channel.subscriptions.add(subscription)
        if channel.is_latest_value:
            channel.begin_latest_value(subscription)
            return
        is_whole = frames[0].position == start + 1 if frames else start == head
        if is_whole and len(frames) <= self.limits.replay_frames_max:
            subscription.position = start
            connection.send(subscribed_frame(channel.name, start))
            await self._replay(subscription, frames)
        else:
            subscription.position = head
            connection.send(subscribed_frame(channel.name, head))
            connection.send(resync_frame(channel.name, head))
        for board in channel.boards.values():
            connection.write(board.bytes)

    async def _catch_up(self, channel: OpenChannel, subscription: Subscription) -> None:
        """Read on until nothing is missing between this subscription and the channel."""
        while not subscription.is_cancelled and subscription.connection.is_open and not subscription.is_live:
            if subscription.position >= channel.position:
                subscription.is_live = True
                return
            async with self._read() as session:
                found = await queries.frames_after(
                    session, {channel.name: subscription.position}, self.limits.replay_frames_max
                )
            frames = found[channel.name]
            if frames and frames[0].position == subscription.position + 1:
                await self._replay(subscription, frames)
            else:
                subscription.position = max(channel.position, subscription.position)
                subscription.connection.send(resync_frame(channel.name, subscription.position))

    async def _replay(self, subscription: Subscription, frames: Sequence[PositionedFrame]) -> None:
        """In pieces that the reader has time to take."""
        for start in range(0, len(frames), _REPLAY_CHUNK_FRAMES):
            chunk = frames[start : start + _REPLAY_CHUNK_FRAMES]
            if subscription.is_cancelled or not await subscription.connection.has_room():
                return
            subscription.connection.write(b"".join(as_websocket(frame.text) for frame in chunk))
            subscription.position = chunk[-1].position

    # ---- channels

    async def _open(self, name: str, after: int | None) -> tuple[OpenChannel, Missed | None]:
        """The channel with its position, heard in Valkey from before that position was read; and with it, for who
        opens it, what follows `after`."""
        channel = self._channels.get(name)
        if channel is not None:
            channel.expected += 1
            try:
                await asyncio.shield(channel.opened)
            finally:
                channel.expected -= 1
            return channel, None
        is_latest_value = self._rights.is_latest_value(name)
        channel = OpenChannel(name, is_latest_value, asyncio.get_running_loop().create_future(), expected=1)
        self._channels[name] = channel
        try:
            await self._listener.subscribe(name)
            missed = await self._catching_up.missed(name, None if is_latest_value else after)
            if self._rights.is_in_question(name):  # A person's own channel has no boards.
                for message in await self._listener.last_boards(name):
                    board_type, frame = board_of(message)
                    channel.boards.setdefault(board_type, frame)
        except BaseException as error:
            del self._channels[name]
            # Whoever waits for it is told the same; nobody may be waiting.
            channel.opened.set_exception(error if isinstance(error, Exception) else TryAgain())
            channel.opened.exception()
            raise
        finally:
            channel.expected -= 1
        channel.position = max(channel.position, missed.head)
        channel.opened.set_result(None)
        if channel.known > channel.position and not is_latest_value:
            # Frames that came while we were opening.
            self._fill_soon([channel])
        return channel, missed

    async def _close_if_unheard(self, channel: OpenChannel) -> None:
        if channel.is_heard or self._channels.get(channel.name) is not channel:
            return
        del self._channels[channel.name]
        await self._listener.unsubscribe(channel.name)
        if channel.name in self._channels:
            # Opened anew while we were saying good-bye: the later word must be the subscription.
            await self._listener.subscribe(channel.name)

    def _names_of_open_channels(self) -> Iterable[str]:
        return list(self._channels)

    # ---- frames

    def _hear(self, name: str, payload: bytes) -> None:
        channel = self._channels.get(name)
        if channel is not None and not channel.hear(payload):
            self._fill_soon([channel])

    # ---- holes

    def _fill_soon(self, channels: list[OpenChannel]) -> None:
        channels = [channel for channel in channels if not channel.is_filling]
        if not channels:
            return
        for channel in channels:
            channel.is_filling = True
        task = asyncio.create_task(self._fill(channels), name="hub fill")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fill(self, channels: list[OpenChannel]) -> None:
        """Fetch what lies between the channels' positions and what is known to exist."""
        try:
            behind = channels
            while behind := [channel for channel in behind if channel.position < channel.known]:
                async with self._read() as session:
                    positions = {channel.name: channel.position for channel in behind}
                    found = await queries.frames_after(session, positions, self.limits.replay_frames_max)
                for channel in behind:
                    channel.deliver_fetched(found[channel.name])
        except Exception:  # Found again by the next poll.
            log.exception("hub_could_not_fill")
        finally:
            for channel in channels:
                channel.is_filling = False
                channel.early.clear()

    async def _poll_for_ever(self) -> None:
        """Whatever Valkey did or did not tell: PostgreSQL knows how far each channel is."""
        while True:
            await asyncio.sleep(self.limits.poll_interval_s)
            try:
                await self.poll()
            except Exception:  # The hub outlives its database; it asks again in a second.
                log.warning("hub_could_not_poll", exc_info=True)

    async def poll(self) -> None:
        """Fetch for channels what they lack: for all of them without Valkey, and with it for some after the others."""
        losses = self._listener.losses
        is_deaf = not self._listener.is_up or self._losses != losses
        names = [name for name, channel in self._channels.items() if not channel.is_latest_value]
        if not is_deaf and len(names) > _POLLED_AT_ONCE:
            turns = -(-len(names) // _POLLED_AT_ONCE)
            self._poll_turn = (self._poll_turn + 1) % turns
            names = names[self._poll_turn :: turns]
        if not names:
            return
        async with self._read() as session:
            heads = await queries.channel_positions(session, names)
        self._losses = losses
        behind = [
            channel
            for name, head in heads.items()
            if (channel := self._channels.get(name)) and channel.lacks_at(head, at_once=is_deaf)
        ]
        self._fill_soon(behind)

    # ---- rights, again and again

    async def _recheck_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.limits.recheck_interval_s)
            try:
                await self.recheck()
            except Exception:  # As above.
                log.warning("hub_could_not_recheck", exc_info=True)

    async def recheck(self) -> None:
        """Cut sockets whose sign-in has ended, and end subscriptions that are not allowed any more."""
        signed_in: dict[bytes, list[Connection]] = {}
        for connection in self._connections:
            if connection.token_hash is not None:
                signed_in.setdefault(connection.token_hash, []).append(connection)
        async with self._read() as session:
            live = await live_token_hashes(session, set(signed_in), clock.now())
        for token_hash, connections in signed_in.items():
            if token_hash not in live:
                for connection in connections:
                    _end(connection)
            elif any(self._rights.is_in_question(name) for each in connections for name in each.subscriptions):
                await self._recheck_subscriptions(connections)

    async def _recheck_subscriptions(self, connections: Sequence[Connection]) -> None:
        """Of one sign-in, with its roles read anew; each channel is asked for once, however many pages are open."""
        lost: set[str] = set()
        async with self._read() as session:
            try:
                caller = await authenticate_caller(session, connections[0].token or "")
            except Unauthenticated:
                for connection in connections:
                    _end(connection)
                return
            for name in {name for connection in connections for name in connection.subscriptions}:
                try:
                    await self._require_still_may_hear(session, caller, name)
                except Forbidden:
                    lost.add(name)
        for connection in connections:
            connection.caller = caller
            for name in lost & connection.subscriptions.keys():
                await self.unsubscribe(connection, name)
                connection.refuse(Forbidden.code, wire_name(name))

    async def _require_still_may_hear(self, session: AsyncSession, caller: Caller, name: str) -> None:
        if self._rights.is_in_question(name):
            await self._rights.require_may_hear(session, caller, name)
        elif name != absolute_name(caller, ME):
            raise Forbidden

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncSession]:
        """A short transaction; what goes wrong with the database is TryAgain."""
        try:
            async with self._reads, self._db.session() as session:
                yield session
        except GuanjiaError:
            raise
        except Exception as error:
            known = error_for_database(error)
            if known is None:
                raise
            raise known from error


def _end(connection: Connection) -> None:
    connection.refuse(Unauthenticated.code)
    connection.protocol.cut(CLOSE_UNAUTHENTICATED, "signed out")
