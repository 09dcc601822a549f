"""What a meeting loses: the office closes a hall, and what stands in the way gives way. Its organiser and guests are told.

To the meeting it is a change like any other: a step of its history, a message to its organiser, and one letter to each guest
together with whatever else changes in those minutes. The line stays, as lost, until something else is chosen for it.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking import queries as bookings
from booking import service as booking
from booking.meetings import letters, queries, service
from booking.meetings.models import Meeting
from booking.meetings.states import OPEN
from booking.models import Bookable, Booking
from booking.schemas import NewClosure
from booking.spans import Span
from identity.api import Principal


async def close(
    session: AsyncSession, actor: Principal, bookable_id: UUID, new: NewClosure
) -> tuple[Booking, Sequence[Booking]]:
    """Nobody has it in this time; meetings that lose it hear of it."""
    if new.override and new.starts_at < new.ends_at:
        # A meeting is locked before what it holds, by everybody.
        for meeting_id in await _meetings_in(session, bookable_id, Span(new.starts_at, new.ends_at)):
            await queries.lock_meeting(session, meeting_id)
    closure, superseded = await booking.close(session, actor, bookable_id, new)
    bookable = await bookings.get_bookable(session, bookable_id)
    lost: dict[UUID, list[UUID]] = defaultdict(list)
    for each in superseded:
        if each.meeting_id is not None:
            lost[each.meeting_id].append(each.id)
    for meeting_id, refs in sorted(lost.items()):
        meeting = await queries.lock_meeting(session, meeting_id)
        await _tell(session, meeting, refs, bookable, actor.actor, new.reason)
    return closure, superseded


async def _meetings_in(session: AsyncSession, bookable_id: UUID, span: Span) -> Sequence[UUID]:
    ids = await bookings.in_the_way(session, bookable_id, span)
    rows = await session.scalars(
        select(Booking.meeting_id).where(Booking.id.in_(ids), Booking.meeting_id.is_not(None)).distinct()
    )
    return sorted(each for each in rows if each is not None)


async def _tell(
    session: AsyncSession, meeting: Meeting, refs: Sequence[UUID], bookable: Bookable, actor: str, reason: str
) -> None:
    if meeting.state not in OPEN:
        return
    rows = (await queries.lines_of(session, [meeting.id]))[meeting.id]
    titles = "、".join(row.title for row in rows if set(row.refs) & set(refs))
    zh = f"{titles}：{bookable.name_zh}不再可用（{reason}），另行安排"
    en = f"{titles}: {bookable.name_en} cannot be used ({reason}); another place will be named"
    await letters.note_change(session, meeting, zh, en)
    await service.step(session, meeting, "change", actor, zh)
