"""HTTP of statements: what there is to fetch, and the files."""

import os
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import StreamingResponse

from identity.api import CurrentPerson, Principal, Role
from kernel import audit_log
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, Unauthenticated
from kernel.http import Page, language_of, raises
from kernel.ids import parse_public_id, public_id
from payments.settlement.statements import listing, service
from payments.settlement.statements.schemas import MyStatementView, StatementFileView
from payments.settlement.statements.statement import SUBJECT_PREFIXES, StatementKind
from payments.settlement.statements.words import Language

router = APIRouter(prefix="/v1", tags=["settlement"])

_CHUNK_BYTES: Final = 256 * 1024

Form = Literal["lines", "sig", "xlsx", "csv", "pdf"]
FormQuery = Annotated[Form, Query(description="`lines` is the line file, `sig` its signature; the others are to read.")]
PeriodQuery = Annotated[str, Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="A month, such as 2026-11.")]
PeriodPath = Annotated[str, Path(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
RegionQuery = Annotated[str, Query(pattern=r"^reg_[0-9a-f]{32}$", max_length=36, description="Whose book it is.")]
SubjectPath = Annotated[str, Path(pattern=r"^(org|can|sit|reg)_[0-9a-f]{32}$", max_length=36)]
# Persons are not in it: a personal statement is its person's alone.
KindPath = Annotated[Literal["unit", "canteen", "region_pair", "operator"], Path()]
LanguageQuery = Annotated[Literal["zh", "en"] | None, Query(description="Chinese unless asked otherwise.")]
LanguageHeader = Annotated[str | None, Header(alias="Accept-Language")]

_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {media.partition(";")[0]: {} for media in service.MEDIA_TYPES.values()}}
}


@router.get("/statement_files", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_statement_files(
    region: RegionQuery, period: PeriodQuery, person: CurrentPerson, session: SessionDep
) -> Page[StatementFileView]:
    """Every statement of a region's month, with what it comes to and where its files are."""
    region_id = parse_public_id("reg", region)
    person.require(Role.FINANCE, region_id=region_id)
    return Page(data=await listing.list_statement_files(session, region_id, period), has_more=False)


@router.get(
    "/statement_files/{kind}/{subject}",
    response_class=Response,
    responses={**_FILE, **raises(Unauthenticated, Forbidden, NotFound)},
)
async def download_statement(
    kind: KindPath,
    subject: SubjectPath,
    region: RegionQuery,
    period: PeriodQuery,
    form: FormQuery,
    person: CurrentPerson,
    session: SessionDep,
    language: LanguageQuery = None,
    accept_language: LanguageHeader = None,
) -> Response:
    """One statement: of a unit, a canteen, an operator, or what two regions owe each other. A draft until the period is cut off."""
    region_id, subject_id = parse_public_id("reg", region), _parse_subject(StatementKind(kind), subject)
    require_subject(person, StatementKind(kind), region_id, subject_id)
    made = await service.make_statement(session, StatementKind(kind), region_id, subject_id, period)
    await _remember(session, person, made, form)
    return await _sent(session, made, form, _language(language, accept_language))


@router.get("/me/statements", responses=raises(Unauthenticated, NotFound))
async def list_my_statements(person: CurrentPerson, session: SessionDep) -> Page[MyStatementView]:
    """The months of one's own accounts."""
    return Page(data=await listing.list_my_statements(session, person.person_id), has_more=False)


@router.get(
    "/me/statements/{period}",
    response_class=Response,
    responses={**_FILE, **raises(Unauthenticated, NotFound)},
)
async def download_my_statement(
    period: PeriodPath,
    form: FormQuery,
    person: CurrentPerson,
    session: SessionDep,
    language: LanguageQuery = None,
    accept_language: LanguageHeader = None,
) -> Response:
    """One's own month: every meal, top-up and subsidy with its day and time."""
    made = await service.person_statement(session, person.person_id, period)
    return await _sent(session, made, form, _language(language, accept_language))


def require_subject(person: Principal, kind: StatementKind, region_id: UUID, subject_id: UUID) -> None:
    """Finance of the region, finance of the unit or operator itself, who runs the canteen itself."""
    if kind in (StatementKind.UNIT, StatementKind.OPERATOR):
        person.require(Role.FINANCE, organisation_id=subject_id, region_id=region_id)
    elif kind is StatementKind.CANTEEN:
        if not person.may(Role.CANTEEN_MANAGER, site_id=subject_id):
            person.require(Role.FINANCE, site_id=subject_id, region_id=region_id)
    else:
        person.require(Role.FINANCE, region_id=region_id)


def _parse_subject(kind: StatementKind, subject: str) -> UUID:
    # A canteen's id is its site's: either name is understood.
    prefix = "sit" if kind is StatementKind.CANTEEN and subject.startswith("sit_") else SUBJECT_PREFIXES[kind]
    return parse_public_id(prefix, subject)


def _language(asked: Language | None, accept_language: str | None) -> Language:
    return asked or ("en" if language_of(accept_language) == "en" else "zh")


async def _remember(session: AsyncSession, person: Principal, made: service.Made, form: str) -> None:
    """Who takes out a list of meals leaves a trace of it."""
    statement = made.statement
    await audit_log.record(
        session,
        actor=person.actor,
        action="statement.download",
        subject=public_id(statement.subject.prefix, statement.subject.id),
        data={"region": public_id("reg", statement.region.id), "period": statement.period, "form": form},
    )


async def _sent(session: AsyncSession, made: service.Made, form: str, language: Language) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if form == "sig":
        name, signature = await service.sign_statement(session, made)
        headers["Content-Disposition"] = f'attachment; filename="{_ascii(made, name)}"'
        return Response(signature, 200, headers, service.MEDIA_TYPES[form])
    file = await service.write_file(session, made, form, language)
    content, length = _taken(file)
    headers |= {
        "X-Statement-Sha256": file.sha256,
        "Content-Length": str(length),
        "Content-Disposition": f'attachment; filename="{_ascii(made, file.name)}"',
    }
    return StreamingResponse(content, 200, headers, service.MEDIA_TYPES[form])


def _taken(file: service.MadeFile) -> tuple[Iterator[bytes], int]:
    """The bytes of a file that has no name any more: it is gone once it was read, or the caller has gone."""
    source = file.path.open("rb")
    file.remove()

    def chunks() -> Iterator[bytes]:
        with source:
            while chunk := source.read(_CHUNK_BYTES):
                yield chunk

    return chunks(), os.fstat(source.fileno()).st_size


def _ascii(made: service.Made, name: str) -> str:
    """A code may be Chinese; a header may not."""
    if name.isascii() and '"' not in name:
        return name
    subject = made.statement.subject
    return name.replace(subject.code, public_id(subject.prefix, subject.id)[-6:])
