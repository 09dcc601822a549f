"""HTTP, as every domain speaks it: request ids, languages, errors, pages, idempotent answers.

The wire form of an error is written here and nowhere else.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import asyncpg
import msgspec
from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel.errors import (
    Forbidden,
    GuanjiaError,
    Malformed,
    NotFound,
    TryAgain,
    Unauthenticated,
)
from kernel.idempotency import Answer
from kernel.request_ids import begin_request, current_request_id
from kernel.request_ids import new_request_id as new_request_id  # noqa: PLC0414  for the routes that serve themselves

T = TypeVar("T")

# SQLSTATEs after which nothing was done and the same request may be sent again.
_RETRYABLE = {
    "40001",
    "40P01",
    "55P03",
    "57P01",
    "57P02",
    "57P03",
    "57014",
    "53300",
    "08000",
    "08003",
    "08006",
}


def request_id() -> str:
    """The id of the request being served, as its answer and its log lines carry it."""
    return current_request_id() or new_request_id()


class RequestIds:
    """Pure ASGI middleware: gives every request an id and returns it as `X-Request-Id`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identifier = begin_request()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", identifier.encode()),
                ]
            await send(message)

        await self.app(scope, receive, send_with_id)


def language_of(accept_language: str | None) -> str:
    """`zh` unless English is asked for first."""
    first = (accept_language or "").split(",")[0].strip().lower()
    return "en" if first.startswith("en") else "zh"


def error_body(error: GuanjiaError, language: str, identifier: str) -> dict[str, Any]:
    """The one wire form of an error."""
    return {
        "code": error.code,
        "message": error.message(language),
        "data": error.data,
        "request_id": identifier,
    }


def error_response(error: GuanjiaError, language: str) -> Response:
    """An error as a response, with the headers that its data asks for."""
    headers = {}
    if "retry_after_s" in error.data:
        headers["Retry-After"] = str(error.data["retry_after_s"])
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = msgspec.json.encode(error_body(error, language, request_id()), enc_hook=str)
    return Response(body, error.status, headers, "application/json")


def error_for_database(error: BaseException) -> GuanjiaError | None:
    """What a database failure means to a caller: try again, or None where it is our own fault."""
    if isinstance(error, PoolTimeout | InterfaceError | OSError | asyncpg.InterfaceError):
        return TryAgain()
    original = getattr(error, "orig", error)
    state = getattr(original, "sqlstate", None)
    if state in _RETRYABLE or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return TryAgain()
    return None


def install_error_handlers(app: FastAPI) -> None:
    """Give every failure its wire form; nothing leaves as a bare 500 page."""

    async def tell(request: Request, error: Exception) -> Response:
        assert isinstance(error, GuanjiaError)
        return error_response(error, language_of(request.headers.get("accept-language")))

    async def tell_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return await tell(request, Malformed(reason=f"{where}: {first['msg']}", field=where))

    async def tell_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        known: dict[int, GuanjiaError] = {
            401: Unauthenticated(),
            403: Forbidden(),
            404: NotFound(),
        }
        response = await tell(request, known.get(error.status_code) or _plain_http_error(error))
        response.headers.update(error.headers or {})
        return response

    async def tell_unexpected(request: Request, _error: Exception) -> Response:
        # Our own fault: the server logs it under the same id, and the caller learns nothing of our insides.
        response = await tell(request, GuanjiaError())
        response.headers["X-Request-Id"] = request_id()
        return response

    async def tell_database(request: Request, error: Exception) -> Response:
        return await tell(request, error_for_database(error) or GuanjiaError())

    app.add_exception_handler(GuanjiaError, tell)
    app.add_exception_handler(RequestValidationError, tell_invalid)
    app.add_exception_handler(HTTPException, tell_http)
    app.add_exception_handler(Exception, tell_unexpected)
    for broken in (
        DBAPIError,
        PoolTimeout,
        InterfaceError,
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ):
        app.add_exception_handler(broken, tell_database)


class _MethodNotAllowed(GuanjiaError):
    code = "METHOD_NOT_ALLOWED"
    status = 405
    message_zh = "不支持这种请求方式"
    message_en = "This address does not take that method"


def _plain_http_error(error: HTTPException) -> GuanjiaError:
    if error.status_code == 405:
        return _MethodNotAllowed()
    return Malformed(reason=str(error.detail)) if error.status_code < 500 else GuanjiaError()


class ErrorBody(BaseModel):
    """The wire form of every native error."""

    code: str
    message: str
    data: dict[str, Any]
    request_id: str


def raises(*errors: type[GuanjiaError]) -> dict[int | str, dict[str, Any]]:
    """What a route can raise, for its `responses=`: the OpenAPI page then names each code."""
    found: dict[int | str, dict[str, Any]] = {}
    everything: list[type[GuanjiaError]] = [*errors, Malformed]
    for error in everything:
        known = found.get(error.status)
        description = f"`{error.code}`: {error.message_en}"
        if known is not None:
            description = f"{known['description']}; {description}"
        found[error.status] = {"model": ErrorBody, "description": description}
    return found


LimitQuery = Annotated[int, Query(ge=1, le=100, description="How many rows at the most.")]
StartingAfterQuery = Annotated[
    str | None,
    Query(max_length=80, description="Id of the last row of the page before."),
]
IdempotencyKeyHeader = Annotated[str | None, Header(alias="Idempotency-Key")]


class Page(BaseModel, Generic[T]):
    """A list's wire form: newest first."""

    data: list[T]
    has_more: bool


def page_of(rows: Sequence[T], limit: int) -> Page[T]:
    """A page from one row more than the limit."""
    return Page(data=list(rows[:limit]), has_more=len(rows) > limit)


def respond(answer: Answer) -> Response:
    """An idempotent answer: its stored bytes, marked where they are a replay."""
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else None
    return Response(answer.body, answer.status, headers, "application/json")
