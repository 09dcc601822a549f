"""Log lines: structured, with the request's id, as words for people or as JSON for machines.

Use `structlog.get_logger()` and name the event in words: `log.warning("relay is behind", lag_s=3.2)`. Secrets, tokens and
pay codes never go into a log line; the processor below is the last net, not an excuse.
"""

import logging
import sys
from collections.abc import Callable
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Values under these names are replaced, however they came here.
_SECRET_NAMES: Final = frozenset({"password", "token", "secret", "code", "offline_block", "authorization", "cookie"})


def configure_logging(*, process: str, as_json: bool, request_id: Callable[[], str | None] = lambda: None) -> None:
    """Route structlog and the standard library's logging into one stream of lines on standard output."""

    def add_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        if (identifier := request_id()) is not None:
            event.setdefault("request_id", identifier)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_context,
        _hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(as_json=as_json))
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # One line for each request would cost more than the request; the counters in /metrics say it cheaper.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)


def _rendering(*, as_json: bool) -> list[Processor]:
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        return [*last, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    # The library's own tracebacks show the values of local names: passwords and tokens would stand in the log, and each
    # takes seconds to draw, during which a process whose database is away does nothing else.
    plain = structlog.dev.plain_traceback
    return [
        *last,
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), pad_event_to=0, exception_formatter=plain),
    ]


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in _SECRET_NAMES & event.keys():
        event[name] = "***"
    return event
