"""Which request is being served: its id stands in its answer, its log lines, and with the events it made happen."""

import random
from contextvars import ContextVar

# Seeded from the system's entropy: request ids are names, not secrets, and asking the system for each costs more.
_random = random.Random(random.SystemRandom().getrandbits(128))  # noqa: S311  see above

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def new_request_id() -> str:
    """`req_` and 32 hexadecimal digits."""
    return f"req_{_random.getrandbits(128):032x}"


def begin_request() -> str:
    """A new id, which everything that this task does from now on belongs to."""
    identifier = new_request_id()
    _request_id.set(identifier)
    return identifier


def current_request_id() -> str | None:
    """The id of the request being served; None outside of one."""
    return _request_id.get() or None
