"""HTTP of calls: the button, the triggers, what devices showed, what was said, and the desk."""

from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, Principal, authenticate, hash_token, place_names, token_of
from identity.errors import PlaceLabelEnded, PlaceLabelUnknown
from kernel import clock
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, Unauthenticated
from kernel.files import FilesInUse
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from realtime.api import channel_position
from realtime.calls import desk, hand_over, messages, presence, queries, receipts, schemas, service, views
from realtime.calls.administration import BUTTON_PREFIX
from realtime.calls.channels import region_of_desk
from realtime.calls.errors import CauseRequired, NowhereToCall, PressedTooOften, RatedTooLate, TargetUnknown
from realtime.calls.events import desk_channel, desk_id
from realtime.calls.models import Call
from realtime.calls.policy_routes import router as policy_router
from realtime.calls.ringing import KIND_NAMES
from realtime.calls.service import Presser
from realtime.calls.states import CALL, TIMED, states_of

router = APIRouter(prefix="/v1", tags=["calls"])
CallId = Annotated[str, Path(max_length=80)]
DeskId = Annotated[str, Path(max_length=80)]
_OVER = [state for state in states_of(CALL) if state not in TIMED]


def _queues(request: Request) -> desk.DeskQueues:
    queues: desk.DeskQueues = request.app.state.desk_queues
    return queues


QueuesDep = Annotated[desk.DeskQueues, Depends(_queues)]


# ---- the button


class _Pressing(NamedTuple):
    presser: Presser
    # None: a button on a wall.
    person: Principal | None


async def _pressing(session: AsyncSession, token: str) -> _Pressing:
    """A person who is signed in, or a button that was not revoked."""
    if not token.startswith(BUTTON_PREFIX):
        person = await authenticate(session, token)
        return _Pressing(service.presser_of(person), person)
    button = await queries.find_button(session, hash_token(token))
    if button is None:
        raise Unauthenticated
    button.last_pressed_at = clock.now()
    return _Pressing(service.presser_of_button(button), None)


@router.post(
    "/calls",
    status_code=201,
    responses={
        200: {"model": schemas.CallView, "description": "The call that is open already, now more urgent."},
        **raises(
            Unauthenticated,
            NotFound,
            PlaceLabelUnknown,
            PlaceLabelEnded,
            NowhereToCall,
            PressedTooOften,
            FilesInUse,
        ),
    },
)
async def place_call(
    request: Request,
    response: Response,
    db: DatabaseDep,
    queues: QueuesDep,
    body: schemas.CallRequest | None = None,
) -> schemas.CallView:
    """One press, by a person or by a wall button's token: it rings with this answer. While a call is open: 200, the same call, and
    urgency + 1; a `client_id` that was sent before names the call that it has placed."""
    token = token_of(request)
    async with db.session() as session:
        pressing = await _pressing(session, token)
    presser = pressing.presser
    # Asked outside of the transaction; who cannot be asked leaves it to the database.
    is_hasty = await queues.is_hasty(presser.key)
    async with db.session() as session:
        wanted = body or schemas.CallRequest()
        placed = await service.place_call(session, presser, wanted, is_hasty=is_hasty)
    if placed.press is not None:
        await queues.note_press(presser.key, placed.call, placed.press)
    response.status_code = 201 if placed.is_new else 200
    # It rings already: the answer is read after the commit, not before it.
    async with db.session() as session:
        return await views.view_of(session, placed.call, pressing.person)


@router.get("/calls/kinds", responses=raises(Unauthenticated))
async def list_kinds(_person: CurrentPerson) -> list[schemas.HelpKindView]:
    """The kinds of help that the button offers."""
    return [
        schemas.HelpKindView.model_validate({"kind": kind, "name_zh": zh, "name_en": en})
        for kind, (zh, en) in KIND_NAMES.items()
    ]


@router.get("/calls/targets", responses=raises(Unauthenticated))
async def list_targets(_person: CurrentPerson) -> list[schemas.TargetView]:
    """The trades that a call can be handed over to; a team is always possible."""
    return [
        schemas.TargetView(name=target.name, name_zh=target.name_zh, name_en=target.name_en)
        for target in hand_over.hand_over_targets()
    ]


@router.get("/calls", responses=raises(Unauthenticated, NotFound))
async def list_calls(
    person: CurrentPerson,
    session: SessionDep,
    stage: Annotated[
        Literal["open", "over", "missed", "all"],
        Query(description="Under way (missed ones that wait for their cause included), over, missed, or all."),
    ] = "all",
    *,
    mine: Annotated[bool, Query(description="Only those that I have placed.")] = False,
    kind: schemas.Kind | None = None,
    region: Annotated[str | None, Query(max_length=80)] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.CallView]:
    """My own, those I was rung for, and those of the desks that I sit at; newest first."""
    before = parse_public_id(queries.PREFIX, starting_after) if starting_after else None
    where: list[ColumnElement[bool]] = [
        Call.caller_id == person.person_id if mine else queries.visible_to(person),
        *_staged(stage),
    ]
    if kind is not None:
        where.append(Call.kind == kind)
    if region is not None:
        where.append(Call.region_id == parse_public_id("reg", region))
    rows = await queries.list_calls(session, where, limit, before)
    return page_of(await views.views_of(session, rows, person), limit)


def _staged(stage: str) -> list[ColumnElement[bool]]:
    if stage == "open":
        return [Call.state.in_(TIMED)]
    if stage == "over":
        return [Call.state.in_(_OVER)]
    return [Call.missed_at.is_not(None)] if stage == "missed" else []


@router.get("/calls/{call_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_call(call_id: CallId, person: CurrentPerson, session: SessionDep) -> schemas.CallView:
    """One, with its history."""
    call = await _visible(session, person, call_id)
    return await views.whole_view_of(session, call, person)


async def _visible(session: AsyncSession, person: Principal, call_id: str) -> Call:
    call = await queries.get_call(session, parse_public_id(queries.PREFIX, call_id))
    await service.require_may_see(session, call, person)
    return call


# ---- receipts and messages


@router.post("/calls/{call_id}/receipts", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def post_receipt(
    call_id: CallId, body: schemas.ReceiptBody, person: CurrentPerson, session: SessionDep
) -> schemas.ProgressView:
    """This device has the ring (`sent`), or a page that can be seen shows it (`shown`)."""
    identifier = parse_public_id(queries.PREFIX, call_id)
    call = await receipts.note_receipt(session, person, identifier, body)
    found = (await queries.progress_of(session, [call.id]))[call.id]
    return schemas.ProgressView(people=found.people, sent=found.sent, shown=found.shown, reached=found.reached)


@router.get("/calls/{call_id}/receipts", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_receipts(call_id: CallId, person: CurrentPerson, session: SessionDep) -> list[schemas.ReceiptView]:
    """Whom each round rang, and on which devices it was shown: for those at the desk."""
    call = await _visible(session, person, call_id)
    if person.person_id == call.caller_id:
        raise Forbidden
    return await views.receipts_view(session, call)


@router.post(
    "/calls/{call_id}/messages",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, FilesInUse),
)
async def post_message(
    call_id: CallId, body: schemas.MessageBody, person: CurrentPerson, session: SessionDep
) -> schemas.MessageView:
    """Words to the other side, while the call is under way and for an hour after."""
    identifier = parse_public_id(queries.PREFIX, call_id)
    message = await messages.write_message(session, person, identifier, body)
    return (await views.message_views(session, [message]))[0]


@router.get("/calls/{call_id}/messages", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_messages(
    call_id: CallId,
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.MessageView]:
    """What was said, newest first."""
    call = await _visible(session, person, call_id)
    before = parse_public_id(queries.MESSAGE, starting_after) if starting_after else None
    rows = await queries.list_messages(session, call.id, limit, before)
    return page_of(await views.message_views(session, rows), limit)


# ---- triggers


@router.post(
    "/calls/{call_id}/{trigger}",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, CauseRequired, RatedTooLate, TargetUnknown),
)
async def pull_trigger(
    call_id: CallId,
    trigger: schemas.Trigger,
    person: CurrentPerson,
    session: SessionDep,
    body: schemas.TriggerBody | None = None,
) -> schemas.CallView:
    """acknowledge: I come. connect, arrive, stay, release, hand_over, resolve: whoever has it. cancel, rate: the caller. resolve of a
    missed call: the lead, with a cause. Of two who acknowledge at once the second gets 409 with `taken_by`."""
    identifier = parse_public_id(queries.PREFIX, call_id)
    call = await service.pull(session, person, identifier, trigger, body or schemas.TriggerBody())
    return await views.whole_view_of(session, call, person)


# ---- the desk


@router.get("/desks", responses=raises(Unauthenticated))
async def list_desks(person: CurrentPerson, session: SessionDep) -> list[schemas.DeskView]:
    """The desks that I may sit at."""
    cover = person.cover_of(*queries.STAFF_ROLES)
    regions = set(cover.regions) if cover is not None else await queries.regions_in_use(session, clock.now())
    if cover is None and person.region_id is not None:
        regions.add(person.region_id)
    names = await place_names(session, regions)
    found = [_desk(public_id("reg", region), names[region].name_zh, names[region].name_en) for region in names]
    return sorted(found, key=lambda view: view.id)


def _desk(region: str, name_zh: str, name_en: str) -> schemas.DeskView:
    return schemas.DeskView(
        id=desk_id(region),
        channel=desk_channel(region),
        region=region,
        region_name_zh=name_zh,
        region_name_en=name_en,
    )


def _at_desk(person: Principal, desk_name: str) -> UUID:
    """The region of a desk that this person may sit at; Forbidden for others."""
    try:
        region_id = region_of_desk(desk_name)
    except NotFound as unknown:
        raise Forbidden from unknown
    person.require(*queries.STAFF_ROLES, region_id=region_id)
    return region_id


@router.get("/desks/{desk_name}", responses=raises(Unauthenticated, Forbidden))
async def show_desk(desk_name: DeskId, person: CurrentPerson, session: SessionDep) -> schemas.DeskSnapshot:
    """A desk at a moment: its figures, its queue and who is there. Subscribe to its channel after `position`."""
    region_id = _at_desk(person, desk_name)
    region = public_id("reg", region_id)
    # Read first: what the data already holds may come again, and nothing is left out.
    position = await channel_position(session, desk_channel(region))
    board = await desk.board_of(session, region_id)
    place = (await place_names(session, [region_id]))[region_id]
    return schemas.DeskSnapshot(
        desk=_desk(region, place.name_zh, place.name_en),
        position=position,
        board=board,
        present=await views.present_views(session, region_id),
    )


@router.get("/desks/{desk_name}/queue", responses=raises(Unauthenticated, Forbidden))
async def show_queue(
    desk_name: DeskId, person: CurrentPerson, session: SessionDep, queues: QueuesDep
) -> schemas.DeskQueue:
    """Only which calls wait, the next one first: for walls and lamps that ask often."""
    region_id = _at_desk(person, desk_name)
    known = await queues.waiting(public_id("reg", region_id))
    if known is not None:
        return schemas.DeskQueue(calls=known, source="valkey")
    waiting = await queries.waiting_at(session, region_id)
    return schemas.DeskQueue(calls=[public_id(queries.PREFIX, call.id) for call in waiting], source="database")


@router.post("/desks/{desk_name}/presence", responses=raises(Unauthenticated, Forbidden))
async def hold_presence(
    desk_name: DeskId, body: schemas.PresenceBody, person: CurrentPerson, session: SessionDep
) -> schemas.PresenceView:
    """This page is open at the desk: say it every 10 s; `leave` when it closes."""
    region_id = _at_desk(person, desk_name)
    if body.leave:
        await presence.leave(session, person, region_id, body.device)
    else:
        await presence.hold(session, person, region_id, body.device)
    return schemas.PresenceView(lease_s=int(presence.LEASE.total_seconds()), again_in_s=presence.HEARTBEAT_EVERY_S)


router.include_router(policy_router)
