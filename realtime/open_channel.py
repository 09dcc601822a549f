"""A channel that somebody in this process hears: its position, and its frames to those who are live.

A frame that is the next one goes to all live subscriptions; one that was seen is dropped; one that leaves a hole waits
until the hub has fetched what lies in between. Frames are joined once and the same bytes are written to each socket.
Nothing here waits for anything: whatever is awaited is the hub's.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from realtime.connection import Subscription
from realtime.frames import as_websocket, resync_frame, subscribed_frame
from realtime.queries import PositionedFrame

_EARLY_FRAMES_MAX: Final = 2_000


class Frame(NamedTuple):
    """A frame as it goes onto sockets."""

    position: int
    bytes: bytes


@dataclass(eq=False)
class OpenChannel:
    """One of them."""

    name: str
    is_latest_value: bool
    opened: "asyncio.Future[None]"
    position: int = 0
    # The highest position that is known to exist; above `position` while a hole is being filled.
    known: int = 0
    is_filling: bool = False
    # Frames that came while a hole before them was being filled.
    early: "list[Frame]" = field(default_factory=list)
    # The head as the last poll found it.
    head_polled: int = 0
    subscriptions: set[Subscription] = field(default_factory=set)
    # Who is about to subscribe: the channel stays open for them.
    expected: int = 0
    boards: dict[str, Frame] = field(default_factory=dict)

    @property
    def is_heard(self) -> bool:
        """Whether anybody hears it, or is about to."""
        return bool(self.subscriptions or self.expected)

    def hear(self, payload: bytes) -> bool:
        """A message from Valkey: frames in order, or one board. False when it leaves a hole that must be filled."""
        if payload.startswith(b"b"):
            self._hear_board(*board_of(payload))
            return True
        lines = [line.partition(b"\t") for line in payload.split(b"\n")]
        frames = [Frame(int(position), as_websocket(text)) for position, _, text in lines]
        self.known = max(self.known, frames[-1].position)
        frames = [frame for frame in frames if frame.position > self.position]
        if not frames or not self.opened.done():
            return True
        if self.is_filling:
            if len(self.early) < _EARLY_FRAMES_MAX:
                self.early.extend(frames)
            return True
        if frames[0].position == self.position + 1:
            self.deliver(frames)
            return True
        self.early.extend(frames)
        return False

    def deliver(self, frames: Sequence[Frame]) -> None:
        """The next frames, without a hole, to all who are live: joined once, written to each."""
        joined = frames[0].bytes if len(frames) == 1 else b"".join(frame.bytes for frame in frames)
        before, last = frames[0].position - 1, frames[-1].position
        self.position = last
        for subscription in list(self.subscriptions):
            if not subscription.is_live or subscription.position >= last:
                continue
            if subscription.position == before:
                subscription.connection.write(joined)
            else:
                rest = (frame.bytes for frame in frames if frame.position > subscription.position)
                subscription.connection.write(b"".join(rest))
            subscription.position = last

    def begin_latest_value(self, subscription: Subscription) -> None:
        """`subscribed`, and the last frame at once, where there is one."""
        last = max(self.boards.values(), key=lambda frame: frame.position, default=None)
        subscription.position = last.position if last is not None else self.position
        before = subscription.position - 1 if last is not None else subscription.position
        subscription.connection.send(subscribed_frame(self.name, before))
        if last is not None:
            subscription.connection.write(last.bytes)
        subscription.is_live = True

    def _hear_board(self, board_type: str, frame: Frame) -> None:
        self.boards[board_type] = frame
        if not self.is_latest_value:
            for subscription in list(self.subscriptions):
                subscription.connection.write(frame.bytes)
            return
        self.position = max(self.position, frame.position)
        for subscription in list(self.subscriptions):
            if frame.position <= subscription.position:
                continue
            if frame.position > subscription.position + 1:
                subscription.connection.send(resync_frame(self.name, frame.position - 1))
            subscription.connection.write(frame.bytes)
            subscription.position = frame.position

    # ---- holes

    def deliver_fetched(self, fetched: Sequence[PositionedFrame]) -> None:
        """What the database had of a hole, and then whatever came early and follows it."""
        if fetched and fetched[0].position == self.position + 1:
            self.deliver([Frame(frame.position, as_websocket(frame.text)) for frame in fetched])
        else:
            self._begin_anew_after(fetched[0].position - 1 if fetched else self.known)
        self._deliver_early()

    def _begin_anew_after(self, position: int) -> None:
        """What was missed has been dropped with its day; whoever listens begins anew from here."""
        self.position = position
        for subscription in list(self.subscriptions):
            if subscription.is_live and subscription.position < position:
                subscription.position = position
                subscription.connection.send(resync_frame(self.name, position))

    def _deliver_early(self) -> None:
        fitting: list[Frame] = []
        for frame in self.early:
            if frame.position == self.position + len(fitting) + 1:
                fitting.append(frame)
        self.early = [frame for frame in self.early if frame.position > self.position + len(fitting)]
        if fitting:
            self.deliver(fitting)

    def lacks_at(self, head: int, *, at_once: bool) -> bool:
        """Whether it is behind a head that the database named. With Valkey it lags behind for some milliseconds:
        only who still does at the next poll is, unless that is asked `at_once`."""
        if not self.opened.done():
            return False
        due = head if at_once else self.head_polled
        self.head_polled = head
        if self.position >= due:
            return False
        self.known = max(self.known, head)
        return True


def board_of(message: bytes) -> tuple[str, Frame]:
    """A board's message: `b<position> TAB <type> TAB <frame>`."""
    position, board_type, text = message[1:].split(b"\t", 2)
    return board_type.decode(), Frame(int(position), as_websocket(text))
