"""The use cases of a period: opened, cut off, counted, stated, confirmed, settled, locked. One verb, one transaction.

Netting and paying are `clearing.py`, disputes `suspense.py`, what follows after the lock `adjustments.py`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role, place_names, site_summary
from identity.errors import SamePerson
from kernel import audit_log, clock, timers
from kernel.calendar import AROUND_THE_CLOCK, load_calendar
from kernel.configuration import bump_configuration
from kernel.errors import StateConflict
from kernel.ids import first_id_at, parse_public_id, public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings
from payments.models import AccountingPeriod
from payments.settlement import close, queries
from payments.settlement.drafts import draft_statements
from payments.settlement.errors import EarlierPeriodOpen, InstructionsOpen, NotYourStatement, PeriodNotOver
from payments.settlement.events import SettlementAdvanced, StatementSent
from payments.settlement.models import SettlementStatement, SettlementStep, SettlementTotal
from payments.settlement.periods import LATE_WITHOUT_QUESTION, close_gate, first_day, month_after
from payments.settlement.states import SETTLEMENT, STATEMENT, pressable
from payments.states import next_state

SILENCE_TIMER: Final = "settlement.silence"
SILENCE_WORK_DAYS: Final = 5
SYSTEM: Final = "system"


async def open_settlements(session: AsyncSession, period: str, regions: Collection[UUID]) -> None:
    """Make sure that these regions' month has a row; one that has is left alone."""
    if regions:
        rows = [{"region_id": region, "period": period, "state": "open", "id": uuid7()} for region in sorted(regions)]
        await session.execute(upsert(AccountingPeriod).values(rows).on_conflict_do_nothing())


async def advance(
    session: AsyncSession, row: AccountingPeriod, trigger: str, actor: str, *, by_silence: bool = False
) -> None:
    """Take a locked period where a trigger leads: the state, the step, the event, the log. StateConflict where it may not."""
    require_allowed(row, trigger)
    row.state, row.changed_at = next_state(SETTLEMENT, row.state, trigger), clock.now()
    last = await session.scalar(select(func.max(SettlementStep.ordinal)).where(SettlementStep.settlement_id == row.id))
    session.add(
        SettlementStep(
            settlement_id=row.id,
            ordinal=(last or 0) + 1,
            trigger=trigger,
            state=row.state,
            actor=actor,
            by_silence=by_silence,
            happened_at=row.changed_at,
        )
    )
    await session.flush()
    settlement = public_id("stl", row.id)
    publish(
        session,
        SettlementAdvanced(
            happened_at=clock.rfc3339(row.changed_at),
            settlement=settlement,
            region=public_id("reg", row.region_id),
            period=row.period,
            trigger=trigger,
            state=row.state,
        ),
    )
    await audit_log.record(
        session,
        actor=actor,
        action=f"settlement.{trigger}",
        subject=settlement,
        data={"region": public_id("reg", row.region_id), "period": row.period, "state": row.state},
    )


def require_allowed(row: AccountingPeriod, trigger: str) -> None:
    """StateConflict, with the triggers that a person may press, where the state does not allow this one."""
    if (row.state, trigger) not in SETTLEMENT:
        raise StateConflict(state=row.state, trigger=trigger, allowed=pressable(row.state))


# ---- cut off


async def cut_off(session: AsyncSession, ids: Collection[UUID], *, actor: str, early: bool = False) -> None:
    """Let nothing more into these periods, and write down where the journal stands.

    All of them in one moment, so that they share the vector and are counted together. The gate is closed last and for
    as long as it takes to read the heads of the lanes.
    """
    rows = await queries.lock_settlements(session, ids)
    for row in rows:
        require_allowed(row, "cut_off")
        await _refuse_out_of_turn(session, row)
    is_early = {row.id: not await _is_over(session, row, early=early) for row in rows}
    for row in rows:
        await advance(session, row, "cut_off", actor)
    await close_gate(session)
    # Posting keeps the closed periods with its prices: it reads them again at the next batch, behind the gate.
    await bump_configuration(session)
    vector, heads = await queries.journal_heads(session)
    for row in rows:
        row.cut_off_at, row.vector, row.chain_heads = clock.now(), vector, heads
        if is_early[row.id]:
            await _open_early(session, row)
    await session.flush()


async def _refuse_out_of_turn(session: AsyncSession, row: AccountingPeriod) -> None:
    earlier = await queries.earliest_open(session, row.region_id, row.period)
    if earlier is not None:
        raise EarlierPeriodOpen(period=earlier)


async def _is_over(session: AsyncSession, row: AccountingPeriod, *, early: bool) -> bool:
    """Whether the month's last business day has ended in its region; raises if it has not and that is not meant."""
    place = (await place_names(session, [row.region_id])).get(row.region_id)
    zone = ZoneInfo(place.timezone) if place else get_settings().zone
    last = first_day(month_after(row.period)) - timedelta(days=1)
    is_over = clock.business_date(clock.now(), zone) > last
    if not is_over and not early:
        raise PeriodNotOver(period=row.period, ends_on=last.isoformat())
    return is_over


async def _open_early(session: AsyncSession, row: AccountingPeriod) -> None:
    following = month_after(row.period)
    await open_settlements(session, following, [row.region_id])
    await session.execute(
        update(AccountingPeriod)
        .where(
            AccountingPeriod.region_id == row.region_id,
            AccountingPeriod.period == following,
            AccountingPeriod.opened_early_at.is_(None),
        )
        .values(opened_early_at=row.cut_off_at)
    )


# ---- count


async def reconcile(session: AsyncSession, ids: Collection[UUID], *, actor: str) -> dict[UUID, str]:
    """Count cut-off periods of one month, write their totals and statements; the hash of each, by settlement.

    One transaction: a close that is killed at any statement leaves the periods cut off, and is begun again.
    """
    rows = await queries.lock_settlements(session, ids)
    for row in rows:
        require_allowed(row, "reconcile")
    counted = await close.count(session, rows)
    await close.keep(session, rows)
    for row in rows:
        row.aggregates_hash, row.line_count = counted[row.id].aggregates_hash, counted[row.id].line_count
        await draft_statements(session, row)
        await _find_late_cases(session, row)
        await advance(session, row, "reconcile", actor)
    return {row.id: counted[row.id].aggregates_hash for row in rows}


async def recount(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, bool]:
    """Count closed periods of one month again and write nothing: whether each gives the hash that it has."""
    rows = [row for row in [await queries.get_settlement(session, settlement) for settlement in ids] if row.vector]
    counted = await close.count(session, rows) if rows else {}
    return {row.id: counted[row.id].aggregates_hash == row.aggregates_hash for row in rows}


async def _find_late_cases(session: AsyncSession, row: AccountingPeriod) -> None:
    """Put before a person what came more than seven days late. Looked for only where something came late at all."""
    latest = first_day(row.period) - LATE_WITHOUT_QUESTION
    oldest = await session.scalar(
        select(func.min(SettlementTotal.business_date)).where(
            SettlementTotal.settlement_id == row.id,
            SettlementTotal.account_kind == "payable",
            SettlementTotal.kind == "payment",
        )
    )
    if oldest is None or oldest >= first_day(row.period):
        return
    begins = datetime.combine(latest, time(), clock.now().tzinfo)
    await session.execute(
        text("""
            INSERT INTO late_cases (transfer_id, region_id, period, site_id, business_date, amount_fen, state, opened_at)
            SELECT p.id, p.host_region_id, p.accounting_period, p.site_id, p.business_date, p.amount_fen, 'open', :at
              FROM payments p
             WHERE p.accounting_period = :period AND p.host_region_id = :region AND p.id >= :since
               AND p.business_date < :month AND p.business_date < p.recorded_at::date - CAST(:days AS integer)
            ON CONFLICT DO NOTHING
        """),
        {
            "at": clock.now(),
            "period": row.period,
            "region": row.region_id,
            "since": first_id_at(begins),
            "month": first_day(row.period),
            "days": LATE_WITHOUT_QUESTION.days,
        },
    )


# ---- state and confirm


async def send_statement(session: AsyncSession, settlement_id: UUID, *, actor: str) -> None:
    """Send every party its statement. The region confirms by sending; the others have five work days."""
    row = await queries.lock_settlement(session, settlement_id)
    require_allowed(row, "send_statement")
    now = clock.now()
    row.silence_ends_at = await _silence_ends_at(session, row)
    statements = await queries.statements_of(session, row.id)
    await session.execute(
        update(SettlementStatement)
        .where(SettlementStatement.settlement_id == row.id)
        .values(state=next_state(STATEMENT, "drafted", "send"), sent_by=actor, sent_at=now)
    )
    for statement in statements:
        if statement.kind == "canteen":
            publish(
                session,
                StatementSent(
                    happened_at=clock.rfc3339(now),
                    statement=public_id("stm", statement.id),
                    settlement=public_id("stl", row.id),
                    canteen=public_id("can", statement.party_id),
                    period=row.period,
                    due_fen=statement.due_fen,
                    silence_ends_at=clock.rfc3339(row.silence_ends_at),
                ),
            )
    await timers.schedule(session, SILENCE_TIMER, public_id("stl", row.id), row.silence_ends_at)
    await advance(session, row, "send_statement", actor)


async def _silence_ends_at(session: AsyncSession, row: AccountingPeriod) -> datetime:
    place = (await place_names(session, [row.region_id])).get(row.region_id)
    zone = ZoneInfo(place.timezone) if place else get_settings().zone
    calendar = await load_calendar(session, zone, AROUND_THE_CLOCK)
    return calendar.add(clock.now(), SILENCE_WORK_DAYS * 24 * 3600)


async def confirm(
    session: AsyncSession, principal: Principal, settlement_id: UUID, statement_ids: Sequence[UUID] | None = None
) -> int:
    """Agree with statements, for the parties that this person answers for; returns how many were confirmed.

    Without a list: all of them that are this person's to confirm. Whoever sent a statement is the other side of it.
    """
    row = await queries.lock_settlement(session, settlement_id)
    require_allowed(row, "confirm")
    sent = [statement for statement in await queries.statements_of(session, row.id) if statement.state == "sent"]
    if statement_ids is not None:
        for wanted in statement_ids:
            await queries.get_statement(session, row.id, wanted)
        sent = [statement for statement in sent if statement.id in statement_ids]
    mine = await answered_by(session, principal, sent)
    if sent and not mine:
        raise NotYourStatement
    if any(statement.sent_by == principal.actor for statement in mine):
        raise SamePerson
    for statement in mine:
        statement.state = next_state(STATEMENT, statement.state, "confirm")
        statement.confirmed_by, statement.confirmed_at = principal.actor, clock.now()
    await session.flush()
    await audit_log.record(
        session,
        actor=principal.actor,
        action="settlement.confirm_statements",
        subject=public_id("stl", row.id),
        data={"statements": [public_id("stm", statement.id) for statement in mine]},
    )
    if all(statement.state != "sent" for statement in await queries.statements_of(session, row.id)):
        await timers.cancel(session, SILENCE_TIMER, public_id("stl", row.id))
        await advance(session, row, "confirm", principal.actor)
    return len(mine)


async def answered_by(
    session: AsyncSession, principal: Principal, statements: Sequence[SettlementStatement]
) -> list[SettlementStatement]:
    """Those of the statements whose party this person answers for."""
    sites = await site_summary(session, [each.party_id for each in statements if each.kind == "canteen"])

    def answers_for(statement: SettlementStatement) -> bool:
        party = statement.party_id
        if statement.kind == "canteen":
            operator = sites[party].operator_id if party in sites else None
            return principal.may(Role.CANTEEN_MANAGER, site_id=party) or principal.may(
                Role.FINANCE, organisation_id=operator, site_id=party
            )
        if statement.kind == "region_pair":
            return principal.may(Role.FINANCE, region_id=party)
        return principal.may(Role.FINANCE, organisation_id=party)

    return [statement for statement in statements if answers_for(statement)]


async def end_silence(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work: five work days have passed; who said nothing has agreed."""
    row = await queries.lock_settlement(session, parse_public_id("stl", timer.ref))
    if (row.state, "lapse") not in SETTLEMENT:
        return
    await session.execute(
        update(SettlementStatement)
        .where(SettlementStatement.settlement_id == row.id, SettlementStatement.state == "sent")
        .values(state=next_state(STATEMENT, "sent", "lapse"), confirmed_at=clock.now())
    )
    await advance(session, row, "lapse", SYSTEM, by_silence=True)


# ---- the end


async def settle(session: AsyncSession, settlement_id: UUID, *, actor: str) -> None:
    """Every sum of this period is paid."""
    row = await queries.lock_settlement(session, settlement_id)
    require_allowed(row, "settle")
    if row.clearing_id is None:
        raise StateConflict(state=row.state, trigger="settle", allowed=["net"])
    unpaid = [each for each in await queries.instructions_of(session, row) if each.state != "paid"]
    if unpaid:
        raise InstructionsOpen(open_count=len(unpaid))
    await advance(session, row, "settle", actor)


async def lock(session: AsyncSession, settlement_id: UUID, *, actor: str) -> None:
    """From now on only adjustment vouchers follow."""
    await advance(session, await queries.lock_settlement(session, settlement_id), "lock", actor)
