"""SELECTs of meetings; `lock_meeting` takes the row's lock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings.models import (
    Meeting,
    MeetingCharge,
    MeetingGuest,
    MeetingLineRow,
    MeetingNotice,
    MeetingPolicy,
    MeetingScan,
    MeetingStep,
)
from booking.meetings.states import OPEN
from identity.api import Cover
from kernel.errors import NotFound

PREFIX: Final = "mtg"
LINE: Final = "mln"
GUEST: Final = "mgt"


async def get_meeting(session: AsyncSession, meeting_id: UUID) -> Meeting:
    found = await session.get(Meeting, meeting_id)
    if found is None:
        raise NotFound(what="meeting")
    return found


async def lock_meeting(session: AsyncSession, meeting_id: UUID) -> Meeting:
    """The row as it stands now, and nobody else's until this transaction ends."""
    found = await session.get(Meeting, meeting_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound(what="meeting")
    return found


async def find_request(session: AsyncSession, organiser_id: UUID, request_id: UUID) -> Meeting | None:
    return await session.scalar(
        select(Meeting).where(Meeting.organiser_id == organiser_id, Meeting.request_id == request_id)
    )


async def list_own(session: AsyncSession, person_id: UUID, limit: int, before: UUID | None) -> Sequence[Meeting]:
    """Those that somebody organises or helps at, newest first; one more than the limit."""
    chosen = select(Meeting).where(
        (Meeting.organiser_id == person_id) | (literal(person_id) == any_(Meeting.helper_ids))
    )
    if before is not None:
        chosen = chosen.where(Meeting.id < before)
    return (await session.scalars(chosen.order_by(Meeting.id.desc()).limit(limit + 1))).all()


async def list_for_office(
    session: AsyncSession, cover: Cover | None, limit: int, before: UUID | None, *, state: str | None
) -> Sequence[Meeting]:
    """Those of the regions that somebody works for (None: all), newest first; one more than the limit."""
    chosen = select(Meeting)
    if cover is not None:
        chosen = chosen.where(Meeting.region_id.in_(cover.regions))
    if state is not None:
        chosen = chosen.where(Meeting.state == state)
    if before is not None:
        chosen = chosen.where(Meeting.id < before)
    return (await session.scalars(chosen.order_by(Meeting.id.desc()).limit(limit + 1))).all()


async def lines_of(session: AsyncSession, meetings: Collection[UUID]) -> dict[UUID, list[MeetingLineRow]]:
    """The lines that are not released, in order."""
    rows = await session.scalars(
        select(MeetingLineRow)
        .where(MeetingLineRow.meeting_id.in_(meetings))
        .order_by(MeetingLineRow.meeting_id, MeetingLineRow.ordinal, MeetingLineRow.id)
    )
    found: dict[UUID, list[MeetingLineRow]] = {identifier: [] for identifier in meetings}
    for row in rows:
        found[row.meeting_id].append(row)
    return found


async def get_line(session: AsyncSession, meeting_id: UUID, line_id: UUID) -> MeetingLineRow:
    found = await session.get(MeetingLineRow, line_id)
    if found is None or found.meeting_id != meeting_id:
        raise NotFound(what="line")
    return found


async def steps_of(session: AsyncSession, meetings: Collection[UUID]) -> dict[UUID, list[MeetingStep]]:
    rows = await session.scalars(
        select(MeetingStep)
        .where(MeetingStep.meeting_id.in_(meetings))
        .order_by(MeetingStep.meeting_id, MeetingStep.version)
    )
    found: dict[UUID, list[MeetingStep]] = {identifier: [] for identifier in meetings}
    for step in rows:
        found[step.meeting_id].append(step)
    return found


# ---- guests


async def guests_of(session: AsyncSession, meeting_id: UUID, *, also_removed: bool = False) -> Sequence[MeetingGuest]:
    """In the order in which they were put down."""
    chosen = select(MeetingGuest).where(MeetingGuest.meeting_id == meeting_id)
    if not also_removed:
        chosen = chosen.where(MeetingGuest.removed_at.is_(None))
    return (await session.scalars(chosen.order_by(MeetingGuest.ordinal))).all()


async def get_guest(session: AsyncSession, meeting_id: UUID, guest_id: UUID) -> MeetingGuest:
    found = await session.get(MeetingGuest, guest_id)
    if found is None or found.meeting_id != meeting_id or found.removed_at is not None:
        raise NotFound(what="guest")
    return found


async def lock_guests(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, MeetingGuest]:
    """In order of their ids, so that two uploads never wait for each other."""
    rows = await session.scalars(
        select(MeetingGuest)
        .where(MeetingGuest.id.in_(ids))
        .order_by(MeetingGuest.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


async def count_guests(session: AsyncSession, meetings: Collection[UUID]) -> Mapping[UUID, int]:
    rows = await session.execute(
        select(MeetingGuest.meeting_id, func.count())
        .where(MeetingGuest.meeting_id.in_(meetings), MeetingGuest.removed_at.is_(None))
        .group_by(MeetingGuest.meeting_id)
    )
    return {row[0]: row[1] for row in rows}


async def needs_of(session: AsyncSession, meetings: Collection[UUID]) -> dict[UUID, dict[str, int]]:
    """What the guests of each meeting cannot or will not eat, counted."""
    need = func.unnest(MeetingGuest.diet).label("need")
    each = (
        select(MeetingGuest.meeting_id, need)
        .where(MeetingGuest.meeting_id.in_(meetings), MeetingGuest.removed_at.is_(None))
        .subquery()
    )
    rows = await session.execute(
        select(each.c.meeting_id, each.c.need, func.count())
        .group_by(each.c.meeting_id, each.c.need)
        .order_by(each.c.need)
    )
    found: dict[UUID, dict[str, int]] = {identifier: {} for identifier in meetings}
    for meeting_id, name, count in rows:
        found[meeting_id][name] = count
    return found


# ---- scans


async def scans_by_nonce(session: AsyncSession, meeting_id: UUID, nonces: Collection[UUID]) -> dict[UUID, MeetingScan]:
    rows = await session.scalars(
        select(MeetingScan).where(MeetingScan.meeting_id == meeting_id, MeetingScan.nonce.in_(nonces))
    )
    return {row.nonce: row for row in rows}


async def counted_of(session: AsyncSession, guests: Collection[UUID]) -> set[tuple[UUID, UUID, str]]:
    """(line, guest, what it counted for) of what counted already."""
    rows = await session.execute(
        select(MeetingScan.line_id, MeetingScan.guest_id, MeetingScan.counted_for).where(
            MeetingScan.guest_id.in_(guests), MeetingScan.outcome == "counted"
        )
    )
    return {(row[0], row[1], row[2]) for row in rows}


async def counted_by_line(session: AsyncSession, lines: Collection[UUID]) -> dict[UUID, int]:
    """How many guests came to each step."""
    rows = await session.execute(
        select(MeetingScan.line_id, func.count(MeetingScan.guest_id.distinct()))
        .where(MeetingScan.line_id.in_(lines), MeetingScan.outcome == "counted")
        .group_by(MeetingScan.line_id)
    )
    return {row[0]: row[1] for row in rows}


async def last_scans(session: AsyncSession, meeting_id: UUID, most: int) -> Sequence[MeetingScan]:
    rows = await session.scalars(
        select(MeetingScan)
        .where(MeetingScan.meeting_id == meeting_id, MeetingScan.outcome == "counted")
        .order_by(MeetingScan.happened_at.desc())
        .limit(most)
    )
    return rows.all()


async def scans_of(session: AsyncSession, meeting_id: UUID) -> dict[UUID, list[MeetingScan]]:
    """What counted, by guest, in order of time."""
    rows = await session.scalars(
        select(MeetingScan)
        .where(MeetingScan.meeting_id == meeting_id, MeetingScan.outcome == "counted")
        .order_by(MeetingScan.happened_at)
    )
    found: dict[UUID, list[MeetingScan]] = {}
    for row in rows:
        found.setdefault(row.guest_id, []).append(row)
    return found


# ---- letters, money, rules


async def notices_waiting(session: AsyncSession, meetings: Collection[UUID]) -> dict[UUID, list[MeetingNotice]]:
    """What guests were not told of yet, in order."""
    rows = await session.scalars(
        select(MeetingNotice)
        .where(MeetingNotice.meeting_id.in_(meetings), MeetingNotice.told_at.is_(None))
        .order_by(MeetingNotice.meeting_id, MeetingNotice.ordinal)
    )
    found: dict[UUID, list[MeetingNotice]] = {identifier: [] for identifier in meetings}
    for row in rows:
        found[row.meeting_id].append(row)
    return found


async def last_notice(session: AsyncSession, meeting_id: UUID) -> int:
    """The ordinal of the last one, 0 where there is none."""
    found = await session.scalar(select(func.max(MeetingNotice.ordinal)).where(MeetingNotice.meeting_id == meeting_id))
    return found or 0


async def charges_of(session: AsyncSession, meetings: Collection[UUID]) -> dict[UUID, list[MeetingCharge]]:
    rows = await session.scalars(
        select(MeetingCharge)
        .where(MeetingCharge.meeting_id.in_(meetings))
        .order_by(MeetingCharge.meeting_id, MeetingCharge.payee_id)
    )
    found: dict[UUID, list[MeetingCharge]] = {identifier: [] for identifier in meetings}
    for row in rows:
        found[row.meeting_id].append(row)
    return found


@dataclass(frozen=True, slots=True)
class Rules:
    """A region's rules for meetings; those that hold where nobody has said anything are the defaults."""

    badge_fen: int = 0
    free_cancel_hours: int = 24
    late_fee_percent: int = 0
    approval_above_fen: int | None = None
    version: int = 0
    changed_at: datetime | None = None


async def policy_of(session: AsyncSession, region_id: UUID) -> Rules:
    """What holds in a region."""
    row = await session.get(MeetingPolicy, region_id)
    if row is None:
        return Rules()
    return Rules(
        row.badge_fen,
        row.free_cancel_hours,
        row.late_fee_percent,
        row.approval_above_fen,
        row.version,
        row.changed_at,
    )


_FORGET_PHONES: Final = text("""
    UPDATE meeting_guests SET phone = ''
     WHERE id IN (SELECT g.id FROM meeting_guests g JOIN meetings m ON m.id = g.meeting_id
                   WHERE g.phone <> ''
                     AND (g.removed_at < :before
                          OR (m.state <> ALL(:open) AND m.changed_at < :before))
                   LIMIT :limit FOR UPDATE OF g SKIP LOCKED)
    RETURNING id
""").bindparams(bindparam("open", type_=ARRAY(Text)))


async def forget_phones(session: AsyncSession, before: datetime, limit: int) -> int:
    """Of guests of meetings that were over then, or who were taken off the list; returns how many."""
    forgotten = await session.scalars(_FORGET_PHONES, {"before": before, "open": list(OPEN), "limit": limit})
    return len(forgotten.all())
