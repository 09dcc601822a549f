"""HTTP of settlement. A trigger is `POST /v1/settlements/{id}/<trigger>`; the finance office of the region presses it."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from identity.api import CurrentPerson, Principal, Role
from identity.errors import SamePerson
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict, TryAgain, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from payments.lines import Account
from payments.models import AccountingPeriod
from payments.settlement import (
    adjustments,
    clearing,
    late_sales,
    meals,
    parties,
    queries,
    schemas,
    service,
    suspense,
    views,
)
from payments.settlement.errors import (
    BooksDiffer,
    ClearingWaits,
    DisputeExceeds,
    EarlierPeriodOpen,
    InstructionsOpen,
    NotYourStatement,
    PeriodNotOver,
)

router = APIRouter(prefix="/v1", tags=["settlement"])

SettlementId = Annotated[str, Path(max_length=80)]
PartId = Annotated[str, Path(max_length=80)]
PeriodQuery = Annotated[str | None, Query(pattern=schemas.PERIOD_PATTERN)]
READERS = (Role.FINANCE, Role.AUDIT_ADMIN)


# ---- reading


@router.get("/settlements", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_settlements(
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
    region: Annotated[str | None, Query(max_length=80)] = None,
    period: PeriodQuery = None,
    state: Annotated[str | None, Query(pattern=r"^[a-z_]{1,20}$")] = None,
) -> Page[schemas.SettlementView]:
    """The months of the regions whose books this person may see; the newest month first."""
    rows = await queries.list_settlements(
        session,
        regions=_regions_of(person),
        region_id=parse_public_id("reg", region) if region else None,
        period=period,
        state=state,
        after=parse_public_id("stl", starting_after) if starting_after else None,
        limit=limit,
    )
    return page_of(await views.settlement_views(session, rows, person), limit)


@router.post("/settlements", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def open_settlement(body: schemas.OpenBody, person: CurrentPerson, session: SessionDep) -> schemas.SettlementView:
    """A region's month, made if it has no row yet: a month that nobody has booked in is open without one."""
    region_id = parse_public_id("reg", body.region)
    person.require(Role.FINANCE, region_id=region_id)
    await parties.require_region(session, region_id)
    await service.open_settlements(session, body.period, [region_id])
    rows = await queries.list_settlements(session, regions=None, region_id=region_id, period=body.period, limit=1)
    return (await views.settlement_views(session, rows, person))[0]


@router.get("/settlements/positions", responses=raises(Unauthenticated, Forbidden, BooksDiffer))
async def show_positions(
    person: CurrentPerson, session: SessionDep, period: Annotated[str, Query(pattern=schemas.PERIOD_PATTERN)]
) -> schemas.PositionsView:
    """Who owes whom for a month, before netting and after; of the regions that have counted it."""
    return await views.positions_of_month(session, period, _regions_of(person))


@router.get("/settlements/late_sales", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_late_sales(
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
    state: Annotated[str | None, Query(pattern=r"^[a-z_]{1,20}$")] = None,
) -> Page[schemas.LateCaseView]:
    """The exception queue: sales that were booked more than seven days after their business date."""
    after = parse_public_id("pay", starting_after) if starting_after else None
    rows = await queries.late_cases(session, regions=_regions_of(person), state=state, after=after, limit=limit)
    return page_of(await views.late_case_views(session, rows), limit)


@router.post(
    "/settlements/late_sales/{payment_id}/resolve",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def resolve_late_sale(
    payment_id: PartId, body: schemas.ResolveBody, person: CurrentPerson, session: SessionDep
) -> schemas.LateCaseView:
    """Say what was found out about a late sale."""
    case = await late_sales.resolve(session, person, parse_public_id("pay", payment_id), body.note)
    return (await views.late_case_views(session, [case]))[0]


@router.get("/settlements/{settlement_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_settlement(
    settlement_id: SettlementId, person: CurrentPerson, session: SessionDep
) -> schemas.SettlementDetail:
    """One month: how far it has come, what was counted, what banks are to move."""
    row = await _readable(session, person, settlement_id)
    return await views.settlement_detail(session, row, person)


@router.get("/settlements/{settlement_id}/statements", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_statements(
    settlement_id: SettlementId,
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
    kind: Annotated[str | None, Query(pattern=r"^[a-z_]{1,20}$")] = None,
) -> Page[schemas.StatementView]:
    """What the parties are told of it. Who answers for a party sees that party's own."""
    row = await queries.get_settlement(session, parse_public_id("stl", settlement_id))
    after = parse_public_id("stm", starting_after) if starting_after else None
    if person.may(*READERS, region_id=row.region_id):
        rows = await queries.statements_of(session, row.id, kind=kind, after=after, limit=limit)
    else:
        everything = await queries.statements_of(session, row.id, kind=kind, after=after)
        rows = (await service.answered_by(session, person, everything))[: limit + 1]
    return page_of(await views.statement_views(session, rows, person), limit)


@router.get(
    "/settlements/{settlement_id}/statements/{statement_id}/lines",
    responses=raises(Unauthenticated, Forbidden, NotFound),
)
async def list_lines(
    settlement_id: SettlementId, statement_id: PartId, person: CurrentPerson, session: SessionDep
) -> list[schemas.LineView]:
    """A statement's lines: what moved on each day, by kind. All of them: a month has a few hundred at the most."""
    row = await queries.get_settlement(session, parse_public_id("stl", settlement_id))
    statement = await parties.readable_statement(session, person, row, parse_public_id("stm", statement_id))
    return await views.line_views(session, statement, row.period)


@router.get(
    "/settlements/{settlement_id}/statements/{statement_id}/meals",
    responses=raises(Unauthenticated, Forbidden, NotFound),
)
async def list_meals(
    settlement_id: SettlementId,
    statement_id: PartId,
    person: CurrentPerson,
    session: SessionDep,
    business_date: date,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.MealView]:
    """The payments of one day under a statement: what and where, and not who."""
    row = await queries.get_settlement(session, parse_public_id("stl", settlement_id))
    statement = await parties.readable_statement(session, person, row, parse_public_id("stm", statement_id))
    after = parse_public_id("pay", starting_after) if starting_after else None
    return page_of(
        await meals.meals_under_line(session, row, statement, business_date, after=after, limit=limit), limit
    )


# ---- triggers


@router.post(
    "/settlements/{settlement_id}/cut_off",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, PeriodNotOver, EarlierPeriodOpen, TryAgain),
)
async def cut_off(
    settlement_id: SettlementId, person: CurrentPerson, session: SessionDep, body: schemas.CutOffBody | None = None
) -> schemas.SettlementDetail:
    """Let nothing more into the month, and write down where the journal stands."""
    row = await _office(session, person, settlement_id)
    await service.cut_off(session, [row.id], actor=person.actor, early=body is not None and body.early)
    return await views.settlement_detail(session, row, person)


@router.post(
    "/settlements/{settlement_id}/reconcile", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def reconcile(
    settlement_id: SettlementId, person: CurrentPerson, session: SessionDep
) -> schemas.SettlementDetail:
    """Count it: totals, statements, the hash."""
    row = await _office(session, person, settlement_id)
    await service.reconcile(session, [row.id], actor=person.actor)
    return await views.settlement_detail(session, row, person)


@router.post(
    "/settlements/{settlement_id}/send_statement", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def send_statement(
    settlement_id: SettlementId, person: CurrentPerson, session: SessionDep
) -> schemas.SettlementDetail:
    """Send every party its statement; the region confirms by this, the others within five work days."""
    row = await _office(session, person, settlement_id)
    await service.send_statement(session, row.id, actor=person.actor)
    return await views.settlement_detail(session, row, person)


@router.post(
    "/settlements/{settlement_id}/confirm",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, SamePerson, NotYourStatement),
)
async def confirm(
    settlement_id: SettlementId, person: CurrentPerson, session: SessionDep, body: schemas.ConfirmBody | None = None
) -> schemas.SettlementView:
    """Agree with statements, for a party; once none is left unanswered, the month is confirmed."""
    named = body.statements if body is not None else None
    wanted = [parse_public_id("stm", each) for each in named] if named is not None else None
    identifier = parse_public_id("stl", settlement_id)
    await service.confirm(session, person, identifier, wanted)
    return (await views.settlement_views(session, [await queries.get_settlement(session, identifier)], person))[0]


@router.post(
    "/settlements/{settlement_id}/dispute",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, NotYourStatement, DisputeExceeds),
)
async def dispute(
    settlement_id: SettlementId, body: schemas.DisputeBody, person: CurrentPerson, session: SessionDep
) -> schemas.LineDisputeView:
    """Do not agree with a line of a statement: its sum waits in suspense, the rest settles."""
    row = await suspense.dispute_line(
        session,
        person,
        parse_public_id("stl", settlement_id),
        parse_public_id("stm", body.statement),
        business_date=body.business_date,
        line_kind=body.line_kind,
        amount_fen=body.amount_fen,
        reason=body.reason,
    )
    return views.dispute_view(row)


@router.post(
    "/settlements/{settlement_id}/disputes/{dispute_id}/uphold",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def uphold_dispute(
    settlement_id: SettlementId,
    dispute_id: PartId,
    body: schemas.DecideBody,
    person: CurrentPerson,
    session: SessionDep,
) -> schemas.LineDisputeView:
    """The line was wrong: its sum waits in suspense until an adjustment voucher says where it goes."""
    return await _decide(session, person, settlement_id, dispute_id, body, upheld=True)


@router.post(
    "/settlements/{settlement_id}/disputes/{dispute_id}/dismiss",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def dismiss_dispute(
    settlement_id: SettlementId,
    dispute_id: PartId,
    body: schemas.DecideBody,
    person: CurrentPerson,
    session: SessionDep,
) -> schemas.LineDisputeView:
    """The line was right: its sum is settled with the month that is open now."""
    return await _decide(session, person, settlement_id, dispute_id, body, upheld=False)


@router.post(
    "/settlements/{settlement_id}/net",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, ClearingWaits, BooksDiffer),
)
async def net(settlement_id: SettlementId, person: CurrentPerson, session: SessionDep) -> schemas.SettlementDetail:
    """Net the month of all regions that owe each other with this one, and write what banks are to move."""
    row = await _office(session, person, settlement_id)
    await clearing.net(session, row.id, actor=person.actor)
    return await views.settlement_detail(session, row, person)


@router.post("/settlements/{settlement_id}/pay", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def pay(
    settlement_id: SettlementId, body: schemas.PayBody, person: CurrentPerson, session: SessionDep
) -> schemas.SettlementDetail:
    """The bank has moved these sums."""
    row = await _office(session, person, settlement_id)
    wanted = [parse_public_id("bki", each) for each in body.instructions] if body.instructions is not None else None
    await clearing.pay(session, row.id, wanted, body.bank_reference, actor=person.actor)
    return await views.settlement_detail(session, row, person)


@router.post(
    "/settlements/{settlement_id}/instructions/{instruction_id}/fail",
    status_code=204,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def fail_instruction(
    settlement_id: SettlementId,
    instruction_id: PartId,
    body: schemas.FailBody,
    person: CurrentPerson,
    session: SessionDep,
) -> None:
    """The bank has refused it; nothing was moved."""
    row = await _office(session, person, settlement_id)
    await clearing.fail(session, row.id, parse_public_id("bki", instruction_id), body.reason, actor=person.actor)


@router.post(
    "/settlements/{settlement_id}/instructions/{instruction_id}/reissue",
    status_code=204,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def reissue_instruction(
    settlement_id: SettlementId, instruction_id: PartId, person: CurrentPerson, session: SessionDep
) -> None:
    """Send it to the bank once more, under the same end-to-end id."""
    row = await _office(session, person, settlement_id)
    await clearing.reissue(session, row.id, parse_public_id("bki", instruction_id), actor=person.actor)


@router.post(
    "/settlements/{settlement_id}/settle",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, InstructionsOpen),
)
async def settle(settlement_id: SettlementId, person: CurrentPerson, session: SessionDep) -> schemas.SettlementDetail:
    """Every sum is paid."""
    row = await _office(session, person, settlement_id)
    await service.settle(session, row.id, actor=person.actor)
    return await views.settlement_detail(session, row, person)


@router.post("/settlements/{settlement_id}/lock", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def lock(settlement_id: SettlementId, person: CurrentPerson, session: SessionDep) -> schemas.SettlementDetail:
    """From now on only adjustment vouchers follow."""
    row = await _office(session, person, settlement_id)
    await service.lock(session, row.id, actor=person.actor)
    return await views.settlement_detail(session, row, person)


@router.post(
    "/settlements/{settlement_id}/adjustments",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def ask_for_adjustment(
    settlement_id: SettlementId, body: schemas.AdjustmentBody, person: CurrentPerson, session: SessionDep
) -> schemas.AdjustmentView:
    """Write a voucher to a locked month; two others approve it, then it is booked in the month that is open."""
    row = await _office(session, person, settlement_id)
    if body.debit is not None and body.credit is not None:
        voucher = await adjustments.ask_for_adjustment(
            session,
            person,
            row.id,
            original=body.original,
            reason=body.reason,
            debit=_account(body.debit, "debit"),
            credit=_account(body.credit, "credit"),
            amount_fen=body.amount_fen,
        )
    else:
        voucher = await adjustments.ask_for_refund(
            session,
            person,
            row.id,
            parse_public_id("pay", body.original),
            reason=body.reason,
            amount_fen=body.amount_fen,
        )
    return views.adjustment_view(voucher)


# ---- what settling needs to know of the parties


@router.get("/canteens/{canteen_id}/shares", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_shares(canteen_id: PartId, person: CurrentPerson, session: SessionDep) -> list[schemas.ShareView]:
    """How a canteen's takings are shared, each set from the month that it began in."""
    return [
        schemas.ShareView(
            from_period=row.from_period,
            organisation=public_id("org", row.organisation_id),
            weight=row.weight,
            role=row.role,
        )
        for row in await parties.list_shares(session, person, parse_public_id("can", canteen_id))
    ]


@router.put(
    "/canteens/{canteen_id}/shares",
    status_code=204,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def set_shares(canteen_id: PartId, body: schemas.SharesBody, person: CurrentPerson, session: SessionDep) -> None:
    """Share a canteen's takings from a month on that is not cut off yet."""
    await parties.set_shares(session, person, parse_public_id("can", canteen_id), body)


@router.get("/bank_accounts", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_bank_accounts(
    person: CurrentPerson, session: SessionDep, region: Annotated[str, Query(max_length=80)]
) -> Page[schemas.BankAccountView]:
    """The accounts that are entered for a region, its canteens and its organisations."""
    accounts = await parties.list_bank_accounts(session, person, parse_public_id("reg", region))
    return Page(data=accounts, has_more=False)


@router.get("/bank_accounts/{party_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_bank_account(party_id: PartId, person: CurrentPerson, session: SessionDep) -> schemas.BankAccountView:
    """Where a region's, canteen's or organisation's money is."""
    return await parties.show_bank_account(session, person, party_id)


@router.put("/bank_accounts/{party_id}", status_code=204, responses=raises(Unauthenticated, Forbidden, NotFound))
async def set_bank_account(
    party_id: PartId, body: schemas.BankAccountBody, person: CurrentPerson, session: SessionDep
) -> None:
    """Enter or change it."""
    await parties.set_bank_account(session, person, party_id, body)


# ---- who may


def _require_reader(person: Principal) -> None:
    if not person.holds(*READERS):
        raise Forbidden(roles=[str(role) for role in READERS])


def _regions_of(person: Principal) -> frozenset[UUID] | None:
    """The regions whose books somebody may read; None for all."""
    _require_reader(person)
    cover = person.cover_of(*READERS)
    return None if cover is None else cover.regions


async def _readable(session: SessionDep, person: Principal, settlement_id: str) -> AccountingPeriod:
    row = await queries.get_settlement(session, parse_public_id("stl", settlement_id))
    person.require(*READERS, region_id=row.region_id)
    return row


async def _office(session: SessionDep, person: Principal, settlement_id: str) -> AccountingPeriod:
    """For who settles there; read before it is locked, as its region never changes."""
    row = await queries.get_settlement(session, parse_public_id("stl", settlement_id))
    person.require(Role.FINANCE, region_id=row.region_id)
    return row


async def _decide(
    session: SessionDep,
    person: Principal,
    settlement_id: str,
    dispute_id: str,
    body: schemas.DecideBody,
    *,
    upheld: bool,
) -> schemas.LineDisputeView:
    row = await _office(session, person, settlement_id)
    decided = await suspense.decide_dispute(
        session, row.id, parse_public_id("dsl", dispute_id), upheld=upheld, note=body.note, actor=person.actor
    )
    return views.dispute_view(decided)


def _account(name: str, field: str) -> Account:
    kind, _, owner = name.partition(":")
    try:
        return Account(kind, UUID(hex=owner))
    except ValueError:
        raise Malformed(reason="kind:owner, as `payable:<32 digits>`", field=field) from None
