"""Rows of settlement as the wire shows them. Whose a place is comes from identity, in one question a page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import PlaceName, Principal, Role, place_names
from kernel import clock
from kernel.ids import public_id
from payments.lines import HOLDER_ACCOUNTS
from payments.models import AccountingPeriod
from payments.settlement import clearing, netting, queries, schemas, service
from payments.settlement.documents import BankInstruction
from payments.settlement.models import AdjustmentVoucher, LateCase, LineDispute, SettlementStatement
from payments.settlement.netting import Obligation
from payments.settlement.states import pressable

_PREFIXES: Final = {"region": "reg", "site": "can", "organisation": "org"}
_PARTY_PREFIX: Final[Mapping[str, str]] = {
    "canteen": "can",
    "unit": "org",
    "region_pair": "reg",
    "operator": "org",
}
# What only the office of the region presses; confirming and disputing are also the other side's.
_OFFICE: Final = frozenset({"cut_off", "reconcile", "send_statement", "net", "pay", "settle", "lock"})

Names = Mapping[UUID, PlaceName]


def _at(instant: datetime | None) -> str | None:
    return clock.rfc3339(instant) if instant is not None else None


def place(names: Names, prefix: str, identifier: UUID) -> schemas.PlaceView:
    """A place by its name; the id alone where identity knows it no more."""
    name = names.get(identifier)
    return schemas.PlaceView(
        id=public_id(prefix, identifier), name_zh=name.name_zh if name else "", name_en=name.name_en if name else ""
    )


def allowed_to(principal: Principal, row: AccountingPeriod) -> list[str]:
    """What of the state's triggers this person may press."""
    is_office = principal.may(Role.FINANCE, region_id=row.region_id)
    return [trigger for trigger in pressable(row.state) if is_office or trigger not in _OFFICE]


def settlement_view(row: AccountingPeriod, names: Names, principal: Principal) -> schemas.SettlementView:
    """One row of the list."""
    return schemas.SettlementView(
        id=public_id("stl", row.id),
        region=place(names, "reg", row.region_id),
        period=row.period,
        state=row.state,
        allowed=allowed_to(principal, row),
        cut_off_at=_at(row.cut_off_at),
        silence_ends_at=_at(row.silence_ends_at),
        line_count=row.line_count,
        aggregates_hash=row.aggregates_hash,
        clearing=public_id("clr", row.clearing_id) if row.clearing_id else None,
    )


async def settlement_views(
    session: AsyncSession, rows: Sequence[AccountingPeriod], principal: Principal
) -> list[schemas.SettlementView]:
    """A page of the list."""
    names = await place_names(session, {row.region_id for row in rows})
    return [settlement_view(row, names, principal) for row in rows]


async def settlement_detail(
    session: AsyncSession, row: AccountingPeriod, principal: Principal
) -> schemas.SettlementDetail:
    """Everything of one period but its statements."""
    names = await place_names(session, [row.region_id])
    documents = await queries.instruction_documents(session, await queries.instructions_of(session, row), row.period)
    counts = await session.execute(
        select(SettlementStatement.state, func.count().label("parties"))
        .where(SettlementStatement.settlement_id == row.id)
        .group_by(SettlementStatement.state)
    )
    return schemas.SettlementDetail(
        **settlement_view(row, names, principal).model_dump(),
        vector=row.vector,
        chain_heads=row.chain_heads,
        steps=[
            schemas.StepView(
                trigger=step.trigger,
                state=step.state,
                actor=step.actor,
                by_silence=step.by_silence,
                happened_at=clock.rfc3339(step.happened_at),
            )
            for step in await queries.steps_of(session, row.id)
        ],
        totals=[
            schemas.AccountTotalView(account=kind, debit_fen=int(debit), credit_fen=int(credit), line_count=int(lines))
            for kind, debit, credit, lines in await queries.totals_by_account(session, row.id)
        ],
        statement_counts={row.state: int(row.parties) for row in counts},
        disputes=[dispute_view(each) for each in await queries.disputes_of(session, row.id)],
        instructions=[instruction_view(each) for each in documents],
        adjustments=[adjustment_view(each) for each in await queries.vouchers_of(session, row.id)],
    )


async def statement_views(
    session: AsyncSession, rows: Sequence[SettlementStatement], principal: Principal
) -> list[schemas.StatementView]:
    """A page of statements."""
    names = await place_names(session, {row.party_id for row in rows})
    mine = {row.id for row in await service.answered_by(session, principal, rows)}
    return [
        schemas.StatementView(
            id=public_id("stm", row.id),
            kind=row.kind,
            party=place(names, _PARTY_PREFIX[row.kind], row.party_id),
            state=row.state,
            in_fen=row.in_fen,
            out_fen=row.out_fen,
            net_fen=row.net_fen,
            due_fen=row.due_fen,
            disputed_fen=row.disputed_fen,
            base_fen=row.base_fen,
            line_count=row.line_count,
            sent_at=_at(row.sent_at),
            confirmed_at=_at(row.confirmed_at),
            mine=row.id in mine,
        )
        for row in rows
    ]


async def line_views(session: AsyncSession, statement: SettlementStatement, period: str) -> list[schemas.LineView]:
    """A statement's lines."""
    lines = await queries.lines_of(session, statement, period)
    names = await place_names(session, {line.site_id for line in lines if line.site_id is not None})
    return [
        schemas.LineView(
            ordinal=line.ordinal,
            business_date=line.business_date.isoformat(),
            kind=line.kind,
            amount_fen=line.amount_fen,
            line_count=line.line_count,
            is_late=line.is_late,
            counted=line.counted,
            canteen=place(names, "can", line.site_id) if line.site_id is not None else None,
            base_fen=line.base_fen,
        )
        for line in lines
    ]


def dispute_view(row: LineDispute) -> schemas.LineDisputeView:
    """A line that is not agreed."""
    return schemas.LineDisputeView(
        id=public_id("dsl", row.id),
        statement=public_id("stm", row.statement_id),
        business_date=row.business_date.isoformat(),
        line_kind=row.line_kind,
        amount_fen=row.amount_fen,
        reason=row.reason,
        state=row.state,
        opened_by=row.opened_by,
        opened_at=clock.rfc3339(row.opened_at),
        note=row.note,
    )


def instruction_view(each: BankInstruction) -> schemas.InstructionView:
    """An instruction without account numbers: those are for the bank's file."""
    debtor, creditor = each.debtor, each.creditor
    return schemas.InstructionView(
        id=public_id("bki", each.id),
        kind=each.kind,
        debtor=schemas.PlaceView(
            id=public_id(_PREFIXES[debtor.kind], debtor.id), name_zh=debtor.name_zh, name_en=debtor.name_en
        ),
        creditor=schemas.PlaceView(
            id=public_id(_PREFIXES[creditor.kind], creditor.id), name_zh=creditor.name_zh, name_en=creditor.name_en
        ),
        amount_fen=each.amount_fen,
        reference=each.reference,
        end_to_end_id=each.end_to_end_id,
        state=each.state,
        issued_at=clock.rfc3339(each.issued_at),
        paid_at=_at(each.paid_at),
        bank_reference=each.bank_reference,
        ready=debtor.account_number is not None and creditor.account_number is not None,
    )


def adjustment_view(row: AdjustmentVoucher) -> schemas.AdjustmentView:
    """A voucher; a person's account by its kind only."""
    debit, credit = (
        kind if kind in HOLDER_ACCOUNTS else f"{kind}:{owner.hex}"
        for kind, owner in ((row.debit_kind, row.debit_owner), (row.credit_kind, row.credit_owner))
    )
    return schemas.AdjustmentView(
        id=public_id("adj", row.id),
        original=row.original,
        reason=row.reason,
        debit=debit,
        credit=credit,
        amount_fen=row.amount_fen,
        state=row.state,
        asked_by=row.asked_by,
        asked_at=clock.rfc3339(row.asked_at),
        first_approver=row.first_approver,
        second_approver=row.second_approver,
        booked_in=row.booked_in,
    )


async def positions_of_month(
    session: AsyncSession, period: str, regions: frozenset[UUID] | None
) -> schemas.PositionsView:
    """Who owes whom for a month, before netting and after, of the regions that have counted it.

    The sums are everybody's; named are those that touch the regions somebody may read (None: all).
    """
    rows = await queries.list_settlements(session, regions=None, period=period, limit=10_000)
    owed = await clearing.obligations_of(session, {row.region_id: row for row in rows})
    positions = netting.net_positions(owed)
    moves = netting.transfers(positions)
    names = await place_names(session, positions)

    def is_named(*touched: UUID) -> bool:
        return regions is None or not regions.isdisjoint(touched)

    def view(each: Obligation) -> schemas.OwedView:
        return schemas.OwedView(
            debtor=place(names, "reg", each.debtor),
            creditor=place(names, "reg", each.creditor),
            amount_fen=each.amount_fen,
        )

    return schemas.PositionsView(
        period=period,
        obligations=[view(each) for each in owed if is_named(each.debtor, each.creditor)],
        positions=[
            schemas.PositionView(region=place(names, "reg", region), net_fen=fen)
            for region, fen in sorted(positions.items(), key=lambda item: (-item[1], item[0].int))
            if is_named(region)
        ],
        transfers=[view(each) for each in moves if is_named(each.debtor, each.creditor)],
        gross_fen=netting.gross_fen(owed),
        moved_fen=netting.gross_fen(moves),
    )


async def late_case_views(session: AsyncSession, rows: Sequence[LateCase]) -> list[schemas.LateCaseView]:
    """A page of the exception queue."""
    names = await place_names(session, {row.site_id for row in rows})
    return [
        schemas.LateCaseView(
            id=public_id("pay", row.transfer_id),
            region=public_id("reg", row.region_id),
            period=row.period,
            canteen=place(names, "can", row.site_id),
            business_date=row.business_date.isoformat(),
            amount_fen=row.amount_fen,
            state=row.state,
            opened_at=clock.rfc3339(row.opened_at),
            note=row.note,
        )
        for row in rows
    ]
