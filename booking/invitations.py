"""Who is invited to a booking, and the letters that tell them: METHOD:REQUEST with each time that stands, CANCEL when it ends.

Letters go out once a booking is confirmed. Who is invited later gets theirs at once; who is no longer is told that it is off.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from icalendar import vCalAddress
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.calendar_events import Where, empty_calendar, event_of, written
from booking.calendar_feed import where_of
from booking.codes import invitation_code, read_invitation_code
from booking.errors import CodeUnknown
from booking.models import Bookable, Booking, BookingInvitee, BookingStep
from booking.queries import span_of
from booking.schemas import NewInvitees, OneInvitee
from identity.api import contacts_of, today
from kernel import clock, mail
from kernel.errors import Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.settings import get_settings

_STANDING: Final = frozenset({"confirmed", "checked_in", "in_use"})
_OFF: Final = frozenset({"cancelled", "superseded", "rejected", "no_show", "expired"})
INVITED_MAX: Final = 400
_AT_LEAST: Final = timedelta(days=1)
# With each of these a standing booking has another time, or stands for the first time.
_TOLD_WITH: Final = frozenset({"confirm", "approve", "move"})


async def invitees_of(session: AsyncSession, bookings: Collection[UUID]) -> Mapping[UUID, list[BookingInvitee]]:
    """Who is invited now, in the order in which they were."""
    rows = await session.scalars(
        select(BookingInvitee)
        .where(BookingInvitee.booking_id.in_(bookings), BookingInvitee.removed_at.is_(None))
        .order_by(BookingInvitee.created_at, BookingInvitee.address)
    )
    found: dict[UUID, list[BookingInvitee]] = {identifier: [] for identifier in bookings}
    for row in rows:
        found[row.booking_id].append(row)
    return found


async def invite(session: AsyncSession, booking: Booking, bookable: Bookable, new: NewInvitees) -> None:
    """Exactly these from now on."""
    wanted = await _wanted(session, booking, new)
    present = {row.address: row for row in (await invitees_of(session, [booking.id]))[booking.id]}
    gone = [row for address, row in present.items() if address not in wanted]
    come = [row for address, row in wanted.items() if address not in present]
    for row in gone:
        row.removed_at = clock.now()
    session.add_all(come)
    await session.flush()
    if booking.state in _STANDING:
        await _send(session, booking, bookable, come, "REQUEST")
        await _send(session, booking, bookable, gone, "CANCEL")


async def invite_one(session: AsyncSession, booking: Booking, bookable: Bookable, new: OneInvitee) -> None:
    """One more; whoever is invited already stays so, with the answer that they gave."""
    one = NewInvitees(people=[new.person] if new.person else [], guests=[new.guest] if new.guest else [])
    present = {row.address.casefold() for row in (await invitees_of(session, [booking.id]))[booking.id]}
    wanted = await _wanted(session, booking, one)
    come = [row for address, row in wanted.items() if address.casefold() not in present]
    if come and len(present) >= INVITED_MAX:
        raise Malformed(reason="at most 400 are invited to one booking", field="guest")
    session.add_all(come)
    await session.flush()
    if booking.state in _STANDING:
        await _send(session, booking, bookable, come, "REQUEST")


async def uninvite(session: AsyncSession, booking: Booking, bookable: Bookable, invitee_id: UUID) -> None:
    """One less, who is told that it is off."""
    row = await session.get(BookingInvitee, invitee_id)
    if row is None or row.booking_id != booking.id or row.removed_at is not None:
        raise NotFound(what="invitee")
    row.removed_at = clock.now()
    await session.flush()
    if booking.state in _STANDING:
        await _send(session, booking, bookable, [row], "CANCEL")


async def _wanted(session: AsyncSession, booking: Booking, new: NewInvitees) -> dict[str, BookingInvitee]:
    ids = [parse_public_id("per", person) for person in new.people]
    known = await contacts_of(session, ids, today())
    if set(ids) - set(known):
        raise NotFound(what="person")
    # A colleague without an address is invited all the same: it stands in their calendar.
    people = [(person, known[person].name, known[person].email or public_id("per", person)) for person in ids]
    everybody = [*people, *((None, guest.name, guest.address) for guest in new.guests)]
    if len({address.casefold() for _, _, address in everybody}) < len(everybody):
        raise Malformed(reason="each address once", field="guests")
    return {
        address: BookingInvitee(
            id=uuid7(),
            booking_id=booking.id,
            person_id=person_id,
            name=name,
            address=address,
            created_at=clock.now(),
            removed_at=None,
            answer=None,
            answered_at=None,
            mail_id=None,
        )
        for person_id, name, address in everybody
    }


async def follow(session: AsyncSession, booking: Booking, bookable: Bookable, trigger: str) -> None:
    """After a step: tell the invited of a time that stands, or that it is off if they were told of it."""
    if booking.state not in _OFF and not (booking.state == "confirmed" and trigger in _TOLD_WITH):
        return
    invited = (await invitees_of(session, [booking.id]))[booking.id]
    if not invited:
        return
    if booking.state == "confirmed":
        # Who could come then has not said that they can come now.
        for row in invited if trigger == "move" else ():
            row.answer = row.answered_at = None
        await _send(session, booking, bookable, invited, "REQUEST")
    elif await _was_told(session, booking):
        await _send(session, booking, bookable, invited, "CANCEL")


async def _was_told(session: AsyncSession, booking: Booking) -> bool:
    stood = select(BookingStep.version).where(BookingStep.booking_id == booking.id, BookingStep.state == "confirmed")
    return await session.scalar(stood.limit(1)) is not None


# ---- what they answer


async def find_invitation(session: AsyncSession, code: str) -> BookingInvitee:
    """Whose code it is; who is no longer invited has none."""
    try:
        row = await session.get(BookingInvitee, read_invitation_code(code))
    except CodeUnknown as error:
        raise NotFound(what="invitation") from error
    if row is None or row.removed_at is not None:
        raise NotFound(what="invitation")
    return row


async def invitations_of(session: AsyncSession, person_id: UUID) -> Sequence[BookingInvitee]:
    """To what stands and is not over yet, in order of time."""
    rows = await session.scalars(
        select(BookingInvitee)
        .join(Booking, Booking.id == BookingInvitee.booking_id)
        .where(
            BookingInvitee.person_id == person_id,
            BookingInvitee.removed_at.is_(None),
            Booking.state.in_(_STANDING),
            func.upper(Booking.during) > clock.now(),
        )
        .order_by(func.lower(Booking.during), BookingInvitee.id)
        .limit(100)
    )
    return rows.all()


async def answer(session: AsyncSession, row: BookingInvitee, booking: Booking, said: str) -> None:
    """Whether they come; as often as they change their mind, until it is over."""
    if booking.state not in _STANDING or span_of(booking.during).end <= clock.now():
        raise StateConflict(state=booking.state, trigger="answer", allowed=[])
    row.answer, row.answered_at = said, clock.now()
    await session.flush()


def is_possible() -> bool:
    """Whether letters are written: where mail goes out, and where nobody is real and they are only looked at."""
    settings = get_settings()
    return mail.is_set_up(settings) or not settings.production


async def _send(
    session: AsyncSession, booking: Booking, bookable: Bookable, rows: Sequence[BookingInvitee], method: str
) -> None:
    to = [row for row in rows if "@" in row.address]
    if not to or not is_possible():
        return
    people = await contacts_of(session, [booking.organiser_id, *(r.person_id for r in to if r.person_id)], today())
    organiser = people.get(booking.organiser_id)
    reply_to = (organiser.email if organiser else None) or get_settings().smtp_from or "noreply@guanjia.invalid"
    for row in to:
        person = people.get(row.person_id) if row.person_id else None
        language = person.language if person else "zh"
        where = (await where_of(session, {bookable.id}, language))[bookable.id]
        calendar = _calendar(booking, where, row, (organiser.name if organiser else "", reply_to), method)
        subject, body = _words(booking, where, row, organiser.name if organiser else "", method, language)
        life = max(span_of(booking.during).end - clock.now(), _AT_LEAST)
        invitation = mail.Invitation(method, calendar)
        row.mail_id = await mail.write_mail(session, row.address, subject, body, life=life, invitation=invitation)
    await session.flush()


def _calendar(booking: Booking, where: Where, row: BookingInvitee, organiser: tuple[str, str], method: str) -> bytes:
    event = event_of(booking, where)
    if method == "CANCEL":
        event["status"] = "CANCELLED"
    name, address = organiser
    host = vCalAddress(f"mailto:{address}")
    host.params["CN"] = name
    event.add("organizer", host)
    guest = vCalAddress(f"mailto:{row.address}")
    guest.params.update({"CN": row.name, "ROLE": "REQ-PARTICIPANT", "RSVP": "FALSE"})
    event.add("attendee", guest)
    calendar = empty_calendar(method, "")
    calendar.add_component(event)
    return written(calendar)


def _words(
    booking: Booking, where: Where, row: BookingInvitee, organiser: str, method: str, language: str
) -> tuple[str, str]:
    """Subject and body."""
    during = span_of(booking.during)
    start, end = (at.astimezone(where.zone) for at in (during.start, during.end))
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    when = f"{start:%Y-%m-%d %H:%M} - {until}"
    is_off = method == "CANCEL"
    address = f"{(get_settings().public_url or '').rstrip('/')}/invitation/{invitation_code(row.id)}"
    if language == "en":
        subject = f"{'Cancelled' if is_off else 'Invitation'}: {booking.title}, {when}"
        sentence = "this does not take place, or you are no longer invited" if is_off else "you are invited"
        ask = "" if is_off else f"Will you come? {address}\n\n"
        return subject, f"{row.name},\n\n{sentence}.\n\n{booking.title}\n{when}\n{where.name}\n\n{ask}{organiser}\n"
    subject = f"{'取消' if is_off else '邀请'}：{booking.title}，{when}"
    sentence = "以下安排已取消，或不再需要您参加。" if is_off else "邀请您参加以下安排。"
    ask = "" if is_off else f"是否参加，请在这里答复：{address}\n\n"
    return subject, f"{row.name}：\n\n{sentence}\n\n{booking.title}\n{when}\n{where.name}\n\n{ask}{organiser}\n"
