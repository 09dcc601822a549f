"""Rules that pay each month: the worker prepares the batch of a month on the rule's day, two people approve it.

A rule is run by a durable timer (kernel/timers.py): preparing the batch and setting the next month's timer are one commit,
under the lock of the rule's row. A worker that is killed in between, or a second try, finds either nothing done or the
batch there; and the table takes only one batch of a rule for a month.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import UnitMember, members_of_unit, site_summary
from kernel import clock, timers
from kernel.audit_log import record
from kernel.calendar import load_calendar
from kernel.errors import Malformed, NotFound
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.settings import get_settings
from payments.states import next_state
from payments.subsidies import queries, schemas
from payments.subsidies.batches import NewRow, Wanted, prepare_batch
from payments.subsidies.carry_over import read_carry_over
from payments.subsidies.entitlement import (
    NO_ATTENDANCE,
    Attendance,
    Due,
    PaidBefore,
    Span,
    due_ahead,
    due_for_attendance,
    first_day,
    last_day,
    month_after,
    month_before,
    month_of,
    work_halves,
)
from payments.subsidies.errors import AlreadyPrepared, ListMissing, NothingToGrant
from payments.subsidies.expiry import today
from payments.subsidies.models import AttendanceMonth, SubsidyBatch, SubsidyRule
from payments.subsidies.states import SUBSIDY_RULE
from payments.subsidies.tables import why_not

TIMER_KIND: Final = "subsidies.run_rule"
RUN_AT: Final = time(6)
# A list that is not there yet is looked for again the next morning.
LOOK_AGAIN: Final = timedelta(days=1)

log = structlog.get_logger(__name__)


async def make_rule(session: AsyncSession, body: schemas.RuleBody, *, actor: str) -> SubsidyRule:
    """A new schedule; its first run waits as a timer."""
    unit_id, at = parse_public_id("org", body.unit), clock.now()
    await queries.region_of_unit(session, unit_id)
    rule = SubsidyRule(id=uuid7(), unit_id=unit_id, state="active", made_by=actor, made_at=at, changed_at=at)
    await _fill(session, rule, body)
    session.add(rule)
    await session.flush()
    await _wait_for(session, rule, rule.first_month)
    await _note(session, rule, "make", actor)
    return rule


async def edit_rule(session: AsyncSession, rule_id: UUID, body: schemas.RuleBody, *, actor: str) -> SubsidyRule:
    """Change a schedule from its next run on; what was prepared stays as it is."""
    rule = await _lock(session, rule_id)
    rule.state = next_state(SUBSIDY_RULE, rule.state, "edit")
    if parse_public_id("org", body.unit) != rule.unit_id:
        raise NotFound(what="sru", id=public_id("sru", rule_id))
    await _fill(session, rule, body)
    rule.changed_at = clock.now()
    await _wait_for(session, rule, await _next_month(session, rule))
    await _note(session, rule, "edit", actor)
    return rule


async def finish_rule(session: AsyncSession, rule_id: UUID, *, actor: str) -> SubsidyRule:
    """Nothing is prepared by it any more."""
    rule = await _lock(session, rule_id)
    rule.state = next_state(SUBSIDY_RULE, rule.state, "finish")
    rule.changed_at = clock.now()
    await timers.cancel(session, TIMER_KIND, public_id("sru", rule.id))
    await _note(session, rule, "finish", actor)
    return rule


async def _fill(session: AsyncSession, rule: SubsidyRule, body: schemas.RuleBody) -> None:
    await refuse_unknown_sites(session, body.scope.sites or [])
    rule.name, rule.basis = body.name, body.basis
    rule.day_fen, rule.field_day_fen = body.day_fen, body.field_day_fen
    rule.person_classes = [str(each) for each in body.person_classes]
    rule.prepare_on, rule.lot_days = body.prepare_on, body.lot_days
    rule.scope = body.scope.stored()
    rule.carry_over = body.carry_over.model_dump() if body.carry_over else None
    rule.first_month = body.first_month


async def refuse_unknown_sites(session: AsyncSession, sites: Sequence[str]) -> None:
    """NotFound where a scope names a canteen that is none."""
    ids = {parse_public_id("can", site): site for site in sites}
    known = await site_summary(session, list(ids))
    missing = [site for identifier, site in ids.items() if identifier not in known]
    if missing:
        raise NotFound(what="can", id=missing[0])


async def _lock(session: AsyncSession, rule_id: UUID) -> SubsidyRule:
    rule = await queries.lock_rule(session, rule_id)
    if rule is None:
        raise NotFound(what="sru", id=public_id("sru", rule_id))
    return rule


# ---- when


def run_at(rule: SubsidyRule, month: str) -> datetime:
    """When a month's batch is prepared: in that month, or by attendance in the one after."""
    day = first_day(month if rule.basis == "ahead" else month_after(month)).replace(day=rule.prepare_on)
    return datetime.combine(day, RUN_AT, get_settings().zone)


def next_run_of(rule: SubsidyRule, last_month: str | None) -> datetime:
    """When the next batch is prepared, by the last month that has one."""
    return run_at(rule, max(rule.first_month, month_after(last_month)) if last_month else rule.first_month)


async def _wait_for(session: AsyncSession, rule: SubsidyRule, month: str, due_at: datetime | None = None) -> None:
    ref = public_id("sru", rule.id)
    await timers.schedule(session, TIMER_KIND, ref, due_at or run_at(rule, month), {"month": month})


async def _next_month(session: AsyncSession, rule: SubsidyRule) -> str:
    last = (await queries.last_months(session, [rule.id])).get(rule.id)
    return max(rule.first_month, month_after(last)) if last else rule.first_month


async def run_rule(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work: prepare the month's batch, and wait for the next month."""
    rule = await queries.lock_rule(session, parse_public_id("sru", timer.ref))
    month = timer.payload["month"]
    if rule is None or rule.state != "active":
        return
    try:
        await _prepare(session, rule, month, actor="system", without_list=False)
    except ListMissing:
        log.info("subsidies.list_missing", rule=timer.ref, month=month)
        await _wait_for(session, rule, month, clock.now() + LOOK_AGAIN)
        return
    except (AlreadyPrepared, NothingToGrant) as nothing:
        log.info("subsidies.nothing_to_prepare", rule=timer.ref, month=month, reason=nothing.code)
    await _wait_for(session, rule, month_after(month))


# ---- what


async def prepare_by_hand(
    session: AsyncSession, rule_id: UUID, month: str, *, actor: str, without_list: bool
) -> SubsidyBatch:
    """The same, when somebody asks for it: earlier than its day, or anew after a reversal."""
    rule = await _lock(session, rule_id)
    next_state(SUBSIDY_RULE, rule.state, "prepare")
    if not rule.first_month <= month <= month_after(month_of(today())):
        raise Malformed(reason="a month from the rule's first to the next one", field="month")
    return await _prepare(session, rule, month, actor=actor, without_list=without_list)


async def _prepare(
    session: AsyncSession, rule: SubsidyRule, month: str, *, actor: str, without_list: bool
) -> SubsidyBatch:
    there = await queries.batch_of_month(session, rule, month)
    if there is not None:
        raise AlreadyPrepared(batch=public_id("sbt", there.id), state=there.state)
    dues = await _dues(session, rule, month, without_list=without_list)
    accounts = await queries.accounts_of(session, list(dues))
    region_id = await queries.region_of_unit(session, rule.unit_id)
    rows, skipped = [], []
    for member, due in dues.values():
        reason = why_not(accounts.get(member.person_id), region_id)
        if reason is not None and due.amount_fen:
            skipped.append(_skipped(member, reason))
        elif reason is None:
            rows.append(_row(rule, member, due))
    return await prepare_batch(
        session,
        Wanted(
            rule.unit_id,
            f"{rule.name} {month}",
            rows,
            last_day(month) + timedelta(days=rule.lot_days),
            rule.scope,
            read_carry_over(rule.carry_over),
            rule.id,
            month,
            skipped,
        ),
        actor=actor,
    )


def _skipped(member: UnitMember, reason: tuple[str, str]) -> dict[str, str]:
    zh, en = reason
    return {"staff_number": member.staff_number, "name": member.name, "reason_zh": zh, "reason_en": en}


def _row(rule: SubsidyRule, member: UnitMember, due: Due) -> NewRow:
    return NewRow(
        member.person_id,
        due.amount_fen,
        day_fen=rule.day_fen,
        day_halves=due.day_halves,
        field_halves=due.field_halves,
        leave_halves=due.leave_halves,
        deducted_fen=due.deducted_fen,
        still_to_deduct_fen=due.still_to_deduct_fen,
    )


async def _dues(
    session: AsyncSession, rule: SubsidyRule, month: str, *, without_list: bool
) -> dict[UUID, tuple[UnitMember, Due]]:
    """What each person is due; who is due nothing and owes nothing is absent."""
    members: dict[UUID, list[UnitMember]] = {}
    for member in await members_of_unit(session, rule.unit_id, first_day(month), last_day(month)):
        members.setdefault(member.person_id, []).append(member)
    if rule.basis == "attended":
        found = await _by_attendance(session, rule, month, members)
    else:
        found = await _ahead(session, rule, month, members, without_list=without_list)
    return {
        person_id: (members[person_id][-1], due)
        for person_id, due in found.items()
        if due.amount_fen or due.deducted_fen or due.still_to_deduct_fen
    }


async def _by_attendance(
    session: AsyncSession, rule: SubsidyRule, month: str, members: Mapping[UUID, Sequence[UnitMember]]
) -> dict[UUID, Due]:
    attended = await queries.attendance_of(session, rule.unit_id, month)
    if not attended:
        raise ListMissing(month=month)
    return {
        person_id: due_for_attendance(rule.day_fen, rule.field_day_fen, _attendance(attended.get(person_id)))
        for person_id, spans in members.items()
        if any(span.person_class in rule.person_classes for span in spans)
    }


async def _ahead(
    session: AsyncSession,
    rule: SubsidyRule,
    month: str,
    members: Mapping[UUID, Sequence[UnitMember]],
    *,
    without_list: bool,
) -> dict[UUID, Due]:
    calendar = await load_calendar(session, get_settings().zone)
    before = await _paid_before(session, rule, month_before(month))
    last_month = await queries.attendance_of(session, rule.unit_id, month_before(month))
    if before and not last_month and not without_list:
        raise ListMissing(month=month_before(month))
    return {
        person_id: due_ahead(
            rule.day_fen,
            rule.field_day_fen,
            work_halves(
                [Span(span.person_class, span.since, span.until) for span in spans],
                rule.person_classes,
                month,
                calendar,
            ),
            _attendance(last_month.get(person_id)),
            before.get(person_id),
        )
        for person_id, spans in members.items()
    }


async def _paid_before(session: AsyncSession, rule: SubsidyRule, month: str) -> dict[UUID, PaidBefore]:
    """What was really paid for the month before: a batch that nobody approved has paid nothing."""
    batch = await queries.batch_of_month(session, rule, month)
    if batch is None or batch.state != "posted":
        return {}
    return {
        row.person_id: PaidBefore(row.day_fen, row.day_halves, row.still_to_deduct_fen)
        for row in await queries.rows_of(session, batch.id)
    }


def _attendance(row: AttendanceMonth | None) -> Attendance:
    return Attendance(row.attended_halves, row.leave_halves, row.field_halves) if row is not None else NO_ATTENDANCE


async def _note(session: AsyncSession, rule: SubsidyRule, action: str, actor: str) -> None:
    await record(
        session,
        actor=actor,
        action=f"subsidy_rule.{action}",
        subject=public_id("sru", rule.id),
        data={
            "name": rule.name,
            "basis": rule.basis,
            "day_fen": rule.day_fen,
            "field_day_fen": rule.field_day_fen,
            "classes": rule.person_classes,
            "prepare_on": rule.prepare_on,
            "lot_days": rule.lot_days,
            "scope": rule.scope,
            "carry_over": rule.carry_over,
        },
    )
