"""`/v1/work_orders` and what stands around it: categories, technicians, problems, desks."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import StringConstraints
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, Principal, place_names, token_of
from identity.errors import PlaceLabelEnded, PlaceLabelUnknown
from kernel import clock
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, TooManyRequests, Unauthenticated
from kernel.files import FilesInUse
from kernel.http import LimitQuery, Page, StartingAfterQuery, language_of, page_of, raises
from kernel.ids import parse_public_id, public_id
from realtime.api import channel_position
from repairs.orders import (
    categories,
    dispatching,
    notes,
    problems,
    queries,
    raising,
    schemas,
    served,
    service,
    sync,
    technicians,
    views,
)
from repairs.orders.channels import region_of_desk
from repairs.orders.errors import (
    AlreadyMerged,
    CategoryUnfit,
    ChecklistOpen,
    NowhereToRepair,
    RatedTooLate,
    RaterInvolved,
    SkillMissing,
    WordsRequired,
)
from repairs.orders.events import desk_channel, desk_id
from repairs.orders.models import RepairProblem, WorkOrder
from repairs.orders.parties import actor_of, standing_of
from repairs.orders.states import OPEN, WORK_ORDER, states_of
from repairs.orders.together import raising_desk_of

router = APIRouter(prefix="/v1", tags=["repairs"])
OrderId = Annotated[str, Path(max_length=80)]
_OVER: Final = [state for state in states_of(WORK_ORDER) if state not in OPEN]
_NO_NUL: Final = r"^[^\x00]*$"
_READ: Final = raises(Unauthenticated, Forbidden, NotFound)
_PULLED: Final = raises(
    Unauthenticated,
    Forbidden,
    NotFound,
    StateConflict,
    ChecklistOpen,
    SkillMissing,
    RaterInvolved,
    RatedTooLate,
    AlreadyMerged,
    WordsRequired,
    FilesInUse,
)


# ---- raising


@router.post(
    "/work_orders",
    status_code=201,
    response_model=schemas.WorkOrderView,
    responses={
        200: {"model": schemas.WorkOrderView, "description": "The order that this report has made before."},
        **raises(
            Unauthenticated,
            NotFound,
            PlaceLabelUnknown,
            PlaceLabelEnded,
            NowhereToRepair,
            CategoryUnfit,
            FilesInUse,
        ),
    },
)
async def raise_order(body: schemas.WorkOrderRequest, request: Request, db: DatabaseDep) -> Response:
    """Something is broken. A `client_id` that was sent before names the order that it has made: 200."""
    # Whose it is, is asked for all that are raised together.
    answer = await raising_desk_of(db).raise_order(token_of(request), body)
    return Response(answer.body, answer.status, media_type="application/json")


@router.get("/work_orders/duplicates", responses=raises(Unauthenticated, NotFound))
async def list_duplicates(
    person: CurrentPerson,
    session: SessionDep,
    place: schemas.PublicId | None = None,
    asset: schemas.PublicId | None = None,
    category: schemas.PublicId | None = None,
) -> list[schemas.OrderBrief]:
    """What is likely to mean the same: not repaired yet, lately raised, of the same asset, or of the same place and kind."""
    spot = await raising.spot_of(session, actor_of(person), place=place, place_code=None, asset=asset)
    twins = await queries.twins_of(
        session,
        place_id=spot.place_id,
        asset_id=spot.asset.id if spot.asset is not None else None,
        category_id=parse_public_id(queries.CATEGORY, category) if category else None,
        at=clock.now(),
    )
    return await views.briefs_of(session, twins)


@router.get("/repair_people", responses=raises(Unauthenticated, TooManyRequests))
async def find_served(
    person: CurrentPerson,
    session: SessionDep,
    q: Annotated[str, StringConstraints(strip_whitespace=True), Query(min_length=2, max_length=60, pattern=_NO_NUL)],
) -> schemas.ServedPeople:
    """On whose behalf one may raise an order: colleagues by a part of their name, others by the whole of it; who leads a workshop
    finds everybody whom it serves."""
    return schemas.ServedPeople(data=await served.find_served(session, person, q))


# ---- reading


@router.get("/work_orders", responses=raises(Unauthenticated, NotFound))
async def list_orders(
    person: CurrentPerson,
    session: SessionDep,
    state: Annotated[list[schemas.State] | None, Query(max_length=20)] = None,
    stage: Annotated[Literal["open", "over", "all"], Query(description="Under way, over, or all.")] = "all",
    mine: Annotated[
        Literal["raised", "assigned", "any"] | None,
        Query(description="Mine: raised by me or for me, mine to do, or either."),
    ] = None,
    place: Annotated[schemas.PublicId | None, Query(description="This place and all below it.")] = None,
    asset: schemas.PublicId | None = None,
    category: Annotated[schemas.PublicId | None, Query(description="This kind and those right below it.")] = None,
    assignee: schemas.PublicId | None = None,
    problem: schemas.PublicId | None = None,
    urgency: schemas.Urgency | None = None,
    region: schemas.PublicId | None = None,
    q: Annotated[str | None, Query(max_length=60, pattern=_NO_NUL)] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.WorkOrderView]:
    """My own, those that I have to do, and those of the desks that I work at; newest first."""
    stages: dict[str, Sequence[str]] = {"open": OPEN, "over": _OVER, "all": ()}
    chosen = queries.Chosen(
        states=state or stages[stage],
        mine=mine,
        place_id=_id("pla", place),
        asset_id=_id(queries.ASSET, asset),
        category_id=_id(queries.CATEGORY, category),
        assignee_id=_id("per", assignee),
        problem_id=_id(queries.PROBLEM, problem),
        region_id=_id("reg", region),
        urgency=urgency,
        words=q,
    )
    rows = await queries.list_orders(session, person, chosen, limit, _id(queries.PREFIX, starting_after))
    return page_of(await views.views_of(session, rows, actor_of(person)), limit)


def _id(prefix: str, text: str | None) -> UUID | None:
    return parse_public_id(prefix, text) if text else None


@router.get("/work_orders/{order_id}", responses=_READ)
async def show_order(order_id: OrderId, person: CurrentPerson, session: SessionDep) -> schemas.WorkOrderView:
    """One, with its history, notes, checklist and time."""
    order = await _visible(session, person, order_id)
    return await views.whole_view_of(session, order, actor_of(person))


async def _visible(session: AsyncSession, person: Principal, order_id: str) -> WorkOrder:
    order = await queries.get_order(session, parse_public_id(queries.PREFIX, order_id))
    await standing_of(session, order, actor_of(person))
    return order


@router.get("/work_orders/{order_id}/candidates", responses=_READ)
async def list_candidates(order_id: OrderId, person: CurrentPerson, session: SessionDep) -> list[schemas.CandidateView]:
    """To whom it could go, the best first: for who assigns it."""
    order = await _visible(session, person, order_id)
    person.require(*queries.LEAD_ROLES, region_id=order.region_id, site_id=order.site_id)
    category = await queries.get_category(session, order.category_id)
    found = await dispatching.candidates_for(session, order, category)
    names = await views.names_of(session, {one.person_id for one in found})
    return [
        schemas.CandidateView(
            person=schemas.SomebodyView(id=public_id("per", one.person_id), name=names.get(one.person_id, "")),
            fits=one.fits,
            reasons=list(one.reasons),
            load=one.load,
            load_max=one.load_max,
            on_duty=one.on_duty,
            declined=one.declined,
        )
        for one in found
    ]


# ---- work


@router.post(
    "/work_orders/{order_id}/notes",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, FilesInUse),
)
async def post_note(
    order_id: OrderId, body: schemas.NoteBody, person: CurrentPerson, session: SessionDep
) -> schemas.NoteView:
    """Words or pictures; the same `client_id` is the same note."""
    order = await queries.get_order(session, parse_public_id(queries.PREFIX, order_id))
    note = await notes.write_note(session, actor_of(person), order, body)
    return (await views.note_views(session, [note]))[0]


@router.post(
    "/work_orders/{order_id}/labour",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def post_labour(
    order_id: OrderId, body: schemas.LabourBody, person: CurrentPerson, session: SessionDep
) -> schemas.WorkOrderView:
    """Time that was spent on it; the same `client_id` is the same entry."""
    order = await queries.get_order(session, parse_public_id(queries.PREFIX, order_id))
    await notes.enter_labour(session, actor_of(person), order, body)
    return await views.whole_view_of(session, order, actor_of(person))


@router.put(
    "/work_orders/{order_id}/checks/{ordinal}",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def put_check(
    order_id: OrderId,
    ordinal: Annotated[int, Path(ge=1, le=200)],
    body: schemas.CheckBody,
    person: CurrentPerson,
    session: SessionDep,
) -> schemas.WorkOrderView:
    """A line of the checklist is done, or is not."""
    order = await queries.get_order(session, parse_public_id(queries.PREFIX, order_id))
    await notes.tick(session, actor_of(person), order, ordinal, body)
    return await views.whole_view_of(session, order, actor_of(person))


@router.post("/work_orders/{order_id}/sync", responses=_READ)
async def synchronise(
    order_id: OrderId, body: schemas.SyncBody, person: CurrentPerson, session: SessionDep, request: Request
) -> schemas.SyncView:
    """What a phone has kept while it was without network: each change once, an answer for each, and the order as it is then."""
    order = await queries.get_order(session, parse_public_id(queries.PREFIX, order_id))
    actor = actor_of(person)
    language = language_of(request.headers.get("accept-language"))
    results = await sync.synchronise(session, actor, order, body.steps, language)
    return schemas.SyncView(results=results, order=await views.whole_view_of(session, order, actor))


# ---- categories and technicians


@router.get("/repair_skills", responses=raises(Unauthenticated))
async def list_skills(_person: CurrentPerson) -> list[schemas.SkillView]:
    """What technicians may be able to do."""
    return categories.skills()


@router.get("/repair_categories", responses=raises(Unauthenticated))
async def list_categories(
    _person: CurrentPerson, session: SessionDep, *, also_retired: bool = False
) -> list[schemas.CategoryView]:
    """The tree, as a list in which each names its parent."""
    return categories.category_views(await queries.list_categories(session, also_retired=also_retired))


@router.post(
    "/repair_categories", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound, CategoryUnfit)
)
async def post_category(
    body: schemas.CategoryRequest, person: CurrentPerson, session: SessionDep
) -> schemas.CategoryView:
    return categories.category_views([await categories.open_category(session, person, body)])[0]


@router.patch("/repair_categories/{category}", responses=raises(Unauthenticated, Forbidden, NotFound, CategoryUnfit))
async def patch_category(
    category: OrderId, body: schemas.CategoryChange, person: CurrentPerson, session: SessionDep
) -> schemas.CategoryView:
    """Orders that were raised keep the checklist and the urgency that they have."""
    identifier = parse_public_id(queries.CATEGORY, category)
    return categories.category_views([await categories.change_category(session, person, identifier, body)])[0]


@router.post("/repair_categories/{category}/{verb}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def turn_category(
    category: OrderId, verb: Literal["retire", "reopen"], person: CurrentPerson, session: SessionDep
) -> schemas.CategoryView:
    """Out of use, or in use again."""
    identifier = parse_public_id(queries.CATEGORY, category)
    row = await categories.turn_category(session, person, identifier, is_retired=verb == "retire")
    return categories.category_views([row])[0]


@router.get("/technicians", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_technicians(
    person: CurrentPerson, session: SessionDep, region: schemas.PublicId | None = None
) -> list[schemas.TechnicianView]:
    """Of the regions whose desks I work at."""
    if not person.holds(*queries.STAFF_ROLES):
        raise Forbidden(roles=[str(role) for role in queries.STAFF_ROLES])
    cover = person.cover_of(*queries.STAFF_ROLES)
    regions = set(cover.regions) if cover is not None else None
    if region is not None:
        wanted = parse_public_id("reg", region)
        person.require(*queries.STAFF_ROLES, region_id=wanted)
        regions = {wanted}
    return await technicians.technician_views(session, await queries.technicians_in(session, regions))


@router.put("/technicians/{technician}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def put_technician(
    technician: OrderId, body: schemas.TechnicianBody, person: CurrentPerson, session: SessionDep
) -> schemas.TechnicianView:
    """What somebody is sent: skills, places, how much at a time."""
    row = await technicians.keep_technician(session, person, parse_public_id("per", technician), body)
    return (await technicians.technician_views(session, [row]))[0]


# ---- problems


@router.get("/repair_problems", responses=raises(Unauthenticated, NotFound))
async def list_problems(
    person: CurrentPerson,
    session: SessionDep,
    state: Literal["open", "identified", "solved", "dismissed"] | None = None,
    region: schemas.PublicId | None = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.ProblemView]:
    """Of the regions whose desks I work at, newest first."""
    where = [_problems_of(person)]
    if state is not None:
        where.append(RepairProblem.state == state)
    if region is not None:
        where.append(RepairProblem.region_id == parse_public_id("reg", region))
    rows = await queries.list_problems(session, where, limit, _id(queries.PROBLEM, starting_after))
    return page_of(await views.problem_views(session, rows, actor_of(person)), limit)


def _problems_of(person: Principal) -> ColumnElement[bool]:
    cover = person.cover_of(*queries.STAFF_ROLES)
    if cover is None:
        return RepairProblem.id.is_not(None)
    return RepairProblem.region_id.in_(cover.regions)


@router.get("/repair_problems/{problem}", responses=_READ)
async def show_problem(problem: OrderId, person: CurrentPerson, session: SessionDep) -> schemas.ProblemView:
    """One, with the orders that it links."""
    row = await queries.get_problem(session, parse_public_id(queries.PROBLEM, problem))
    person.require(*queries.STAFF_ROLES, region_id=row.region_id)
    return await _whole_problem(session, row, person)


async def _whole_problem(session: AsyncSession, row: RepairProblem, person: Principal) -> schemas.ProblemView:
    view = (await views.problem_views(session, [row], actor_of(person)))[0]
    view.linked = await views.briefs_of(session, await queries.linked_to(session, row.id, 100))
    return view


@router.post("/repair_problems", status_code=201, responses={**_READ, **raises(StateConflict)})
async def open_problem(body: schemas.OneOrder, person: CurrentPerson, session: SessionDep) -> schemas.ProblemView:
    """There is more behind an order than this one: a problem of its kind in its house, or the one that is open there already."""
    row = await problems.open_by_lead(session, person, parse_public_id(queries.PREFIX, body.order))
    return await _whole_problem(session, row, person)


@router.post("/repair_problems/{problem}/orders", responses={**_READ, **raises(StateConflict)})
async def link_order(
    problem: OrderId, body: schemas.OneOrder, person: CurrentPerson, session: SessionDep
) -> schemas.ProblemView:
    """This order comes of it, too; one of the same region, of whatever kind."""
    identifier, order_id = parse_public_id(queries.PROBLEM, problem), parse_public_id(queries.PREFIX, body.order)
    return await _whole_problem(session, await problems.link_order(session, person, identifier, order_id), person)


@router.delete("/repair_problems/{problem}/orders/{order_id}", responses={**_READ, **raises(StateConflict)})
async def unlink_order(
    problem: OrderId, order_id: OrderId, person: CurrentPerson, session: SessionDep
) -> schemas.ProblemView:
    """This order has nothing to do with it."""
    identifier, order = parse_public_id(queries.PROBLEM, problem), parse_public_id(queries.PREFIX, order_id)
    return await _whole_problem(session, await problems.unlink_order(session, person, identifier, order), person)


@router.post("/repair_problems/{problem}/{trigger}", responses={**_READ, **raises(Forbidden, StateConflict)})
async def turn_problem(
    problem: OrderId,
    trigger: schemas.ProblemTrigger,
    body: schemas.ProblemBody,
    person: CurrentPerson,
    session: SessionDep,
) -> schemas.ProblemView:
    """identify: the cause is found. solve: it is done away with. dismiss: it is none."""
    identifier = parse_public_id(queries.PROBLEM, problem)
    row = await problems.turn_problem(session, person, identifier, trigger, body.words)
    return await _whole_problem(session, row, person)


# ---- the desk


@router.get("/repair_desks", responses=raises(Unauthenticated))
async def list_desks(person: CurrentPerson, session: SessionDep) -> list[schemas.RepairDeskView]:
    """The desks of repairs that I work at, or answer the calls of; those with something to do come first."""
    cover = person.cover_of(*queries.BOARD_ROLES)
    busy = await queries.regions_in_use(session)
    names = await place_names(session, cover.regions if cover is not None else busy)
    ordered = sorted(names.items(), key=lambda named: (named[0] not in busy, named[1].code))
    return [_desk(region, name.name_zh, name.name_en) for region, name in ordered]


def _desk(region_id: UUID, name_zh: str, name_en: str) -> schemas.RepairDeskView:
    region = public_id("reg", region_id)
    return schemas.RepairDeskView(
        id=desk_id(region),
        channel=desk_channel(region),
        region=region,
        region_name_zh=name_zh,
        region_name_en=name_en,
    )


@router.get(
    "/repair_desks/{desk_name}",
    responses={200: {"model": schemas.RepairBoardView}, **raises(Unauthenticated, Forbidden, NotFound)},
    response_class=Response,
)
async def show_desk(desk_name: OrderId, person: CurrentPerson, session: SessionDep) -> Response:
    """All open orders of a desk at a moment, compact. Subscribe to its channel after `position`."""
    region_id = region_of_desk(desk_name)
    person.require(*queries.BOARD_ROLES, region_id=region_id)
    # Read first: what the data already holds may come again, and nothing is left out.
    position = await channel_position(session, desk_channel(public_id("reg", region_id)))
    cards = await views.cards_at(session, region_id)
    place = (await place_names(session, [region_id]))[region_id]
    desk = _desk(region_id, place.name_zh, place.name_en).model_dump()
    # Ten thousand cards are not checked one by one: the schema's test is.
    body = msgspec.json.encode({"desk": desk, "position": position, "orders": cards})
    return Response(body, media_type="application/json")


# ---- triggers: last, for their address takes in all that stands above


@router.post("/work_orders/{order_id}/{trigger}", responses=_PULLED)
async def pull_trigger(
    order_id: OrderId,
    trigger: schemas.Trigger,
    person: CurrentPerson,
    session: SessionDep,
    body: schemas.OrderTriggerBody | None = None,
) -> schemas.WorkOrderView:
    """accept, reject, merge, assign, answer, resume, cancel: the lead. claim: a technician. set_out, start, decline, hold, resume,
    finish: whoever has it. confirm, dispute, rate: the person served. withdraw, cancel: whoever raised it. What the state does
    not allow is 409 with what it does allow; a `version` that is no more, too."""
    identifier = parse_public_id(queries.PREFIX, order_id)
    actor = actor_of(person)
    order = await service.pull(session, actor, identifier, trigger, body or schemas.OrderTriggerBody())
    return await views.whole_view_of(session, order, actor)
