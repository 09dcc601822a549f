"""`/v1/imports`: organisations and people from a CSV or XLSX file, sent as such or as the file of a form."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from identity import organisation_imports, people_imports
from identity.access import CurrentPerson, CurrentPersonApart
from identity.errors import ImportHasBadCells
from identity.kinds import Role
from identity.principal import Principal
from identity.schemas import ImportReport
from kernel.db import DatabaseDep
from kernel.errors import Forbidden, Unauthenticated
from kernel.http import raises
from kernel.uploads import TABLE_BODY, XLSX, read_file

router = APIRouter(tags=["imports"])
DryRunQuery = Annotated[bool, Query(description="Say what would happen, and which cells are wrong; import nothing.")]
CompleteQuery = Annotated[
    bool, Query(description="The file is the whole list of each unit that it names: whoever is missing has left.")
]
_TEMPLATES = {"people": people_imports.people_template, "organisations": organisation_imports.organisation_template}
_RAISES = raises(Unauthenticated, Forbidden, ImportHasBadCells)


@router.post("/v1/imports/organisations", responses=_RAISES, openapi_extra=TABLE_BODY)
async def post_organisations(
    request: Request, person: CurrentPersonApart, db: DatabaseDep, *, dry_run: DryRunQuery = False
) -> ImportReport:
    """Columns: code, name_zh, name_en, kind, parent_code, home_region_code; or their Chinese titles."""
    _refuse_others(person)
    content = await read_file(request)
    cover = person.cover_of(Role.SYSTEM_ADMIN)
    return await organisation_imports.import_organisations(
        db, content, dry_run=dry_run, cover=cover, actor=person.actor
    )


@router.post("/v1/imports/people", responses=_RAISES, openapi_extra=TABLE_BODY)
async def post_people(
    request: Request,
    person: CurrentPersonApart,
    db: DatabaseDep,
    *,
    dry_run: DryRunQuery = False,
    complete: CompleteQuery = False,
) -> ImportReport:
    """Columns: staff_number, name, phone, organisation_code, person_class, valid_from, last_day, status, email; or Chinese
    titles. Who leaves is signed out everywhere at once; what they have on their card stays."""
    _refuse_others(person)
    content = await read_file(request)
    cover = person.cover_of(Role.SYSTEM_ADMIN)
    return await people_imports.import_people(
        db, content, dry_run=dry_run, complete=complete, cover=cover, actor=person.actor
    )


@router.get(
    "/v1/imports/{what}/template",
    responses=raises(Unauthenticated, Forbidden) | {200: {"content": {XLSX: {}}}},
    response_class=Response,
)
async def get_template(what: Literal["people", "organisations"], person: CurrentPerson) -> Response:
    """An empty workbook to fill in, with a note at each column."""
    _refuse_others(person)
    headers = {"Content-Disposition": f'attachment; filename="{what}.xlsx"'}
    return Response(await asyncio.to_thread(_TEMPLATES[what]), headers=headers, media_type=XLSX)


def _refuse_others(person: Principal) -> None:
    if not person.holds(Role.SYSTEM_ADMIN):
        raise Forbidden(roles=[str(Role.SYSTEM_ADMIN)])
