"""What the processes take meanwhile: processor and memory of each part, once a second."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import psutil

CLIENTS: Final = "clients"
_EVERY_S: Final = 1.0


class Watch:
    """Samples by part: (second of the lunch, processors busy, MiB held)."""

    def __init__(self, parts: Callable[[], Mapping[str, Sequence[psutil.Process]]]) -> None:
        self._parts = parts
        # Processor seconds of processes that are still there, so that one that ends takes nothing away.
        self._seen: dict[tuple[int, float], float] = {}
        self.samples: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)

    async def run(self, now_s: Callable[[], float]) -> None:
        """Until cancelled."""
        before_s = now_s()
        await asyncio.to_thread(self._look)
        while True:
            await asyncio.sleep(_EVERY_S)
            found, at_s = await asyncio.to_thread(self._look), now_s()
            for part, (used_s, held_mib) in found.items():
                self.samples[part].append((at_s, used_s / (at_s - before_s), held_mib))
            before_s = at_s

    def _look(self) -> dict[str, tuple[float, float]]:
        """Processor seconds since the last look, and memory, by part."""
        parts = {**self._parts(), CLIENTS: [psutil.Process()]}
        return {part: self._sum(processes) for part, processes in parts.items() if processes}

    def _sum(self, processes: Sequence[psutil.Process]) -> tuple[float, float]:
        used_s = held = 0.0
        for process in processes:
            try:
                times, memory, born = process.cpu_times(), process.memory_info(), process.create_time()
            except psutil.Error:
                continue
            total_s = times.user + times.system
            used_s += total_s - self._seen.get((process.pid, born), total_s)
            self._seen[process.pid, born] = total_s
            # What they share (the server's buffers, above all) is counted with the first alone.
            held += memory.rss - (getattr(memory, "shared", 0) if process is not processes[0] else 0)
        return used_s, held / 2**20
