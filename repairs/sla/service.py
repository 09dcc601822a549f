"""What happens to an order's clock: it starts, stands still, goes on, reaches its milestones, is reopened, stops.

Each of these locks the clock first and touches its timer last, as the strike does (striking.py). `at` is when it happened, which
may lie before now: a telephone that was without network tells later. Times are put in order, so that nothing ends before it began.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.ids import public_id
from repairs.sla import queries, striking
from repairs.sla.counting import Pause, PausedCalendar, due_after
from repairs.sla.kinds import DONE, MILESTONES, PAUSE_CAUSES
from repairs.sla.models import SlaMilestone, SlaPause
from repairs.sla.promises import Book, Hours, Target, Where, due_of, find_where, open_book
from repairs.sla.queries import Run
from repairs.sla.striking import TIMER_KIND, Struck, next_strike, zone_of

_OPEN: Final = ("running", "paused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An order that was raised. Without a place its region says whose time counts."""

    order_id: UUID
    category_id: UUID | None
    urgency: str
    place_id: UUID | None
    at: datetime
    region_id: UUID | None = None


async def start_sla(
    session: AsyncSession,
    order_id: UUID,
    *,
    category_id: UUID | None,
    urgency: str,
    place_id: UUID | None,
    at: datetime,
    region_id: UUID | None = None,
) -> None:
    """An order was raised: what is promised of it from now on."""
    start = Start(
        order_id=order_id, category_id=category_id, urgency=urgency, place_id=place_id, at=at, region_id=region_id
    )
    await start_slas(session, [start])


async def start_slas(session: AsyncSession, starts: Sequence[Start]) -> None:
    """The same for orders that were raised together, in one statement for their clocks and one for their timers."""
    if not starts:
        return
    book = await open_book(session)
    clocks: list[dict[str, object]] = []
    milestones: list[dict[str, object]] = []
    strikes: dict[str, datetime] = {}
    counted: dict[object, _Counted] = {}
    for start in starts:
        where = await find_where(session, book, start.place_id, start.region_id)
        target = book.target(where, start.category_id, start.urgency, start.at)
        # What was raised at one instant, in the same hours, is due at one instant.
        key = (where.zone, book.hours_of(where, target), target.id, start.urgency, start.at)
        found = counted.get(key) or counted.setdefault(key, _count_from(book, where, target, start.at))
        clocks.append(_clock_row(start, where, target, book, found))
        milestones += [{"order_id": start.order_id, **row} for row in found.milestones]
        strikes[public_id(queries.ORDER, start.order_id)] = found.strikes_at
    await queries.insert_clocks(session, clocks, milestones)
    await timers.schedule_many(session, TIMER_KIND, strikes)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What clocks that start at one instant have in common."""

    hours: dict[str, object]
    milestones: list[dict[str, object]]
    strikes_at: datetime
    years_missing: list[int]


def _count_from(book: Book, where: Where, target: Target, at: datetime) -> _Counted:
    """When each milestone is due and somebody is warned of it."""
    hours = book.hours_of(where, target)
    calendar = book.calendar(where.zone, hours)
    due = due_of(calendar, target, at)
    warn_at = {name: due_after(calendar, at, warn_after_s(seconds, target)) for name, seconds in target.seconds.items()}
    milestones: list[dict[str, object]] = [
        {"milestone": name, "target_s": seconds, "due_at": due.due_at[name], "warn_at": warn_at[name]}
        for name, seconds in target.seconds.items()
    ]
    return _Counted(hours.as_json(), milestones, min(warn_at.values()), due.years_missing)


def _clock_row(start: Start, where: Where, target: Target, book: Book, counted: _Counted) -> dict[str, object]:
    return {
        "order_id": start.order_id,
        "region_id": where.region_id,
        "place_id": start.place_id,
        "category_id": start.category_id,
        "urgency": start.urgency,
        "target_id": target.id,
        "zone": where.zone.key,
        "hours": counted.hours,
        "warn_percent": target.warn_percent,
        "state": "running",
        "round": 1,
        "calendar_mark": book.mark,
        "years_missing": counted.years_missing,
        "started_at": start.at,
    }


def warn_after_s(seconds: int, target: Target) -> int:
    """After so many seconds of a promise somebody is warned."""
    return seconds * target.warn_percent // 100


async def reach_milestone(session: AsyncSession, order_id: UUID, milestone: str, at: datetime) -> None:
    """Somebody answered, came, or was done; what comes before it is reached with it. Told twice, it is reached once."""
    run = await queries.lock_run(session, order_id)
    if run is None or run.clock.state not in _OPEN:
        return
    at, book = max(at, run.clock.started_at), await open_book(session)
    if milestone == MILESTONES[-1]:
        _end_pause(run, at)
        _recount(run, book)
    took_s = int(paused_calendar(run, book).elapsed(run.clock.started_at, at))
    late = [
        found
        for name in MILESTONES[: MILESTONES.index(milestone) + 1]
        if (found := run.milestones[name]).reached_at is None and _reach(found, at, took_s)
    ]
    if run.milestones[MILESTONES[-1]].reached_at is not None:
        run.clock.state, run.clock.ended_at = "reached", at
    await striking.tell(session, [Struck(run.clock, one, "breach") for one in late])
    await _set_timer(session, run)


def _reach(milestone: SlaMilestone, at: datetime, took_s: int) -> bool:
    """True where it was too late, and nobody has been told so yet."""
    milestone.reached_at, milestone.took_s = at, took_s
    milestone.first_reached_at = milestone.first_reached_at or at
    if milestone.due_at is None or at <= milestone.due_at:
        # Told late, reached in time: the clock had struck for nothing.
        milestone.breached_at = None
        return False
    is_news = milestone.breached_at is None
    milestone.breached_at = milestone.breached_at or milestone.due_at
    return is_news


async def pause_sla(session: AsyncSession, order_id: UUID, cause: str, at: datetime) -> bool:
    """It waits for something that stops the clock; False where that is none of the listed causes, or where it does not run."""
    if cause not in PAUSE_CAUSES:
        return False
    run = await queries.lock_run(session, order_id)
    if run is None or run.clock.state != "running":
        return False
    at = _in_order(run, at)
    late = striking.breached_by(run, at)
    _add_pause(session, run, cause, at, None)
    run.clock.state = "paused"
    _recount(run, await open_book(session))
    await striking.tell(session, late)
    await _set_timer(session, run)
    return True


async def resume_sla(session: AsyncSession, order_id: UUID, at: datetime) -> None:
    """The work goes on, and so does the clock; nothing happens where it does not stand still."""
    run = await queries.lock_run(session, order_id)
    if run is None or run.clock.state != "paused":
        return
    _end_pause(run, at)
    run.clock.state = "running"
    _recount(run, await open_book(session))
    await _set_timer(session, run)


async def reopen_sla(session: AsyncSession, order_id: UUID, at: datetime) -> None:
    """What was done is disputed: its last promise goes on where it stood. The time since then is nobody's debt."""
    run = await queries.lock_run(session, order_id)
    if run is None or run.clock.state != "reached":
        return
    resolution = run.milestones[MILESTONES[-1]]
    assert resolution.reached_at is not None, "a clock that has reached everything has reached its last milestone"
    done_at = _in_order(run, resolution.reached_at)
    _add_pause(session, run, DONE, done_at, max(at, done_at))
    resolution.reached_at = resolution.took_s = None
    run.clock.state, run.clock.ended_at, run.clock.round = "running", None, run.clock.round + 1
    _recount(run, await open_book(session))
    await _set_timer(session, run)


async def change_sla(
    session: AsyncSession, order_id: UUID, *, category_id: UUID | None, urgency: str, at: datetime
) -> None:
    """The office has corrected what it is, or how urgent: what is promised of that, counted from the same start."""
    run = await queries.lock_run(session, order_id)
    if run is None or run.clock.state not in _OPEN:
        return
    book = await open_book(session)
    where = await find_where(session, book, run.clock.place_id, run.clock.region_id)
    target = book.target(where, category_id, urgency, run.clock.started_at)
    run.clock.category_id, run.clock.urgency = category_id, urgency
    run.clock.target_id, run.clock.warn_percent = target.id, target.warn_percent
    run.clock.hours = book.hours_of(where, target).as_json()
    for name, seconds in target.seconds.items():
        if run.milestones[name].reached_at is None:
            run.milestones[name].target_s = seconds
    _recount(run, book)
    # What is too late by the new promise is told by the next strike, which is due at once.
    await _set_timer(session, run, not_before=at)


async def stop_sla(session: AsyncSession, order_id: UUID) -> None:
    """It will not be done: nothing is promised any more. What was reached or breached stays so."""
    run = await queries.lock_run(session, order_id)
    if run is None or run.clock.state not in _OPEN:
        return
    now = clock.now()
    _end_pause(run, now)
    run.clock.state, run.clock.ended_at = "stopped", now
    await _set_timer(session, run)


async def recount_outdated(session: AsyncSession, limit: int) -> dict[UUID, list[UUID]]:
    """Count clocks anew whose calendar was changed since: a year was entered, a holiday moved. By region, at most so many."""
    book = await open_book(session)
    counted: dict[UUID, list[UUID]] = {}
    due: dict[str, datetime] = {}
    for run in (await queries.lock_outdated(session, book.mark, limit)).values():
        _recount(run, book)
        counted.setdefault(run.clock.region_id, []).append(run.clock.order_id)
        strikes_at = next_strike(run)
        if strikes_at is not None:
            due[public_id(queries.ORDER, run.clock.order_id)] = strikes_at
    await timers.schedule_many(session, TIMER_KIND, due)
    return counted


async def note_what_it_took(session: AsyncSession, limit: int) -> int:
    """For promises that were reached before the time was written down with them. At most so many orders; returns how many."""
    order_ids = await queries.reached_without_time(session, limit)
    if not order_ids:
        return 0
    book, runs = await open_book(session), await queries.lock_runs(session, order_ids, skip_locked=True)
    for run in runs.values():
        counting = paused_calendar(run, book)
        for milestone in run.milestones.values():
            if milestone.reached_at is not None and milestone.took_s is None:
                milestone.took_s = int(counting.elapsed(run.clock.started_at, milestone.reached_at))
    return len(runs)


# ---- parts


def paused_calendar(run: Run, book: Book) -> PausedCalendar:
    """The time that counts for an order."""
    calendar = book.calendar(zone_of(run.clock), Hours.from_json(run.clock.hours))
    return PausedCalendar(calendar, [Pause(pause.starts_at, pause.ends_at) for pause in run.pauses])


def _recount(run: Run, book: Book) -> None:
    """When what is not reached yet is due, by the pauses and the days as they are now."""
    counting, start = paused_calendar(run, book), run.clock.started_at
    latest = start
    for milestone in run.milestones.values():
        if milestone.reached_at is not None:
            continue
        milestone.due_at = counting.add(start, milestone.target_s)
        warn_at = counting.add(start, milestone.target_s * run.clock.warn_percent // 100)
        # While it stands still before being due, a warning that has come stays as it is known.
        milestone.warn_at = warn_at if milestone.due_at is not None else None
        if milestone.due_at is None or milestone.due_at > clock.now():
            # It had struck by a calendar, or before a pause, that was not told yet.
            milestone.breached_at = None
        latest = max(latest, milestone.due_at or latest)
    run.clock.calendar_mark = book.mark
    run.clock.years_missing = counting.calendar.unknown_years(start, latest)


def _in_order(run: Run, at: datetime) -> datetime:
    """Not before the clock's start, nor before the end of the last pause."""
    ends = [run.clock.started_at, *(pause.ends_at for pause in run.pauses if pause.ends_at is not None)]
    return max(at, *ends)


def _add_pause(session: AsyncSession, run: Run, cause: str, starts_at: datetime, ends_at: datetime | None) -> None:
    pause = SlaPause(
        order_id=run.clock.order_id,
        ordinal=len(run.pauses) + 1,
        cause=cause,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    session.add(pause)
    run.pauses.append(pause)


def _end_pause(run: Run, at: datetime) -> None:
    pause = run.open_pause
    if pause is not None:
        pause.ends_at = max(at, pause.starts_at)


async def _set_timer(session: AsyncSession, run: Run, *, not_before: datetime | None = None) -> None:
    """One timer for each running clock: its next strike."""
    ref = public_id(queries.ORDER, run.clock.order_id)
    strikes_at = next_strike(run)
    if strikes_at is None:
        await timers.cancel(session, TIMER_KIND, ref)
    else:
        await timers.schedule(session, TIMER_KIND, ref, max(strikes_at, not_before or strikes_at))
