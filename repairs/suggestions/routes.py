"""HTTP of the suggestions box."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from identity.api import CurrentPerson
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id
from repairs.suggestions import queries, schemas, service, views
from repairs.suggestions.errors import OwnSuggestion, SuggestionNeedsWords
from repairs.suggestions.models import Suggestion

router = APIRouter(prefix="/v1", tags=["suggestions"])
SuggestionId = Annotated[str, Path(max_length=80)]
WhoseQuery = Annotated[
    Literal["public", "mine", "office"],
    Query(description="`public`: what is answered or looked into; `mine`; `office`: the boxes that I keep."),
]


@router.get("/suggestions", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_suggestions(
    person: CurrentPerson,
    session: SessionDep,
    whose: WhoseQuery = "public",
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.SuggestionBoxView]:
    """Newest first; nobody is named."""
    query = {
        "public": queries.list_public(),
        "mine": queries.list_of_raiser(person.person_id),
        "office": queries.list_all(),
    }[whose].limit(limit + 1)
    if whose == "office":
        if not person.holds(*service.OFFICE_ROLES):
            raise Forbidden(roles=[role.value for role in service.OFFICE_ROLES])
        cover = person.cover_of(*service.OFFICE_ROLES)
        if cover is not None:
            query = query.where(Suggestion.region_id.in_(cover.regions))
    if starting_after is not None:
        query = query.where(Suggestion.id < parse_public_id(queries.PREFIX, starting_after))
    return page_of([views.view_of(row, person) for row in await session.scalars(query)], limit)


@router.post("/suggestions", status_code=201, responses=raises(Unauthenticated, NotFound))
async def raise_suggestion(
    body: schemas.SuggestionBody, person: CurrentPerson, session: SessionDep
) -> schemas.SuggestionBoxView:
    """Into the box; only I shall know whose it is."""
    return views.view_of(await service.raise_suggestion(session, person, body), person)


@router.get("/suggestions/{suggestion_id}", responses=raises(Unauthenticated, NotFound))
async def read_suggestion(
    suggestion_id: SuggestionId, person: CurrentPerson, session: SessionDep
) -> schemas.SuggestionBoxView:
    """Mine, one of a box that I keep, or a public one."""
    row = await service.read(session, person, parse_public_id(queries.PREFIX, suggestion_id))
    return views.view_of(row, person)


@router.post(
    "/suggestions/{suggestion_id}/rate",
    responses=raises(Unauthenticated, NotFound, StateConflict, SuggestionNeedsWords),
)
async def rate_suggestion(
    suggestion_id: SuggestionId, body: schemas.SuggestionRatingBody, person: CurrentPerson, session: SessionDep
) -> schemas.SuggestionBoxView:
    """What I think of the answer to my own."""
    row = await service.rate(session, person, parse_public_id(queries.PREFIX, suggestion_id), body)
    return views.view_of(row, person)


@router.post("/suggestions/{suggestion_id}/withdraw", responses=raises(Unauthenticated, NotFound, StateConflict))
async def withdraw_suggestion(
    suggestion_id: SuggestionId, body: schemas.SuggestionStepBody, person: CurrentPerson, session: SessionDep
) -> schemas.SuggestionBoxView:
    """I take mine back before it is answered."""
    row = await service.withdraw(session, person, parse_public_id(queries.PREFIX, suggestion_id), body)
    return views.view_of(row, person)


@router.post(
    "/suggestions/{suggestion_id}/{trigger}",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, SuggestionNeedsWords, OwnSuggestion),
)
async def handle_suggestion(
    suggestion_id: SuggestionId,
    trigger: Literal["accept", "decline", "answer"],
    body: schemas.SuggestionStepBody,
    person: CurrentPerson,
    session: SessionDep,
) -> schemas.SuggestionBoxView:
    """The office takes it up, declines it with a reason, or answers it in public."""
    row = await service.handle(session, person, parse_public_id(queries.PREFIX, suggestion_id), trigger, body)
    return views.view_of(row, person)
