"""Who is connected with whom: the one place where domains meet.

* ROUTERS: the HTTP addresses of each domain.
* WEB_PARTS: what a web process opens at its start and closes at its end (the posting committer, the socket hub, ...).
* LOOPS: what the worker runs for ever (the relay, timers, handlers, the sealer, ...).

A domain never imports another to be told of something; it is listed here.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, FastAPI

from app.services import Services

# A part of the web process: opened in this order, closed in reverse; it may put itself into `app.state`.
WebPart = Callable[[FastAPI, Services], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Loop:
    """One background task of the worker: runs until it is cancelled; if it fails, it is started again."""

    name: str
    run: Callable[[Services], Awaitable[None]]


ROUTERS: Final[tuple[APIRouter, ...]] = ()

WEB_PARTS: Final[tuple[WebPart, ...]] = ()

LOOPS: Final[tuple[Loop, ...]] = ()
