"""The client of the HTTP benches: a bounded number of keep-alive connections, each with one request at a time.

It runs in a process of its own and keeps every answer; what the answers say is checked after the clock has stopped.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any, cast

import uvloop

TIMEOUT_S = 60


@dataclass
class LoadResult:
    """What came back. `answers[i]` is (status, body) of request i; latencies in seconds, in order of completion."""

    seconds: float = 0.0
    answers: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds

    def latency_ms(self, quantile: float) -> float:
        """A quantile of the latency, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * quantile))] * 1000


class _Connection(asyncio.Protocol):
    """One keep-alive connection; sends the next request when the answer before is whole."""

    def __init__(self, requests: Iterator[tuple[int, bytes]], result: LoadResult, done: "asyncio.Future[None]") -> None:
        self._requests = requests
        self._result = result
        self._done = done
        self._buffer = b""
        self._index = -1
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._send_next()

    def _send_next(self) -> None:
        following = next(self._requests, None)
        if following is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
            return
        self._index, payload = following
        self._sent_at = time.perf_counter()
        self._transport.write(payload)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        end = head.find(b"\r\n", at)
        length = int(head[at + 15 : end if end > 0 else None])
        if len(self._buffer) < head_end + 4 + length:
            return
        self._result.latencies.append(time.perf_counter() - self._sent_at)
        self._result.answers[self._index] = (int(self._buffer[9:12]), self._buffer[head_end + 4 :])
        self._buffer = b""
        self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server hung up"))


def post(path: str, body: bytes, headers: dict[str, str], *, content_type: str = "application/json") -> bytes:
    """A request as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


async def _drive(port: int, requests: list[bytes], connections: int, rate: float | None) -> LoadResult:
    loop, result = asyncio.get_running_loop(), LoadResult()
    if rate is not None:
        return await _drive_at(port, requests, connections, rate)
    waiting = iter(enumerate(requests))
    dones = [loop.create_future() for _ in range(connections)]
    started, cpu = time.perf_counter(), time.process_time()
    for done in dones:
        await loop.create_connection(partial(_Connection, waiting, result, done), "127.0.0.1", port)
    await asyncio.wait_for(asyncio.gather(*dones), TIMEOUT_S)
    result.seconds, result.cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    return result


async def _drive_at(port: int, requests: list[bytes], connections: int, rate: float) -> LoadResult:
    """Open loop: requests leave on a schedule, whether or not earlier ones have been answered.

    A latency counts from the scheduled moment, so a server that stalls cannot hide it by slowing the client.
    """
    loop, result = asyncio.get_running_loop(), LoadResult()
    queue: asyncio.Queue[tuple[int, bytes, float] | None] = asyncio.Queue()

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (job := await queue.get()) is not None:
            index, payload, due = job
            writer.write(payload)
            head = await reader.readuntil(b"\r\n\r\n")
            lowered = head.lower()
            at = lowered.find(b"content-length:")
            body = await reader.readexactly(int(lowered[at + 15 : lowered.find(b"\r\n", at)]))
            result.latencies.append(loop.time() - due)
            result.answers[index] = (int(head[9:12]), body)
        writer.close()

    workers = [asyncio.create_task(worker()) for _ in range(connections)]
    started = loop.time()
    for index, payload in enumerate(requests):
        due = started + index / rate
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        queue.put_nowait((index, payload, due))
    for _ in workers:
        queue.put_nowait(None)
    await asyncio.wait_for(asyncio.gather(*workers), TIMEOUT_S)
    result.seconds = loop.time() - started
    return result


def _child(pipe: Any, port: int, requests: list[bytes], connections: int, rate: float | None) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        pipe.send(runner.run(_drive(port, requests, connections, rate)))


def drive(port: int, requests: list[bytes], *, connections: int = 64, rate: float | None = None) -> LoadResult:
    """Send all requests from a process of its own; with `rate`, on a schedule of so many a second."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_child, args=(theirs, port, requests, connections, rate))
    child.start()
    theirs.close()
    try:
        result: LoadResult = ours.recv()
    finally:
        child.join(timeout=10)
    return result
