"""HTTP of money that comes through a gateway: top-ups, guests at a till, and the gateway's own notices."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response

from identity.api import SIGNED_IN, CallerApart, CurrentPerson, CurrentPersonApart, CurrentTerminal, Role, Terminal
from identity.errors import TerminalDisabled
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import (
    Forbidden,
    GuanjiaError,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    NotFound,
    StateConflict,
    TryAgain,
    Unauthenticated,
)
from kernel.http import (
    IdempotencyKeyHeader,
    LimitQuery,
    Page,
    StartingAfterQuery,
    error_body,
    language_of,
    page_of,
    raises,
    request_id,
    respond,
)
from kernel.ids import parse_public_id
from kernel.settings import get_settings
from payments import differences, schemas
from payments.channels.channel import Channel
from payments.errors import ChannelRefused, ChannelSilent, ChannelUnavailable, SeqReused
from payments.gateways import guest_payments, notices, top_ups

router = APIRouter(prefix="/v1", tags=["payments"])

NOTICE_BYTES_MAX: Final = 64 * 1024
# What Alipay takes for "heard"; anything else, and it comes again.
_HEARD: Final = "success"
_NOT_HEARD: Final = "failure"


def _channels(request: Request) -> Mapping[str, Channel]:
    channels: Mapping[str, Channel] = request.app.state.channels
    return channels


ChannelsDep = Annotated[Mapping[str, Channel], Depends(_channels)]
TopUpId = Annotated[str, Path(max_length=80)]
GuestPaymentId = Annotated[str, Path(max_length=80)]
LanguageHeader = Annotated[str | None, Header(alias="Accept-Language")]


@router.get("/me/top_up_channels", responses=raises(Unauthenticated), dependencies=SIGNED_IN)
async def list_top_up_channels(channels: ChannelsDep) -> schemas.TopUpChannels:
    """By which ways I can put money in. `simulated`: the demo's own gateway, whose codes are links to its page."""
    simulated = bool(get_settings().alipay_simulator_url)
    return schemas.TopUpChannels(data=[schemas.TopUpChannel(channel=name, simulated=simulated) for name in channels])


@router.post(
    "/me/top_ups",
    status_code=201,
    response_model=schemas.ChannelTopUpView,
    responses=raises(
        IdempotencyKeyRequired,
        Unauthenticated,
        ChannelRefused,
        NotFound,
        StateConflict,
        IdempotencyKeyReused,
        ChannelUnavailable,
        ChannelSilent,
        TryAgain,
    ),
)
async def open_top_up(
    body: schemas.TopUpRequest,
    person: CurrentPersonApart,
    db: DatabaseDep,
    channels: ChannelsDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """A QR code to put money in by; `top_up.succeeded` on `me` tells when it has arrived."""
    channel = top_ups.channel_of(channels, body.channel)
    answer = await top_ups.open_top_up(
        db,
        channel,
        person.person_id,
        body.amount_fen,
        key,
        actor=person.actor,
        tell_refusal=_teller(language),
    )
    return respond(answer)


@router.get("/me/top_ups", responses=raises(Unauthenticated, NotFound))
async def list_my_top_ups(
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.ChannelTopUpView]:
    """What I have put in, newest first; at the counter too."""
    before = parse_public_id("top", starting_after) if starting_after else None
    rows = await top_ups.list_top_ups(session, person.person_id, limit, before)
    return page_of([schemas.ChannelTopUpView.model_validate(row) for row in rows], limit)


@router.get("/me/top_ups/{top_up_id}", responses=raises(Unauthenticated, NotFound))
async def show_my_top_up(top_up_id: TopUpId, person: CurrentPerson, session: SessionDep) -> schemas.ChannelTopUpView:
    """Whether it has arrived."""
    view = await top_ups.show_top_up(session, person.person_id, parse_public_id("top", top_up_id))
    return schemas.ChannelTopUpView.model_validate(view)


@router.post(
    "/guest_payments",
    status_code=201,
    response_model=schemas.GuestPaymentView,
    responses=raises(
        IdempotencyKeyRequired,
        Unauthenticated,
        TerminalDisabled,
        ChannelRefused,
        Forbidden,
        IdempotencyKeyReused,
        SeqReused,
        ChannelUnavailable,
        TryAgain,
    ),
)
async def take_guest_payment(
    body: schemas.GuestPaymentRequest,
    caller: CallerApart,
    db: DatabaseDep,
    channels: ChannelsDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Charge a guest's payment code (16 to 24 digits, 25 to 30 in front: Alipay). `pending`: ask again, or cancel."""
    wanted = guest_payments.GuestRequest(body.auth_code, body.amount_fen, body.seq)
    answer = await guest_payments.take_guest_payment(
        db, channels, _till(caller), wanted, key, tell_refusal=_teller(language)
    )
    return respond(answer)


@router.get("/guest_payments/{guest_payment_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_guest_payment(
    guest_payment_id: GuestPaymentId, terminal: CurrentTerminal, session: SessionDep
) -> schemas.GuestPaymentView:
    """Where a guest's payment stands; tills of its canteen."""
    identifier = parse_public_id("gst", guest_payment_id)
    view = await guest_payments.show_guest_payment(session, terminal, identifier)
    return schemas.GuestPaymentView.model_validate(view)


@router.post(
    "/guest_payments/{guest_payment_id}/cancel",
    responses=raises(Unauthenticated, TerminalDisabled, Forbidden, NotFound, StateConflict, ChannelUnavailable),
)
async def cancel_guest_payment(
    guest_payment_id: GuestPaymentId, caller: CallerApart, db: DatabaseDep, channels: ChannelsDep
) -> schemas.GuestPaymentView:
    """Take it back while it is pending; what is paid in that moment goes back to the guest."""
    identifier = parse_public_id("gst", guest_payment_id)
    view = await guest_payments.cancel_guest_payment(db, channels, _till(caller), identifier)
    return schemas.GuestPaymentView.model_validate(view)


@router.get("/terminals/me/guest_payments", responses=raises(Unauthenticated, NotFound))
async def list_guest_payments(
    terminal: CurrentTerminal,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.GuestPaymentView]:
    """The till's own guests, newest first."""
    before = parse_public_id("gst", starting_after) if starting_after else None
    rows = await guest_payments.list_guest_payments(session, terminal, limit, before)
    return page_of([schemas.GuestPaymentView.model_validate(row) for row in rows], limit)


@router.get("/difference_cases", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_difference_cases(
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.DifferenceCaseView]:
    """Money that a gateway and our books do not agree on, newest first: for finance, within its regions."""
    if not person.holds(Role.FINANCE):
        raise Forbidden(roles=[Role.FINANCE.value])
    before = parse_public_id("dif", starting_after) if starting_after else None
    rows = await differences.list_cases(session, person.cover_of(Role.FINANCE), limit, before)
    return page_of([schemas.DifferenceCaseView.model_validate(row) for row in rows], limit)


@router.post(
    "/notify/alipay",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string", "const": _HEARD}}}, "description": "Committed"},
        400: {
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "description": "Not believed; nothing was done",
        },
    },
    openapi_extra={"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}},
)
async def take_alipay_notice(request: Request, db: DatabaseDep, channels: ChannelsDep) -> Response:
    """Alipay's own notice: a signed form. The answer `success` is given after the commit."""
    channel = channels.get("alipay")
    body = await _bounded_body(request)
    if channel is None or body is None or not await notices.take_notice(db, channel, body):
        return Response(_NOT_HEARD, 400, media_type="text/plain")
    return Response(_HEARD, media_type="text/plain")


async def _bounded_body(request: Request) -> bytes | None:
    """The body; None for one that is larger than any notice."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > NOTICE_BYTES_MAX:
            return None
    return bytes(body)


def _teller(language: str | None) -> Callable[[GuanjiaError], dict[str, Any]]:
    def tell(error: GuanjiaError) -> dict[str, Any]:
        return error_body(error, language_of(language), request_id())

    return tell


def _till(caller: Any) -> Terminal:
    if not isinstance(caller, Terminal):
        raise Forbidden
    return caller
