"""Reads of the rota."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from kernel.errors import NotFound
from realtime.duty.models import DutyMember, DutyNote, DutyOverride, DutyRotation, DutySignIn, DutySwap, DutyTeam

# A rotation's last day may end on the next one, anywhere on earth.
_DAY_ENDS_WITHIN = timedelta(days=3)


async def get_team(session: AsyncSession, team_id: UUID) -> DutyTeam:
    """The team; NotFound."""
    team = await session.get(DutyTeam, team_id)
    if team is None:
        raise NotFound
    return team


async def lock_team(session: AsyncSession, team_id: UUID) -> DutyTeam:
    """The team, locked: whoever changes its rota or its people does it under this lock."""
    team = await session.scalar(
        select(DutyTeam).where(DutyTeam.id == team_id).with_for_update().execution_options(populate_existing=True)
    )
    if team is None:
        raise NotFound
    return team


async def list_teams(session: AsyncSession, *where: ColumnElement[bool]) -> list[DutyTeam]:
    """Those that are not closed."""
    query = select(DutyTeam).where(DutyTeam.closed_at.is_(None), *where)
    return list(await session.scalars(query.order_by(DutyTeam.name_zh, DutyTeam.id)))


def stands_in(
    team_id: InstrumentedAttribute[UUID | None], person_id: InstrumentedAttribute[UUID]
) -> ColumnElement[bool]:
    """Of a row that names both: that the person still belongs to that team, and the team is not closed."""
    return exists().where(
        DutyMember.team_id == team_id,
        DutyMember.person_id == person_id,
        DutyTeam.id == DutyMember.team_id,
        DutyTeam.closed_at.is_(None),
    )


async def teams_of_person(session: AsyncSession, person_id: UUID) -> list[DutyTeam]:
    """The teams that somebody belongs to."""
    return await list_teams(
        session, DutyTeam.id.in_(select(DutyMember.team_id).where(DutyMember.person_id == person_id))
    )


async def members_of(session: AsyncSession, teams: Collection[UUID]) -> list[DutyMember]:
    """Who belongs to these teams."""
    query = select(DutyMember).where(DutyMember.team_id.in_(teams))
    return list(await session.scalars(query.order_by(DutyMember.team_id, DutyMember.joined_at, DutyMember.person_id)))


async def rotations_between(
    session: AsyncSession, teams: Collection[UUID], starts_at: datetime, ends_at: datetime
) -> list[DutyRotation]:
    """Rotations that could have a shift in this span."""
    first, last = (starts_at - _DAY_ENDS_WITHIN).date(), (ends_at + _DAY_ENDS_WITHIN).date()
    query = select(DutyRotation).where(
        DutyRotation.team_id.in_(teams),
        DutyRotation.starts_on <= last,
        or_(DutyRotation.ends_on.is_(None), DutyRotation.ends_on >= first),
    )
    return list(await session.scalars(query.order_by(DutyRotation.id).execution_options(populate_existing=True)))


async def overrides_between(
    session: AsyncSession, teams: Collection[UUID], starts_at: datetime, ends_at: datetime
) -> list[DutyOverride]:
    """Overrides of this span, in the order in which they were made; cancelled ones too."""
    query = select(DutyOverride).where(
        DutyOverride.team_id.in_(teams), DutyOverride.ends_at > starts_at, DutyOverride.starts_at < ends_at
    )
    return list(await session.scalars(query.order_by(DutyOverride.id).execution_options(populate_existing=True)))


async def sign_ins_at(session: AsyncSession, people: Collection[UUID], at: datetime) -> dict[UUID, DutySignIn]:
    """Who of them had said at that instant that they were on duty. One that is still open counts whatever the clock has done."""
    query = select(DutySignIn).where(
        DutySignIn.person_id.in_(people),
        DutySignIn.until > at,
        or_(DutySignIn.ended_at.is_(None), (DutySignIn.started_at <= at) & (DutySignIn.ended_at > at)),
    )
    rows = await session.scalars(query.execution_options(populate_existing=True))
    return {row.person_id: row for row in rows}


async def open_sign_in(session: AsyncSession, person_id: UUID) -> DutySignIn | None:
    """Somebody's open sign-in, locked."""
    return await session.scalar(
        select(DutySignIn)
        .where(DutySignIn.person_id == person_id, DutySignIn.ended_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def lock_swap(session: AsyncSession, swap_id: UUID) -> DutySwap:
    """The swap, locked; NotFound."""
    swap = await session.scalar(
        select(DutySwap).where(DutySwap.id == swap_id).with_for_update().execution_options(populate_existing=True)
    )
    if swap is None:
        raise NotFound
    return swap


async def lock_note(session: AsyncSession, note_id: UUID) -> DutyNote:
    """The note, locked; NotFound."""
    note = await session.scalar(
        select(DutyNote).where(DutyNote.id == note_id).with_for_update().execution_options(populate_existing=True)
    )
    if note is None:
        raise NotFound
    return note


async def list_notes(
    session: AsyncSession, teams: Collection[UUID], *, is_open: bool | None, limit: int, before: UUID | None
) -> list[DutyNote]:
    """Newest first, one more than the limit."""
    query = select(DutyNote).where(DutyNote.team_id.in_(teams)).order_by(DutyNote.id.desc()).limit(limit + 1)
    if is_open is not None:
        query = query.where(DutyNote.done_at.is_(None) if is_open else DutyNote.done_at.is_not(None))
    if before is not None:
        query = query.where(DutyNote.id < before)
    return list(await session.scalars(query))


async def list_swaps(
    session: AsyncSession, where: ColumnElement[bool], *, limit: int, before: UUID | None
) -> list[DutySwap]:
    """Newest first, one more than the limit."""
    query = select(DutySwap).where(where).order_by(DutySwap.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(DutySwap.id < before)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def count_of_teams(session: AsyncSession, regions: Sequence[UUID]) -> int:
    """How many teams these regions have."""
    found = await session.scalar(
        select(func.count()).select_from(DutyTeam).where(DutyTeam.region_id.in_(regions), DutyTeam.closed_at.is_(None))
    )
    return int(found or 0)
