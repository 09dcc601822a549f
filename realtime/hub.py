"""The hub of one web process: which sockets hear which channel, and nothing twice, nothing left out.

Each channel that somebody here hears has one position, and each subscription its own. A frame from Valkey that is the
next one goes to all live subscriptions; one that was seen is dropped; one that leaves a hole makes the hub fetch what
lies in between from PostgreSQL, where every published frame has been committed before. So has every frame that Valkey
lost: twice a second the hub compares its positions with the heads of the channels there.

A new subscription catches up by itself, reading what follows its own position until that has reached the channel's;
from then on it is live. Between that last comparison and becoming live nothing is awaited, so nothing slips through.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import structlog
from prometheus_client import Gauge
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, authenticate_caller, hash_token, live_token_hashes
from kernel import clock
from kernel.db import Database
from kernel.errors import Forbidden, GuanjiaError, TryAgain, Unauthenticated
from kernel.http import error_for_database
from kernel.ids import public_id
from realtime import queries
from realtime.channels import ChannelPolicy, by_prefix
from realtime.connection import Connection, Subscription
from realtime.errors import CLOSE_UNAUTHENTICATED, TooManySubscriptions
from realtime.frames import ME, PERSON, as_websocket, resync_frame, subscribed_frame, wire_name
from realtime.listener import Listener
from realtime.queries import PositionedFrame
from realtime.schemas import Subscribe

_REPLAY_CHUNK_FRAMES: Final = 100
_EARLY_FRAMES_MAX: Final = 2_000
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


class _Frame(NamedTuple):
    """A frame as it goes onto sockets."""

    position: int
    bytes: bytes


@dataclass(eq=False)
class _Channel:
    """A channel that somebody in this process hears."""

    name: str
    is_latest_value: bool
    opened: "asyncio.Future[None]"
    position: int = 0
    # The highest position that is known to exist; above `position` while a hole is being filled.
    known: int = 0
    is_filling: bool = False
    # Frames that came while a hole before them was being filled.
    early: "list[_Frame]" = field(default_factory=list)
    # The head as the last poll found it.
    head_polled: int = 0
    subscriptions: set[Subscription] = field(default_factory=set)
    # Who is about to subscribe: the channel stays open for them.
    expected: int = 0
    boards: dict[str, _Frame] = field(default_factory=dict)


class Hub:
    """One in each web process, at `app.state.hub`."""

    def __init__(
        self, db: Database, valkey: Redis, policies: Sequence[ChannelPolicy], limits: HubLimits | None = None
    ) -> None:
        self.limits = limits or HubLimits()
        self._db = db
        self._policies: Mapping[str, ChannelPolicy] = by_prefix(policies)
        self._listener = Listener(valkey, self._hear)
        self._channels: dict[str, _Channel] = {}
        self._connections: set[Connection] = set()
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

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
            for connection in list(self._connections):
                connection.protocol.cut(1012, "restarting")

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
        connection.token = token
        if connection.subscriptions:
            await self._recheck_subscriptions(connection)

    # ---- subscribing

    async def subscribe(self, connection: Connection, request: Subscribe) -> None:
        """Check, tell the position, replay what was missed, go live. Raises what the client is to be told."""
        name = self._absolute_name(connection, request.channel)
        if name in connection.subscriptions:
            await self.unsubscribe(connection, name)
        if len(connection.subscriptions) >= self.limits.subscriptions_max:
            raise TooManySubscriptions(retry_after_s=1)
        await self._require_may_hear(connection, name)
        channel = await self._open(name)
        subscription = Subscription(connection, name)
        channel.expected += 1
        try:
            await self._begin(channel, subscription, request.after)
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
        await self.unsubscribe(connection, self._absolute_name(connection, channel))

    def _absolute_name(self, connection: Connection, channel: str) -> str:
        """`me` becomes `person:<id>`; nobody may name a person's channel otherwise."""
        if connection.caller is None:
            raise Unauthenticated
        if channel != ME:
            if channel.partition(":")[0] in (PERSON, ME):
                raise Forbidden
            return channel
        if not isinstance(connection.caller, Principal):
            raise Forbidden
        return f"{PERSON}:{public_id('per', connection.caller.person_id)}"

    async def _require_may_hear(self, connection: Connection, name: str, session: AsyncSession | None = None) -> None:
        """Forbidden, unless the caller may hear the channel as things stand now."""
        prefix, _, identifier = name.partition(":")
        if prefix == PERSON:
            if name != self._absolute_name(connection, ME):
                raise Forbidden
            return
        policy = self._policies.get(prefix)
        if policy is None or connection.caller is None:
            raise Forbidden
        async with self._read() if session is None else nullcontext(session) as reading:
            if not await policy.may_hear(reading, connection.caller, identifier):
                raise Forbidden

    async def _begin(self, channel: _Channel, subscription: Subscription, after: int | None) -> None:
        """`subscribed`, what was missed since `after`, and the boards as they stand."""
        connection = subscription.connection
        start, missed, head = channel.position, list[PositionedFrame](), channel.position
        if after is not None and after != channel.position and not channel.is_latest_value:
            start = after
            async with self._read() as session:
                head = await queries.channel_position(session, channel.name)
                limit = self.limits.replay_frames_max + 1
                missed = (await queries.frames_after(session, {channel.name: after}, limit))[channel.name]
        if not connection.is_open:
            raise Unauthenticated
        connection.subscriptions[channel.name] = subscription
        channel.subscriptions.add(subscription)
        if channel.is_latest_value:
            self._begin_latest_value(channel, subscription)
            return
        is_whole = missed[0].position == start + 1 if missed else start == head
        if is_whole and len(missed) <= self.limits.replay_frames_max:
            subscription.position = start
            connection.send(subscribed_frame(channel.name, start))
            await self._replay(subscription, missed)
        else:
            subscription.position = head
            connection.send(subscribed_frame(channel.name, head))
            connection.send(resync_frame(channel.name, head))
        for board in channel.boards.values():
            connection.write(board.bytes)

    def _begin_latest_value(self, channel: _Channel, subscription: Subscription) -> None:
        """The last frame follows `subscribed` at once, where there is one."""
        last = max(channel.boards.values(), key=lambda frame: frame.position, default=None)
        subscription.position = last.position if last is not None else channel.position
        before = subscription.position - 1 if last is not None else subscription.position
        subscription.connection.send(subscribed_frame(channel.name, before))
        if last is not None:
            subscription.connection.write(last.bytes)
        subscription.is_live = True

    async def _catch_up(self, channel: _Channel, subscription: Subscription) -> None:
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

    async def _open(self, name: str) -> _Channel:
        """The channel with its position, heard in Valkey from before that position was read."""
        channel = self._channels.get(name)
        if channel is not None:
            channel.expected += 1
            try:
                await asyncio.shield(channel.opened)
            finally:
                channel.expected -= 1
            return channel
        policy = self._policies.get(name.partition(":")[0])
        is_latest_value = policy is not None and policy.is_latest_value
        channel = _Channel(name, is_latest_value, asyncio.get_running_loop().create_future(), expected=1)
        self._channels[name] = channel
        try:
            await self._listener.subscribe(name)
            async with self._read() as session:
                head = await queries.channel_position(session, name)
            for message in await self._listener.last_boards(name):
                board_type, frame = _board_of(message)
                channel.boards.setdefault(board_type, frame)
        except BaseException as error:
            del self._channels[name]
            # Whoever waits for it is told the same; nobody may be waiting.
            channel.opened.set_exception(error if isinstance(error, Exception) else TryAgain())
            channel.opened.exception()
            raise
        finally:
            channel.expected -= 1
        channel.position = max(channel.position, head)
        channel.opened.set_result(None)
        if channel.known > channel.position and not is_latest_value:
            # Frames that came while we were opening.
            self._fill_soon([channel])
        return channel

    async def _close_if_unheard(self, channel: _Channel) -> None:
        if channel.subscriptions or channel.expected or self._channels.get(channel.name) is not channel:
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
        """A message from Valkey: frames of one channel in order, or one board."""
        channel = self._channels.get(name)
        if channel is None:
            return
        if payload.startswith(b"b"):
            self._hear_board(channel, *_board_of(payload))
            return
        lines = [line.partition(b"\t") for line in payload.split(b"\n")]
        frames = [_Frame(int(position), as_websocket(text)) for position, _, text in lines]
        channel.known = max(channel.known, frames[-1].position)
        frames = [frame for frame in frames if frame.position > channel.position]
        if not frames or not channel.opened.done():
            return
        if channel.is_filling:
            if len(channel.early) < _EARLY_FRAMES_MAX:
                channel.early.extend(frames)
        elif frames[0].position == channel.position + 1:
            self._deliver(channel, frames)
        else:
            channel.early.extend(frames)
            self._fill_soon([channel])

    def _deliver(self, channel: _Channel, frames: Sequence[_Frame]) -> None:
        """The channel's next frames, without a hole, to all who are live: joined once, written to each."""
        joined = b"".join(frame.bytes for frame in frames)
        first, last = frames[0].position, frames[-1].position
        channel.position = last
        for subscription in list(channel.subscriptions):
            if not subscription.is_live or subscription.position >= last:
                continue
            if subscription.position == first - 1:
                subscription.connection.write(joined)
            else:
                rest = (frame.bytes for frame in frames if frame.position > subscription.position)
                subscription.connection.write(b"".join(rest))
            subscription.position = last

    def _hear_board(self, channel: _Channel, board_type: str, frame: _Frame) -> None:
        channel.boards[board_type] = frame
        if not channel.is_latest_value:
            for subscription in list(channel.subscriptions):
                subscription.connection.write(frame.bytes)
            return
        channel.position = max(channel.position, frame.position)
        for subscription in list(channel.subscriptions):
            if frame.position <= subscription.position:
                continue
            if frame.position > subscription.position + 1:
                subscription.connection.send(resync_frame(channel.name, frame.position - 1))
            subscription.connection.write(frame.bytes)
            subscription.position = frame.position

    # ---- holes

    def _fill_soon(self, channels: list[_Channel]) -> None:
        channels = [channel for channel in channels if not channel.is_filling]
        if not channels:
            return
        for channel in channels:
            channel.is_filling = True
        task = asyncio.create_task(self._fill(channels), name="hub fill")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fill(self, channels: list[_Channel]) -> None:
        """Fetch what lies between the channels' positions and what is known to exist."""
        try:
            behind = channels
            while behind := [channel for channel in behind if channel.position < channel.known]:
                async with self._read() as session:
                    positions = {channel.name: channel.position for channel in behind}
                    found = await queries.frames_after(session, positions, self.limits.replay_frames_max)
                for channel in behind:
                    self._deliver_fetched(channel, found[channel.name])
                    self._deliver_early(channel)
        except Exception:  # Found again by the next poll.
            log.exception("hub_could_not_fill")
        finally:
            for channel in channels:
                channel.is_filling = False
                channel.early.clear()

    def _deliver_fetched(self, channel: _Channel, fetched: Sequence[PositionedFrame]) -> None:
        if fetched and fetched[0].position == channel.position + 1:
            self._deliver(channel, [_Frame(frame.position, as_websocket(frame.text)) for frame in fetched])
            return
        # What was missed has been dropped with its day; whoever listens begins anew from here.
        channel.position = fetched[0].position - 1 if fetched else channel.known
        for subscription in list(channel.subscriptions):
            if subscription.is_live and subscription.position < channel.position:
                subscription.position = channel.position
                subscription.connection.send(resync_frame(channel.name, channel.position))

    def _deliver_early(self, channel: _Channel) -> None:
        """What came in the meantime and follows now without a hole."""
        fitting: list[_Frame] = []
        for frame in channel.early:
            if frame.position == channel.position + len(fitting) + 1:
                fitting.append(frame)
        channel.early = [frame for frame in channel.early if frame.position > channel.position + len(fitting)]
        if fitting:
            self._deliver(channel, fitting)

    async def _poll_for_ever(self) -> None:
        """Whatever Valkey did or did not tell: PostgreSQL knows how far each channel is."""
        while True:
            await asyncio.sleep(self.limits.poll_interval_s)
            try:
                await self.poll()
            except Exception:  # The hub outlives its database; it asks again in a second.
                log.warning("hub_could_not_poll", exc_info=True)

    async def poll(self) -> None:
        """Fetch for every channel what it lacks."""
        names = [name for name, channel in self._channels.items() if not channel.is_latest_value]
        if not names:
            return
        async with self._read() as session:
            heads = await queries.channel_positions(session, names)
        self._fill_soon([channel for name, head in heads.items() if (channel := self._behind(name, head))])

    def _behind(self, name: str, head: int) -> _Channel | None:
        """With Valkey, a channel lags behind its head for some milliseconds: only who still does at the next poll does."""
        channel = self._channels.get(name)
        if channel is None or not channel.opened.done():
            return None
        due = channel.head_polled if self._listener.is_up else head
        channel.head_polled = head
        if channel.position >= due:
            return None
        channel.known = max(channel.known, head)
        return channel

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
        signed_in = {connection: connection.token for connection in self._connections if connection.token is not None}
        hashes = {connection: hash_token(token) for connection, token in signed_in.items()}
        async with self._read() as session:
            live = await live_token_hashes(session, set(hashes.values()), clock.now())
        for connection, token_hash in hashes.items():
            if token_hash not in live:
                _end(connection)
            elif any(not name.startswith(f"{PERSON}:") for name in connection.subscriptions):
                await self._recheck_subscriptions(connection)

    async def _recheck_subscriptions(self, connection: Connection) -> None:
        """With roles read anew."""
        lost: list[str] = []
        async with self._read() as session:
            try:
                connection.caller = await authenticate_caller(session, connection.token or "")
            except Unauthenticated:
                _end(connection)
                return
            for name in list(connection.subscriptions):
                try:
                    await self._require_may_hear(connection, name, session)
                except Forbidden:
                    lost.append(name)
        for name in lost:
            await self.unsubscribe(connection, name)
            connection.refuse(Forbidden.code, wire_name(name))

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


def _board_of(message: bytes) -> tuple[str, _Frame]:
    position, board_type, text = message[1:].split(b"\t", 2)
    return board_type.decode(), _Frame(int(position), as_websocket(text))
