"""HTTP of payments. A route is three lines: parse, call, return. The posting route itself is `hot_route.py`."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Request, Response
from starlette.convertors import StringConvertor, register_url_convertor

from identity.api import (
    CallerApart,
    CallerDep,
    CurrentPerson,
    CurrentTerminal,
    CurrentTerminalApart,
    Principal,
    Role,
    Terminal,
    token_of,
)
from kernel import clock
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
from kernel.ids import parse_public_id, public_id
from payments import funding, holders, queries, reversals, schemas, service
from payments.caller_keys import once_of_caller
from payments.counter_rule import TillReturn
from payments.credentials import pay_codes, trust, vouchers
from payments.credentials.code_desk import CodeDeskDep
from payments.credentials.qr import qr_png
from payments.errors import (
    BalanceLeft,
    CardNumberTaken,
    ConfirmRepeat,
    NoVoucher,
    OwnAccount,
    PaymentRefused,
    PeriodLocked,
    PrefundTooLow,
    QueueFull,
    RefundExceeds,
    SeqReused,
)
from payments.giving_back import REFUND_ROLES, CounterDep, refuse_refund_by_strangers, who_signs
from payments.posting_rule import PostingRule
from payments.states import HOLDER, allowed


class PaymentIdConvertor(StringConvertor):
    """Keeps `/payments/{payment_id}` from taking in addresses beside it, such as one that is not built yet."""

    regex = "pay_[^/]*"


register_url_convertor("payment_id", PaymentIdConvertor())
router = APIRouter(prefix="/v1", tags=["payments"])


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
    """The till's payments, newest first, payers masked; `credential` is `wall_code` where a phone paid at its printed code."""
    before = parse_public_id("pay", starting_after) if starting_after else None
    rows = await queries.list_terminal_payments(session, terminal.id, limit, before)
    return page_of(await service.payment_views(session, rows, rule), limit)


@router.post(
    "/payments/{payment_id:payment_id}/void",
    status_code=201,
    response_model=schemas.ReversalView,
    responses=raises(
        IdempotencyKeyRequired, Unauthenticated, Forbidden, NotFound, StateConflict, PeriodLocked, TooManyRequests
    ),
)
async def void_payment(
    payment_id: PaymentId,
    terminal: CurrentTerminalApart,
    db: DatabaseDep,
    rule: RuleDep,
    counter: CounterDep,
    body: schemas.VoidRequest | None = None,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Take a payment back whole, at a till of its canteen, within five minutes. In a shift somebody signs by PIN."""
    signed_by = await who_signs(db, counter, terminal, body)
    async with db.session() as session:

        async def act() -> dict[str, Any]:
            await counter.allow_return(session, terminal, "void", signed_by)
            identifier = parse_public_id("pay", payment_id)
            voided = await reversals.void_payment(session, identifier, terminal, site_label=rule.site_label)
            await counter.note_return(session, terminal, _till_return(voided), signed_by)
            return voided.body()

        # Who signs is no part of the request: the same void, signed again, is still the same void.
        answer = await once_of_caller(session, terminal, key, ["void", payment_id], act, tell_refusal=_teller(language))
    return respond(answer)


def _till_return(made: reversals.Reversed) -> TillReturn:
    return TillReturn(made.id, made.payment_id, "void" if made.kind == "void" else "refund", made.amount_fen)


@router.post(
    "/payments/{payment_id:payment_id}/refunds",
    status_code=201,
    response_model=schemas.ReversalView,
    responses=raises(
        IdempotencyKeyRequired,
        Unauthenticated,
        Forbidden,
        NotFound,
        StateConflict,
        RefundExceeds,
        PeriodLocked,
        TooManyRequests,
    ),
)
async def refund_payment(
    payment_id: PaymentId,
    body: schemas.RefundRequest,
    caller: CallerApart,
    db: DatabaseDep,
    rule: RuleDep,
    counter: CounterDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Give back a part or the rest: tills of the canteen, and staff who manage it. At a till in a shift, signed by PIN."""
    till = caller if isinstance(caller, Terminal) else None
    signed_by = await who_signs(db, counter, till, body) if till else None
    async with db.session() as session:

        async def act() -> dict[str, Any]:
            if till:
                await counter.allow_return(session, till, "refund", signed_by)
            identifier = parse_public_id("pay", payment_id)
            payment = await queries.get_payment(session, identifier)
            refuse_refund_by_strangers(caller, payment.site_id, payment.host_region_id)
            refunded = await reversals.refund_payment(
                session, identifier, body.amount_fen, body.reason, actor=_actor(caller), site_label=rule.site_label
            )
            if till:
                await counter.note_return(session, till, _till_return(refunded), signed_by)
            return refunded.body()

        parsed = ["refund", payment_id, body.amount_fen, body.reason]
        answer = await once_of_caller(session, caller, key, parsed, act, tell_refusal=_teller(language))
    return respond(answer)


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
    return page_of(await service.payment_views(session, rows, rule), limit)


@router.post(
    "/me/pay_codes",
    status_code=201,
    response_model=schemas.PayCodeView,
    responses=raises(Unauthenticated, NotFound, PaymentRefused),
)
async def issue_my_pay_code(
    request: Request, desk: CodeDeskDep, accept: Annotated[str | None, Header()] = None
) -> Response:
    """A fresh one-time code, good for 60 seconds; with `Accept: image/png` its QR code as a picture."""
    issued = await desk.issue(token_of(request))
    if accept == "image/png":
        headers = {"X-Expires-At": clock.rfc3339(issued.expires_at), "Cache-Control": "no-store"}
        return Response(await asyncio.to_thread(qr_png, issued.text), 201, headers, "image/png")
    return Response(msgspec.json.encode(pay_codes.wire_code(issued)), 201, media_type="application/json")


@router.get("/me/vouchers", responses=raises(Unauthenticated, NotFound))
async def list_my_vouchers(person: CurrentPerson, session: SessionDep) -> Page[schemas.VoucherStatusView]:
    """The vouchers I was given today, newest first; at most two."""
    rows = await vouchers.list_vouchers(session, person.person_id)
    return Page(data=[schemas.VoucherStatusView.model_validate(row) for row in rows], has_more=False)


@router.post("/me/vouchers", status_code=201, responses=raises(Unauthenticated, NotFound, PaymentRefused, NoVoucher))
async def issue_my_voucher(person: CurrentPerson, session: SessionDep) -> schemas.VoucherView:
    """A code for this meal or the next, for a phone that may have no network then. At a till it pays once, like any other."""
    return schemas.VoucherView.model_validate(await vouchers.issue_voucher(session, person.person_id))


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
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, CardNumberTaken),
)
async def reissue_card(
    person_id: PersonId, person: CurrentPerson, session: SessionDep, body: schemas.NewCardRequest | None = None
) -> schemas.CardView:
    """A first card, or a new one instead of the old one, whose number is refused from now on."""
    identifier, wanted = parse_public_id("per", person_id), body.number if body is not None else None
    await _require_finance(session, person, identifier)
    number = await holders.reissue_card(session, identifier, actor=person.actor, number=wanted)
    return schemas.CardView(number=number)


@router.post(
    "/people/{person_id}/account/top_ups",
    status_code=201,
    response_model=schemas.TopUpView,
    responses=raises(
        IdempotencyKeyRequired, Unauthenticated, Forbidden, OwnAccount, NotFound, StateConflict, IdempotencyKeyReused
    ),
)
async def top_up_at_counter(
    person_id: PersonId,
    body: schemas.CounterTopUpRequest,
    person: CurrentPerson,
    session: SessionDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Cash taken at the service counter, by somebody else than the one who pays it in."""

    async def act() -> dict[str, Any]:
        identifier = parse_public_id("per", person_id)
        await _require_finance(session, person, identifier)
        top_up = await funding.top_up_at_counter(session, identifier, body.amount_fen, actor=person.actor)
        return {"id": public_id("top", top_up), "status": "succeeded", "amount_fen": body.amount_fen}

    parsed = ["top_up", person_id, body.amount_fen]
    return respond(await once_of_caller(session, person, key, parsed, act, tell_refusal=_teller(language)))


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
    return respond(await once_of_caller(session, person, key, parsed, act, tell_refusal=_teller(language)))


@router.post(
    "/organisations/{organisation_id}/bill_payments",
    status_code=201,
    response_model=schemas.BillView,
    responses=raises(IdempotencyKeyRequired, Unauthenticated, Forbidden, NotFound),
)
async def pay_bill(
    organisation_id: Annotated[str, Path(max_length=80)],
    body: schemas.PrefundRequest,
    person: CurrentPerson,
    session: SessionDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """A unit that is billed has paid, as the bank has told the office."""

    async def act() -> dict[str, Any]:
        unit_id = parse_public_id("org", organisation_id)
        person.require(Role.FINANCE, region_id=await service.region_of_unit(session, unit_id))
        owed_fen = await funding.pay_bill(session, unit_id, body.amount_fen, actor=person.actor)
        return {"unit": organisation_id, "owed_fen": owed_fen}

    parsed = ["pay_bill", organisation_id, body.amount_fen]
    return respond(await once_of_caller(session, person, key, parsed, act, tell_refusal=_teller(language)))


@router.get("/trust_list")
async def show_trust_list(session: SessionDep) -> schemas.TrustList:
    """The public keys that may sign pay codes, signed by the root key."""
    return schemas.TrustList.model_validate(await trust.trust_list(session))


async def _require_finance(session: SessionDep, person: Principal, person_id: UUID) -> None:
    holder = await service.holder_of(session, person_id)
    person.require(Role.FINANCE, organisation_id=holder.unit_id, region_id=holder.region_id)


def _holder_view(holder: Any) -> schemas.HolderView:
    return schemas.HolderView(id=public_id("hol", holder.id), state=holder.state, allowed=allowed(HOLDER, holder.state))
