"""`/v1/repair_forms` and `/v1/repair_tickets`: what a scan opens, and what somebody without a sign-in may do."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, authenticate, place_summary, token_of
from identity.errors import PlaceLabelEnded, PlaceLabelUnknown
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, TooManyRequests, Unauthenticated
from kernel.file_contents import FileDamaged, FileKindNotTaken, PictureTooLarge, VoiceTooLong
from kernel.file_store import local_store
from kernel.files import FILE_BYTES_MAX, FilesInUse, take_file
from kernel.http import raises
from kernel.ids import public_id
from kernel.uploads import MEDIA_BODY, FileNameHasPath, FileTooLarge, file_stream
from repairs.orders import guests, notes, queries, schemas, views
from repairs.orders.categories import category_views
from repairs.orders.errors import (
    CategoryUnfit,
    RatedTooLate,
    RaterInvolved,
    ReportedTooOften,
    TicketUnknown,
    WordsRequired,
)

router = APIRouter(prefix="/v1", tags=["repairs"])
Code = Annotated[str, Path(pattern=r"^[A-Z2-7]{45}$", description="The letters of a scanned label.")]
Ticket = Annotated[str, Path(min_length=16, max_length=24, pattern=r"^[0-9A-Za-z -]+$")]
GuestKey = Annotated[
    str | None, Header(alias="Guest-Key", description="16 to 100 random characters that the page has made for itself.")
]
_LABEL: Final = (Unauthenticated, PlaceLabelUnknown, PlaceLabelEnded)
_GUEST: Final = raises(
    TicketUnknown, Forbidden, NotFound, StateConflict, RatedTooLate, RaterInvolved, WordsRequired, ReportedTooOften
)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def _signed_in_if_asked(request: Request, session: SessionDep) -> Principal | None:
    try:
        return await authenticate(session, token_of(request))
    except Unauthenticated:
        return None


MaybePerson = Annotated[Principal | None, Depends(_signed_in_if_asked, scope="function")]


@router.get("/repair_forms/{code}", responses=raises(*_LABEL))
async def open_form(code: Code, session: SessionDep, person: MaybePerson) -> schemas.FormView:
    """The form of a report, filled in by a scanned label of a place or of an asset. Without a sign-in where strangers may report."""
    form = await guests.open_form(session, code, person)
    return await _form_view(session, code, form, person)


async def _form_view(session: AsyncSession, code: str, form: guests.Form, person: Principal | None) -> schemas.FormView:
    asset, place_id = form.spot.asset, form.spot.place_id
    assert place_id is not None, "a label hangs somewhere"
    place = (await place_summary(session, [place_id]))[place_id]
    return schemas.FormView(
        code=code,
        place=schemas.PlaceBrief(
            id=public_id("pla", place.id),
            name_zh=place.name_zh,
            name_en=place.name_en,
            full_name_zh=place.full_name_zh,
            full_name_en=place.full_name_en,
        ),
        asset=views.asset_brief(asset),
        category=public_id(queries.CATEGORY, asset.category_id) if asset and asset.category_id else None,
        open_to_strangers=form.is_open_to_strangers,
        signed_in=person is not None,
        categories=category_views(await queries.list_categories(session, also_retired=False)),
        open=await views.briefs_of(session, form.twins),
    )


@router.post(
    "/repair_forms/{code}/files",
    status_code=201,
    openapi_extra=MEDIA_BODY,
    responses=raises(
        *_LABEL,
        ReportedTooOften,
        TooManyRequests,
        FileTooLarge,
        FileNameHasPath,
        FileKindNotTaken,
        FileDamaged,
        PictureTooLarge,
        VoiceTooLong,
    ),
)
async def post_file(code: Code, request: Request, db: DatabaseDep, guest_key: GuestKey = None) -> schemas.AttachedFile:
    """A picture or a voice note of somebody without a sign-in, for the report that follows."""
    owner = guests.owner_of_key(guest_key)
    await guests.let_send_file(db, code, _address(request))
    async with file_stream(request, FILE_BYTES_MAX) as pieces:
        return views.attached(await take_file(db, pieces, owner=owner))


@router.post(
    "/repair_forms/{code}/orders",
    status_code=201,
    responses=raises(*_LABEL, NotFound, CategoryUnfit, FilesInUse, ReportedTooOften),
)
async def report(
    code: Code, body: schemas.GuestRequest, request: Request, db: DatabaseDep, guest_key: GuestKey = None
) -> schemas.GuestTicketView:
    """A report without a sign-in. By the ticket of the answer the guest follows it, confirms it and rates it."""
    guests.owner_of_key(guest_key)
    await guests.count_report(db, code, _address(request))
    async with db.session() as session:
        reported = await guests.report_as_guest(session, code, guest_key, body)
        shown = await views.guest_view_of(session, reported.order, reported.guest, is_merged=False)
    return schemas.GuestTicketView.model_validate({"ticket": guests.shown_ticket(reported.ticket), "order": shown})


# ---- by the ticket


@router.get("/repair_tickets/{ticket}", responses=raises(TicketUnknown, ReportedTooOften))
async def follow(ticket: Ticket, request: Request, db: DatabaseDep) -> schemas.GuestOrderView:
    """How far it has come."""
    return await _followed(db, request, ticket)


async def _followed(db: DatabaseDep, request: Request, ticket: str) -> schemas.GuestOrderView:
    try:
        async with db.session() as session:
            found = await guests.follow(session, ticket)
            shown = await views.guest_view_of(session, found.order, found.guest, is_merged=found.is_merged)
    except TicketUnknown:
        await guests.count_look(db, _address(request))
        raise
    return schemas.GuestOrderView.model_validate(shown)


@router.get(
    "/repair_tickets/{ticket}/files/{file}",
    response_class=StreamingResponse,
    responses={200: {"content": {"image/jpeg": {}}}, **raises(TicketUnknown, NotFound)},
)
async def show_file(ticket: Ticket, file: schemas.FileId, session: SessionDep) -> StreamingResponse:
    """A picture of the guest's order, or of what was said to them."""
    row = await guests.file_for_guest(session, ticket, file)
    headers = {
        "Content-Length": str(row.size_bytes),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(local_store().read(row.sha256), headers=headers, media_type=row.media_type)


@router.post("/repair_tickets/{ticket}/notes", status_code=204, responses=_GUEST, response_class=Response)
async def post_note(ticket: Ticket, body: schemas.GuestNoteBody, session: SessionDep) -> None:
    """Words to those who come."""
    found = await guests.follow(session, ticket)
    wanted = schemas.NoteBody(client_id=body.client_id, words=body.words)
    await notes.write_note(session, found.guest, found.order, wanted)


@router.post("/repair_tickets/{ticket}/{trigger}", responses=_GUEST)
async def pull(
    ticket: Ticket,
    trigger: schemas.GuestTrigger,
    session: SessionDep,
    body: schemas.GuestTriggerBody | None = None,
) -> schemas.GuestOrderView:
    """withdraw, cancel: before anybody works on it. confirm, dispute: what was done. rate: how it was."""
    wanted = schemas.OrderTriggerBody(**(body or schemas.GuestTriggerBody()).model_dump())
    found = await guests.pull_as_guest(session, ticket, trigger, wanted)
    shown = await views.guest_view_of(session, found.order, found.guest, is_merged=found.is_merged)
    return schemas.GuestOrderView.model_validate(shown)
