"""HTTP of subsidies: rules, batches, lists, what expires, how a unit pays; and one's own lots."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from identity.api import CurrentPerson, CurrentPersonApart, Principal, Role, place_names
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from kernel.uploads import TABLE_BODY, XLSX, read_file
from payments import service as payment_service
from payments.subsidies import batches, queries, schedule, schemas, tables, terms, views, workbooks
from payments.subsidies.errors import (
    AlreadyPrepared,
    AwaitsApproval,
    BatchIsOver,
    ListMissing,
    NothingToGrant,
    TableHasBadCells,
)
from payments.subsidies.models import SubsidyBatch, SubsidyRule

router = APIRouter(prefix="/v1", tags=["subsidies"])

READERS = (Role.FINANCE, Role.SYSTEM_ADMIN, Role.AUDIT_ADMIN)
_READ = raises(Unauthenticated, Forbidden, NotFound)
_TRIGGER = raises(Unauthenticated, Forbidden, NotFound, StateConflict)
UnitQuery = Annotated[str, Query(pattern=r"^org_[0-9a-f]{32}$", max_length=36)]
RulePath = Annotated[str, Path(pattern=r"^sru_[0-9a-f]{32}$", max_length=36)]
BatchPath = Annotated[str, Path(pattern=r"^sbt_[0-9a-f]{32}$", max_length=36)]
UnitPath = Annotated[str, Path(pattern=r"^org_[0-9a-f]{32}$", max_length=36)]
DryRunQuery = Annotated[bool, Query(description="Say what would happen, and which cells are wrong; take nothing.")]
MonthQuery = Annotated[schemas.MonthText, Query()]


def _require(person: Principal, unit: str, *roles: Role) -> None:
    person.require(*(roles or (Role.FINANCE,)), organisation_id=parse_public_id("org", unit))


# ---- one's own


@router.get("/me/subsidies", responses=raises(Unauthenticated, NotFound))
async def show_my_subsidies(person: CurrentPerson, session: SessionDep) -> schemas.MySubsidies:
    """One's own lots: how much, where and when it can be spent, until which day; and what is lost within a week."""
    holder = await payment_service.holder_of(session, person.person_id)
    return await views.my_subsidies(session, holder)


# ---- rules


@router.get("/subsidies/rules", responses=_READ)
async def list_rules(unit: UnitQuery, person: CurrentPerson, session: SessionDep) -> Page[schemas.RuleView]:
    """A unit's schedules, newest first."""
    _require(person, unit, *READERS)
    rules = await queries.list_rules(session, parse_public_id("org", unit))
    return Page(data=await views.rule_views(session, rules), has_more=False)


@router.post("/subsidies/rules", status_code=201, responses=_READ)
async def make_rule(body: schemas.RuleBody, person: CurrentPerson, session: SessionDep) -> schemas.RuleView:
    """A new schedule. What it prepares is paid only when two people have approved it."""
    _require(person, body.unit)
    return await _rule_view(session, await schedule.make_rule(session, body, actor=person.actor))


@router.put("/subsidies/rules/{rule}", responses=_TRIGGER)
async def edit_rule(
    rule: RulePath, body: schemas.RuleBody, person: CurrentPerson, session: SessionDep
) -> schemas.RuleView:
    """Change a schedule from its next run on."""
    found = await _rule(session, person, rule)
    return await _rule_view(session, await schedule.edit_rule(session, found.id, body, actor=person.actor))


@router.post("/subsidies/rules/{rule}/finish", responses=_TRIGGER)
async def finish_rule(rule: RulePath, person: CurrentPerson, session: SessionDep) -> schemas.RuleView:
    """Nothing is prepared by it any more."""
    found = await _rule(session, person, rule)
    return await _rule_view(session, await schedule.finish_rule(session, found.id, actor=person.actor))


@router.post(
    "/subsidies/rules/{rule}/prepare",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, AlreadyPrepared, ListMissing, NothingToGrant),
)
async def prepare_month(
    rule: RulePath, body: schemas.MonthBody, person: CurrentPerson, session: SessionDep
) -> schemas.BatchView:
    """Prepare a month's batch now, earlier than its day or anew after a reversal; once for a month."""
    found = await _rule(session, person, rule)
    batch = await schedule.prepare_by_hand(
        session, found.id, body.month, actor=person.actor, without_list=body.without_list
    )
    return await _batch_view(session, batch)


async def _rule(session: SessionDep, person: Principal, rule: str) -> SubsidyRule:
    found = await queries.get_rule(session, parse_public_id("sru", rule))
    person.require(Role.FINANCE, organisation_id=found.unit_id)
    return found


async def _rule_view(session: SessionDep, rule: SubsidyRule) -> schemas.RuleView:
    return (await views.rule_views(session, [rule]))[0]


# ---- batches


@router.get("/subsidies/batches", responses=_READ)
async def list_batches(
    unit: UnitQuery,
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.BatchView]:
    """A unit's batches, newest first."""
    _require(person, unit, *READERS)
    before = parse_public_id("sbt", starting_after) if starting_after else None
    found = await queries.list_batches(session, parse_public_id("org", unit), limit=limit, before=before)
    return page_of(await views.batch_views(session, found), limit)


@router.post(
    "/subsidies/batches",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, TableHasBadCells, NothingToGrant),
    openapi_extra=TABLE_BODY,
)
async def import_batch(
    wanted: Annotated[schemas.NewBatch, Query()], request: Request, person: CurrentPersonApart, db: DatabaseDep
) -> schemas.BatchReport:
    """Subsidies for many people from an XLSX or CSV file: staff_number, name, amount, note; or their Chinese titles."""
    _require(person, wanted.unit)
    async with db.session() as session:
        await schedule.refuse_unknown_sites(session, wanted.sites)
    content = await read_file(request)
    return await tables.import_batch(db, content, wanted, parse_public_id("org", wanted.unit), actor=person.actor)


@router.get("/subsidies/batches/{batch}", responses=_READ)
async def show_batch(batch: BatchPath, person: CurrentPerson, session: SessionDep) -> schemas.BatchView:
    """One batch."""
    return await _batch_view(session, await _batch(session, person, batch, *READERS))


@router.get("/subsidies/batches/{batch}/rows", responses=_READ)
async def list_batch_rows(
    batch: BatchPath,
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    after: Annotated[int, Query(ge=0, le=10**6, description="Rows that were seen")] = 0,
) -> Page[schemas.BatchRowView]:
    """Who is in it, with how much and why, what they have eaten of it, and what came back."""
    found = await _batch(session, person, batch, *READERS)
    rows = await queries.rows_of(session, found.id, after=after, limit=limit + 1)
    return page_of(await views.row_views(session, found, rows), limit)


@router.get(
    "/subsidies/batches/{batch}/workbook",
    responses=_READ | {200: {"content": {XLSX: {}}}},
    response_class=Response,
)
async def download_batch(batch: BatchPath, person: CurrentPerson, session: SessionDep) -> Response:
    """The batch as XLSX."""
    found = await _batch(session, person, batch, *READERS)
    shown = await _batch_view(session, found)
    rows = await views.row_views(session, found, await queries.rows_of(session, found.id))
    names = await place_names(session, [found.unit_id])
    content = await asyncio.to_thread(workbooks.build_workbook, shown, rows, names[found.unit_id].name_zh)
    headers = {"Content-Disposition": f'attachment; filename="{batch}.xlsx"'}
    return Response(content, headers=headers, media_type=XLSX)


@router.post(
    "/subsidies/batches/{batch}/post",
    status_code=202,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, AwaitsApproval, BatchIsOver),
)
async def ask_to_post(
    batch: BatchPath, body: schemas.ReasonBody, person: CurrentPerson, session: SessionDep
) -> schemas.ApprovalRef:
    """Ask for it to be paid: somebody else decides at `/v1/approvals`, and all lots are opened in that decision."""
    found = await _batch(session, person, batch)
    asked = await batches.ask_to_post(session, person, found.id, body.reason)
    return schemas.ApprovalRef(id=public_id("apr", asked), kind=batches.POST)


@router.post(
    "/subsidies/batches/{batch}/reverse",
    status_code=202,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, AwaitsApproval),
)
async def ask_to_reverse(
    batch: BatchPath, body: schemas.ReasonBody, person: CurrentPerson, session: SessionDep
) -> schemas.ApprovalRef:
    """Ask for all of it to be taken back: somebody else decides, and what is unspent then goes back to the unit."""
    found = await _batch(session, person, batch)
    asked = await batches.ask_to_reverse(session, person, found.id, body.reason)
    return schemas.ApprovalRef(id=public_id("apr", asked), kind=batches.REVERSE)


@router.post(
    "/subsidies/batches/{batch}/discard",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, AwaitsApproval),
)
async def discard_batch(batch: BatchPath, person: CurrentPerson, session: SessionDep) -> schemas.BatchView:
    """It was prepared in error; it is kept and never paid."""
    found = await _batch(session, person, batch)
    return await _batch_view(session, await batches.discard_batch(session, found.id, actor=person.actor))


async def _batch(session: SessionDep, person: Principal, batch: str, *roles: Role) -> SubsidyBatch:
    found = await queries.get_batch(session, parse_public_id("sbt", batch))
    person.require(*(roles or (Role.FINANCE,)), organisation_id=found.unit_id)
    return found


async def _batch_view(session: SessionDep, batch: SubsidyBatch) -> schemas.BatchView:
    return (await views.batch_views(session, [batch]))[0]


# ---- lists


@router.get(
    "/subsidies/templates/{what}",
    responses=raises(Unauthenticated, Forbidden) | {200: {"content": {XLSX: {}}}},
    response_class=Response,
)
async def download_template(what: Literal["batches", "attendance"], person: CurrentPerson) -> Response:
    """An empty workbook to fill in, with a note at each column."""
    if not person.holds(Role.FINANCE):
        raise Forbidden(roles=[str(Role.FINANCE)])
    headers = {"Content-Disposition": f'attachment; filename="{what}.xlsx"'}
    return Response(await asyncio.to_thread(tables.template_of, what), headers=headers, media_type=XLSX)


@router.get("/subsidies/attendance", responses=_READ)
async def list_attendance(unit: UnitQuery, person: CurrentPerson, session: SessionDep) -> Page[schemas.AttendanceView]:
    """The months of which there is a list, the last one first."""
    _require(person, unit, *READERS)
    unit_id = parse_public_id("org", unit)
    rows = await queries.list_attendance(session, unit_id)
    return Page(data=[views.attendance_view(unit_id, row) for row in rows], has_more=False)


@router.post(
    "/subsidies/attendance",
    responses=raises(Unauthenticated, Forbidden, NotFound, TableHasBadCells),
    openapi_extra=TABLE_BODY,
)
async def import_attendance(
    unit: UnitQuery,
    month: MonthQuery,
    request: Request,
    person: CurrentPersonApart,
    db: DatabaseDep,
    *,
    dry_run: DryRunQuery = False,
) -> schemas.AttendanceReport:
    """A month's list, XLSX or CSV: staff_number, name, attended_days, leave_days, field_days; or their Chinese titles."""
    _require(person, unit)
    content, unit_id = await read_file(request), parse_public_id("org", unit)
    return await tables.import_attendance(db, content, unit_id, month, dry_run=dry_run, actor=person.actor)


# ---- what expires, and how a unit pays


@router.get("/subsidies/expiring", responses=_READ)
async def show_expiring(
    unit: UnitQuery,
    person: CurrentPerson,
    session: SessionDep,
    days: Annotated[int, Query(ge=1, le=366, description="How far ahead")] = 35,
) -> schemas.ExpiringView:
    """What a unit's people are about to lose, day by day: sums, nobody's name."""
    _require(person, unit, *READERS)
    return await views.expiring_view(session, parse_public_id("org", unit), days)


@router.get("/subsidies/terms/{unit}", responses=_READ)
async def show_terms(unit: UnitPath, person: CurrentPerson, session: SessionDep) -> schemas.TermsView:
    """How a unit pays for its subsidies, what it has and owes, and how that has changed."""
    _require(person, unit, *READERS)
    return await views.terms_view(session, parse_public_id("org", unit))


@router.post(
    "/subsidies/terms", status_code=202, responses=raises(Unauthenticated, Forbidden, NotFound, AwaitsApproval)
)
async def ask_for_terms(body: schemas.TermsBody, person: CurrentPerson, session: SessionDep) -> schemas.ApprovalRef:
    """Ask for a unit to pay ahead, or on a bill up to a limit; somebody else decides."""
    # Of the region, whose bank waits for the money: a unit's own finance could lend itself any sum.
    region_id = await queries.region_of_unit(session, parse_public_id("org", body.unit))
    person.require(Role.FINANCE, region_id=region_id)
    asked = await terms.ask_for_terms(session, person, body)
    return schemas.ApprovalRef(id=public_id("apr", asked), kind=terms.KIND)
