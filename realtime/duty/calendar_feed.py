"""Somebody's own shifts as a calendar that their telephone subscribes to, by a secret address.

An event's UID is its shift's, for good; SEQUENCE grows with every change that touches the shift. Times are local ones with
their VTIMEZONE, so that the calendar shows the wall clock of the place. The same rota gives the same bytes, and so the same ETag.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

from icalendar import Calendar, Event
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import contacts_of, today
from kernel import clock
from kernel.errors import NotFound
from kernel.ids import public_id
from realtime.duty import queries
from realtime.duty.models import DutyFeed, DutyOverride, DutyRotation, DutyTeam
from realtime.duty.rota import rota_between, rotation_of
from realtime.duty.rotations import Shift, Span, expand
from realtime.duty.telling import note

_PAST: Final = timedelta(days=28)
_AHEAD: Final = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar, and the mark by which a client knows that it has it already."""

    body: bytes
    etag: str


async def make_feed(session: AsyncSession, person_id: UUID, *, actor: str) -> str:
    """A new secret for somebody's calendar, told this once; the address before it ends."""
    token = secrets.token_urlsafe(32)
    row = {"person_id": person_id, "token_hash": _hash(token), "created_at": clock.now()}
    await session.execute(
        insert(DutyFeed)
        .values(row)
        .on_conflict_do_update(
            index_elements=["person_id"], set_={name: row[name] for name in ("token_hash", "created_at")}
        )
    )
    await note(session, actor, "make_feed", public_id("per", person_id), {})
    return token


async def end_feed(session: AsyncSession, person_id: UUID, *, actor: str) -> None:
    """Its address leads nowhere any more."""
    await session.execute(delete(DutyFeed).where(DutyFeed.person_id == person_id))
    await note(session, actor, "end_feed", public_id("per", person_id), {})


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def read_feed(session: AsyncSession, token: str) -> Feed:
    """The calendar behind a secret; NotFound for one that is wrong or ended, and for who has left."""
    person_id = await session.scalar(select(DutyFeed.person_id).where(DutyFeed.token_hash == _hash(token)))
    person = (await contacts_of(session, [person_id], today())).get(person_id) if person_id else None
    if person is None:
        raise NotFound
    # Whole days, so that an hour later it is still the same calendar.
    midnight = datetime.combine(clock.now().astimezone(UTC).date(), time(0), UTC)
    span = Span(midnight - _PAST, midnight + _AHEAD)
    teams = await queries.teams_of_person(session, person.id)
    shifts = [s for s in await rota_between(session, teams, span.starts_at, span.ends_at) if s.person_id == person.id]
    changes = await _changes_of(session, teams, span)
    body = build_calendar(shifts, {team.id: team for team in teams}, changes, person.language)
    return Feed(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


@dataclass(frozen=True, slots=True)
class Changes:
    """How often each shift was changed, and when the rota last was."""

    of_shift: Counter[UUID]
    last_at: datetime


async def _changes_of(session: AsyncSession, teams: Sequence[DutyTeam], span: Span) -> Changes:
    ids = [team.id for team in teams]
    rows = await queries.rotations_between(session, ids, span.starts_at, span.ends_at)
    overrides = await queries.overrides_between(session, ids, span.starts_at, span.ends_at)
    of_shift: Counter[UUID] = Counter()
    for row in rows:
        for shift in expand(rotation_of(row), span.starts_at, span.ends_at):
            of_shift[shift.base_id] += _count(shift, overrides) + (row.ends_at is not None)
    return Changes(of_shift, _last_change([team.created_at for team in teams], rows, overrides))


def _count(shift: Shift, overrides: Iterable[DutyOverride]) -> int:
    """Cancelled is changed twice."""
    return sum(
        1 if override.cancelled_at is None else 2
        for override in overrides
        if override.team_id == shift.team_id
        and override.starts_at < shift.ends_at
        and override.ends_at > shift.starts_at
    )


def _last_change(
    moments: Sequence[datetime], rows: Sequence[DutyRotation], overrides: Sequence[DutyOverride]
) -> datetime:
    changed = [*moments, *(row.created_at for row in rows), *(override.created_at for override in overrides)]
    cancelled = [override.cancelled_at for override in overrides if override.cancelled_at is not None]
    return max([datetime(2000, 1, 1, tzinfo=UTC), *changed, *cancelled]).replace(microsecond=0)


def build_calendar(shifts: Sequence[Shift], teams: dict[UUID, DutyTeam], changes: Changes, language: str) -> bytes:
    """The iCalendar file of somebody's shifts."""
    calendar = Calendar()
    calendar.add("prodid", "-//Guanjia//Duty rota//ZH")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "Duty" if language == "en" else "值班")
    calendar.add("refresh-interval;value=duration", "PT1H")
    pieces: Counter[UUID] = Counter()
    for shift in shifts:
        calendar.add_component(_event(shift, teams[shift.team_id], changes, language, pieces[shift.base_id]))
        pieces[shift.base_id] += 1
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def _event(shift: Shift, team: DutyTeam, changes: Changes, language: str, piece: int) -> Event:
    event = Event()
    event.add("uid", f"{shift.base_id.hex}{f'-{piece}' if piece else ''}@guanjia")
    event.add("sequence", changes.of_shift[shift.base_id])
    event.add("dtstamp", changes.last_at)
    event.add("dtstart", shift.starts_at.astimezone(shift.zone))
    event.add("dtend", shift.ends_at.astimezone(shift.zone))
    name = team.name_en if language == "en" else team.name_zh
    event.add("summary", f"{name} {shift.name}".strip())
    event.add("transp", "OPAQUE")
    return event
