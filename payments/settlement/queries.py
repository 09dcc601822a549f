"""What settlement reads. Functions named `lock_*` take row locks."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Row, and_, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import place_names
from kernel.errors import NotFound
from kernel.ids import public_id
from payments.models import AccountingPeriod
from payments.settlement.close import SETTLEMENT_KINDS
from payments.settlement.documents import BankInstruction, Party, StatementLine
from payments.settlement.models import (
    AdjustmentVoucher,
    BankAccount,
    BankInstructionRow,
    CanteenShare,
    Clearing,
    LateCase,
    LineDispute,
    SettlementShare,
    SettlementStatement,
    SettlementStep,
    SettlementTotal,
    UnitTotal,
)
from payments.settlement.periods import is_late

# The accounts that a statement tells of.
ACCOUNTS_OF_STATEMENT: Final[dict[str, tuple[str, ...]]] = {
    "canteen": ("payable",),
    "unit": ("unit_prefund", "unit_receivable"),
    "region_pair": ("due_to", "due_from"),
    "operator": (),
}


async def regions_with_books(session: AsyncSession) -> list[UUID]:
    """Every region in whose book something stands."""
    found = await session.scalars(
        text("""
            SELECT region_id FROM account_checkpoints
            UNION
            SELECT d.region_id FROM account_deltas d LEFT JOIN checkpoint_vector v ON v.lane = d.lane
             WHERE d.n > coalesce(v.n, 0)
        """)
    )
    return sorted(found, key=lambda region: region.int)


async def get_settlement(session: AsyncSession, settlement_id: UUID) -> AccountingPeriod:
    """A region's period by its settlement's id."""
    row = await session.scalar(select(AccountingPeriod).where(AccountingPeriod.id == settlement_id))
    if row is None:
        raise NotFound(what="settlement", id=public_id("stl", settlement_id))
    return row


async def lock_settlements(session: AsyncSession, ids: Collection[UUID]) -> list[AccountingPeriod]:
    """Locked in one order by everybody, and read under the lock."""
    rows = await session.scalars(
        select(AccountingPeriod)
        .where(AccountingPeriod.id.in_(ids))
        .order_by(AccountingPeriod.region_id, AccountingPeriod.period)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(rows)


async def lock_settlement(session: AsyncSession, settlement_id: UUID) -> AccountingPeriod:
    """One of them; NotFound where there is none."""
    found = await lock_settlements(session, [settlement_id])
    if not found:
        raise NotFound(what="settlement", id=public_id("stl", settlement_id))
    return found[0]


async def lock_month(session: AsyncSession, period: str) -> dict[UUID, AccountingPeriod]:
    """All regions' rows of a month, by region."""
    rows = await session.scalars(
        select(AccountingPeriod)
        .where(AccountingPeriod.period == period)
        .order_by(AccountingPeriod.region_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.region_id: row for row in rows}


async def list_settlements(
    session: AsyncSession,
    *,
    regions: Collection[UUID] | None,
    region_id: UUID | None = None,
    period: str | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[AccountingPeriod]:
    """Newest month first; one row more than the limit. `regions` None: all."""
    query = (
        select(AccountingPeriod).order_by(AccountingPeriod.period.desc(), AccountingPeriod.region_id).limit(limit + 1)
    )
    if regions is not None:
        query = query.where(AccountingPeriod.region_id.in_(regions))
    if region_id is not None:
        query = query.where(AccountingPeriod.region_id == region_id)
    if period is not None:
        query = query.where(AccountingPeriod.period == period)
    if state is not None:
        query = query.where(AccountingPeriod.state == state)
    if after is not None:
        last = await get_settlement(session, after)
        query = query.where(
            or_(
                AccountingPeriod.period < last.period,
                and_(AccountingPeriod.period == last.period, AccountingPeriod.region_id > last.region_id),
            )
        )
    return (await session.scalars(query)).all()


async def earliest_open(session: AsyncSession, region_id: UUID, before: str) -> str | None:
    """The first month before another that has a row and is open."""
    return await session.scalar(
        select(func.min(AccountingPeriod.period)).where(
            AccountingPeriod.region_id == region_id, AccountingPeriod.period < before, AccountingPeriod.state == "open"
        )
    )


async def journal_heads(session: AsyncSession) -> tuple[dict[str, int], dict[str, str]]:
    """Where each lane of the journal stands, {lane: n}, and the hash of its chain there."""
    rows = await session.execute(
        text("""
            SELECT l.lane, b.n, encode(b.hash, 'hex') AS hash
              FROM lanes l
             CROSS JOIN LATERAL (SELECT n, hash FROM ledger_batches b WHERE b.lane = l.lane ORDER BY n DESC LIMIT 1) b
             ORDER BY l.lane
        """)
    )
    found = rows.all()
    return {str(row.lane): int(row.n) for row in found}, {str(row.lane): row.hash for row in found}


async def steps_of(session: AsyncSession, settlement_id: UUID) -> Sequence[SettlementStep]:
    """What became of a period, in order."""
    query = select(SettlementStep).where(SettlementStep.settlement_id == settlement_id).order_by(SettlementStep.ordinal)
    return (await session.scalars(query)).all()


async def statements_of(
    session: AsyncSession,
    settlement_id: UUID,
    *,
    kind: str | None = None,
    after: UUID | None = None,
    limit: int | None = None,
) -> Sequence[SettlementStatement]:
    """A period's statements in the order of their ids; with a limit, one row more."""
    query = select(SettlementStatement).where(SettlementStatement.settlement_id == settlement_id)
    query = query.order_by(SettlementStatement.id)
    if kind is not None:
        query = query.where(SettlementStatement.kind == kind)
    if after is not None:
        query = query.where(SettlementStatement.id > after)
    if limit is not None:
        query = query.limit(limit + 1)
    return (await session.scalars(query)).all()


async def get_statement(session: AsyncSession, settlement_id: UUID, statement_id: UUID) -> SettlementStatement:
    """One statement of a period."""
    row = await session.get(SettlementStatement, statement_id)
    if row is None or row.settlement_id != settlement_id:
        raise NotFound(what="statement", id=public_id("stm", statement_id))
    return row


async def statement_of_party(
    session: AsyncSession, settlement_id: UUID, kind: str, party_id: UUID
) -> SettlementStatement | None:
    """What a party was told of a period, if it was."""
    return await session.scalar(
        select(SettlementStatement).where(
            SettlementStatement.settlement_id == settlement_id,
            SettlementStatement.kind == kind,
            SettlementStatement.party_id == party_id,
        )
    )


async def lines_of(session: AsyncSession, statement: SettlementStatement, period: str) -> list[StatementLine]:
    """A statement's lines: each day and kind, then what is told beside the sum."""
    if statement.kind == "operator":
        return await _operator_lines(session, statement, period)
    rows = await session.execute(
        select(SettlementTotal)
        .where(
            SettlementTotal.settlement_id == statement.settlement_id,
            SettlementTotal.account_owner == statement.party_id,
            SettlementTotal.account_kind.in_(ACCOUNTS_OF_STATEMENT[statement.kind]),
            SettlementTotal.kind.not_in(SETTLEMENT_KINDS),
        )
        .order_by(SettlementTotal.business_date, SettlementTotal.account_kind, SettlementTotal.kind)
    )
    found = [
        (
            *(total.business_date, f"{total.account_kind}.{total.kind}", total.credit_fen - total.debit_fen),
            *(total.line_count, True),
        )
        for total in rows.scalars()
    ]
    if statement.kind == "unit":
        found += await _meals_of_unit(session, statement)
    return [
        StatementLine(ordinal, day, kind, amount_fen, count, is_late(day, period), counted)
        for ordinal, (day, kind, amount_fen, count, counted) in enumerate(found, 1)
    ]


async def _meals_of_unit(
    session: AsyncSession, statement: SettlementStatement
) -> list[tuple[date, str, int, int, bool]]:
    rows = await session.scalars(
        select(UnitTotal)
        .where(UnitTotal.settlement_id == statement.settlement_id, UnitTotal.unit_id == statement.party_id)
        .order_by(UnitTotal.business_date, UnitTotal.kind)
    )
    return [(row.business_date, f"subsidy.{row.kind}", row.amount_fen, row.line_count, False) for row in rows]


async def _operator_lines(session: AsyncSession, statement: SettlementStatement, period: str) -> list[StatementLine]:
    rows = await session.scalars(
        select(SettlementShare)
        .where(
            SettlementShare.settlement_id == statement.settlement_id,
            SettlementShare.organisation_id == statement.party_id,
            SettlementShare.role == "operator",
        )
        .order_by(SettlementShare.site_id, SettlementShare.ordinal)
    )
    month = date(int(period[:4]), int(period[5:]), 1)
    return [
        StatementLine(
            ordinal=ordinal,
            business_date=month,
            kind="operator_payable.share",
            amount_fen=row.amount_fen,
            line_count=1,
            is_late=False,
            site_id=row.site_id,
            base_fen=row.base_fen,
        )
        for ordinal, row in enumerate(rows, 1)
    ]


async def totals_by_account(session: AsyncSession, settlement_id: UUID) -> Sequence[Row[str, int, int, int]]:
    """What a period moved, by kind of account: (account_kind, debit_fen, credit_fen, line_count)."""
    query = (
        select(
            SettlementTotal.account_kind,
            func.sum(SettlementTotal.debit_fen).label("debit_fen"),
            func.sum(SettlementTotal.credit_fen).label("credit_fen"),
            func.sum(SettlementTotal.line_count).label("line_count"),
        )
        .where(SettlementTotal.settlement_id == settlement_id)
        .group_by(SettlementTotal.account_kind)
        .order_by(SettlementTotal.account_kind)
    )
    return (await session.execute(query)).all()


async def disputes_of(session: AsyncSession, settlement_id: UUID) -> Sequence[LineDispute]:
    """What is or was disputed of a period."""
    query = select(LineDispute).where(LineDispute.settlement_id == settlement_id).order_by(LineDispute.id)
    return (await session.scalars(query)).all()


async def lock_dispute(session: AsyncSession, settlement_id: UUID, dispute_id: UUID) -> LineDispute:
    """One of them, locked."""
    row = await session.scalar(
        select(LineDispute)
        .where(LineDispute.id == dispute_id, LineDispute.settlement_id == settlement_id)
        .with_for_update()
    )
    if row is None:
        raise NotFound(what="line_dispute", id=public_id("dsl", dispute_id))
    return row


async def instructions_of(
    session: AsyncSession, row: AccountingPeriod, *, state: str | None = None
) -> Sequence[BankInstructionRow]:
    """A period's instructions: its own, and those between regions that its region pays or receives."""
    of_region = and_(
        BankInstructionRow.clearing_id == row.clearing_id,
        or_(BankInstructionRow.debtor_id == row.region_id, BankInstructionRow.creditor_id == row.region_id),
    )
    query = (
        select(BankInstructionRow)
        .where(or_(BankInstructionRow.settlement_id == row.id, of_region))
        .order_by(BankInstructionRow.id)
    )
    if state is not None:
        query = query.where(BankInstructionRow.state == state)
    return (await session.scalars(query)).all()


async def instruction_documents(
    session: AsyncSession, rows: Sequence[BankInstructionRow], period: str
) -> list[BankInstruction]:
    """Instructions with names and accounts: what bank files are written from."""
    ids = {party for row in rows for party in (row.debtor_id, row.creditor_id)}
    names = await place_names(session, ids)
    accounts = {
        account.party_id: account
        for account in await session.scalars(select(BankAccount).where(BankAccount.party_id.in_(ids)))
    }

    def party(kind: str, identifier: UUID) -> Party:
        name, account = names.get(identifier), accounts.get(identifier)
        return Party(
            kind,  # type: ignore[arg-type]  # held by the table's CHECK
            identifier,
            name.name_zh if name else "",
            name.name_en if name else "",
            account.account_name if account else None,
            account.account_number if account else None,
            account.bank_number if account else None,
            account.bank_name if account else None,
        )

    return [
        BankInstruction(
            row.id,
            row.settlement_id,
            row.clearing_id,
            period,
            row.kind,  # type: ignore[arg-type]  # held by the table's CHECK
            party(row.debtor_kind, row.debtor_id),
            party(row.creditor_kind, row.creditor_id),
            row.amount_fen,
            row.reference,
            row.end_to_end_id,
            row.state,
            row.issued_at,
            row.paid_at,
            row.bank_reference,
        )
        for row in rows
    ]


async def get_clearing(session: AsyncSession, clearing_id: UUID) -> Clearing:
    """One netting run."""
    row = await session.get(Clearing, clearing_id)
    if row is None:
        raise NotFound(what="clearing", id=public_id("clr", clearing_id))
    return row


async def clearings_of(session: AsyncSession, period: str) -> Sequence[Clearing]:
    """A month's netting runs."""
    return (await session.scalars(select(Clearing).where(Clearing.period == period).order_by(Clearing.id))).all()


async def shares_in_force(
    session: AsyncSession, sites: Collection[UUID], period: str
) -> dict[UUID, list[CanteenShare]]:
    """How canteens' takings are shared in a month: of each, the latest set of rows that had begun by then."""
    newer = CanteenShare.__table__.alias()
    rows = await session.scalars(
        select(CanteenShare)
        .where(
            CanteenShare.site_id.in_(sites),
            CanteenShare.from_period <= period,
            ~exists().where(
                newer.c.site_id == CanteenShare.site_id,
                newer.c.from_period > CanteenShare.from_period,
                newer.c.from_period <= period,
            ),
        )
        .order_by(CanteenShare.site_id, CanteenShare.ordinal)
    )
    found: dict[UUID, list[CanteenShare]] = {}
    for row in rows:
        found.setdefault(row.site_id, []).append(row)
    return found


async def vouchers_of(session: AsyncSession, settlement_id: UUID) -> Sequence[AdjustmentVoucher]:
    """The adjustments of a period."""
    query = select(AdjustmentVoucher).where(AdjustmentVoucher.settlement_id == settlement_id)
    return (await session.scalars(query.order_by(AdjustmentVoucher.id))).all()


async def refunds_of_vouchers(session: AsyncSession, vouchers: Collection[UUID]) -> dict[UUID, UUID]:
    """What vouchers of payments have booked: {voucher: refund}."""
    rows = await session.execute(
        select(AdjustmentVoucher.id, AdjustmentVoucher.transfer_id).where(
            AdjustmentVoucher.id.in_(vouchers), AdjustmentVoucher.state == "booked"
        )
    )
    return {row.id: row.transfer_id for row in rows}


async def lock_voucher(session: AsyncSession, voucher_id: UUID) -> AdjustmentVoucher:
    """One of them, locked."""
    row = await session.scalar(select(AdjustmentVoucher).where(AdjustmentVoucher.id == voucher_id).with_for_update())
    if row is None:
        raise NotFound(what="adjustment", id=public_id("adj", voucher_id))
    return row


async def late_cases(
    session: AsyncSession, *, regions: Collection[UUID] | None, state: str | None, after: UUID | None, limit: int
) -> Sequence[LateCase]:
    """The exception queue, newest first; one row more than the limit."""
    query = select(LateCase).order_by(LateCase.transfer_id.desc()).limit(limit + 1)
    if regions is not None:
        query = query.where(LateCase.region_id.in_(regions))
    if state is not None:
        query = query.where(LateCase.state == state)
    if after is not None:
        query = query.where(LateCase.transfer_id < after)
    return (await session.scalars(query)).all()
