"""Rows of subsidies as the wire has them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import pending_approvals, person_summary, site_summary
from kernel import clock
from kernel.ids import parse_public_id, public_id
from payments.models import Grant, Holder, SubsidyLot
from payments.states import allowed
from payments.subsidies import mine, queries, schemas
from payments.subsidies.expiry import today
from payments.subsidies.forecast import Forecast, sentences
from payments.subsidies.models import SubsidyBatch, SubsidyBatchRow, SubsidyRule
from payments.subsidies.schedule import next_run_of
from payments.subsidies.states import SUBSIDY_BATCH, SUBSIDY_RULE
from payments.subsidies.terms import subject_of
from payments.subsidies.unit_money import terms_of


def _carry_over(column: dict[str, Any] | None) -> schemas.CarryOverBody | None:
    return schemas.CarryOverBody(**column) if column is not None else None


def _days(halves: int) -> str:
    return f"{halves // 2}.5" if halves % 2 else str(halves // 2)


async def rule_views(session: AsyncSession, rules: Sequence[SubsidyRule]) -> list[schemas.RuleView]:
    """Schedules with their next run."""
    last = await queries.last_months(session, [rule.id for rule in rules])
    return [_rule_view(rule, last.get(rule.id)) for rule in rules]


def _rule_view(rule: SubsidyRule, last_month: str | None) -> schemas.RuleView:
    is_active = rule.state == "active"
    return schemas.RuleView(
        id=public_id("sru", rule.id),
        unit=public_id("org", rule.unit_id),
        name=rule.name,
        basis="ahead" if rule.basis == "ahead" else "attended",
        day_fen=rule.day_fen,
        field_day_fen=rule.field_day_fen,
        person_classes=rule.person_classes,
        prepare_on=rule.prepare_on,
        lot_days=rule.lot_days,
        scope=rule.scope,
        carry_over=_carry_over(rule.carry_over),
        first_month=rule.first_month,
        state="active" if is_active else "ended",
        allowed=allowed(SUBSIDY_RULE, rule.state),
        next_run_at=clock.rfc3339(next_run_of(rule, last_month)) if is_active else None,
        last_month=last_month,
    )


async def batch_views(session: AsyncSession, batches: Sequence[SubsidyBatch]) -> list[schemas.BatchView]:
    """Batches with what waits for a second person."""
    waiting = await pending_approvals(session, [public_id("sbt", batch.id) for batch in batches])
    return [_batch_view(batch, waiting) for batch in batches]


def _batch_view(batch: SubsidyBatch, waiting: Mapping[str, UUID]) -> schemas.BatchView:
    approval = waiting.get(public_id("sbt", batch.id))
    return schemas.BatchView(
        id=public_id("sbt", batch.id),
        unit=public_id("org", batch.unit_id),
        name=batch.name,
        rule=public_id("sru", batch.rule_id) if batch.rule_id else None,
        month=batch.month,
        state=batch.state,
        allowed=allowed(SUBSIDY_BATCH, batch.state),
        amount_fen=batch.amount_fen,
        people=batch.row_count,
        expires_on=batch.expires_on.isoformat(),
        scope=batch.scope,
        carry_over=_carry_over(batch.carry_over),
        skipped=batch.skipped,
        prepared_at=clock.rfc3339(batch.prepared_at),
        posted_at=clock.rfc3339(batch.posted_at) if batch.posted_at else None,
        reversed_at=clock.rfc3339(batch.reversed_at) if batch.reversed_at else None,
        waiting=public_id("apr", approval) if approval else None,
    )


async def row_views(
    session: AsyncSession, batch: SubsidyBatch, rows: Sequence[SubsidyBatchRow]
) -> list[schemas.BatchRowView]:
    """A batch's people, with what they have eaten of it."""
    people = await person_summary(session, [row.person_id for row in rows])
    spent = await queries.spent_of_batch(session, batch)
    views = []
    for row in rows:
        somebody = people.get(row.person_id)
        views.append(
            schemas.BatchRowView(
                person=public_id("per", row.person_id),
                staff_number=somebody.staff_number if somebody else None,
                name=somebody.name if somebody else "",
                amount_fen=row.amount_fen,
                days=_days(row.day_halves) if batch.rule_id else "",
                field_days=_days(row.field_halves) if batch.rule_id else "",
                leave_days=_days(row.leave_halves) if batch.rule_id else "",
                deducted_fen=row.deducted_fen,
                still_to_deduct_fen=row.still_to_deduct_fen,
                note=row.note,
                spent_fen=spent.get(row.person_id, 0) if batch.posted_at else None,
                returned_fen=row.returned_fen,
            )
        )
    return views


def attendance_view(unit_id: UUID, row: Row[str, int, int, int, int, datetime]) -> schemas.AttendanceView:
    """A month's list, summed."""
    return schemas.AttendanceView(
        unit=public_id("org", unit_id),
        month=row.month,
        people=row.people,
        attended_days=_days(row.attended_halves),
        leave_days=_days(row.leave_halves),
        field_days=_days(row.field_halves),
        recorded_at=clock.rfc3339(row.recorded_at),
    )


async def expiring_view(session: AsyncSession, unit_id: UUID, days: int) -> schemas.ExpiringView:
    """What a unit's people are about to lose."""
    rows = await queries.expiring_of_unit(session, unit_id, today(), days)
    return schemas.ExpiringView(
        unit=public_id("org", unit_id),
        left_fen=await queries.left_of_unit(session, unit_id, today()),
        data=[
            schemas.ExpiringDay(
                expires_on=row.expires_on.isoformat(),
                days=(row.expires_on - today()).days,
                amount_fen=row.amount_fen,
                people=row.people,
            )
            for row in rows
        ],
    )


async def terms_view(session: AsyncSession, unit_id: UUID) -> schemas.TermsView:
    """How a unit pays, with its history."""
    now, history = await terms_of(session, unit_id), await queries.list_terms(session, unit_id)
    prefund_fen, owed_fen = await queries.balances_of(session, unit_id)
    approval = (await pending_approvals(session, [subject_of(unit_id)])).get(subject_of(unit_id))
    return schemas.TermsView(
        unit=public_id("org", unit_id),
        funded_by=now.funded_by,
        limit_fen=now.limit_fen,
        prefund_fen=prefund_fen,
        owed_fen=owed_fen,
        history=[
            schemas.TermsEntry(
                funded_by=each.funded_by,
                limit_fen=each.limit_fen,
                reason=each.reason,
                since=clock.rfc3339(each.recorded_at),
            )
            for each in history
        ],
        waiting=public_id("apr", approval) if approval else None,
    )


# ---- one's own


async def my_subsidies(session: AsyncSession, holder: Holder) -> schemas.MySubsidies:
    """Lots with where, until when and what follows, and the forecast."""
    lots = await mine.lots_of(session, holder)
    names = await _canteen_names(session, lots)
    grants = {lot.grant_id: await session.get(Grant, lot.grant_id) for lot in lots if lot.grant_id}
    told = await mine.soonest(session, holder, lots)
    habits = await mine.habits_of(session, holder)
    return schemas.MySubsidies(
        lots=[_my_lot(lot, names, grants.get(lot.grant_id) if lot.grant_id else None) for lot in lots],
        lunch_share_fen=habits.share_fen,
        forecast=_forecast_view(told) if told else None,
    )


def _my_lot(lot: SubsidyLot, names: Mapping[str, dict[str, str]], grant: Grant | None) -> schemas.MyLot:
    return schemas.MyLot(
        id=public_id("lot", lot.id),
        amount_fen=lot.balance_fen,
        expires_on=lot.expires_on.isoformat(),
        days=(lot.expires_on - today()).days,
        scope=lot.scope,
        canteens=[names[site] for site in lot.scope.get("sites", []) if site in names],
        # What was carried over once is not carried over again.
        carry_over=_carry_over(grant.carry_over) if grant and lot.carried_from is None else None,
    )


async def _canteen_names(session: AsyncSession, lots: Sequence[SubsidyLot]) -> dict[str, dict[str, str]]:
    named = {site for lot in lots for site in lot.scope.get("sites", []) if site.startswith("can_")}
    ids = [parse_public_id("can", site) for site in named]
    return {
        public_id("can", site_id): {
            "id": public_id("can", site_id),
            "name_zh": summary.name_zh,
            "name_en": summary.name_en,
        }
        for site_id, summary in (await site_summary(session, ids)).items()
    }


def _forecast_view(told: Forecast) -> schemas.ForecastView:
    zh, en = sentences(told)
    return schemas.ForecastView(
        days=told.days,
        expires_on=told.expires_on.isoformat(),
        amount_fen=told.amount_fen,
        lunches=told.lunches,
        lost_fen=told.lost_fen,
        sentence_zh=zh,
        sentence_en=en,
    )
