"""Clocks and promises as people see them."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import public_id
from repairs.sla import queries
from repairs.sla.counting import PausedCalendar
from repairs.sla.models import SlaClock, SlaHours, SlaMilestone, SlaPause, SlaTarget
from repairs.sla.promises import open_book
from repairs.sla.queries import Run
from repairs.sla.schemas import (
    HoursView,
    MilestoneState,
    MilestoneView,
    PauseView,
    SlaState,
    SlaTargetView,
    SlaView,
)
from repairs.sla.service import paused_calendar


async def sla_views(session: AsyncSession, order_ids: Collection[UUID]) -> dict[UUID, SlaView]:
    """Each order's clock, counted now; an order without one is absent."""
    if not order_ids:
        return {}
    book, now = await open_book(session), clock.now()
    runs = await queries.load_runs(session, order_ids)
    return {order_id: _view(run, paused_calendar(run, book), now) for order_id, run in runs.items()}


async def sla_marks(session: AsyncSession, order_ids: Collection[UUID]) -> dict[UUID, tuple[SlaState, str | None]]:
    """State and next due time only, for thousands of cards."""
    marks: dict[UUID, tuple[SlaState, str | None]] = {}
    for order_id, state, due_at, is_late, was_late, is_at_risk in await queries.briefs_of(
        session, order_ids, clock.now()
    ):
        overall = _overall(state, is_late=is_late, was_late=was_late, is_at_risk=is_at_risk)
        marks[order_id] = (overall, due_at)
    return marks


def _overall(state: str, *, is_late: bool, was_late: bool, is_at_risk: bool) -> SlaState:
    if state == "stopped":
        return "stopped"
    if state == "reached":
        return "breached" if was_late else "met"
    if is_late:
        return "breached"
    if state == "paused":
        return "paused"
    return "warned" if is_at_risk else "ok"


def _view(run: Run, counting: PausedCalendar, now: datetime) -> SlaView:
    rows = list(run.milestones.values())
    milestones = [_milestone(run.clock, row, counting, now) for row in rows]
    left = [view for view in milestones if view.reached_at is None]
    is_running, row = run.clock.state in ("running", "paused"), run.clock
    return SlaView.model_validate(
        {
            "state": _overall(
                row.state,
                is_late=any(view.state == "breached" for view in milestones),
                was_late=any(view.state == "missed" for view in milestones),
                is_at_risk=any(view.state == "at_risk" for view in milestones),
            ),
            "next": left[0].milestone if left and is_running else None,
            "due_at": left[0].due_at if left and is_running else None,
            "round": row.round,
            "zone": row.zone,
            "hours": row.hours["kind"],
            "paused_cause": run.open_pause.cause if run.open_pause is not None else None,
            "warning": "calendar_year_missing" if row.years_missing and is_running else None,
            "years_missing": row.years_missing if is_running else [],
            "milestones": milestones,
            "pauses": [_pause(pause, counting, now) for pause in run.pauses],
        }
    )


def _milestone(row: SlaClock, milestone: SlaMilestone, counting: PausedCalendar, now: datetime) -> MilestoneView:
    until = milestone.reached_at or row.ended_at or max(now, row.started_at)
    return MilestoneView.model_validate(
        {
            "milestone": milestone.milestone,
            "state": _state(row, milestone, now),
            "target_s": milestone.target_s,
            "due_at": _told(milestone.due_at),
            "left_s": milestone.target_s - int(counting.elapsed(row.started_at, until)),
            "warn_at": _told(milestone.warn_at),
            "warned_at": _told(milestone.warned_at),
            "breached_at": _told(milestone.breached_at),
            "reached_at": _told(milestone.reached_at),
            "first_reached_at": _told(milestone.first_reached_at),
        }
    )


def _state(row: SlaClock, milestone: SlaMilestone, now: datetime) -> MilestoneState:
    if milestone.reached_at is not None:
        return "missed" if milestone.breached_at is not None else "kept"
    if row.state == "stopped":
        return "stopped"
    if milestone.breached_at is not None or (milestone.due_at is not None and milestone.due_at < now):
        return "breached"
    if milestone.warn_at is not None and milestone.warn_at <= now:
        return "at_risk"
    return "waiting"


def _pause(pause: SlaPause, counting: PausedCalendar, now: datetime) -> PauseView:
    ends_at = pause.ends_at or max(now, pause.starts_at)
    return PauseView.model_validate(
        {
            "cause": pause.cause,
            "starts_at": clock.rfc3339(pause.starts_at),
            "ends_at": _told(pause.ends_at),
            "counted_s": int(counting.calendar.elapsed(pause.starts_at, ends_at)),
        }
    )


def _told(at: datetime | None) -> str | None:
    return clock.rfc3339(at) if at is not None else None


def target_view(row: SlaTarget) -> SlaTargetView:
    """A row of the table."""
    return SlaTargetView.model_validate(
        {
            "id": public_id(queries.TARGET, row.id),
            "region": public_id("reg", row.region_id),
            "category": public_id(queries.CATEGORY, row.category_id) if row.category_id else None,
            "urgency": row.urgency,
            "response_s": row.response_s,
            "arrival_s": row.arrival_s,
            "resolution_s": row.resolution_s,
            "warn_percent": row.warn_percent,
            "hours": row.hours,
            "effective_from": row.effective_from,
            "effective_until": row.effective_until,
            "created_by": row.created_by,
            "created_at": clock.rfc3339(row.created_at),
        }
    )


def hours_view(row: SlaHours) -> HoursView:
    """A row of the table."""
    return HoursView.model_validate(
        {
            "id": public_id(queries.HOURS, row.id),
            "region": public_id("reg", row.region_id),
            "place": public_id("pla", row.place_id) if row.place_id else None,
            "days": row.days,
            "shifts": row.shifts,
            "created_by": row.created_by,
            "created_at": clock.rfc3339(row.created_at),
            "is_retired": row.retired_at is not None,
        }
    )
