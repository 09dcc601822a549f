"""Which request is being served: its id stands in its answer, its log lines, and with the events it made happen."""

from contextvars import ContextVar
from uuid import uuid4

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def new_request_id() -> str:
    """`req_` and 32 hexadecimal digits."""
    return f"req_{uuid4().hex}"


def begin_request() -> str:
    """A new id, which everything that this task does from now on belongs to."""
    identifier = new_request_id()
    _request_id.set(identifier)
    return identifier


def current_request_id() -> str | None:
    """The id of the request being served; None outside of one."""
    return _request_id.get() or None
