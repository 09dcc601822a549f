"""HTTP of disputes: the payer's own, and the canteen's and the region's by role."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request

from identity.api import CurrentPerson, Role
from identity.errors import SamePerson
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, TooManyRequests, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id
from payments.disputes import queries, schemas, service, views
from payments.disputes.errors import DisputeExists, DisputeTooLate, NoSubsidyLeft, NothingToDispute, SubsidyUsed
from payments.disputes.states import DISPUTE, UNDER_WAY
from payments.errors import PeriodLocked, RefundExceeds
from payments.posting_rule import PostingRule
from payments.states import states_of

router = APIRouter(prefix="/v1", tags=["disputes"])


def _rule(request: Request) -> PostingRule:
    rule: PostingRule = request.app.state.posting_rule
    return rule


RuleDep = Annotated[PostingRule, Depends(_rule)]
DisputeId = Annotated[str, Path(max_length=80)]
_OVER = [state for state in states_of(DISPUTE) if state not in UNDER_WAY]


@router.post(
    "/payments/{payment_id}/disputes",
    status_code=201,
    responses=raises(
        Unauthenticated, Forbidden, NotFound, DisputeTooLate, DisputeExists, NothingToDispute, TooManyRequests
    ),
)
async def open_dispute(
    payment_id: Annotated[str, Path(max_length=80)],
    body: schemas.DisputeRequest,
    person: CurrentPerson,
    session: SessionDep,
    rule: RuleDep,
) -> schemas.DisputeView:
    """Something is wrong with a payment of mine, of the last 30 days. The canteen has three work days to answer."""
    opened = await service.open_dispute(session, person, parse_public_id("pay", payment_id), body)
    return (await views.views_of(session, [opened], person, rule))[0]


@router.get("/me/disputes", responses=raises(Unauthenticated, NotFound))
async def list_my_disputes(
    person: CurrentPerson,
    session: SessionDep,
    rule: RuleDep,
    payment: Annotated[str | None, Query(max_length=80, description="Only those of this payment.")] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.DisputeView]:
    """Mine, newest first."""
    before = parse_public_id("dis", starting_after) if starting_after else None
    payment_id = parse_public_id("pay", payment) if payment else None
    rows = await queries.list_own(session, person.person_id, limit, before, payment_id)
    return page_of(await views.views_of(session, rows, person, rule), limit)


@router.get("/disputes", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_disputes(
    person: CurrentPerson,
    session: SessionDep,
    rule: RuleDep,
    stage: Annotated[
        Literal["under_way", "over"],
        Query(description="Those that somebody still has to act on, or those that are over."),
    ] = "under_way",
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.DisputeView]:
    """Those of the canteens that I manage and of the regions whose finance I am, newest first."""
    if not person.holds(Role.CANTEEN_MANAGER, Role.FINANCE):
        raise Forbidden(roles=[Role.CANTEEN_MANAGER.value, Role.FINANCE.value])
    before = parse_public_id("dis", starting_after) if starting_after else None
    rows = await queries.list_for_staff(session, person, limit, before, UNDER_WAY if stage == "under_way" else _OVER)
    return page_of(await views.views_of(session, rows, person, rule), limit)


@router.get("/disputes/{dispute_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_dispute(
    dispute_id: DisputeId, person: CurrentPerson, session: SessionDep, rule: RuleDep
) -> schemas.DisputeView:
    """One, with its steps and its clock: for its payer, the canteen's manager and the region's finance."""
    dispute = await queries.get_dispute(session, parse_public_id("dis", dispute_id))
    service.refuse_strangers(dispute, person)
    return (await views.views_of(session, [dispute], person, rule))[0]


@router.post(
    "/disputes/{dispute_id}/{trigger}",
    responses=raises(
        Unauthenticated,
        Forbidden,
        NotFound,
        StateConflict,
        SamePerson,
        RefundExceeds,
        NothingToDispute,
        NoSubsidyLeft,
        SubsidyUsed,
        PeriodLocked,
    ),
)
async def pull_trigger(
    dispute_id: DisputeId,
    trigger: Literal["accept", "reject", "withdraw", "escalate", "uphold", "dismiss"],
    person: CurrentPerson,
    session: SessionDep,
    rule: RuleDep,
    body: schemas.DisputeAnswer | None = None,
) -> schemas.DisputeView:
    """accept, reject: the canteen. escalate, withdraw: the payer. uphold, dismiss: the region. Money is back with the answer."""
    identifier, answer = parse_public_id("dis", dispute_id), body or schemas.DisputeAnswer()
    dispute = await service.pull(session, person, identifier, trigger, answer, rule)
    return (await views.views_of(session, [dispute], person, rule))[0]
