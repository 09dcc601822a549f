"""Activation slips: a code on paper, or a link, with which somebody chooses their own password, once and for a while.

The administrator who gives out slips (system) is not the one who grants roles (security), and learns no password. An
administrator's own slip comes from one who could do nothing with it: those of system and security administrators from
an audit administrator, those of audit administrators from a security administrator; and only where they have no
password, or where two people agreed that it is taken away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from identity import queries
from identity.access import today
from identity.attempts import ACTIVATION, count_attempt, forget_attempts
from identity.errors import ActivationUnknown, SamePerson, SlipFromAnother
from identity.kinds import ADMINISTRATORS, Role
from identity.lists import AnyRow, Query
from identity.models import Activation, Credential, Membership, Organisation, Person, RoleGrantRow
from identity.passwords import check_password_strength, hash_password, normalise_username
from identity.people import lock_person
from identity.principal import Principal
from identity.sign_in import write_credential
from identity.tokens import hash_code, new_activation_code
from kernel import audit_log, clock
from kernel.db import Database
from kernel.errors import NotFound, TooManyRequests
from kernel.ids import public_id, uuid7

VALID_FOR: Final = timedelta(days=14)
SLIPS_MAX: Final = 500
# Who gives out whose slips. Nobody is in both columns of one row.
_ISSUERS: Final = {
    Role.SYSTEM_ADMIN: Role.AUDIT_ADMIN,
    Role.SECURITY_ADMIN: Role.AUDIT_ADMIN,
    Role.AUDIT_ADMIN: Role.SECURITY_ADMIN,
}


@dataclass(frozen=True, slots=True)
class Slip:
    """What is printed for one person. The code is nowhere else: the database knows its hash."""

    person_id: UUID
    name: str
    staff_number: str | None
    organisation_zh: str | None
    organisation_en: str | None
    username: str
    code: str
    expires_at: datetime


class Addressee(NamedTuple):
    """Whose password a code is for."""

    name: str
    username: str
    expires_at: datetime


async def people_without_password(session: AsyncSession, organisation_id: UUID) -> list[UUID]:
    """Everybody below an organisation who has no password yet, administrators left out."""
    below = (await queries.find_cover(session, organisation_id=organisation_id)).organisations
    administers = exists().where(
        RoleGrantRow.person_id == Person.id, RoleGrantRow.revoked_at.is_(None), RoleGrantRow.role.in_(ADMINISTRATORS)
    )
    found = await session.scalars(
        select(Person.id)
        .join(Membership, Membership.person_id == Person.id)
        .where(
            Membership.organisation_id.in_(below),
            Membership.valid.contains(today()),
            Person.status == "active",
            ~administers,
            ~exists().where(Credential.person_id == Person.id),
        )
        .order_by(Person.pinyin, Person.id)
    )
    return list(found)


async def issue_slips(session: AsyncSession, actor: Principal, people: Sequence[UUID]) -> list[Slip]:
    """A slip for each, in the order of their names; slips that were given out before are worth nothing any more."""
    ids = sorted(set(people))
    assert len(ids) <= SLIPS_MAX
    for person_id in ids:
        await lock_person(session, person_id)
    rows = (await session.execute(_addressees(ids))).all()
    await _refuse_what_others_issue(session, actor, rows)
    now = clock.now()
    await _revoke_live(session, ids)
    usernames = await _choose_usernames(session, {row.id: (row.username, row.staff_number, row.pinyin) for row in rows})
    slips = [
        Slip(
            person_id=row.id,
            name=row.name,
            staff_number=row.staff_number,
            organisation_zh=row.name_zh,
            organisation_en=row.name_en,
            username=usernames[row.id],
            code=new_activation_code(),
            expires_at=now + VALID_FOR,
        )
        for row in rows
    ]
    session.add_all(
        Activation(
            id=uuid7(),
            person_id=slip.person_id,
            username=slip.username,
            token_hash=hash_code(slip.code),
            issued_by=actor.person_id,
            issued_at=now,
            expires_at=slip.expires_at,
        )
        for slip in slips
    )
    await session.flush()
    told = [public_id("per", slip.person_id) for slip in slips]
    await audit_log.record(
        session, actor=actor.actor, action="activation.issue", subject=told[0], data={"people": told}
    )
    return slips


async def issue_link(session: AsyncSession, person_id: UUID, username: str, life: timedelta) -> str:
    """A code for somebody who asked for it by mail; what they were given before is worth nothing any more."""
    await lock_person(session, person_id)
    await _revoke_live(session, [person_id])
    code, now = new_activation_code(), clock.now()
    session.add(
        Activation(
            id=uuid7(),
            person_id=person_id,
            username=username,
            token_hash=hash_code(code),
            issued_by=None,
            issued_at=now,
            expires_at=now + life,
        )
    )
    await session.flush()
    return code


async def _revoke_live(session: AsyncSession, ids: Sequence[UUID]) -> None:
    await session.execute(
        update(Activation)
        .where(Activation.person_id.in_(ids), Activation.used_at.is_(None), Activation.revoked_at.is_(None))
        .values(revoked_at=clock.now())
    )


def _addressees(ids: Sequence[UUID]) -> Query:
    return (
        select(
            Person.id,
            Person.name,
            Person.staff_number,
            Person.pinyin,
            Person.status,
            Credential.username,
            Organisation.id.label("organisation_id"),
            Organisation.name_zh,
            Organisation.name_en,
        )
        .outerjoin(Credential, Credential.person_id == Person.id)
        .outerjoin(Membership, (Membership.person_id == Person.id) & Membership.valid.contains(today()))
        .outerjoin(Organisation, Organisation.id == Membership.organisation_id)
        .where(Person.id.in_(ids))
        .order_by(Person.pinyin, Person.id)
    )


async def _refuse_what_others_issue(session: AsyncSession, actor: Principal, rows: Sequence[AnyRow]) -> None:
    """See the head of this file. Nobody is their own issuer."""
    ids = [row.id for row in rows]
    if actor.person_id in ids:
        raise SamePerson
    held = await session.execute(
        select(RoleGrantRow.person_id, RoleGrantRow.role).where(
            RoleGrantRow.person_id.in_(ids), RoleGrantRow.revoked_at.is_(None), RoleGrantRow.role.in_(ADMINISTRATORS)
        )
    )
    administrators = {row.person_id: Role(row.role) for row in held}
    for row in rows:
        if row.status != "active":
            raise NotFound(what="per", id=public_id("per", row.id))
        role = administrators.get(row.id)
        issuer = _ISSUERS[role] if role else Role.SYSTEM_ADMIN
        if not actor.may(issuer, organisation_id=row.organisation_id):
            raise SlipFromAnother(role=str(issuer))
        if role and row.username is not None:
            raise SamePerson


async def _choose_usernames(
    session: AsyncSession, people: dict[UUID, tuple[str | None, str | None, str]]
) -> dict[UUID, str]:
    """The name somebody has, else the staff number, else the sound of their name; with a number where it is taken."""
    wanted = {
        person_id: normalise_username(present or staff_number or pinyin.replace(" ", "") or person_id.hex[-8:])
        for person_id, (present, staff_number, pinyin) in people.items()
    }
    taken = {
        username: person_id
        for person_id, username in await session.execute(
            select(Credential.person_id, Credential.username).where(Credential.username.in_(set(wanted.values())))
        )
    }
    waiting = await session.scalars(
        select(Activation.username).where(Activation.used_at.is_(None), Activation.revoked_at.is_(None))
    )
    occupied = set(waiting)
    chosen: dict[UUID, str] = {}
    for person_id, username in wanted.items():
        free = username
        if taken.get(username, person_id) != person_id or username in occupied:
            # The tail of an id that nobody else has.
            free = f"{username}-{person_id.hex[-6:]}"
        occupied.add(free)
        chosen[person_id] = free
    return chosen


# ---- whoever holds the slip


class Live(NamedTuple):
    """A code that still opens something."""

    id: UUID
    person_id: UUID
    username: str
    expires_at: datetime
    name: str


async def show_activation(db: Database, code: str, address: str) -> Addressee:
    """Whose code this is; ActivationUnknown for one that is wrong, used, replaced or too old."""
    async with db.session() as session:
        wait_s = await count_attempt(session, f"activation:{address}", ACTIVATION)
        row = None if wait_s else await _find_live(session, code)
        if row is not None:
            await forget_attempts(session, f"activation:{address}")
    # Only now, or the guess would be forgotten with its transaction.
    if wait_s:
        raise TooManyRequests(retry_after_s=wait_s)
    if row is None:
        raise ActivationUnknown
    return Addressee(row.name, row.username, row.expires_at)


async def use_activation(db: Database, code: str, password: str, address: str) -> str:
    """Set the password that somebody chose; every sign-in they had ends. Returns their user name."""
    username = (await show_activation(db, code, address)).username
    check_password_strength(username, password)
    password_hash = await hash_password(password)
    async with db.session() as session:
        row = await _find_live(session, code)
        if row is None:
            raise ActivationUnknown
        await lock_person(session, row.person_id)
        used = await session.scalar(
            update(Activation)
            .where(Activation.id == row.id, Activation.used_at.is_(None), Activation.revoked_at.is_(None))
            .values(used_at=clock.now())
            .returning(Activation.id)
        )
        if used is None:
            raise ActivationUnknown
        actor = public_id("per", row.person_id)
        await write_credential(session, row.person_id, row.username, password_hash, actor=actor)
        await audit_log.record(session, actor=actor, action="activation.use", subject=actor, data={})
        return row.username


async def _find_live(session: AsyncSession, code: str) -> Live | None:
    found = await session.execute(
        select(Activation.id, Activation.person_id, Activation.username, Activation.expires_at, Person.name)
        .join(Person, Person.id == Activation.person_id)
        .where(
            Activation.token_hash == hash_code(code),
            Activation.used_at.is_(None),
            Activation.revoked_at.is_(None),
            Activation.expires_at > clock.now(),
            Person.status == "active",
        )
    )
    row = found.one_or_none()
    return None if row is None else Live(*row)
