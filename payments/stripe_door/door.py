"""The door itself, as pure ASGI: Stripe's paths, form-encoded requests, Stripe's errors.

Requests reach it before the framework (app/stripe_paths.py): its errors, its 404s and its idempotency have another wire form
than the house's, and a confirmation should not cost more than the payment in it. The interface is Stripe's own; what of
it is here is told in docs/charge-the-card.md.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Receive, Scope, Send

from identity.api import Terminal
from kernel import http
from kernel.db import Database
from kernel.errors import GuanjiaError
from kernel.idempotency import Answer
from payments.posting_rule import PostingRule
from payments.stripe_door import endpoints, queries, refunds, schemas, service
from payments.stripe_door.answering import (
    answer_once,
    check_idempotency_key,
    encode,
    error_answer,
    fingerprint_of,
)
from payments.stripe_door.confirming import Confirmations, Order
from payments.stripe_door.errors import (
    InvalidRequest,
    KeyInvalid,
    StripeError,
    Unavailable,
    of_native,
)
from payments.stripe_door.forms import Form, parse_form
from payments.stripe_door.keys import KeyCache, find_key
from payments.stripe_door.views import API_VERSION, deleted_view, endpoint_view, list_view

log = structlog.get_logger()

BODY_MAX: Final = 65_536
RESOURCES: Final = frozenset(("payment_intents", "refunds", "events", "webhook_endpoints", "balance"))
_PREFIX: Final = "/v1/"


def is_door_path(path: str) -> bool:
    """Whether an address is one of Stripe's that are served here."""
    return path.startswith(_PREFIX) and path[len(_PREFIX) :].partition("/")[0] in RESOURCES


class _NotServed(StripeError):
    """404 for an address that Stripe has and we have not, or that nobody has."""

    status = 404
    type = "invalid_request_error"

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"Unrecognized request URL ({method}: {path[:200]}).")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read."""

    key: Terminal
    form: Form
    path: str
    # The id in the path; empty where there is none.
    name: str
    idempotency_key: str | None
    fingerprint: bytes
    request_id: str

    @property
    def site_id(self) -> UUID:
        """The merchant."""
        return self.key.site_id


Handler = Callable[["StripeDoor", Call], Awaitable[Answer]]
_handlers: Final[dict[tuple[str, str, str], Handler]] = {}


def _serves(method: str, shape: str) -> Callable[[Handler], Handler]:
    """`shape` is `resource`, `resource/id` or `resource/id/verb`."""
    resource, _, rest = shape.partition("/")

    def register(handler: Handler) -> Handler:
        _handlers[method, resource, rest] = handler
        return handler

    return register


class StripeDoor:
    """Serves Stripe's paths for one web process."""

    def __init__(self, database: Database, confirmations: Confirmations, keys: KeyCache, rule: PostingRule) -> None:
        self.database = database
        self.confirmations = confirmations
        self.keys = keys
        self.rule = rule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = http.new_request_id()
        error: StripeError | None = None
        try:
            answer = await self._answer(scope, receive, request_id)
        except StripeError as raised:
            error, answer = raised, error_answer(raised)
        except Exception as raised:  # noqa: BLE001  no handler of the framework stands behind this; it is logged
            error = _of_failure(raised)
            answer = error_answer(error)
        await _send_answer(send, answer, request_id, error)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Answer:
        headers = {name: value for name, value in scope["headers"] if name in _HEADERS}
        key = await self._authenticate(headers.get(b"authorization"))
        method, path = scope["method"], scope["path"]
        resource, _, rest = path[len(_PREFIX) :].partition("/")
        name, _, verb = rest.partition("/")
        shape = f"id/{verb}" if verb else "id" if name else ""
        handler = _handlers.get((method, resource, shape))
        if handler is None:
            raise _NotServed(method, path)
        form = await _read_form(scope, receive, headers)
        idempotency_key = None
        if method == "POST":
            sent = headers.get(b"idempotency-key")
            idempotency_key = check_idempotency_key(sent.decode("latin-1") if sent is not None else None)
        fingerprint = fingerprint_of(method, path, form) if idempotency_key is not None else b""
        call = Call(key, form, path, unquote(name), idempotency_key, fingerprint, request_id)
        return await handler(self, call)

    async def _authenticate(self, authorization: bytes | None) -> Terminal:
        secret = _secret_of(authorization)
        if secret is None:
            raise KeyInvalid(
                "You did not provide an API key. Set it as the bearer token, or as the user name of basic auth."
            )
        key = self.keys.by_secret(secret)
        if key is None:
            # Made a moment ago, perhaps by another process.
            async with self.database.session() as session:
                key = await find_key(session, secret)
        if key is None or key.status != "active":
            raise KeyInvalid(f"Invalid API Key provided: {_masked(secret)}")
        return key

    async def read(self, act: Callable[[AsyncSession], Awaitable[Any]]) -> Answer:
        """A request that changes nothing."""
        async with self.database.session() as session:
            try:
                return Answer(200, encode(await act(session)), replayed=False)
            except GuanjiaError as error:
                raise of_native(error) from error

    async def once(self, call: Call, act: Callable[[AsyncSession], Awaitable[Any]]) -> Answer:
        """A request that changes something, under its key."""
        return await answer_once(self.database, call.site_id, call.idempotency_key, call.fingerprint, act)


_HEADERS: Final = frozenset((b"authorization", b"idempotency-key", b"content-type"))


def _secret_of(authorization: bytes | None) -> str | None:
    """The key, from `Bearer sk_...` or from `Basic base64(sk_...:)`."""
    scheme, _, rest = (authorization or b"").decode("latin-1").partition(" ")
    rest = rest.strip()
    if scheme.lower() == "basic":
        try:
            rest = base64.b64decode(rest, validate=True).decode("latin-1").partition(":")[0]
        except (binascii.Error, ValueError):
            return None
    elif scheme.lower() != "bearer":
        return None
    return rest or None


def _masked(secret: str) -> str:
    """Enough to know which one it was."""
    return f"{secret[:8]}{'*' * 8}{secret[-4:]}" if len(secret) > 16 else "*" * len(secret)


def _of_failure(error: Exception) -> StripeError:
    told = error if isinstance(error, GuanjiaError) else http.error_for_database(error)
    if told is not None:
        return of_native(told)
    log.error("door.failed", exc_info=error)
    return StripeError("Something went wrong on our side.")


async def _read_form(scope: Scope, receive: Receive, headers: dict[bytes, bytes]) -> Form:
    query = scope["query_string"]
    if scope["method"] != "POST":
        return parse_form(query.decode("latin-1")) if query else {}
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    body = await _read_body(receive)
    if body and kind != b"application/x-www-form-urlencoded":
        raise InvalidRequest("Send the parameters as application/x-www-form-urlencoded.")
    try:
        return parse_form(body.decode())
    except UnicodeDecodeError:
        raise InvalidRequest("The request body could not be read as form-encoded fields.") from None


async def _read_body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Unavailable("The request ended before it was whole.")
        body += bytes(message.get("body", b""))
        if len(body) > BODY_MAX:
            raise InvalidRequest("The request body is too large.")
        if not message.get("more_body"):
            return body


async def _send_answer(send: Send, answer: Answer, request_id: str, error: StripeError | None) -> None:
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(answer.body)),
        (b"request-id", request_id.encode()),
        (b"stripe-version", API_VERSION.encode()),
    ]
    if answer.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    if error is not None and error.should_retry is not None:
        headers.append((b"stripe-should-retry", b"true" if error.should_retry else b"false"))
    if answer.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="Stripe-compatible"'))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


# ---- payment intents


def _intent_id(call: Call) -> UUID:
    return schemas.identifier("pi", "payment_intent", call.name, param="intent")


@_serves("POST", "payment_intents")
async def _create_intent(door: StripeDoor, call: Call) -> Answer:
    params = schemas.intent_params(call.form, creating=True)
    intent = service.new_intent(call.site_id, params, keep_code=not params.confirm)
    if params.confirm:
        return await door.confirmations.confirm(
            Order(
                call.key,
                intent.id,
                call.idempotency_key,
                call.fingerprint,
                params.pay_code,
                params.expand_charge,
                call.request_id,
                fresh=intent,
            )
        )
    return await door.once(
        call, lambda session: service.create_intent(session, intent, call.request_id, call.idempotency_key)
    )


@_serves("GET", "payment_intents")
async def _list_intents(door: StripeDoor, call: Call) -> Answer:
    page = schemas.list_params(call.form, expandable=True)
    return await door.read(lambda session: service.list_intents(session, call.site_id, page))


@_serves("GET", "payment_intents/id")
async def _show_intent(door: StripeDoor, call: Call) -> Answer:
    schemas.refuse_unknown(call.form, ("expand", "client_secret"))
    identifier, expand_charge = _intent_id(call), schemas.expands_charge(call.form)

    async def act(session: AsyncSession) -> Any:
        intent = await queries.get_intent(session, call.site_id, identifier)
        return await service.shown_intent(session, intent, expand_charge=expand_charge)

    return await door.read(act)


@_serves("POST", "payment_intents/id")
async def _update_intent(door: StripeDoor, call: Call) -> Answer:
    identifier, params = _intent_id(call), schemas.intent_params(call.form, creating=False)
    return await door.once(call, lambda session: service.update_intent(session, call.site_id, identifier, params))


@_serves("POST", "payment_intents/id/confirm")
async def _confirm_intent(door: StripeDoor, call: Call) -> Answer:
    identifier, params = _intent_id(call), schemas.confirm_params(call.form)
    return await door.confirmations.confirm(
        Order(
            call.key,
            identifier,
            call.idempotency_key,
            call.fingerprint,
            params.pay_code,
            params.expand_charge,
            call.request_id,
        )
    )


@_serves("POST", "payment_intents/id/cancel")
async def _cancel_intent(door: StripeDoor, call: Call) -> Answer:
    identifier, reason = _intent_id(call), schemas.cancel_params(call.form)
    return await door.once(
        call,
        lambda session: service.cancel_intent(
            session, call.site_id, identifier, reason, call.request_id, call.idempotency_key
        ),
    )


# ---- refunds


@_serves("POST", "refunds")
async def _create_refund(door: StripeDoor, call: Call) -> Answer:
    params = schemas.refund_params(call.form)
    return await door.once(
        call,
        lambda session: refunds.create_refund(
            session,
            call.key,
            params,
            site_label=door.rule.site_label,
            request_id=call.request_id,
            key=call.idempotency_key,
        ),
    )


@_serves("GET", "refunds")
async def _list_refunds(door: StripeDoor, call: Call) -> Answer:
    page = schemas.list_params(call.form, "payment_intent", "charge")
    intent, charge = schemas.text_of(call.form, "payment_intent"), schemas.text_of(call.form, "charge")
    intent_id = schemas.identifier("pi", "payment_intent", intent, param="payment_intent") if intent else None
    payment_id = schemas.identifier("ch", "charge", charge, param="charge") if charge else None
    return await door.read(lambda session: refunds.list_refunds(session, call.site_id, page, intent_id, payment_id))


@_serves("GET", "refunds/id")
async def _show_refund(door: StripeDoor, call: Call) -> Answer:
    schemas.refuse_unknown(call.form, ())
    identifier = schemas.identifier("re", "refund", call.name)
    return await door.read(lambda session: refunds.show_refund(session, call.site_id, identifier))


# ---- events


@_serves("GET", "events")
async def _list_events(door: StripeDoor, call: Call) -> Answer:
    page = schemas.list_params(call.form, "type", "types")
    kind, kinds = schemas.text_of(call.form, "type"), schemas.strings_of(call.form, "types")
    if kind and kinds:
        raise InvalidRequest("type and types exclude each other.", param="types")
    return await door.read(lambda session: service.list_events(session, call.site_id, page, [kind] if kind else kinds))


@_serves("GET", "events/id")
async def _show_event(door: StripeDoor, call: Call) -> Answer:
    schemas.refuse_unknown(call.form, ())
    identifier = schemas.identifier("evt", "event", call.name)
    return await door.read(lambda session: service.show_event(session, call.site_id, identifier))


# ---- receivers


def _endpoint_id(call: Call) -> UUID:
    return schemas.identifier("we", "webhook_endpoint", call.name)


@_serves("POST", "webhook_endpoints")
async def _create_endpoint(door: StripeDoor, call: Call) -> Answer:
    params = schemas.endpoint_params(call.form, creating=True)

    async def act(session: AsyncSession) -> Any:
        made = await endpoints.create_endpoint(session, call.site_id, params, actor=service.actor_of(call.key))
        return endpoint_view(*made)

    return await door.once(call, act)


@_serves("GET", "webhook_endpoints")
async def _list_endpoints(door: StripeDoor, call: Call) -> Answer:
    page = schemas.list_params(call.form)

    async def act(session: AsyncSession) -> Any:
        found = await queries.list_endpoints(session, call.site_id, page)
        views = [endpoint_view(row) for row in found.rows]
        return list_view("/v1/webhook_endpoints", views, has_more=found.has_more)

    return await door.read(act)


@_serves("GET", "webhook_endpoints/id")
async def _show_endpoint(door: StripeDoor, call: Call) -> Answer:
    schemas.refuse_unknown(call.form, ())
    identifier = _endpoint_id(call)

    async def act(session: AsyncSession) -> Any:
        return endpoint_view(await queries.lock_endpoint(session, identifier, call.site_id))

    return await door.read(act)


@_serves("POST", "webhook_endpoints/id")
async def _update_endpoint(door: StripeDoor, call: Call) -> Answer:
    identifier, params = _endpoint_id(call), schemas.endpoint_params(call.form, creating=False)

    async def act(session: AsyncSession) -> Any:
        actor = service.actor_of(call.key)
        return endpoint_view(await endpoints.update_endpoint(session, call.site_id, identifier, params, actor=actor))

    return await door.once(call, act)


@_serves("DELETE", "webhook_endpoints/id")
async def _delete_endpoint(door: StripeDoor, call: Call) -> Answer:
    identifier = _endpoint_id(call)

    async def act(session: AsyncSession) -> Any:
        endpoint = await queries.lock_endpoint(session, identifier, call.site_id)
        await endpoints.delete_endpoint(session, endpoint, actor=service.actor_of(call.key))
        return deleted_view("we", "webhook_endpoint", identifier)

    return await door.read(act)


# ---- balance


@_serves("GET", "balance")
async def _show_balance(door: StripeDoor, call: Call) -> Answer:
    schemas.refuse_unknown(call.form, ())
    return await door.read(lambda session: service.show_balance(session, call.key))
