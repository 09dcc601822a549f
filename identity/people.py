"""People and where they belong: opened, edited, moved, suspended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.ext.asyncio import AsyncSession

from identity import queries
from identity.access import today
from identity.errors import MembershipOverlaps
from identity.events import MembershipChanged, PersonJoined, PersonStatusChanged, SessionEnded, optional_id
from identity.models import Membership, PendingSignIn, Person, SignInSession
from identity.names import initials_of, pinyin_of
from identity.states import PERSON, next_state
from identity.uniqueness import unique_or_refused
from kernel import audit_log, clock, timers
from kernel.errors import NotFound
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings

# Of an import, this many share a row of the audit log.
_AUDITED_TOGETHER: Final = 500


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody who is to be opened, with their first membership."""

    name: str
    organisation_id: UUID
    person_class: str
    valid_from: date
    valid_until: date | None = None
    staff_number: str | None = None
    phone: str | None = None
    email: str | None = None
    language: str = "zh"


async def open_person(session: AsyncSession, person: NewPerson, *, actor: str) -> UUID:
    """Open one person; payments hears of it and opens their holder."""
    return (await open_people(session, [person], actor=actor))[0]


async def open_people(session: AsyncSession, people: Sequence[NewPerson], *, actor: str) -> list[UUID]:
    """Open many people in one go, in the order given."""
    if not people:
        return []
    payers = await queries.payers_of(session, {person.organisation_id for person in people})
    ids = [uuid7() for _ in people]
    pairs = list(zip(ids, people, strict=True))
    async with unique_or_refused(session):
        await session.execute(insert(Person), [_person_row(identifier, person) for identifier, person in pairs])
    await session.execute(
        insert(Membership),
        [
            _membership_row(identifier, p.organisation_id, p.person_class, p.valid_from, p.valid_until)
            for identifier, p in pairs
        ],
    )
    publish(session, *(_joined(identifier, person, payers[person.organisation_id]) for identifier, person in pairs))
    for first in range(0, len(ids), _AUDITED_TOGETHER):
        opened = [public_id("per", identifier) for identifier in ids[first : first + _AUDITED_TOGETHER]]
        await audit_log.record(session, actor=actor, action="person.open", subject=opened[0], data={"people": opened})
    return ids


def _person_row(identifier: UUID, person: NewPerson) -> dict[str, Any]:
    return {
        "id": identifier,
        "name": person.name,
        "pinyin": pinyin_of(person.name),
        "initials": initials_of(person.name),
        "staff_number": person.staff_number,
        "phone": person.phone,
        "email": person.email,
        "status": "active",
        "language": person.language,
        "created_at": clock.now(),
    }


def _membership_row(
    person_id: UUID, organisation_id: UUID, person_class: str, valid_from: date, valid_until: date | None
) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "person_id": person_id,
        "organisation_id": organisation_id,
        "person_class": person_class,
        "valid": Range(valid_from, valid_until, bounds="[)"),
        "recorded_at": clock.now(),
    }


def _joined(identifier: UUID, person: NewPerson, payer: queries.Payer) -> PersonJoined:
    return PersonJoined(
        happened_at=clock.rfc3339(clock.now()),
        person=public_id("per", identifier),
        organisation=public_id("org", person.organisation_id),
        unit=optional_id("org", payer.unit_id),
        region=public_id("reg", payer.region_id),
        person_class=person.person_class,
        valid_from=person.valid_from.isoformat(),
    )


async def edit_person(session: AsyncSession, person_id: UUID, changes: dict[str, Any], *, actor: str) -> None:
    """Change name, staff number, phone, mail address or language; only what is in `changes`."""
    person = await lock_person(session, person_id)
    changes = {name: value for name, value in changes.items() if getattr(person, name) != value}
    if not changes:
        return
    async with unique_or_refused(session):
        for name, value in changes.items():
            setattr(person, name, value)
        if "name" in changes:
            person.pinyin, person.initials = pinyin_of(person.name), initials_of(person.name)
    subject = public_id("per", person_id)
    # Which fields, not what they say: a log that is kept for ever holds no telephone numbers.
    await audit_log.record(
        session, actor=actor, action="person.edit", subject=subject, data={"fields": sorted(changes)}
    )


async def change_membership(
    session: AsyncSession,
    person_id: UUID,
    *,
    organisation_id: UUID | None,
    person_class: str | None = None,
    valid_from: date,
    valid_until: date | None = None,
    actor: str,
) -> None:
    """From a day on somebody belongs to another organisation, as another class, or (None) nowhere.

    The membership of that day ends the day before; one that begins on that very day is replaced. One that begins
    later is in the way: what was already arranged is not silently undone.
    """
    await lock_person(session, person_id)
    payer = (await queries.payers_of(session, {organisation_id}))[organisation_id] if organisation_id else None
    later = await session.scalar(
        select(func.min(func.lower(Membership.valid))).where(
            Membership.person_id == person_id, func.lower(Membership.valid) > valid_from
        )
    )
    if later is not None and (valid_until is None or valid_until > later):
        raise MembershipOverlaps(begins=later.isoformat())
    await _end_membership(session, person_id, valid_from)
    if organisation_id is not None:
        assert person_class is not None, "a membership has a class"
        row = _membership_row(person_id, organisation_id, person_class, valid_from, valid_until)
        await session.execute(insert(Membership).values(row))
    publish(session, _moved(person_id, valid_from, organisation_id, person_class, payer))
    await audit_log.record(
        session,
        actor=actor,
        action="person.move",
        subject=public_id("per", person_id),
        data={
            "organisation": optional_id("org", organisation_id),
            "person_class": person_class,
            "valid_from": valid_from.isoformat(),
        },
    )


async def _end_membership(session: AsyncSession, person_id: UUID, valid_from: date) -> None:
    """What is in force on the day ends the day before, or goes if that is when it began."""
    in_force = await session.scalar(
        select(Membership).where(Membership.person_id == person_id, Membership.valid.contains(valid_from))
    )
    if in_force is None:
        return
    if in_force.valid.lower == valid_from:
        await session.delete(in_force)
    else:
        in_force.valid = Range(in_force.valid.lower, valid_from, bounds="[)")
    await session.flush()


def _moved(
    person_id: UUID,
    valid_from: date,
    organisation_id: UUID | None,
    person_class: str | None,
    payer: queries.Payer | None,
) -> MembershipChanged:
    return MembershipChanged(
        happened_at=clock.rfc3339(clock.now()),
        person=public_id("per", person_id),
        organisation=optional_id("org", organisation_id),
        unit=optional_id("org", payer.unit_id if payer else None),
        region=optional_id("reg", payer.region_id if payer else None),
        person_class=person_class if organisation_id else None,
        valid_from=valid_from.isoformat(),
    )


async def change_person_status(
    session: AsyncSession, person_id: UUID, trigger: str, *, actor: str, last_day: date | None = None
) -> None:
    """Suspend, resume, leave or return. Who may not sign in any more is signed out everywhere at once.

    Who leaves belongs to their organisation until their last day, today unless it is known; their money stays.
    """
    person = await lock_person(session, person_id)
    person.status = next_state(PERSON, person.status, trigger)
    if person.status != "active":
        await end_sessions(session, person_id)
    if trigger == "leave":
        await _belong_until(session, person_id, last_day or today())
    subject = public_id("per", person_id)
    publish(session, PersonStatusChanged(happened_at=clock.rfc3339(clock.now()), person=subject, status=person.status))
    await audit_log.record(session, actor=actor, action=f"person.{trigger}", subject=subject, data={})


async def _belong_until(session: AsyncSession, person_id: UUID, last_day: date) -> None:
    after = last_day + timedelta(days=1)
    await session.execute(
        delete(Membership).where(Membership.person_id == person_id, func.lower(Membership.valid) >= after)
    )
    await _end_membership(session, person_id, after)
    publish(session, _moved(person_id, after, None, None, None))


LEAVE_TIMER: Final = "person.leave"


async def leave_after(session: AsyncSession, person_id: UUID, last_day: date) -> None:
    """After this day somebody leaves, unless by then they belong somewhere again."""
    if last_day >= today():
        due_at = datetime.combine(last_day + timedelta(days=1), time(), get_settings().zone)
        await timers.schedule(session, LEAVE_TIMER, public_id("per", person_id), due_at)


async def leave_if_gone(session: AsyncSession, person_id: UUID) -> None:
    """The timer's work: somebody's last day is over."""
    person = await lock_person(session, person_id)
    ahead = await session.scalar(
        select(func.count()).where(
            Membership.person_id == person_id,
            or_(func.upper_inf(Membership.valid), func.upper(Membership.valid) > today()),
        )
    )
    if not ahead and person.status != "left":
        await change_person_status(session, person_id, "leave", actor="system")


async def end_sessions(session: AsyncSession, person_id: UUID, *, except_for: UUID | None = None) -> int:
    """Sign somebody out everywhere, except perhaps where they stand now; returns how many sign-ins ended.

    What they have begun and not finished goes too.
    """
    await session.execute(delete(PendingSignIn).where(PendingSignIn.person_id == person_id))
    ended = await session.scalars(
        update(SignInSession)
        .where(
            SignInSession.person_id == person_id,
            SignInSession.revoked_at.is_(None),
            SignInSession.id.is_distinct_from(except_for),
        )
        .values(revoked_at=clock.now())
        .returning(SignInSession.id)
    )
    ids = [public_id("ses", identifier) for identifier in ended]
    if ids:
        subject = public_id("per", person_id)
        publish(session, SessionEnded(happened_at=clock.rfc3339(clock.now()), person=subject, sessions=ids))
    return len(ids)


async def lock_person(session: AsyncSession, person_id: UUID) -> Person:
    """The person's row, locked; NotFound where there is none."""
    person = await session.scalar(select(Person).where(Person.id == person_id).with_for_update())
    if person is None:
        raise NotFound(what="per", id=public_id("per", person_id))
    return person
