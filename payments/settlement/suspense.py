"""What is disputed waits in `suspense:<dispute>` of the book, while the rest of the period settles.

Two ways lead there. A line of a statement that is not agreed: its sum leaves the party's account at once, and what the bank
will move is less by it. A person's dispute of one payment: the canteen's account gives the sum, from the period that will
be settled next. Either way it goes back to where it came from, or an adjustment voucher says where it goes.
"""

from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role
from kernel import audit_log, clock
from kernel.errors import Malformed
from kernel.ids import HOUSE_BUCKET, public_id, uuid7
from kernel.settings import get_settings
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, Line, reversed_lines, single_line
from payments.models import AccountingPeriod
from payments.settlement import queries, service
from payments.settlement.errors import DisputeExceeds, NotYourStatement
from payments.settlement.models import LineDispute, SettlementStatement
from payments.settlement.states import LINE_DISPUTE
from payments.states import next_state
from payments.subsidies.unit_money import RECEIVABLE, lock_account

# The accounts whose sums a bank will move, and which can therefore be held back.
_HELD_BACK: Final = ("payable", "due_to", "due_from", "unit_receivable")
REASON_LENGTH_MAX: Final = 500


async def put_in_suspense(
    session: AsyncSession, *, region_id: UUID, site_id: UUID, amount_fen: int, dispute_id: UUID, business_date: date
) -> str:
    """A person disputes a payment: the canteen's account lends the sum until it is decided. Returns the period it is booked in."""
    return await _move(session, "dispute", region_id, site_id, amount_fen, dispute_id, business_date, back=False)


async def take_from_suspense(
    session: AsyncSession, *, region_id: UUID, site_id: UUID, amount_fen: int, dispute_id: UUID, business_date: date
) -> str:
    """It is decided: the sum is the canteen's again. Where the person is right, a refund takes it from there as usual."""
    return await _move(session, "dispute", region_id, site_id, amount_fen, dispute_id, business_date, back=True)


async def _move(
    session: AsyncSession,
    kind: str,
    region_id: UUID,
    site_id: UUID,
    amount_fen: int,
    dispute_id: UUID,
    business_date: date,
    *,
    back: bool,
) -> str:
    period = await open_period(session, region_id, business_date)
    booking = Booking(HOUSE_BUCKET, uuid7(HOUSE_BUCKET), kind, business_date, period)
    line = single_line(booking, region_id, Account("payable", site_id), Account("suspense", dispute_id), amount_fen)
    await post_lines(session, reversed_lines([line]) if back else [line])
    return period


async def dispute_line(
    session: AsyncSession,
    principal: Principal,
    settlement_id: UUID,
    statement_id: UUID,
    *,
    business_date: date,
    line_kind: str,
    amount_fen: int,
    reason: str,
) -> LineDispute:
    """Say that a line of a statement is not agreed, up to its sum; the party may, and so may the region itself."""
    row = await queries.lock_settlement(session, settlement_id)
    service.require_allowed(row, "dispute")
    statement = await queries.get_statement(session, row.id, statement_id)
    if not principal.may(Role.FINANCE, region_id=row.region_id) and not await service.answered_by(
        session, principal, [statement]
    ):
        raise NotYourStatement
    if line_kind.partition(".")[0] not in _HELD_BACK:
        raise Malformed(reason="no bank moves anything of this line", field="line_kind")
    await _refuse_more_than_line(session, row, statement, business_date, line_kind, amount_fen)
    dispute = LineDispute(
        id=uuid7(),
        settlement_id=row.id,
        statement_id=statement.id,
        business_date=business_date,
        line_kind=line_kind,
        amount_fen=amount_fen,
        reason=reason,
        state="open",
        opened_by=principal.actor,
        opened_at=clock.now(),
        suspended_at=clock.now(),
    )
    session.add(dispute)
    statement.disputed_fen += amount_fen
    # A line that counts for the party makes less due to it; one against it, less due from it.
    statement.due_fen -= amount_fen if statement.due_fen >= 0 else -amount_fen
    await session.flush()
    await post_lines(session, await _held_back(session, row, statement, dispute))
    await service.advance(session, row, "dispute", principal.actor)
    await _log(session, dispute, "dispute", principal.actor)
    return dispute


async def _refuse_more_than_line(
    session: AsyncSession,
    row: AccountingPeriod,
    statement: SettlementStatement,
    business_date: date,
    line_kind: str,
    amount_fen: int,
) -> None:
    lines = await queries.lines_of(session, statement, row.period)
    line_fen = sum(
        abs(line.amount_fen) for line in lines if (line.business_date, line.kind) == (business_date, line_kind)
    )
    taken_fen = await session.scalar(
        select(func.coalesce(func.sum(LineDispute.amount_fen), 0)).where(
            LineDispute.statement_id == statement.id,
            LineDispute.business_date == business_date,
            LineDispute.line_kind == line_kind,
        )
    )
    left_fen = min(line_fen - int(taken_fen or 0), abs(statement.due_fen))
    if amount_fen > left_fen:
        raise DisputeExceeds(left_fen=max(0, left_fen))


async def decide_dispute(
    session: AsyncSession, settlement_id: UUID, dispute_id: UUID, *, upheld: bool, note: str, actor: str
) -> LineDispute:
    """Dismissed: the line was right, and its sum goes back to be settled next. Upheld: it waits for an adjustment voucher."""
    row = await queries.lock_settlement(session, settlement_id)
    dispute = await queries.lock_dispute(session, row.id, dispute_id)
    trigger = "uphold" if upheld else "dismiss"
    dispute.state = next_state(LINE_DISPUTE, dispute.state, trigger)
    dispute.decided_by, dispute.decided_at, dispute.note = actor, clock.now(), note
    await session.flush()
    if not upheld:
        statement = await queries.get_statement(session, row.id, dispute.statement_id)
        await post_lines(session, await _released(session, row, statement, dispute))
    await _log(session, dispute, trigger, actor)
    return dispute


async def _held_back(
    session: AsyncSession, row: AccountingPeriod, statement: SettlementStatement, dispute: LineDispute
) -> list[Line]:
    """Out of what this period settles: the kind of these lines is no part of any period's net."""
    return await _suspense_lines(session, row, statement, dispute, "suspend")


async def _released(
    session: AsyncSession, row: AccountingPeriod, statement: SettlementStatement, dispute: LineDispute
) -> list[Line]:
    """Back, as part of the period that is open now: it is settled with that."""
    return await _suspense_lines(session, row, statement, dispute, "release")


async def _suspense_lines(
    session: AsyncSession, row: AccountingPeriod, statement: SettlementStatement, dispute: LineDispute, kind: str
) -> list[Line]:
    account_kind, on = dispute.line_kind.partition(".")[0], clock.business_date(clock.now(), get_settings().zone)
    between_regions = account_kind in ("due_to", "due_from")
    others = (statement.party_id,) if between_regions else ()
    period = await open_period(session, row.region_id, on, *others)
    booking = Booking(HOUSE_BUCKET, uuid7(HOUSE_BUCKET), kind, on, period)
    suspense, amount_fen = Account("suspense", dispute.id), dispute.amount_fen
    if between_regions:
        debtor, creditor = (
            (row.region_id, statement.party_id) if account_kind == "due_to" else (statement.party_id, row.region_id)
        )
        lines = [
            single_line(booking, debtor, Account("due_to", creditor), suspense, amount_fen),
            single_line(booking, creditor, suspense, Account("due_from", debtor), amount_fen)._replace(ordinal=1),
        ]
    elif account_kind == "unit_receivable":
        owed = await lock_account(session, statement.party_id, RECEIVABLE)
        owed.give_back(amount_fen if kind == "suspend" else -amount_fen)
        lines = [single_line(booking, row.region_id, suspense, owed.account, amount_fen)]
    else:
        lines = [single_line(booking, row.region_id, Account(account_kind, statement.party_id), suspense, amount_fen)]
    return lines if kind == "suspend" else reversed_lines(lines)


async def _log(session: AsyncSession, dispute: LineDispute, trigger: str, actor: str) -> None:
    await audit_log.record(
        session,
        actor=actor,
        action=f"line_dispute.{trigger}",
        subject=public_id("dsl", dispute.id),
        data={"settlement": public_id("stl", dispute.settlement_id), "amount_fen": dispute.amount_fen},
    )
