"""HTTP of withdrawals: one's own from the phone, a leaver's from the office."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, Principal, Role
from kernel.db import SessionDep
from kernel.errors import (
    Forbidden,
    GuanjiaError,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    NotFound,
    StateConflict,
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
from kernel.idempotency import Answer, check_key
from kernel.ids import parse_public_id
from kernel.settings import get_settings
from payments import queries as payment_queries
from payments import service as payment_service
from payments.caller_keys import once_of_caller
from payments.channels.channel import Channel
from payments.errors import ChannelUnavailable, PaymentRefused
from payments.withdrawals import queries, schemas, service, views
from payments.withdrawals.errors import NameDiffers, NothingToWithdraw, StillHere, WithdrawalUnderWay

router = APIRouter(prefix="/v1", tags=["withdrawals"])

PersonId = Annotated[str, Path(max_length=80)]
WithdrawalId = Annotated[str, Path(max_length=80)]
LanguageHeader = Annotated[str | None, Header(alias="Accept-Language")]
_STARTING = (
    IdempotencyKeyRequired,
    Unauthenticated,
    PaymentRefused,
    Forbidden,
    NotFound,
    IdempotencyKeyReused,
    NameDiffers,
    NothingToWithdraw,
    WithdrawalUnderWay,
    ChannelUnavailable,
)


@router.get("/me/withdrawal_terms", responses=raises(Unauthenticated, NotFound))
async def show_my_terms(person: CurrentPerson, session: SessionDep, request: Request) -> schemas.WithdrawalTerms:
    """What would be sent, and what would go back to my unit."""
    purses = await payment_service.purses_view(session, person.person_id)
    bucket, holder_id = await payment_queries.find_holder_key(session, person.person_id)
    held = await payment_queries.open_holds(session, bucket, holder_id)
    channels: Mapping[str, Channel] = request.app.state.channels
    sending = [name for name, channel in channels.items() if channel.sends_money]
    return schemas.WithdrawalTerms(
        channels=sending,
        cash_fen=purses["cash_fen"] - sum(hold.amount_fen for hold in held),
        subsidy_fen=purses["subsidy_fen"],
        approval_above_fen=get_settings().withdrawal_approval_above_fen,
        allowed=purses["state"] in ("active", "lost", "closed"),
    )


@router.post("/me/withdrawals", status_code=201, response_model=schemas.WithdrawalView, responses=raises(*_STARTING))
async def start_my_withdrawal(
    body: schemas.WithdrawalRequest,
    person: CurrentPerson,
    session: SessionDep,
    request: Request,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Send all my cash to my own Alipay account and close my account here; what is left of subsidies goes to its unit."""
    answer = await _start(session, request, person, person.person_id, body, key, language)
    return respond(answer)


@router.post(
    "/people/{person_id}/cash/withdrawals",
    status_code=201,
    response_model=schemas.WithdrawalView,
    responses=raises(*_STARTING, StillHere),
)
async def start_withdrawal(
    person_id: PersonId,
    body: schemas.WithdrawalRequest,
    person: CurrentPerson,
    session: SessionDep,
    request: Request,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """The same for somebody who has left and cannot sign in any more: for finance."""
    answer = await _start(session, request, person, parse_public_id("per", person_id), body, key, language)
    return respond(answer)


async def _start(
    session: AsyncSession,
    request: Request,
    actor: Principal,
    person_id: UUID,
    body: schemas.WithdrawalRequest,
    key: str | None,
    language: str | None,
) -> Answer:
    channel = request.app.state.channels.get(body.channel)
    if channel is None or not channel.sends_money:
        raise ChannelUnavailable(channel=body.channel)

    async def act() -> dict[str, Any]:
        withdrawal = await service.start(session, actor, person_id, body, key=check_key(key))
        return (await views.views_of(session, [withdrawal], actor))[0].model_dump(mode="json")

    parsed = ["withdrawal", str(person_id), body.channel, body.account, body.name]
    return await once_of_caller(session, actor, key, parsed, act, tell_refusal=_teller(language))


def _teller(language: str | None) -> Callable[[GuanjiaError], dict[str, Any]]:
    def tell(error: GuanjiaError) -> dict[str, Any]:
        return error_body(error, language_of(language), request_id())

    return tell


@router.get("/me/withdrawals", responses=raises(Unauthenticated, NotFound))
async def list_my_withdrawals(
    person: CurrentPerson, session: SessionDep, limit: LimitQuery = 20, starting_after: StartingAfterQuery = None
) -> Page[schemas.WithdrawalView]:
    """Mine, newest first."""
    before = parse_public_id("wdr", starting_after) if starting_after else None
    rows = await queries.list_of_person(session, person.person_id, limit, before)
    return page_of(await views.views_of(session, rows, person), limit)


@router.get("/people/{person_id}/cash/withdrawals", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_withdrawals_of_person(
    person_id: PersonId,
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.WithdrawalView]:
    """Somebody's, newest first: for finance."""
    holder = await payment_service.holder_of(session, parse_public_id("per", person_id))
    person.require(Role.FINANCE, organisation_id=holder.unit_id, region_id=holder.region_id)
    before = parse_public_id("wdr", starting_after) if starting_after else None
    rows = await queries.list_of_person(session, holder.person_id, limit, before)
    return page_of(await views.views_of(session, rows, person), limit)


@router.get("/withdrawals", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_withdrawals(
    person: CurrentPerson, session: SessionDep, limit: LimitQuery = 20, starting_after: StartingAfterQuery = None
) -> Page[schemas.WithdrawalView]:
    """Those of the regions whose finance I am, newest first."""
    if not person.holds(Role.FINANCE):
        raise Forbidden(roles=[Role.FINANCE.value])
    before = parse_public_id("wdr", starting_after) if starting_after else None
    rows = await queries.list_within(session, person.cover_of(Role.FINANCE), limit, before)
    return page_of(await views.views_of(session, rows, person), limit)


@router.get("/withdrawals/{withdrawal_id}", responses=raises(Unauthenticated, NotFound))
async def show_withdrawal(
    withdrawal_id: WithdrawalId, person: CurrentPerson, session: SessionDep
) -> schemas.WithdrawalView:
    """How far it has come."""
    withdrawal = await queries.get_withdrawal(session, parse_public_id("wdr", withdrawal_id))
    service.refuse_strangers(withdrawal, person)
    return (await views.views_of(session, [withdrawal], person))[0]


@router.post(
    "/withdrawals/{withdrawal_id}/cancel", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def cancel_withdrawal(
    withdrawal_id: WithdrawalId, person: CurrentPerson, session: SessionDep
) -> schemas.WithdrawalView:
    """Take back what I asked for, while nobody has decided on it."""
    withdrawal = await service.cancel(session, person, parse_public_id("wdr", withdrawal_id))
    return (await views.views_of(session, [withdrawal], person))[0]


@router.post("/withdrawals/{withdrawal_id}/ask", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def ask_about_withdrawal(
    withdrawal_id: WithdrawalId, person: CurrentPerson, session: SessionDep
) -> schemas.WithdrawalView:
    """Have the gateway asked once more what became of it: for finance."""
    withdrawal = await service.ask_again(session, person, parse_public_id("wdr", withdrawal_id))
    return (await views.views_of(session, [withdrawal], person))[0]
