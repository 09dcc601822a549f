"""The switchboard of one web process: signals from one who talks in a call to the others who do.

A page says `talk` to take part, and `signal` to pass something on. Who may is asked anew for each signal, under the
call as it stands, and travels with it: the processes that hear it hand it to these people's sockets only. Nothing is
kept and nothing is positioned; browsers that miss a signal try again by themselves.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel.db import Database
from kernel.errors import Forbidden
from kernel.ids import public_id
from kernel.tasks import end_tasks
from realtime.audio.errors import AudioUnavailable, TooManySignals
from realtime.boards import VALKEY_CHANNEL_PREFIX
from realtime.connection import Connection
from realtime.listener import Listener
from realtime.schemas import Signal, Signalled, Talk, Talking

# Who may talk in the call of this public id, as it stands; nobody for a call that is over or does not exist.
Talkers = Callable[[AsyncSession, str], Awaitable[frozenset[UUID]]]

SIGNAL_PREFIX: Final = "signal:"
_PUBLISH_TIMEOUT_S: Final = 1.0
_WINDOW_S: Final = 10.0
# Two browsers need some dozens: an offer, an answer, and their candidates.
_SIGNALS_PER_WINDOW_MAX: Final = 200

log = structlog.get_logger(__name__)


class _Envelope(msgspec.Struct):
    """A signal between processes: for whom, from which page and to which (null: all), and the frame as they read it."""

    talkers: list[str]
    sender: str
    to: str | None
    frame: msgspec.Raw


class Switchboard:
    """One in each web process, at `app.state.switchboard`. `lines` says for each kind of channel who may talk."""

    def __init__(self, db: Database, valkey: Redis, lines: Mapping[str, Talkers]) -> None:
        self._db = db
        self._valkey = valkey
        self._talkers_of = lines
        self._listener = Listener(valkey, self._hear)
        # For each channel the sockets that take part, with the name each page has given itself.
        self._lines: dict[str, dict[Connection, str]] = {}
        self._budgets: dict[Connection, tuple[float, int]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Switchboard"]:
        """The switchboard with its ear."""
        listening = asyncio.create_task(self._listener.run(self._names), name="switchboard")
        try:
            yield self
        finally:
            await end_tasks(listening)

    async def join(self, connection: Connection, talk: Talk) -> None:
        """Take part in a call's signals. Forbidden for whoever does not talk in it."""
        await self._require_talkers(connection, talk.channel)
        is_first = talk.channel not in self._lines
        self._lines.setdefault(talk.channel, {})[connection] = talk.peer
        if is_first:
            await self._listener.subscribe(SIGNAL_PREFIX + talk.channel)
        connection.send(msgspec.json.encode(Talking(channel=talk.channel)))

    async def pass_on(self, connection: Connection, signal: Signal) -> None:
        """To all other pages of those who talk in the call, in every process."""
        peer = self._lines.get(signal.channel, {}).get(connection)
        if peer is None:
            raise Forbidden
        self._spend(connection)
        talkers = await self._require_talkers(connection, signal.channel)
        heard = Signalled(channel=signal.channel, sender=_person_of(connection), peer=peer, data=signal.data)
        frame = msgspec.Raw(msgspec.json.encode(heard))
        envelope = _Envelope([public_id("per", talker) for talker in talkers], peer, signal.to, frame)
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                name = VALKEY_CHANNEL_PREFIX + SIGNAL_PREFIX + signal.channel
                await self._valkey.publish(name, msgspec.json.encode(envelope))
        except (RedisError, OSError, TimeoutError) as error:
            raise AudioUnavailable from error

    async def leave(self, connection: Connection) -> None:
        """A socket has gone, from all its calls."""
        self._budgets.pop(connection, None)
        for channel in [channel for channel, line in self._lines.items() if connection in line]:
            del self._lines[channel][connection]
            if not self._lines[channel]:
                del self._lines[channel]
                await self._listener.unsubscribe(SIGNAL_PREFIX + channel)

    async def _require_talkers(self, connection: Connection, channel: str) -> frozenset[UUID]:
        """All who talk in the call; Forbidden unless this is one of them."""
        prefix, _, identifier = channel.partition(":")
        talkers_of = self._talkers_of.get(prefix)
        if talkers_of is None or not isinstance(connection.caller, Principal):
            raise Forbidden
        async with self._db.session() as session:
            talkers = await talkers_of(session, identifier)
        if connection.caller.person_id not in talkers:
            raise Forbidden
        return talkers

    def _spend(self, connection: Connection) -> None:
        began, count = self._budgets.get(connection, (0.0, 0))
        now = time.monotonic()
        if now - began > _WINDOW_S:
            began, count = now, 0
        if count >= _SIGNALS_PER_WINDOW_MAX:
            raise TooManySignals(retry_after_s=int(_WINDOW_S))
        self._budgets[connection] = (began, count + 1)

    def _hear(self, name: str, payload: bytes) -> None:
        """A signal from any process: to the sockets of its talkers, but for the page that sent it."""
        channel = name.removeprefix(SIGNAL_PREFIX)
        envelope = msgspec.json.decode(payload, type=_Envelope)
        for connection, peer in list(self._lines.get(channel, {}).items()):
            is_meant = peer != envelope.sender and envelope.to in (None, peer)
            if is_meant and connection.is_open and _person_of(connection) in envelope.talkers:
                connection.send(bytes(envelope.frame))

    def _names(self) -> list[str]:
        return [SIGNAL_PREFIX + channel for channel in self._lines]


def _person_of(connection: Connection) -> str:
    if not isinstance(connection.caller, Principal):
        raise Forbidden
    return public_id("per", connection.caller.person_id)
