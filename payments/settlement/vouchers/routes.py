"""HTTP of vouchers: mappings to look at and change, and the files."""

import asyncio
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, Principal, Role
from kernel import audit_log, clock
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, Unauthenticated
from kernel.http import Page, language_of, raises
from kernel.ids import parse_public_id, public_id
from payments.settlement.statements.routes import PeriodQuery, RegionQuery, require_subject
from payments.settlement.statements.service import MEDIA_TYPES
from payments.settlement.statements.statement import StatementKind
from payments.settlement.statements.words import ACCOUNT_KINDS
from payments.settlement.vouchers import service
from payments.settlement.vouchers.errors import MappingChanged, MappingIncomplete
from payments.settlement.vouchers.models import VoucherMapping
from payments.settlement.vouchers.schemas import (
    KnownAccount,
    MappingChange,
    MappingEntry,
    MappingVersionView,
    MappingView,
)

router = APIRouter(prefix="/v1", tags=["settlement"])

KindPath = Annotated[service.OwnerKind, Path(description="Whose chart of accounts it is.")]
OwnerPath = Annotated[str, Path(pattern=r"^(org|can|sit|reg)_[0-9a-f]{32}$", max_length=36)]
LanguageQuery = Annotated[Literal["zh", "en"] | None, Query(description="Chinese unless asked otherwise.")]
LanguageHeader = Annotated[str | None, Header(alias="Accept-Language")]


@router.get("/voucher_mappings/{kind}/{owner}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_voucher_mapping(
    kind: KindPath,
    owner: OwnerPath,
    region: RegionQuery,
    person: CurrentPerson,
    session: SessionDep,
    period: PeriodQuery | None = None,
) -> MappingView:
    """The mapping in force; with a period, also the accounts that moved in it and have no entry."""
    region_id, owner_id = _ids(person, kind, region, owner)
    holes = await service.holes_of(session, kind, region_id, owner_id, period) if period else []
    return _view(kind, owner, await service.current_mapping(session, kind, owner_id), holes)


@router.put("/voucher_mappings/{kind}/{owner}", responses=raises(Unauthenticated, Forbidden, NotFound, MappingChanged))
async def change_voucher_mapping(
    kind: KindPath,
    owner: OwnerPath,
    region: RegionQuery,
    body: MappingChange,
    person: CurrentPerson,
    session: SessionDep,
) -> MappingView:
    """Replace the mapping; what it was before stays in its history."""
    _, owner_id = _ids(person, kind, region, owner)
    entries = body.checked()
    row = await service.change_mapping(session, person, kind, owner_id, body.base_version, entries, body.note)
    return _view(kind, owner, row, [])


@router.get("/voucher_mappings/{kind}/{owner}/history", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_voucher_mapping_versions(
    kind: KindPath, owner: OwnerPath, region: RegionQuery, person: CurrentPerson, session: SessionDep
) -> Page[MappingVersionView]:
    """Every version of a mapping: who changed it, when and why; the latest first."""
    _, owner_id = _ids(person, kind, region, owner)
    rows = await service.list_versions(session, kind, owner_id)
    return Page(data=[_version(row) for row in rows], has_more=False)


@router.get(
    "/vouchers/{kind}/{owner}",
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPES[form].partition(";")[0]: {} for form in ("csv", "xlsx")}},
        **raises(Unauthenticated, Forbidden, NotFound, MappingIncomplete),
    },
)
async def download_vouchers(
    kind: KindPath,
    owner: OwnerPath,
    region: RegionQuery,
    period: PeriodQuery,
    form: Annotated[Literal["csv", "xlsx"], Query()],
    person: CurrentPerson,
    session: SessionDep,
    language: LanguageQuery = None,
    accept_language: LanguageHeader = None,
) -> Response:
    """A month's accounting vouchers in the owner's chart of accounts. They add up to the statement of that month."""
    region_id, owner_id = _ids(person, kind, region, owner)
    made, vouchers = await service.make_vouchers_of(session, kind, region_id, owner_id, period)
    speaks = language or ("en" if language_of(accept_language) == "en" else "zh")
    names = await service.names_in(session, vouchers)
    content = await asyncio.to_thread(service.voucher_file, made, vouchers, names, form, speaks)
    await _remember(session, person, kind, owner_id, period, form)
    file_name = f"vouchers-{kind}-{owner_id.hex[-6:]}-{period}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}
    return Response(content, 200, headers, MEDIA_TYPES[form])


def _ids(person: Principal, kind: service.OwnerKind, region: str, owner: str) -> tuple[UUID, UUID]:
    """Region and owner, where this person keeps their books."""
    region_id = parse_public_id("reg", region)
    prefix = "sit" if kind == "canteen" and owner.startswith("sit_") else service.OWNER_PREFIXES[kind]
    owner_id = parse_public_id(prefix, owner)
    if kind == "region":
        if owner_id != region_id:
            raise NotFound(what="reg", id=owner)
        person.require(Role.FINANCE, region_id=region_id)
    else:
        require_subject(person, StatementKind(kind), region_id, owner_id)
    return region_id, owner_id


async def _remember(
    session: AsyncSession, person: Principal, kind: service.OwnerKind, owner_id: UUID, period: str, form: str
) -> None:
    await audit_log.record(
        session,
        actor=person.actor,
        action="vouchers.download",
        subject=public_id(service.OWNER_PREFIXES[kind], owner_id),
        data={"period": period, "form": form},
    )


def _view(kind: service.OwnerKind, owner: str, row: VoucherMapping | None, holes: list[str]) -> MappingView:
    return MappingView(
        kind=kind,
        owner=owner,
        version=row.version if row else 0,
        entries=[MappingEntry(**entry) for entry in row.entries] if row else [],
        note=row.note if row else "",
        changed_by=row.changed_by if row else None,
        changed_at=clock.rfc3339(row.changed_at) if row else None,
        known=[KnownAccount(account=name, name_zh=zh, name_en=en) for name, (zh, en) in ACCOUNT_KINDS.items()],
        holes=holes,
    )


def _version(row: VoucherMapping) -> MappingVersionView:
    return MappingVersionView(
        version=row.version,
        entries=[MappingEntry(**entry) for entry in row.entries],
        note=row.note,
        changed_by=row.changed_by,
        changed_at=clock.rfc3339(row.changed_at),
    )
