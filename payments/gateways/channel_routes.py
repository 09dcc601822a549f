"""HTTP of money that comes through a gateway: top-ups, guests at a till, and the gateway's own notices."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

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
    TooManyRequests,
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
from payments import differences, schemas, service
from payments.caller_keys import once_of_caller
from payments.channel_refunds import service as channel_refunds
from payments.channels.channel import Channel
from payments.counter_rule import TillReturn
from payments.errors import (
    ChannelRefused,
    ChannelSilent,
    ChannelUnavailable,
    PeriodLocked,
    RefundExceeds,
    SeqReused,
)
from payments.gateways import guest_payments, notices, top_ups
from payments.giving_back import CounterDep, refuse_refund_by_strangers, who_signs
from payments.models import ChannelRefund

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
CaseId = Annotated[str, Path(max_length=80)]
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


@router.post(
    "/guest_payments/{guest_payment_id}/void",
    status_code=201,
    response_model=schemas.ChannelRefundView,
    responses=raises(
        IdempotencyKeyRequired,
        Unauthenticated,
        Forbidden,
        NotFound,
        StateConflict,
        IdempotencyKeyReused,
        PeriodLocked,
        TooManyRequests,
    ),
)
async def void_guest_payment(
    guest_payment_id: GuestPaymentId,
    caller: CallerApart,
    db: DatabaseDep,
    counter: CounterDep,
    body: schemas.VoidRequest | None = None,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Take a guest's paid meal back whole, at a till of its canteen, within five minutes; in a shift somebody signs by PIN.
    It is on its way with the answer: `refunds` of the guest payment say when the gateway has done it."""
    terminal = _till(caller)
    signed_by = await who_signs(db, counter, terminal, body)
    async with db.session() as session:

        async def act() -> dict[str, Any]:
            await counter.allow_return(session, terminal, "void", signed_by)
            guest = await guest_payments.get_guest_payment(session, terminal, parse_public_id("gst", guest_payment_id))
            made = await channel_refunds.void_guest_payment(session, guest, actor=terminal.actor)
            await counter.note_return(session, terminal, _till_return(made), signed_by)
            return channel_refunds.refund_view(made, guest_payment_id)

        parsed = ["void_guest_payment", guest_payment_id]
        answer = await once_of_caller(session, terminal, key, parsed, act, tell_refusal=_teller(language))
    return respond(answer)


@router.post(
    "/guest_payments/{guest_payment_id}/refunds",
    status_code=201,
    response_model=schemas.ChannelRefundView,
    responses=raises(
        IdempotencyKeyRequired,
        Unauthenticated,
        Forbidden,
        NotFound,
        StateConflict,
        RefundExceeds,
        IdempotencyKeyReused,
        PeriodLocked,
        TooManyRequests,
    ),
)
async def refund_guest_payment(
    guest_payment_id: GuestPaymentId,
    body: schemas.RefundRequest,
    caller: CallerApart,
    db: DatabaseDep,
    counter: CounterDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Give a guest back a part or the rest: tills of the canteen (in a shift, signed by PIN), and staff who manage it."""
    till = caller if isinstance(caller, Terminal) else None
    signed_by = await who_signs(db, counter, till, body) if till else None
    async with db.session() as session:

        async def act() -> dict[str, Any]:
            if till:
                await counter.allow_return(session, till, "refund", signed_by)
            guest = await guest_payments.find_guest_payment(session, parse_public_id("gst", guest_payment_id))
            refuse_refund_by_strangers(caller, guest.site_id, guest.region_id)
            made = await channel_refunds.refund_guest_payment(
                session, guest, body.amount_fen, body.reason, actor=caller.actor
            )
            if till:
                await counter.note_return(session, till, _till_return(made), signed_by)
            return channel_refunds.refund_view(made, guest_payment_id)

        parsed = ["refund_guest_payment", guest_payment_id, body.amount_fen, body.reason]
        answer = await once_of_caller(session, caller, key, parsed, act, tell_refusal=_teller(language))
    return respond(answer)


def _till_return(made: ChannelRefund) -> TillReturn:
    return TillReturn(made.id, made.order_id, "void" if made.kind == "void" else "refund", made.amount_fen)


@router.post(
    "/top_ups/{top_up_id}/refund",
    status_code=201,
    response_model=schemas.AskedRefund,
    responses=raises(
        IdempotencyKeyRequired,
        Unauthenticated,
        Forbidden,
        NotFound,
        StateConflict,
        RefundExceeds,
        IdempotencyKeyReused,
    ),
)
async def ask_to_refund_top_up(
    top_up_id: TopUpId,
    body: schemas.TopUpRefundRequest,
    person: CurrentPersonApart,
    db: DatabaseDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """A top-up that should not stand: once a second person of finance approves, it goes back through its gateway."""
    async with db.session() as session:

        async def act() -> dict[str, Any]:
            identifier = parse_public_id("top", top_up_id)
            return await differences.ask_to_refund_top_up(session, person, identifier, body.amount_fen, body.reason)

        parsed = ["refund_top_up", top_up_id, body.amount_fen, body.reason]
        answer = await once_of_caller(session, person, key, parsed, act, tell_refusal=_teller(language))
    return respond(answer)


@router.get("/people/{person_id}/account/top_ups", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_top_ups_of_account(
    person_id: Annotated[str, Path(max_length=80)],
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.ChannelTopUpView]:
    """What somebody has put in, for finance, newest first."""
    identifier = parse_public_id("per", person_id)
    holder = await service.holder_of(session, identifier)
    person.require(Role.FINANCE, organisation_id=holder.unit_id, region_id=holder.region_id)
    before = parse_public_id("top", starting_after) if starting_after else None
    rows = await top_ups.list_top_ups(session, identifier, limit, before)
    # The code is its owner's to pay by.
    return page_of([schemas.ChannelTopUpView.model_validate({**row, "qr_text": None}) for row in rows], limit)


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
    state: Annotated[Literal["open"] | None, Query(description="Only those that nobody has settled")] = None,
) -> Page[schemas.DifferenceCaseView]:
    """Money that a gateway and our books do not agree on, newest first: for finance, within its regions."""
    if not person.holds(Role.FINANCE):
        raise Forbidden(roles=[Role.FINANCE.value])
    before = parse_public_id("dif", starting_after) if starting_after else None
    cover = person.cover_of(Role.FINANCE)
    rows = await differences.list_cases(session, cover, limit, before, only_open=state == "open")
    return page_of([schemas.DifferenceCaseView.model_validate(row) for row in rows], limit)


@router.post(
    "/difference_cases/{case_id}/ask_again", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def ask_again(case_id: CaseId, person: CurrentPerson, session: SessionDep) -> schemas.DifferenceCaseView:
    """Have the gateway asked once more what became of the order."""
    view = await differences.ask_again(session, person, parse_public_id("dif", case_id))
    return schemas.DifferenceCaseView.model_validate(view)


@router.post(
    "/difference_cases/{case_id}/{trigger}",
    status_code=201,
    response_model=schemas.DifferenceCaseView,
    responses=raises(IdempotencyKeyRequired, Unauthenticated, Forbidden, NotFound, StateConflict, IdempotencyKeyReused),
)
async def settle_difference_case(
    case_id: CaseId,
    trigger: Annotated[str, Path(pattern="^(close|refund)$")],
    body: schemas.DecisionRequest,
    person: CurrentPersonApart,
    db: DatabaseDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Ask a second person of finance to close a case by hand, or to give its money back through the gateway."""
    async with db.session() as session:

        async def act() -> dict[str, Any]:
            identifier = parse_public_id("dif", case_id)
            return await differences.ask_to_settle(session, person, identifier, trigger, body.reason)

        parsed = ["difference_case", case_id, trigger, body.reason]
        answer = await once_of_caller(session, person, key, parsed, act, tell_refusal=_teller(language))
    return respond(answer)


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
