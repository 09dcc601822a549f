"""HTTP between installations: whom we believe, and what they have sent."""

import base64
from typing import IO, Annotated, Any, Final, cast

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException

from identity.api import CurrentPerson, CurrentPersonApart, Role, place_names
from kernel import clock
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, Unauthenticated
from kernel.http import Page, raises
from kernel.ids import parse_public_id, public_id
from payments.credentials.trust import root_public_key
from payments.settlement.exchange import service
from payments.settlement.exchange.errors import PartnerNotPinned, StatementRefused
from payments.settlement.exchange.models import PartnerStatement
from payments.settlement.exchange.schemas import (
    AskedPin,
    DifferenceView,
    PartnerPin,
    PartnerRegionView,
    PartnerStatementView,
    RootKeyView,
)

router = APIRouter(prefix="/v1", tags=["settlement"])

RegionQuery = Annotated[str, Query(pattern=r"^reg_[0-9a-f]{32}$", max_length=36, description="Our own region.")]
PeriodQuery = Annotated[str | None, Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]

UPLOAD_BYTES_MAX: Final = 512 * 1024 * 1024
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The line file."},
                        "signature": {"type": "string", "format": "binary", "description": "Its signature."},
                    },
                    "required": ["file", "signature"],
                }
            }
        },
    }
}


@router.get("/root_key")
async def show_root_key(session: SessionDep) -> RootKeyView:
    """This installation's root key, to be given to whoever is to check what we sign: by letter, not beside the file."""
    return RootKeyView(root_key=base64.b64encode(await root_public_key(session)).decode())


@router.get("/partner_regions", responses=raises(Unauthenticated, Forbidden))
async def list_partner_regions(person: CurrentPerson, session: SessionDep) -> Page[PartnerRegionView]:
    """Regions whose books another installation keeps, and the root key that we know it by."""
    if not person.holds(Role.FINANCE, Role.SYSTEM_ADMIN, Role.AUDIT_ADMIN):
        raise Forbidden
    rows = await service.list_partners(session)
    names = await place_names(session, {row.region_id for row in rows})
    views = [
        PartnerRegionView(
            region=public_id("reg", row.region_id),
            code=names[row.region_id].code,
            name_zh=names[row.region_id].name_zh,
            name_en=names[row.region_id].name_en,
            root_key=base64.b64encode(row.root_key).decode(),
            pinned_by=row.pinned_by,
            pinned_at=clock.rfc3339(row.pinned_at),
        )
        for row in rows
    ]
    return Page(data=views, has_more=False)


@router.post("/partner_regions", status_code=202, responses=raises(Unauthenticated, Forbidden, NotFound))
async def pin_partner_region(body: PartnerPin, person: CurrentPerson, session: SessionDep) -> AskedPin:
    """Ask for another installation's root key to be pinned; a second person decides (`/v1/approvals`)."""
    region_id = parse_public_id("reg", body.region)
    person.require(Role.FINANCE, Role.SYSTEM_ADMIN, region_id=region_id)
    approval = await service.ask_to_pin(session, person, region_id, body.root_key, reason=body.reason)
    return AskedPin(approval=public_id("apr", approval))


@router.post(
    "/partner_statements",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StatementRefused, PartnerNotPinned),
    openapi_extra=_BODY,
)
async def receive_partner_statement(
    region: RegionQuery, request: Request, person: CurrentPersonApart, db: DatabaseDep
) -> PartnerStatementView:
    """Another installation's line file of the pair: checked against its pinned root key, booked where it is news, compared.

    Sent again it changes nothing, and is compared again.
    """
    region_id = parse_public_id("reg", region)
    person.require(Role.FINANCE, region_id=region_id)
    async with await _read_form(request) as form:
        file, signature = form.get("file"), form.get("signature")
        if not isinstance(file, UploadFile) or not isinstance(signature, UploadFile):
            raise Malformed(reason="the form has no file or no signature", field="file")
        async with db.session() as session:
            received = await service.receive_statement(
                session, person, region_id, cast("IO[bytes]", file.file), await signature.read()
            )
            return _view(received)


@router.get("/partner_statements", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_partner_statements(
    region: RegionQuery, person: CurrentPerson, session: SessionDep, period: PeriodQuery = None
) -> Page[PartnerStatementView]:
    """What other installations have sent to a region, and how it compares with our book; the latest first."""
    region_id = parse_public_id("reg", region)
    person.require(Role.FINANCE, region_id=region_id)
    rows = await service.list_received(session, region_id, period)
    return Page(data=[_view(row) for row in rows], has_more=False)


async def _read_form(request: Request) -> "_Form":
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > UPLOAD_BYTES_MAX:
        raise Malformed(reason="a form of known length, of 512 MB at the most", field="file")
    try:
        return _Form(await request.form(max_files=2, max_fields=2))
    except (MultiPartException, KeyError) as error:
        raise Malformed(reason="not a form with files", field="file") from error


class _Form:
    """A form whose files are closed in the end."""

    def __init__(self, form: FormData) -> None:
        self._form = form

    async def __aenter__(self) -> FormData:
        return self._form

    async def __aexit__(self, *_: object) -> None:
        await self._form.close()


def _view(row: PartnerStatement) -> PartnerStatementView:
    return PartnerStatementView(
        id=public_id("pst", row.id),
        region=public_id("reg", row.region_id),
        partner=public_id("reg", row.partner_id),
        period=row.period,
        sha256=row.sha256,
        final=row.final,
        ours_final=row.ours_final,
        agreed=row.final and row.ours_final and not row.difference_count,
        line_count=row.line_count,
        booked_count=row.booked_count,
        booked_fen=row.booked_fen,
        ours_fen=row.ours_fen,
        theirs_fen=row.theirs_fen,
        difference_count=row.difference_count,
        differences=[DifferenceView(**each) for each in row.differences],
        received_by=row.received_by,
        received_at=clock.rfc3339(row.received_at),
    )
