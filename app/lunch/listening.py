"""The sockets: each phone on its own channel, one till of each canteen on the canteen's. What is heard is counted.

A line that breaks is opened again, and goes on where it stopped: nothing may be missed, nothing may come twice.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import SplitResult

from websockets.exceptions import WebSocketException

from realtime.client import EventFrame, RealtimeClient, Subscribed
from realtime.schemas import ServerMessage

PAID: Final = "payment.succeeded"
_OPENED_AT_ONCE: Final = 40
_PAUSE_S: Final = 0.2
_OPEN_TIMEOUT_S: Final = 60.0


class Heard:
    """What one kind of listener has heard: times of each payment, by listener."""

    def __init__(self) -> None:
        self.times: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        self.gaps: list[str] = []
        self.reconnected = 0


class Ears:
    """All sockets of a lunch."""

    def __init__(self, address: SplitResult, now_s: Callable[[], float]) -> None:
        scheme = "wss" if address.scheme == "https" else "ws"
        self._url = f"{scheme}://{address.netloc}/v1/realtime"
        self._now_s = now_s
        self._tasks: list[asyncio.Task[None]] = []
        self._opening = asyncio.Semaphore(_OPENED_AT_ONCE)
        self._subscribed = asyncio.Semaphore(0)
        self.phones = Heard()
        self.canteens = Heard()

    async def open(self, phones: Sequence[str | None], canteens: Sequence[tuple[str, str]]) -> None:
        """Until each is subscribed: phones by their tokens, tills by token and canteen."""
        heard = [(token, "me", self.phones, n) for n, token in enumerate(phones) if token is not None]
        heard += [(token, f"canteen:{canteen}", self.canteens, n) for n, (token, canteen) in enumerate(canteens)]
        self._tasks = [asyncio.create_task(self._listen(*each)) for each in heard]
        async with asyncio.timeout(_OPEN_TIMEOUT_S + len(heard) / 50):
            for _ in heard:
                await self._subscribed.acquire()

    async def close(self) -> None:
        """Hang up everywhere."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, token: str, channel: str, heard: Heard, number: int) -> None:
        # A phone sends no pings of its own; the server's are answered by the library.
        client = RealtimeClient(self._url, token, ping_interval=None, open_timeout=30)
        client.positions[channel] = None
        was_open = False
        try:
            while True:
                try:
                    async with self._opening:
                        await client.connect()
                        first = await client.receive(timeout_s=30)
                    if isinstance(first, Subscribed):
                        if was_open:
                            heard.reconnected += 1
                        else:
                            self._subscribed.release()
                        was_open = True
                        await self._hear(client, first.position, heard, number)
                except (OSError, WebSocketException, TimeoutError):
                    await asyncio.sleep(_PAUSE_S)
        finally:
            await client.close()

    async def _hear(self, client: RealtimeClient, position: int, heard: Heard, number: int) -> None:
        async for message in client.messages():
            position = self._note(message, position, heard, number)

    def _note(self, message: ServerMessage, position: int, heard: Heard, number: int) -> int:
        if not isinstance(message, EventFrame):
            return position
        if message.position != position + 1:
            heard.gaps.append(f"{message.channel}: {position} was followed by {message.position}")
        if message.type == PAID:
            data: dict[str, Any] = message.data
            heard.times[data["payment"]].append((number, self._now_s()))
        return message.position
