"""A clock strikes: a promise is at risk, or was not kept. Who leads is told.

Many are due at once after a lunch break or a storm, so they are handled in batches, each under the locks of its clocks. A clock
that somebody holds just then is left for the next look. When many of one region are breached together, those who lead get one
message a minute outside of their page, not a hundred; on their page they see each.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Role, people_with_roles_in, regions_up
from kernel import clock, timers
from kernel.ids import parse_public_id, public_id
from kernel.outbox import publish
from kernel.timers import Timer
from realtime.duty.api import who_is_in_the_rota, who_is_on_duty
from realtime.reaching.api import Target, Words, reach
from repairs.sla import queries
from repairs.sla.events import SlaBreached, SlaWarned
from repairs.sla.models import SlaClock, SlaMilestone
from repairs.sla.queries import Run

TIMER_KIND: Final = "repairs.sla"
_TOLD_ONE_BY_ONE_MAX: Final = 3
_LEADS_MAX: Final = 20
_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "response": ("响应", "an answer"),
    "arrival": ("到场", "somebody there"),
    "resolution": ("完成", "to be done"),
}


@dataclass(frozen=True, slots=True)
class Struck:
    """One stroke of one clock."""

    clock: SlaClock
    milestone: SlaMilestone
    what: Literal["warn", "breach"]


def zone_of(row: SlaClock) -> ZoneInfo:
    """Whose wall time it is counted in."""
    return ZoneInfo(row.zone)


def next_strike(run: Run) -> datetime | None:
    """When this clock strikes next; None while it stands still or when nothing is left."""
    if run.clock.state != "running":
        return None
    times: list[datetime] = []
    for milestone in run.milestones.values():
        if milestone.reached_at is None and milestone.breached_at is None and milestone.due_at is not None:
            times.append(milestone.due_at)
            if milestone.warned_at is None and milestone.warn_at is not None:
                times.append(milestone.warn_at)
    return min(times, default=None)


def breached_by(run: Run, at: datetime) -> list[Struck]:
    """What was due by an instant and is not reached, marked as breached: each once."""
    late: list[Struck] = []
    for milestone in run.milestones.values():
        if milestone.reached_at is None and milestone.breached_at is None and _is_over(milestone.due_at, at):
            milestone.breached_at = milestone.due_at
            late.append(Struck(run.clock, milestone, "breach"))
    return late


def _warned_by(run: Run, at: datetime) -> list[Struck]:
    """What is at risk by an instant, marked as warned: each once, and never after the breach."""
    at_risk: list[Struck] = []
    for milestone in run.milestones.values():
        is_waiting = milestone.reached_at is None and milestone.breached_at is None and milestone.warned_at is None
        if is_waiting and _is_over(milestone.warn_at, at):
            milestone.warned_at = at
            at_risk.append(Struck(run.clock, milestone, "warn"))
    return at_risk


def _is_over(instant: datetime | None, at: datetime) -> bool:
    return instant is not None and instant <= at


async def strike(session: AsyncSession, due: Sequence[Timer]) -> Collection[int]:
    """The timers' handler. Returns those whose clocks somebody else holds."""
    orders = {parse_public_id(queries.ORDER, timer.ref): timer.id for timer in due}
    runs = await queries.lock_runs(session, orders, skip_locked=len(due) > 1)
    now = clock.now()
    struck: list[Struck] = []
    following: dict[str, datetime] = {}
    for order_id, run in runs.items():
        if run.clock.state == "running":
            struck += breached_by(run, now) + _warned_by(run, now)
        strikes_at = next_strike(run)
        if strikes_at is not None:
            following[public_id(queries.ORDER, order_id)] = strikes_at
    await tell(session, struck)
    await session.flush()
    await timers.schedule_many(session, TIMER_KIND, following)
    if len(due) == 1:
        return []
    return [timer_id for order_id, timer_id in orders.items() if order_id not in runs]


async def tell(session: AsyncSession, struck: Sequence[Struck]) -> None:
    """The desk hears of each; those who lead hear of what is breached."""
    by_region: dict[UUID, list[Struck]] = {}
    for one in struck:
        if one.what == "breach":
            by_region.setdefault(one.clock.region_id, []).append(one)
        else:
            publish(session, SlaWarned(**_told(one)))
    for region_id, late in by_region.items():
        leads = await find_leads(session, region_id)
        named = [public_id("per", lead) for lead in leads]
        publish(session, *(SlaBreached(**_told(one), leads=named) for one in late))
        await _reach_leads(session, region_id, leads, late)


def _told(one: Struck) -> dict[str, str]:
    assert one.milestone.due_at is not None, "what strikes was due"
    return {
        "happened_at": clock.rfc3339(clock.now()),
        "order": public_id(queries.ORDER, one.clock.order_id),
        "region": public_id("reg", one.clock.region_id),
        "milestone": one.milestone.milestone,
        "due_at": clock.rfc3339(one.milestone.due_at),
    }


async def find_leads(session: AsyncSession, region_id: UUID) -> list[UUID]:
    """The lead on duty; where none is, the one of the rota; without a rota everybody who leads the office there."""
    asked = {
        "role": Role.DISPATCHER.value,
        "team_id": None,
        "place_id": None,
        "region_id": region_id,
        "at": clock.now(),
    }
    on_duty = await who_is_on_duty(session, **asked)  # type: ignore[arg-type]  # one dictionary for both questions
    on_duty = on_duty or await who_is_in_the_rota(session, **asked)  # type: ignore[arg-type]  # as above
    if on_duty:
        return list(dict.fromkeys(one.person_id for one in on_duty))
    regions = await regions_up(session, region_id)
    return (await people_with_roles_in(session, regions, [Role.DISPATCHER]))[:_LEADS_MAX]


async def _reach_leads(session: AsyncSession, region_id: UUID, leads: Sequence[UUID], late: Sequence[Struck]) -> None:
    if len(late) <= _TOLD_ONE_BY_ONE_MAX:
        said = [(_ref(one), _words(one)) for one in late]
    else:
        minute = f"{clock.now():%Y%m%d%H%M}"
        said = [(f"sla:{public_id('reg', region_id)}:{minute}", _words_of_many(len(late)))]
    for lead in leads:
        for ref, words in said:
            await reach(session, target=Target(person_id=lead), text=words, ref=ref, urgent=False)


def _ref(one: Struck) -> str:
    order = public_id(queries.ORDER, one.clock.order_id)
    return f"sla:{order}:{one.milestone.milestone}:{one.clock.round}"


def _words(one: Struck) -> Words:
    assert one.milestone.due_at is not None, "what strikes was due"
    due = f"{one.milestone.due_at.astimezone(zone_of(one.clock)):%m-%d %H:%M}"
    zh, en = _NAMES[one.milestone.milestone]
    order = public_id(queries.ORDER, one.clock.order_id)
    return Words(
        title_zh="维修工单超时",
        title_en="A repair is late",
        body_zh=f"工单应于 {due} 前{zh}，现已超时，请督促处理。",
        body_en=f"A work order was promised {en} by {due} and is late. Please see to it.",
        link=f"/desk/repairs?order={order}",
    )


def _words_of_many(count: int) -> Words:
    return Words(
        title_zh="多个维修工单超时",
        title_en="Several repairs are late",
        body_zh=f"这一分钟内至少有 {count} 项维修承诺超时，请到维修台查看。",
        body_en=f"At least {count} promises of repairs were broken within this minute. Please look at the desk.",
        link="/desk/repairs",
    )
