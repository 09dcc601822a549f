"""HTTP of reconciliation, for finance: how the levels stand, differences, runs, bills, bank statements, personnel lists."""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from identity.api import Cover, CurrentPerson, CurrentPersonApart, Principal, Role
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id
from kernel.uploads import TABLE_BODY, XLSX, read_file
from payments.banking.errors import (
    AccountElsewhere,
    BankAccountMissing,
    NothingToPay,
    StatementHasBadCells,
    StatementNotNext,
    StatementTaken,
    StatementUnreadable,
)
from payments.banking.service import take_statement
from payments.banking.table import build_statement_template
from payments.channels.channel import BillSource
from payments.errors import ChannelUnavailable
from payments.reconciliation import queries, schemas, service, views
from payments.reconciliation.bills import fetch_bill
from payments.reconciliation.errors import (
    BillNotReady,
    BillPaid,
    BillUnavailable,
    BillUnreadable,
    HrListHasBadCells,
    OwnerCloses,
)
from payments.reconciliation.found import LEVELS, Kind
from payments.reconciliation.hr_lists import build_hr_template, take_hr_list
from payments.reconciliation.instructions import Form, write_bank_file
from payments.reconciliation.jobs import run_after_bill, run_after_statement
from payments.reconciliation.models import ChannelBill, HrList
from payments.reconciliation.payouts import payout_view
from payments.reconciliation.runs import run_level, run_levels
from payments.service import region_of_unit
from payments.settlement.api import get_settlement

router = APIRouter(prefix="/v1/reconciliation", tags=["reconciliation"])

DifferenceId = Annotated[str, Path(max_length=80)]
LevelQuery = Annotated[int | None, Query(ge=0, le=6)]
MonthQuery = Annotated[str, Query(pattern=r"^20\d{2}-(0[1-9]|1[0-2])$", description="The month, as 2026-11.")]
# Days that books can have: an accident of typing must not scan a century.
_EARLIEST: Final = date(2020, 1, 1)
_LATEST: Final = date(2200, 1, 1)
_STATEMENT_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {**TABLE_BODY["requestBody"]["content"], "application/xml": {"schema": {"type": "string"}}},
    }
}


def _cover(person: Principal) -> Cover | None:
    if not person.holds(Role.FINANCE):
        raise Forbidden(roles=[Role.FINANCE.value])
    return person.cover_of(Role.FINANCE)


@router.get("", responses=raises(Unauthenticated, Forbidden))
async def show_overview(person: CurrentPerson, session: SessionDep) -> schemas.ReconciliationOverview:
    """The seven levels: what is open, how old it is, and when each was last compared."""
    return await views.overview_view(session, _cover(person))


@router.post("/runs", status_code=201, responses=raises(Unauthenticated, Forbidden))
async def run_now(
    body: schemas.ReconciliationRunRequest, person: CurrentPersonApart, db: DatabaseDep
) -> schemas.ReconciliationRunsView:
    """Compare some levels for a day now. Running again never doubles a difference."""
    _cover(person)
    levels = sorted(set(body.levels or LEVELS))
    if any(level not in LEVELS for level in levels) or not _EARLIEST <= body.day <= _LATEST:
        raise Malformed(reason="levels are 0 to 6, days are of this century", field="levels")
    runs = await run_levels(db, body.day, levels=levels, actor=person.actor)
    return schemas.ReconciliationRunsView(data=[views.run_view(run) for run in runs])


@router.get("/runs", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_runs(
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
    level: LevelQuery = None,
) -> Page[schemas.ReconciliationRunView]:
    """What was compared, newest first."""
    _cover(person)
    before = parse_public_id("rec", starting_after) if starting_after else None
    rows = await queries.list_runs(session, limit=limit, before=before, level=level)
    return page_of([views.run_view(row) for row in rows], limit)


@router.get("/differences", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_differences(
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
    level: LevelQuery = None,
    state: Annotated[Literal["live", "open", "explained", "closed"] | None, Query()] = None,
    kind: Annotated[Kind | None, Query()] = None,
    day: Annotated[date | None, Query()] = None,
) -> Page[schemas.ReconciliationDifferenceView]:
    """Differences of the places that the caller's role reaches, newest first."""
    before = parse_public_id("rdf", starting_after) if starting_after else None
    rows = await queries.list_differences(
        session, _cover(person), limit=limit, before=before, level=level, state=state, kind=kind, day=day
    )
    return page_of(await views.difference_views(session, rows), limit)


@router.get("/differences/{difference_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_difference(
    difference_id: DifferenceId, person: CurrentPerson, session: SessionDep
) -> schemas.ReconciliationDifferenceView:
    """One difference."""
    row = await queries.find_difference(session, parse_public_id("rdf", difference_id), _cover(person))
    return (await views.difference_views(session, [row]))[0]


@router.post(
    "/differences/{difference_id}/explain", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def explain_difference(
    difference_id: DifferenceId, body: schemas.DifferenceRemark, person: CurrentPerson, session: SessionDep
) -> schemas.ReconciliationDifferenceView:
    """Say why it differs; the caller owns it from then on."""
    identifier, cover = parse_public_id("rdf", difference_id), _cover(person)
    row = await service.explain_difference(session, identifier, body.text, person_id=person.person_id, cover=cover)
    return (await views.difference_views(session, [row]))[0]


@router.post(
    "/differences/{difference_id}/close",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, OwnerCloses),
)
async def close_difference(
    difference_id: DifferenceId, body: schemas.DifferenceRemark, person: CurrentPerson, session: SessionDep
) -> schemas.ReconciliationDifferenceView:
    """Close what somebody else has explained."""
    identifier, cover = parse_public_id("rdf", difference_id), _cover(person)
    row = await service.close_difference(session, identifier, body.text, person_id=person.person_id, cover=cover)
    return (await views.difference_views(session, [row]))[0]


# ---- bills of gateways


@router.get("/bills", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_bills(
    person: CurrentPerson, session: SessionDep, limit: LimitQuery = 20, starting_after: StartingAfterQuery = None
) -> Page[schemas.ChannelBillView]:
    """The gateways' bills, newest first. A bill is of all regions: for finance of everywhere."""
    _everywhere(person)
    before = parse_public_id("bil", starting_after) if starting_after else None
    rows = await queries.list_bills(session, limit=limit, before=before)
    return page_of([_bill_view(row) for row in rows], limit)


@router.post(
    "/bills",
    status_code=201,
    responses=raises(
        Unauthenticated, Forbidden, ChannelUnavailable, BillNotReady, BillUnavailable, BillUnreadable, BillPaid
    ),
)
async def fetch_bill_now(
    body: schemas.ChannelBillRequest, request: Request, person: CurrentPersonApart, db: DatabaseDep
) -> schemas.ChannelBillView:
    """Ask a gateway for its bill of a day now, and compare it."""
    _everywhere(person)
    sources: Mapping[str, BillSource] = request.app.state.channels
    if body.channel not in sources:
        raise ChannelUnavailable(channel=body.channel)
    bill_id = await fetch_bill(db, sources[body.channel], body.day)
    await run_after_bill(db, body.day, actor=person.actor)
    async with db.session() as session:
        bill = await session.get(ChannelBill, bill_id)
        assert bill is not None, "it was just taken"
        return _bill_view(bill)


def _everywhere(person: Principal) -> None:
    if not person.may(Role.FINANCE):
        raise Forbidden(roles=[Role.FINANCE.value])


def _bill_view(row: ChannelBill) -> schemas.ChannelBillView:
    return schemas.ChannelBillView.model_validate(payout_view(row))


# ---- the bank


@router.get("/bank_statements", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_bank_statements(
    person: CurrentPerson, session: SessionDep, limit: LimitQuery = 20, starting_after: StartingAfterQuery = None
) -> Page[schemas.BankStatementView]:
    """Statements of the caller's regions, newest first."""
    before = parse_public_id("bst", starting_after) if starting_after else None
    rows = await queries.list_statements(session, _cover(person), limit=limit, before=before)
    return page_of([views.statement_view(row) for row in rows], limit)


@router.post(
    "/bank_statements",
    status_code=201,
    openapi_extra=_STATEMENT_BODY,
    responses=raises(
        Unauthenticated,
        Forbidden,
        NotFound,
        StatementUnreadable,
        StatementHasBadCells,
        StatementTaken,
        StatementNotNext,
        AccountElsewhere,
    ),
)
async def take_bank_statement(
    request: Request,
    person: CurrentPersonApart,
    db: DatabaseDep,
    region: Annotated[str, Query(max_length=80, description="Whose account it is.")],
) -> schemas.BankStatementView:
    """A camt.053, or the table as CSV or XLSX. Its days are compared at once."""
    region_id = parse_public_id("reg", region)
    person.require(Role.FINANCE, region_id=region_id)
    statement_id = await take_statement(db, await read_file(request), region_id, actor=person.actor)
    statement = await run_after_statement(db, statement_id, actor=person.actor)
    return views.statement_view(statement)


@router.get(
    "/bank_files/{settlement_id}",
    responses=raises(Unauthenticated, Forbidden, NotFound, BankAccountMissing, NothingToPay)
    | {200: {"content": {XLSX: {}, "application/xml": {}}}},
    response_class=Response,
)
async def get_bank_file(
    settlement_id: Annotated[str, Path(max_length=80)],
    person: CurrentPerson,
    session: SessionDep,
    form: Annotated[Form, Query(description="pain.001 is XML by ISO 20022, xlsx a table.")] = "pain.001",
) -> Response:
    """What a region is to pay for a month and has not paid yet, as a file for its bank."""
    row = await get_settlement(session, parse_public_id("stl", settlement_id))
    person.require(Role.FINANCE, region_id=row.region_id)
    content = await write_bank_file(session, row, form)
    name, media = (f"{row.period}.xml", "application/xml") if form == "pain.001" else (f"{row.period}.xlsx", XLSX)
    return Response(content, headers={"Content-Disposition": f'attachment; filename="{name}"'}, media_type=media)


# ---- personnel lists


@router.get("/hr_lists", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_hr_lists(
    person: CurrentPerson, session: SessionDep, limit: LimitQuery = 20, starting_after: StartingAfterQuery = None
) -> Page[schemas.HrListView]:
    """Lists of the caller's units, newest first."""
    before = parse_public_id("hrl", starting_after) if starting_after else None
    rows = await queries.list_hr_lists(session, _cover(person), limit=limit, before=before)
    return page_of([views.hr_list_view(row) for row in rows], limit)


@router.post(
    "/hr_lists",
    status_code=201,
    openapi_extra=TABLE_BODY,
    responses=raises(Unauthenticated, Forbidden, NotFound, HrListHasBadCells),
)
async def take_hr_list_of_unit(
    request: Request,
    person: CurrentPersonApart,
    db: DatabaseDep,
    unit: Annotated[str, Query(max_length=80, description="Whose people they are.")],
    month: MonthQuery,
) -> schemas.HrListView:
    """Columns: staff_number, name, subsidy; or Chinese titles. The month is compared at once."""
    unit_id, first = parse_public_id("org", unit), date.fromisoformat(f"{month}-01")
    async with db.session() as session:
        region_id = await region_of_unit(session, unit_id)
    person.require(Role.FINANCE, organisation_id=unit_id, region_id=region_id)
    list_id = await take_hr_list(db, await read_file(request), unit_id, first, actor=person.actor)
    await run_level(db, 6, first, actor=person.actor)
    async with db.session() as session:
        row = await session.get(HrList, list_id)
        assert row is not None, "it was just taken"
        return views.hr_list_view(row)


@router.get(
    "/templates/{what}",
    responses=raises(Unauthenticated, Forbidden) | {200: {"content": {XLSX: {}}}},
    response_class=Response,
)
async def get_template(what: Literal["bank_statement", "hr_list"], person: CurrentPerson) -> Response:
    """An empty workbook to fill in, with a note at each column."""
    _cover(person)
    build = build_statement_template if what == "bank_statement" else build_hr_template
    headers = {"Content-Disposition": f'attachment; filename="{what}.xlsx"'}
    return Response(await asyncio.to_thread(build), headers=headers, media_type=XLSX)
