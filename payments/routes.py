"""HTTP of payments. A route is three lines: parse, call, return. The posting route itself is `hot_route.py`."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from starlette.convertors import StringConvertor, register_url_convertor

from identity.api import CallerDep, CurrentPerson, CurrentTerminal, Principal, Role, Terminal
from kernel import clock
from kernel.db import SessionDep
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
from kernel.idempotency import once
from kernel.ids import parse_public_id, public_id
from payments import funding, holders, pay_codes, queries, reversals, schemas, service, trust
from payments.errors import (
    BalanceLeft,
    ConfirmRepeat,
    PaymentRefused,
    PeriodLocked,
    PrefundTooLow,
    QueueFull,
    RefundExceeds,
    SeqReused,
)
from payments.posting_rule import PostingRule
from payments.qr import qr_png
from payments.states import HOLDER, allowed


class PaymentIdConvertor(StringConvertor):
    """Keeps `/payments/{payment_id}` from taking in addresses beside it, such as one that is not built yet."""

    regex = "pay_[^/]*"


register_url_convertor("payment_id", PaymentIdConvertor())
router = APIRouter(prefix="/v1", tags=["payments"])

REFUND_ROLES = (Role.CANTEEN_MANAGER, Role.FINANCE)


def _rule(request: Request) -> PostingRule:
    rule: PostingRule = request.app.state.posting_rule
    return rule


RuleDep = Annotated[PostingRule, Depends(_rule)]
PaymentId = Annotated[str, Path(max_length=80)]
PersonId = Annotated[str, Path(max_length=80)]
LanguageHeader = Annotated[str | None, Header(alias="Accept-Language")]


@router.post(
    "/payments",
    status_code=201,
    response_model=schemas.PaymentAnswer,
    responses=raises(
        IdempotencyKeyRequired,
        Unauthenticated,
        PaymentRefused,
        ConfirmRepeat,
        IdempotencyKeyReused,
        SeqReused,
        TooManyRequests,
        TryAgain,
        QueueFull,
    ),
)
async def pay(body: schemas.PaymentBody, key: IdempotencyKeyHeader = None) -> None:
    """Take a payment at a till (Bearer: terminal token). A refusal is 402 with a `DENY_*` code."""
    # Documentation only: app/main.py hands this path to hot_route.py before the framework sees it.
    raise TryAgain(body=body.seq, key=key)


@router.get("/payments/{payment_id:payment_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_payment(
    payment_id: PaymentId, caller: CallerDep, session: SessionDep, rule: RuleDep
) -> schemas.PaymentView:
    """One payment with what became of it: for its payer, the tills of its canteen, and staff there."""
    payment, view = await service.payment_detail(session, parse_public_id("pay", payment_id), rule)
    if isinstance(caller, Terminal):
        service.refuse_strangers(payment, person_id=None, site_id=caller.site_id, may_see_site=False)
    else:
        may_see = caller.may(*REFUND_ROLES, Role.CASHIER, site_id=payment.site_id, region_id=payment.host_region_id)
        service.refuse_strangers(payment, person_id=caller.person_id, site_id=None, may_see_site=may_see)
    return schemas.PaymentView.model_validate(view)


@router.get("/terminals/me/payments", responses=raises(Unauthenticated))
async def list_terminal_payments(
    terminal: CurrentTerminal,
    session: SessionDep,
    rule: RuleDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.PaymentView]:
    """The till's own payments, newest first, payers masked."""
    before = parse_public_id("pay", starting_after) if starting_after else None
    rows = await queries.list_terminal_payments(session, terminal.id, limit, before)
    return page_of([schemas.PaymentView.model_validate(service.payment_view(row, rule)) for row in rows], limit)


@router.post(
    "/payments/{payment_id:payment_id}/void",
    status_code=201,
    response_model=schemas.ReversalView,
    responses=raises(IdempotencyKeyRequired, Unauthenticated, Forbidden, NotFound, StateConflict, PeriodLocked),
)
async def void_payment(
    payment_id: PaymentId,
    terminal: CurrentTerminal,
    session: SessionDep,
    rule: RuleDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Take a payment back whole, at a till of its canteen, within five minutes."""

    async def act() -> dict[str, Any]:
        identifier = parse_public_id("pay", payment_id)
        return (await reversals.void_payment(session, identifier, terminal, site_label=rule.site_label)).body()

    caller = public_id("ter", terminal.id)
    answer = await once(session, caller, key, ["void", payment_id], act, tell_refusal=_teller(language))
    return respond(answer)


@router.post(
    "/payments/{payment_id:payment_id}/refunds",
    status_code=201,
    response_model=schemas.ReversalView,
    responses=raises(
        IdempotencyKeyRequired, Unauthenticated, Forbidden, NotFound, StateConflict, RefundExceeds, PeriodLocked
    ),
)
async def refund_payment(
    payment_id: PaymentId,
    body: schemas.RefundRequest,
    caller: CallerDep,
    session: SessionDep,
    rule: RuleDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Give back a part or the rest: tills of the canteen, and staff who manage it."""

    async def act() -> dict[str, Any]:
        identifier = parse_public_id("pay", payment_id)
        payment = await queries.get_payment(session, identifier)
        _refuse_refund_by_strangers(caller, payment.site_id, payment.host_region_id)
        refunded = await reversals.refund_payment(
            session, identifier, body.amount_fen, body.reason, actor=_actor(caller), site_label=rule.site_label
        )
        return refunded.body()

    parsed = ["refund", payment_id, body.amount_fen, body.reason]
    return respond(await once(session, _actor(caller), key, parsed, act, tell_refusal=_teller(language)))


def _refuse_refund_by_strangers(caller: Principal | Terminal, site_id: UUID, region_id: UUID) -> None:
    if isinstance(caller, Terminal):
        if caller.site_id != site_id:
            raise Forbidden
    else:
        caller.require(*REFUND_ROLES, site_id=site_id, region_id=region_id)


def _actor(caller: Principal | Terminal) -> str:
    return public_id("ter", caller.id) if isinstance(caller, Terminal) else caller.actor


def _teller(language: str | None) -> Any:
    def tell(error: GuanjiaError) -> dict[str, Any]:
        return error_body(error, language_of(language), request_id())

    return tell


@router.get("/me/purses", responses=raises(Unauthenticated, NotFound))
async def show_my_purses(person: CurrentPerson, session: SessionDep) -> schemas.PursesView:
    """Balances and lots."""
    return schemas.PursesView.model_validate(await service.purses_view(session, person.person_id))


@router.get("/me/payments", responses=raises(Unauthenticated, NotFound))
async def list_my_payments(
    person: CurrentPerson,
    session: SessionDep,
    rule: RuleDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.PaymentView]:
    """What I paid, newest first."""
    bucket, holder_id = await queries.find_holder_key(session, person.person_id)
    before = parse_public_id("pay", starting_after) if starting_after else None
    rows = await queries.list_payments(session, bucket, holder_id, limit, before)
    return page_of([schemas.PaymentView.model_validate(service.payment_view(row, rule)) for row in rows], limit)


@router.post(
    "/me/pay_codes",
    status_code=201,
    response_model=schemas.PayCodeView,
    responses=raises(Unauthenticated, NotFound, PaymentRefused),
)
async def issue_my_pay_code(
    person: CurrentPerson, session: SessionDep, accept: Annotated[str | None, Header()] = None
) -> Any:
    """A fresh one-time code, good for 60 seconds; with `Accept: image/png` its QR code as a picture."""
    issued = await pay_codes.issue_pay_code(session, person.person_id)
    if accept == "image/png":
        headers = {"X-Expires-At": clock.rfc3339(issued.expires_at), "Cache-Control": "no-store"}
        return Response(await asyncio.to_thread(qr_png, issued.text), 201, headers, "image/png")
    return schemas.PayCodeView.model_validate(pay_codes.wire_code(issued))


@router.post("/me/report_lost", responses=raises(Unauthenticated, NotFound, StateConflict))
async def report_my_card_lost(person: CurrentPerson, session: SessionDep) -> schemas.HolderView:
    """Refuse everything on my account, everywhere, from the next payment on."""
    return _holder_view(
        await holders.change_state(session, person.person_id, "report_lost", actor=person.actor, reason="")
    )


@router.post("/me/unlist", responses=raises(Unauthenticated, NotFound, StateConflict))
async def unlist_my_card(person: CurrentPerson, session: SessionDep) -> schemas.HolderView:
    """The card was found again."""
    return _holder_view(await holders.change_state(session, person.person_id, "unlist", actor=person.actor, reason=""))


@router.post(
    "/people/{person_id}/account/cards",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def reissue_card(person_id: PersonId, person: CurrentPerson, session: SessionDep) -> schemas.CardView:
    """A new card instead of the old one, whose number is refused from now on."""
    identifier = parse_public_id("per", person_id)
    await _require_finance(session, person, identifier)
    return schemas.CardView(number=await holders.reissue_card(session, identifier, actor=person.actor))


@router.post(
    "/people/{person_id}/account/top_ups",
    status_code=201,
    response_model=schemas.TopUpView,
    responses=raises(IdempotencyKeyRequired, Unauthenticated, Forbidden, NotFound, StateConflict, IdempotencyKeyReused),
)
async def top_up_at_counter(
    person_id: PersonId,
    body: schemas.CounterTopUpRequest,
    person: CurrentPerson,
    session: SessionDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Cash taken at the service counter."""

    async def act() -> dict[str, Any]:
        identifier = parse_public_id("per", person_id)
        await _require_finance(session, person, identifier)
        top_up = await funding.top_up_at_counter(session, identifier, body.amount_fen, actor=person.actor)
        return {"id": public_id("top", top_up), "status": "succeeded", "amount_fen": body.amount_fen}

    parsed = ["top_up", person_id, body.amount_fen]
    return respond(await once(session, person.actor, key, parsed, act, tell_refusal=_teller(language)))


# After its neighbours, which it would take in otherwise.
@router.post(
    "/people/{person_id}/account/{trigger}",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, BalanceLeft),
)
async def change_account(
    person_id: PersonId,
    trigger: Annotated[str, Path(pattern="^(freeze|unfreeze|report_lost|unlist|close)$")],
    person: CurrentPerson,
    session: SessionDep,
) -> schemas.HolderView:
    """The office's triggers on somebody's account."""
    identifier = parse_public_id("per", person_id)
    await _require_finance(session, person, identifier)
    return _holder_view(await holders.change_state(session, identifier, trigger, actor=person.actor, reason=""))


@router.post(
    "/organisations/{organisation_id}/prefund",
    status_code=201,
    response_model=schemas.PrefundView,
    responses=raises(IdempotencyKeyRequired, Unauthenticated, Forbidden, NotFound, PrefundTooLow),
)
async def prefund_unit(
    organisation_id: Annotated[str, Path(max_length=80)],
    body: schemas.PrefundRequest,
    person: CurrentPerson,
    session: SessionDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """A unit pays in ahead, as the bank has told the office."""

    async def act() -> dict[str, Any]:
        unit_id = parse_public_id("org", organisation_id)
        region_id = await service.region_of_unit(session, unit_id)
        # Of the region, whose bank account it is: a unit's own finance could write itself any sum.
        person.require(Role.FINANCE, region_id=region_id)
        balance = await funding.prefund_unit(session, unit_id, region_id, body.amount_fen, actor=person.actor)
        return {"unit": organisation_id, "balance_fen": balance}

    parsed = ["prefund", organisation_id, body.amount_fen]
    return respond(await once(session, person.actor, key, parsed, act, tell_refusal=_teller(language)))


@router.get("/trust_list")
async def show_trust_list(session: SessionDep) -> schemas.TrustList:
    """The public keys that may sign pay codes, signed by the root key."""
    return schemas.TrustList.model_validate(await trust.trust_list(session))


async def _require_finance(session: SessionDep, person: Principal, person_id: UUID) -> None:
    holder = await service.holder_of(session, person_id)
    person.require(Role.FINANCE, organisation_id=holder.unit_id, region_id=holder.region_id)


def _holder_view(holder: Any) -> schemas.HolderView:
    return schemas.HolderView(id=public_id("hol", holder.id), state=holder.state, allowed=allowed(HOLDER, holder.state))
