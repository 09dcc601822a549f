"""Roles: what is in force, and how it is written and ended, so that nobody can both give and use a right.

* The security administrator grants; the system administrator runs the house; the audit administrator reads.
  Each is one person's only role: an administrator holds nothing but that.
* Nobody changes their own roles.
* To give a right takes two (`role_changes.py`): one security administrator asks, another administrator of security or
  system decides, neither of them the one who would hold it. To take one away at once takes one.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.errors import AdministratorsApart, AdministratorsExist, LastAdministrator, SamePerson
from identity.events import RolesChanged
from identity.kinds import ADMINISTRATORS, Role
from identity.models import Credential, RoleGrantRow
from identity.people import lock_person
from identity.principal import EVERYWHERE, Place, Principal
from kernel import audit_log, clock
from kernel.errors import NotFound
from kernel.ids import public_id, uuid7
from kernel.outbox import publish


async def holds_administrators_role(session: AsyncSession, person_id: UUID) -> bool:
    """Whether somebody is an administrator of any kind, anywhere."""
    held = await session.scalar(
        select(func.count()).where(
            RoleGrantRow.person_id == person_id,
            RoleGrantRow.revoked_at.is_(None),
            RoleGrantRow.role.in_(ADMINISTRATORS),
        )
    )
    return bool(held)


async def revoke_role(session: AsyncSession, actor: Principal, person_id: UUID, grant_id: UUID) -> None:
    """Take a role away, at once. The last security administrator stays: nobody could grant anything any more."""
    await lock_person(session, person_id)
    row = await _find_grant(session, person_id, grant_id)
    actor.require(
        Role.SECURITY_ADMIN, organisation_id=row.organisation_id, site_id=row.site_id, region_id=row.region_id
    )
    if actor.person_id == person_id:
        raise SamePerson
    await end_grant(session, person_id, grant_id, by=actor.person_id)


async def end_grant(session: AsyncSession, person_id: UUID, grant_id: UUID, *, by: UUID) -> None:
    """A role ends, by whom it was decided to end."""
    row = await _find_grant(session, person_id, grant_id)
    if row.role == Role.SECURITY_ADMIN:
        await _refuse_to_remove_last(session)
    row.revoked_at, row.revoked_by = clock.now(), by
    place = Place(row.organisation_id, row.site_id, row.region_id)
    await _note(session, person_id, Role(row.role), place, public_id("per", by), granted=False)


async def _find_grant(session: AsyncSession, person_id: UUID, grant_id: UUID) -> RoleGrantRow:
    row = await session.get(RoleGrantRow, grant_id)
    if row is None or row.person_id != person_id or row.revoked_at is not None:
        raise NotFound(what="rol", id=public_id("rol", grant_id))
    return row


async def refuse_mixed_roles(session: AsyncSession, person_id: UUID, role: Role) -> None:
    """An administrator holds one administrator's role and no other; who holds another becomes none."""
    held = set(
        await session.scalars(
            select(RoleGrantRow.role).where(
                RoleGrantRow.person_id == person_id, RoleGrantRow.revoked_at.is_(None), RoleGrantRow.role != role
            )
        )
    )
    in_the_way = held if role in ADMINISTRATORS else held & ADMINISTRATORS
    if in_the_way:
        raise AdministratorsApart(held=sorted(in_the_way))


async def write_grant(
    session: AsyncSession, person_id: UUID, role: Role, place: Place, *, granted_by: UUID | None
) -> None:
    """Write a grant; one that is in force already stays as it is."""
    written = await session.scalar(
        insert(RoleGrantRow)
        .values(
            id=uuid7(),
            person_id=person_id,
            role=role,
            organisation_id=place.organisation_id,
            site_id=place.site_id,
            region_id=place.region_id,
            granted_by=granted_by,
            granted_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(RoleGrantRow.id)
    )
    if written is not None:
        actor = public_id("per", granted_by) if granted_by else "system"
        await _note(session, person_id, role, place, actor, granted=True)


async def found_first_administrator(session: AsyncSession, person_id: UUID, role: Role) -> None:
    """The first ones of a new house, who have nobody to grant them anything. Refused once somebody else uses that right.

    For the command line and the demo data, never behind an address: it works until the first two security
    administrators exist, and for the other two roles until there is one of each.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_FOUNDING_ONE_AT_A_TIME)))
    in_force = select(func.count()).where(RoleGrantRow.role == role, RoleGrantRow.revoked_at.is_(None))
    if (await session.scalar(in_force) or 0) >= (2 if role == Role.SECURITY_ADMIN else 1):
        raise AdministratorsExist(role=role)
    await lock_person(session, person_id)
    await refuse_mixed_roles(session, person_id, role)
    await write_grant(session, person_id, role, EVERYWHERE, granted_by=None)


_FOUNDING_ONE_AT_A_TIME: Final = 4_204_230


async def list_grants(session: AsyncSession, person_id: UUID, *, also_revoked: bool) -> Sequence[RoleGrantRow]:
    """A person's roles, newest first."""
    query = select(RoleGrantRow).where(RoleGrantRow.person_id == person_id).order_by(RoleGrantRow.id.desc())
    if not also_revoked:
        query = query.where(RoleGrantRow.revoked_at.is_(None))
    return (await session.scalars(query)).all()


async def _refuse_to_remove_last(session: AsyncSession) -> None:
    """Counts those who count everywhere and can sign in; all of them are locked, so two cannot leave at once."""
    others = await session.scalars(
        select(RoleGrantRow.person_id)
        .join(Credential, Credential.person_id == RoleGrantRow.person_id)
        .where(
            RoleGrantRow.role == Role.SECURITY_ADMIN,
            RoleGrantRow.revoked_at.is_(None),
            func.num_nonnulls(RoleGrantRow.organisation_id, RoleGrantRow.site_id, RoleGrantRow.region_id) == 0,
        )
        .order_by(RoleGrantRow.id)
        .with_for_update(of=RoleGrantRow)
    )
    if len(set(others)) < 2:
        raise LastAdministrator


async def _note(session: AsyncSession, person_id: UUID, role: Role, place: Place, actor: str, *, granted: bool) -> None:
    subject = public_id("per", person_id)
    publish(session, RolesChanged(happened_at=clock.rfc3339(clock.now()), person=subject, role=role, granted=granted))
    action = "role.grant" if granted else "role.revoke"
    named = {"organisation": place.organisation_id, "site": place.site_id, "region": place.region_id}
    where = {name: str(identifier) if identifier else None for name, identifier in named.items()}
    await audit_log.record(session, actor=actor, action=action, subject=subject, data={"role": role, **where})
