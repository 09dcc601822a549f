"""The look ahead: times that nobody has (a week ahead), and times in which nobody would be reached (half a day ahead).

What is found is written down once, told to the desk and to the team's leads, and told again when it is over. Whoever changes
a rota looks again in the same transaction; the worker looks every minute.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import contacts_of, today
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from realtime.duty import queries
from realtime.duty.events import DutyWarned
from realtime.duty.models import DutyRing, DutyTeam, DutyWarning
from realtime.duty.rota import rota_between
from realtime.duty.rotations import Shift, Span, join_spans, needed_spans, uncovered
from realtime.duty.telling import TEAM, WARNING
from realtime.reaching.api import (
    KnownPath,
    Path,
    Target,
    Words,
    is_anyone_reached,
    know,
    paths_of_people,
    paths_to,
    reach,
)

AHEAD: Final = timedelta(days=7)
REACHED_AHEAD: Final = timedelta(hours=12)
# So long a test ring may take before its silence means something.
PATIENCE: Final = timedelta(minutes=2)
_SOON: Final = timedelta(hours=24)

_open_warnings = Gauge(
    "guanjia_duty_warnings",
    "Gaps in rotas of the week ahead, and times of the half day ahead in which nobody would be reached",
    ["kind"],
    multiprocess_mode="livemax",
)


@dataclass(slots=True)
class Outlook:
    """A team's week ahead, and the ways to those of the next half day."""

    team: DutyTeam
    shifts: list[Shift]
    gaps: list[Span]
    unreachable: list[Span] = field(default_factory=list)
    ways: dict[UUID, list[KnownPath]] = field(default_factory=dict)
    group_ways: list[KnownPath] = field(default_factory=list)

    def near(self, now: datetime) -> list[Shift]:
        """The shifts of the next half day, the running ones first."""
        return [shift for shift in self.shifts if shift.starts_at < now + REACHED_AHEAD and shift.ends_at > now]


async def look_ahead(session: AsyncSession, team: DutyTeam) -> Outlook:
    """What is to come; nothing is written."""
    now = clock.now()
    rota = await rota_between(session, [team], now, now + AHEAD)
    active = await contacts_of(session, {shift.person_id for shift in rota}, today())
    shifts = [shift for shift in rota if shift.person_id in active]
    outlook = Outlook(team, shifts, gaps_of(team, shifts, now, now + AHEAD))
    await _look_at_ways(session, outlook, now)
    return outlook


def gaps_of(team: DutyTeam, shifts: Collection[Shift], starts_at: datetime, ends_at: datetime) -> list[Span]:
    """When somebody is needed and nobody is there."""
    needed = needed_spans(
        ZoneInfo(team.zone), frozenset(team.needed_weekdays), team.needed_from, team.needed_until, starts_at, ends_at
    )
    return uncovered(needed, [Span(shift.starts_at, shift.ends_at) for shift in shifts])


async def _look_at_ways(session: AsyncSession, outlook: Outlook, now: datetime) -> None:
    near = outlook.near(now)
    people = await paths_of_people(session, {shift.person_id for shift in near})
    group = await paths_to(session, Target(team_id=outlook.team.id))
    known = {
        one.path.key: one for one in await know(session, [*group, *(p for paths in people.values() for p in paths)])
    }
    outlook.group_ways = _known(group, known)
    outlook.ways = {person: _known(paths, known) for person, paths in people.items()}
    if is_anyone_reached(outlook.group_ways, now):
        return
    rung = await _rung(session, near)
    silent = [
        s for s in near if not is_anyone_reached(outlook.ways.get(s.person_id, []), now) and _is_judged(s, rung, now)
    ]
    heard = [Span(s.starts_at, s.ends_at) for s in near if s not in silent]
    outlook.unreachable = uncovered(
        join_spans(Span(max(s.starts_at, now), min(s.ends_at, now + REACHED_AHEAD)) for s in silent), heard
    )


def _known(paths: Sequence[Path], known: dict[str, KnownPath]) -> list[KnownPath]:
    return [known[path.key] for path in paths]


async def _rung(session: AsyncSession, shifts: Collection[Shift]) -> dict[tuple[UUID, UUID], datetime]:
    rows = await session.execute(
        select(DutyRing.shift_id, DutyRing.person_id, func.min(DutyRing.rung_at))
        .where(DutyRing.shift_id.in_([shift.base_id for shift in shifts]))
        .group_by(DutyRing.shift_id, DutyRing.person_id)
    )
    return {(shift_id, person_id): at for shift_id, person_id, at in rows}


def _is_judged(shift: Shift, rung: dict[tuple[UUID, UUID], datetime], now: datetime) -> bool:
    """A shift that was rung, or runs, and whose ring has had the time to arrive."""
    since = min(rung.get((shift.base_id, shift.person_id), shift.starts_at), shift.starts_at)
    return now - since > PATIENCE


# ---- written down


async def look_again(session: AsyncSession, team: DutyTeam, *, is_change: bool = False) -> Outlook:
    """Look ahead under the team's lock, and write down what is new and what is over.

    In the midst of a change only what is over: whoever makes a rota of two rotations makes one of them first.
    """
    outlook = await look_ahead(session, team)
    known = await open_warnings(session, team.id)
    leads = [m.person_id for m in await queries.members_of(session, [team.id]) if m.is_lead]
    for kind, spans in (("gap", outlook.gaps), ("unreachable", outlook.unreachable)):
        fresh = await _keep_known(session, team, spans, [one for one in known if one.kind == kind], leads)
        for span in [] if is_change else fresh:
            await _warn(session, team, kind, span, leads)
    await session.flush()
    return outlook


async def _keep_known(
    session: AsyncSession,
    team: DutyTeam,
    spans: Sequence[Span],
    known: Sequence[DutyWarning],
    leads: Sequence[UUID],
) -> list[Span]:
    """Move what is known, end what is over; returns what nobody was warned of yet."""
    now, kept, fresh = clock.now(), set(), []
    for span in spans:
        same = same_warning(known, span)
        if same is None or same.id in kept:
            fresh.append(span)
            continue
        kept.add(same.id)
        # One that has begun keeps its beginning: only "now" moves.
        same.starts_at = same.starts_at if span.starts_at <= now else span.starts_at
        same.ends_at = span.ends_at
    for one in known:
        if one.id not in kept:
            one.gone_at = now
            _tell(session, team, one, leads)
    return fresh


def same_warning(known: Sequence[DutyWarning], span: Span) -> DutyWarning | None:
    """The one that was about this time already."""
    return next((one for one in known if one.starts_at <= span.ends_at and span.starts_at <= one.ends_at), None)


async def open_warnings(session: AsyncSession, team_id: UUID) -> list[DutyWarning]:
    """Those of a team that are not over."""
    query = select(DutyWarning).where(DutyWarning.team_id == team_id, DutyWarning.gone_at.is_(None))
    return list(await session.scalars(query.order_by(DutyWarning.id).execution_options(populate_existing=True)))


async def _warn(session: AsyncSession, team: DutyTeam, kind: str, span: Span, leads: Sequence[UUID]) -> None:
    warning = DutyWarning(
        id=uuid7(),
        team_id=team.id,
        kind=kind,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        found_at=clock.now(),
        gone_at=None,
    )
    session.add(warning)
    await session.flush()
    _tell(session, team, warning, leads)
    for lead in leads:
        await reach(
            session,
            target=Target(person_id=lead),
            text=_words(team, kind, span),
            ref=public_id(WARNING, warning.id),
            urgent=span.starts_at < clock.now() + _SOON,
        )


def _words(team: DutyTeam, kind: str, span: Span) -> Words:
    zone = ZoneInfo(team.zone)
    first, last = span.starts_at.astimezone(zone), span.ends_at.astimezone(zone)
    zh = f"{first:%m月%d日 %H:%M} 至 {last:%m月%d日 %H:%M}"
    en = f"from {first:%d %b %H:%M} to {last:%d %b %H:%M}"
    if kind == "gap":
        return Words(
            "值班空缺",
            "Nobody on the rota",
            f"{team.name_zh}：{zh} 没有人值班。",
            f"{team.name_en}: nobody {en}.",
            "/admin/duty",
        )
    return Words(
        "值班联系不上",
        "Nobody would be reached",
        f"{team.name_zh}：{zh} 没有一条联系线路在 24 小时内验证过。",
        f"{team.name_en}: {en} no way to anybody was proved within 24 hours.",
        "/admin/duty",
    )


def _tell(session: AsyncSession, team: DutyTeam, warning: DutyWarning, leads: Sequence[UUID]) -> None:
    publish(
        session,
        DutyWarned(
            happened_at=clock.rfc3339(clock.now()),
            warning=public_id(WARNING, warning.id),
            team=public_id(TEAM, team.id),
            team_name=team.name_zh,
            region=public_id("reg", team.region_id),
            kind=warning.kind,
            starts_at=clock.rfc3339(warning.starts_at),
            ends_at=clock.rfc3339(warning.ends_at),
            is_gone=warning.gone_at is not None,
            leads=[public_id("per", lead) for lead in leads],
        ),
    )


async def look_at_all(db: Database) -> int:
    """Every team, each in a transaction of its own; returns how many warnings stand. Run by the worker."""
    async with db.session() as session:
        teams = [team.id for team in await queries.list_teams(session)]
    for team_id in teams:
        async with db.session() as session:
            team = await queries.lock_team(session, team_id)
            if team.closed_at is None:
                await look_again(session, team)
    return await _count(db)


async def _count(db: Database) -> int:
    async with db.session() as session:
        rows = await session.execute(
            select(DutyWarning.kind, func.count().label("found"))
            .join(DutyTeam, DutyTeam.id == DutyWarning.team_id)
            .where(DutyWarning.gone_at.is_(None), DutyTeam.closed_at.is_(None))
            .group_by(DutyWarning.kind)
        )
        counts: dict[str, int] = {row.kind: row.found for row in rows}
    for kind in ("gap", "unreachable"):
        _open_warnings.labels(kind).set(counts.get(kind, 0))
    return sum(counts.values())
