"""Letters to guests: an invitation, and all changes of some minutes in one letter each.

A change of a meeting that stands is noted; five minutes after the last one, or when the organiser says so, each guest with
an address gets one letter that tells all of them. Who was not written to before gets the invitation instead.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import queries
from booking.meetings.codes import guest_code
from booking.meetings.models import Meeting, MeetingGuest, MeetingNotice
from booking.meetings.queries import PREFIX
from booking.meetings.states import FIRM
from kernel import clock, timers
from kernel.ids import public_id
from kernel.mail import is_set_up, write_mail
from kernel.settings import get_settings

TIMER_KIND: Final = "meeting.letters"
_QUIET: Final = timedelta(minutes=5)
_LIFE: Final = timedelta(days=2)


async def note_change(session: AsyncSession, meeting: Meeting, words_zh: str, words_en: str) -> None:
    """Guests are to hear of it, if they count on the meeting already."""
    if meeting.state not in FIRM:
        return
    session.add(
        MeetingNotice(
            meeting_id=meeting.id,
            ordinal=await queries.last_notice(session, meeting.id) + 1,
            words_zh=words_zh,
            words_en=words_en,
            recorded_at=clock.now(),
            told_at=None,
        )
    )
    await session.flush()
    await expect(session, meeting)


async def expect(session: AsyncSession, meeting: Meeting, after: timedelta = _QUIET) -> None:
    """Write when nothing has changed for a while; each change begins the while anew."""
    await timers.schedule(session, TIMER_KIND, public_id(PREFIX, meeting.id), clock.now() + after)


async def follow(session: AsyncSession, meeting: Meeting, trigger: str, was: str) -> None:
    """What a step of the meeting means to its guests."""
    if meeting.state == "confirmed" and was != "confirmed":
        await expect(session, meeting, timedelta(0))
    elif trigger == "cancel" and was in FIRM:
        last = await queries.last_notice(session, meeting.id)
        session.add(
            MeetingNotice(
                meeting_id=meeting.id,
                ordinal=last + 1,
                words_zh="会议取消",
                words_en="The meeting is cancelled",
                recorded_at=clock.now(),
                told_at=None,
            )
        )
        await session.flush()
        await expect(session, meeting, timedelta(0))


async def write_letters(session: AsyncSession, meeting: Meeting) -> int:
    """One letter to each guest with an address who is still to be told of something; how many."""
    if not is_set_up() or meeting.state not in (*FIRM, "cancelled"):
        return 0
    notices = (await queries.notices_waiting(session, [meeting.id]))[meeting.id]
    written, now = 0, clock.now()
    for guest in await queries.guests_of(session, meeting.id):
        is_new = guest.told_at is None
        # Who was never invited need not hear that nothing comes of it.
        if not guest.email or not (is_new or notices) or (is_new and meeting.state == "cancelled"):
            continue
        subject, body = _letter(meeting, guest, [] if is_new else notices)
        await write_mail(session, guest.email, subject, body, life=_LIFE)
        guest.told_at = now
        written += 1
    for notice in notices:
        notice.told_at = now
    await session.flush()
    return written


def _letter(meeting: Meeting, guest: MeetingGuest, notices: list[MeetingNotice]) -> tuple[str, str]:
    address = f"{(get_settings().public_url or '').rstrip('/')}/guide/{guest_code(guest.id, guest.code_issue)}"
    zone = ZoneInfo(meeting.zone)
    when = f"{meeting.starts_at.astimezone(zone):%Y-%m-%d %H:%M} - {meeting.ends_at.astimezone(zone):%Y-%m-%d %H:%M}"
    if guest.language == "en":
        return _letter_en(meeting, guest, notices, when, address)
    return _letter_zh(meeting, guest, notices, when, address)


def _letter_zh(
    meeting: Meeting, guest: MeetingGuest, notices: list[MeetingNotice], when: str, address: str
) -> tuple[str, str]:
    told = [f"· {notice.words_zh}" for notice in notices]
    subject = f"会议变更：{meeting.title}" if notices else f"会议邀请：{meeting.title}"
    lines = [f"{guest.name}，您好：", "", *(told or [f"邀请您参加“{meeting.title}”。"]), "", f"时间：{when}"]
    return subject, "\n".join([*lines, f"会议指南与您的参会码：{address}", ""])


def _letter_en(
    meeting: Meeting, guest: MeetingGuest, notices: list[MeetingNotice], when: str, address: str
) -> tuple[str, str]:
    told = [f"· {notice.words_en}" for notice in notices]
    subject = f"Changes: {meeting.title}" if notices else f"Invitation: {meeting.title}"
    lines = [f"Dear {guest.name},", "", *(told or [f'you are invited to "{meeting.title}".']), "", f"When: {when}"]
    return subject, "\n".join([*lines, f"The guide, and your code: {address}", ""])


async def write_now(session: AsyncSession, meeting_id: UUID) -> int:
    """What waits goes out; for the organiser's button and for the timer."""
    return await write_letters(session, await queries.lock_meeting(session, meeting_id))
