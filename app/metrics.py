"""`GET /metrics` for Prometheus.

Under the supervisor several processes stand behind one address, so each keeps its numbers in files of one folder
(PROMETHEUS_MULTIPROC_DIR) and whichever is asked adds them all up: web processes and the worker together. In compose every
container has a folder of its own and is scraped by itself. The proxy does not pass this address on to the outside.
"""

import os
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess
from starlette.requests import Request
from starlette.responses import Response


def metrics_text() -> bytes:
    """The numbers of this machine's processes, in Prometheus's text form."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    _forget_dead_processes(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return generate_latest(registry)


def _forget_dead_processes(folder: Path) -> None:
    """What a killed process had open or waiting is gone with it; what it has counted stays."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # as below


def show_metrics(_request: Request) -> Response:
    """The route; not a coroutine, so that reading the files happens in a thread."""
    return Response(metrics_text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
