"""HTTP of the wall code (主扫): printed at the office, read and paid on the phone."""

import asyncio
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, CurrentPersonApart, Principal, Role, site_summary, terminal_health
from kernel import clock
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import (
    Forbidden,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    NotFound,
    StateConflict,
    TooManyRequests,
    TryAgain,
    Unauthenticated,
)
from kernel.http import IdempotencyKeyHeader, Page, language_of, raises, request_id, respond
from kernel.ids import parse_public_id, public_id
from kernel.settings import get_settings
from payments import schemas
from payments.errors import ConfirmRepeat, ModeNotAllowed, PaymentRefused, PlaceCodeEnded, PlaceCodeUnknown, QueueFull
from payments.models import PlaceCode
from payments.posting_queue import Posting
from payments.posting_rule import PostingRule
from payments.states import PLACE_CODE, allowed
from payments.wall_codes import place_codes, scanning
from payments.wall_codes.nearness import Coordinates
from payments.wall_codes.place_code_sheet import SheetPage, place_code_sheet

router = APIRouter(prefix="/v1", tags=["payments"])

PRINTING_ROLES = (Role.CANTEEN_MANAGER, Role.SYSTEM_ADMIN)
SiteQuery = Annotated[str, Query(pattern=r"^(sit|can)_[0-9a-f]{32}$", max_length=36)]
PlaceCodeId = Annotated[str, Path(pattern=r"^plc_[0-9a-f]{32}$", max_length=36)]
LanguageHeader = Annotated[str | None, Header(alias="Accept-Language")]


def _rule(request: Request) -> PostingRule:
    rule: PostingRule = request.app.state.posting_rule
    return rule


RuleDep = Annotated[PostingRule, Depends(_rule)]


def _posting(request: Request) -> Posting:
    posting: Posting = request.app.state.posting
    return posting


PostingDep = Annotated[Posting, Depends(_posting)]


def _address(request: Request) -> str:
    """What people's phones call us by."""
    return (get_settings().public_url or str(request.base_url)).rstrip("/")


AddressDep = Annotated[str, Depends(_address)]


def parse_site(text: str) -> UUID:
    """A canteen's id is its site's: either name is understood."""
    return parse_public_id("can" if text.startswith("can_") else "sit", text)


async def _require_at(session: AsyncSession, person: Principal, site_id: UUID) -> None:
    site = (await site_summary(session, [site_id])).get(site_id)
    if site is None:
        raise NotFound(what="sit", id=public_id("sit", site_id))
    person.require(*PRINTING_ROLES, site_id=site_id, region_id=site.region_id)


@router.get("/place_codes", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_place_codes(
    site: SiteQuery, person: CurrentPerson, session: SessionDep, address: AddressDep
) -> Page[schemas.PlaceCodeView]:
    """Every code that a canteen and its tills ever had, newest first."""
    site_id = parse_site(site)
    await _require_at(session, person, site_id)
    rows = await place_codes.list_place_codes(session, site_id)
    return Page(data=[_view(row, address) for row in rows], has_more=False)


@router.post("/place_codes", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def issue_place_code(
    body: schemas.NewPlaceCode, person: CurrentPerson, session: SessionDep, address: AddressDep
) -> schemas.PlaceCodeView:
    """A new code of a canteen or of one of its tills, to print; the one before it pays no more."""
    site_id = parse_site(body.site)
    await _require_at(session, person, site_id)
    terminal_id = parse_public_id("ter", body.terminal) if body.terminal else None
    return _view(await place_codes.issue_place_code(session, site_id, terminal_id, actor=person.actor), address)


@router.get(
    "/place_codes/sheet",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}, **raises(Unauthenticated, Forbidden, NotFound)},
)
async def print_place_codes(
    site: SiteQuery,
    person: CurrentPerson,
    session: SessionDep,
    address: AddressDep,
    code: Annotated[str | None, Query(pattern=r"^plc_[0-9a-f]{32}$", description="Only this one.")] = None,
) -> Response:
    """The codes that pay, as a PDF to print and hang up: a page for the canteen and for each till."""
    site_id = parse_site(site)
    await _require_at(session, person, site_id)
    rows = await place_codes.live_place_codes(session, site_id)
    if code is not None:
        rows = [row for row in rows if row.id == parse_public_id("plc", code)]
    if not rows:
        raise NotFound(what="plc")
    pages = await _pages(session, site_id, rows, address)
    pdf = await asyncio.to_thread(place_code_sheet, pages)
    headers = {
        "Content-Disposition": f'inline; filename="wall-codes-{site_id.hex[-6:]}.pdf"',
        "Cache-Control": "no-store",
    }
    return Response(pdf, 200, headers, "application/pdf")


@router.post("/place_codes/{place_code}/revoke", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def revoke_place_code(
    place_code: PlaceCodeId, person: CurrentPerson, session: SessionDep, address: AddressDep
) -> schemas.PlaceCodeView:
    """Nobody pays at this sheet any more."""
    code_id = parse_public_id("plc", place_code)
    await _require_at(session, person, (await place_codes.get_place_code(session, code_id)).site_id)
    return _view(await place_codes.revoke_place_code(session, code_id, actor=person.actor), address)


@router.get("/place_codes/{digits}", responses=raises(Unauthenticated, NotFound, PlaceCodeUnknown, PlaceCodeEnded))
async def read_place_code(
    digits: Annotated[str, Path(pattern=r"^[0-9]{70}$")],
    person: CurrentPerson,
    session: SessionDep,
    rule: RuleDep,
    latitude: Annotated[float | None, Query(ge=-90, le=90)] = None,
    longitude: Annotated[float | None, Query(ge=-180, le=180)] = None,
    accuracy_m: Annotated[int, Query(ge=0, le=10**7)] = 0,
    language: LanguageHeader = None,
) -> schemas.ScannedPlaceView:
    """Where a scanned code leads and what a meal costs there now, to be looked at before paying.

    With coordinates, as rough as the page likes, it also says whether the phone is certainly somewhere else.
    """
    phone = None
    if latitude is not None and longitude is not None:
        phone = Coordinates(latitude, longitude, accuracy_m)
    scanned = await scanning.read_place(session, rule, person.person_id, digits, phone)
    return schemas.ScannedPlaceView.model_validate(scanning.scanned_view(scanned, language_of(language)))


@router.post(
    "/me/scan_payments",
    status_code=201,
    response_model=schemas.PaymentAnswer,
    responses=raises(
        IdempotencyKeyRequired,
        Unauthenticated,
        PaymentRefused,
        NotFound,
        ModeNotAllowed,
        ConfirmRepeat,
        IdempotencyKeyReused,
        TooManyRequests,
        TryAgain,
        QueueFull,
    ),
)
async def pay_at_wall_code(
    body: schemas.ScanPaymentBody,
    person: CurrentPersonApart,
    db: DatabaseDep,
    posting: PostingDep,
    key: IdempotencyKeyHeader = None,
    language: LanguageHeader = None,
) -> Response:
    """Pay at a scanned code, through the tills' own queue: the same limits, reasons and bodies as `POST /v1/payments`."""
    speaks = language_of(language)
    item = await scanning.scan_item(db, person.person_id, key, body, request_id=request_id(), language=speaks)
    return respond(await posting.submit(item))


def _view(code: PlaceCode, address: str) -> schemas.PlaceCodeView:
    text = place_codes.text_of(code)
    return schemas.PlaceCodeView(
        id=public_id("plc", code.id),
        site=public_id("sit", code.site_id),
        terminal=public_id("ter", code.terminal_id) if code.terminal_id else None,
        issue=code.issue,
        state=code.state,
        allowed=[trigger for trigger in allowed(PLACE_CODE, code.state) if trigger != "replace"],
        text=text,
        url=f"{address}/pay/{text}",
        issued_at=clock.rfc3339(code.issued_at),
        changed_at=clock.rfc3339(code.changed_at),
    )


async def _pages(session: AsyncSession, site_id: UUID, rows: Sequence[PlaceCode], address: str) -> list[SheetPage]:
    site = (await site_summary(session, [site_id]))[site_id]
    tills = {till.id: till.name for till in await terminal_health(session, site_id)}
    zone = get_settings().zone
    return [
        SheetPage(
            name_zh=site.name_zh,
            name_en=site.name_en,
            till=tills.get(row.terminal_id) if row.terminal_id else None,
            issue=row.issue,
            issued_on=f"{row.issued_at.astimezone(zone):%Y-%m-%d}",
            number=public_id("plc", row.id)[-8:],
            url=f"{address}/pay/{place_codes.text_of(row)}",
        )
        for row in rows
    ]
