"""`/v1/imports`: organisations and people from a CSV or XLSX file, sent as such or as the file of a form."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from identity import imports
from identity.access import CurrentPerson, CurrentPersonApart
from identity.errors import ImportHasBadCells
from identity.kinds import Role
from identity.principal import Principal
from identity.schemas import ImportReport
from kernel.db import DatabaseDep
from kernel.errors import Forbidden, Malformed, Unauthenticated
from kernel.http import raises

router = APIRouter(tags=["imports"])
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILE_BYTES_MAX: Final = 10 * 1024 * 1024
DryRunQuery = Annotated[bool, Query(description="Say what would happen, and which cells are wrong; import nothing.")]
CompleteQuery = Annotated[
    bool, Query(description="The file is the whole list of each unit that it names: whoever is missing has left.")
]
_RAISES = raises(Unauthenticated, Forbidden, ImportHasBadCells)
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            XLSX: {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}


@router.post("/v1/imports/organisations", responses=_RAISES, openapi_extra=_FILE)
async def post_organisations(
    request: Request, person: CurrentPersonApart, db: DatabaseDep, *, dry_run: DryRunQuery = False
) -> ImportReport:
    """Columns: code, name_zh, name_en, kind, parent_code, home_region_code; or their Chinese titles."""
    _refuse_others(person)
    content = await _read_file(request)
    cover = person.cover_of(Role.SYSTEM_ADMIN)
    return await imports.import_organisations(db, content, dry_run=dry_run, cover=cover, actor=person.actor)


@router.post("/v1/imports/people", responses=_RAISES, openapi_extra=_FILE)
async def post_people(
    request: Request,
    person: CurrentPersonApart,
    db: DatabaseDep,
    *,
    dry_run: DryRunQuery = False,
    complete: CompleteQuery = False,
) -> ImportReport:
    """Columns: staff_number, name, phone, organisation_code, person_class, valid_from, last_day, status; or Chinese
    titles. Who leaves is signed out everywhere at once; what they have on their card stays."""
    _refuse_others(person)
    content = await _read_file(request)
    cover = person.cover_of(Role.SYSTEM_ADMIN)
    return await imports.import_people(db, content, dry_run=dry_run, complete=complete, cover=cover, actor=person.actor)


@router.get(
    "/v1/imports/{what}/template",
    responses=raises(Unauthenticated, Forbidden) | {200: {"content": {XLSX: {}}}},
    response_class=Response,
)
async def get_template(what: Literal["people", "organisations"], person: CurrentPerson) -> Response:
    """An empty workbook to fill in, with a note at each column."""
    _refuse_others(person)
    headers = {"Content-Disposition": f'attachment; filename="{what}.xlsx"'}
    return Response(await asyncio.to_thread(imports.template_of, what), headers=headers, media_type=XLSX)


def _refuse_others(person: Principal) -> None:
    if not person.holds(Role.SYSTEM_ADMIN):
        raise Forbidden(roles=[str(Role.SYSTEM_ADMIN)])


async def _read_file(request: Request) -> bytes:
    """The file, however it was sent. Its size is bounded before it is looked at."""
    body = await _read_bounded(request)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return body

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(request.headers, chunks(), max_files=1, max_fields=10).parse()
    except (MultiPartException, KeyError) as error:
        raise Malformed(reason="not a form with a file", field="file") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Malformed(reason="the form has no file", field="file")
        return await file.read()
    finally:
        await form.close()


async def _read_bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FILE_BYTES_MAX:
            raise Malformed(reason="a file of more than 10 MB", field="file")
    return bytes(body)
