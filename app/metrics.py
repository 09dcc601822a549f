"""`GET /metrics` for Prometheus.

Under the supervisor several processes stand behind one address, so each keeps its numbers in files of one folder
(PROMETHEUS_MULTIPROC_DIR) and whichever is asked adds them all up: web processes and the worker together. In compose every
container has a folder of its own and is scraped by itself. The proxy does not pass this address on to the outside.
"""

import os

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess
from starlette.requests import Request
from starlette.responses import Response


def metrics_text() -> bytes:
    """The numbers of this machine's processes, in Prometheus's text form."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return generate_latest(registry)


def show_metrics(_request: Request) -> Response:
    """The route; not a coroutine, so that reading the files happens in a thread."""
    return Response(metrics_text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
