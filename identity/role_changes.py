"""Changes of roles: looked at before they are asked for, decided on by a second person, in force from their day on.

Everything that gives somebody a right goes this way. Taking a right away at once (`roles.revoke_role`) does not: whoever
sees something wrong must be able to stop it alone. A change whose day is still to come waits as a durable timer and is
checked again on that day; if it is not possible any more, the audit log says so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from identity import queries
from identity.access import today
from identity.approvals import register_executor, request_approval
from identity.errors import SamePerson
from identity.kinds import ADMINISTRATORS, Role
from identity.models import Membership, Organisation, Person, Region, RoleGrantRow, Site
from identity.people import end_sessions, lock_person
from identity.places import get_place
from identity.principal import Place, Principal
from identity.roles import end_grant, list_grants, refuse_mixed_roles, write_grant
from kernel import audit_log, timers
from kernel.errors import GuanjiaError, Malformed, NotFound
from kernel.ids import public_id
from kernel.settings import get_settings

GRANT: Final = "grant_role"
REVOKE: Final = "revoke_role"
# What was asked for under this name, for an administrator's role, before all roles went this way.
_GRANT_BEFORE: Final = "grant_administrator"
TIMER_KIND: Final = "role.change"
_DECIDING: Final = (Role.SECURITY_ADMIN, Role.SYSTEM_ADMIN)


@dataclass(frozen=True, slots=True)
class RoleChange:
    """One role that somebody is to hold, or (`grant_id`) to hold no longer, from a day on; None: once approved."""

    person_id: UUID
    role: Role
    place: Place
    effective_from: date | None = None
    grant_id: UUID | None = None

    @property
    def kind(self) -> str:
        return GRANT if self.grant_id is None else REVOKE


async def revocation_of(
    session: AsyncSession, person_id: UUID, grant_id: UUID, effective_from: date | None
) -> RoleChange:
    """The change that ends a role in force; NotFound where there is none."""
    row = await session.get(RoleGrantRow, grant_id)
    if row is None or row.person_id != person_id or row.revoked_at is not None:
        raise NotFound(what="rol", id=public_id("rol", grant_id))
    place = Place(row.organisation_id, row.site_id, row.region_id)
    return RoleChange(person_id, Role(row.role), place, effective_from, grant_id)


async def preview(session: AsyncSession, actor: Principal, change: RoleChange) -> dict[str, Any]:
    """Who and what would change: what they hold before and after, and whom and what the role reaches."""
    person = await _check(session, actor, change)
    before = [
        {"role": row.role, "place": await _named(session, Place(row.organisation_id, row.site_id, row.region_id))}
        for row in await list_grants(session, change.person_id, also_revoked=False)
    ]
    one = {"role": str(change.role), "place": await _named(session, change.place)}
    after = [held for held in before if held != one]
    if change.kind == GRANT:
        after = [*after, one]
    return {
        "action": "grant" if change.kind == GRANT else "revoke",
        "person": {"id": public_id("per", person.id), "name": person.name},
        **one,
        "effective_from": change.effective_from.isoformat() if change.effective_from else None,
        "before": before,
        "after": after,
        "reach": await _reach(session, change.place),
    }


async def ask_for(session: AsyncSession, actor: Principal, change: RoleChange, *, reason: str = "") -> UUID:
    """Ask for a change; a second administrator decides, neither of them the one whom it is about."""
    shown = await preview(session, actor, change)
    return await request_approval(
        session,
        kind=change.kind,
        subject=public_id("per", change.person_id),
        payload={
            # One name for each change: of two for the same person none takes the other's timer.
            "change": uuid4().hex,
            "person": str(change.person_id),
            "role": str(change.role),
            "granted_by": str(actor.person_id),
            "grant": str(change.grant_id) if change.grant_id else None,
            "effective_from": change.effective_from.isoformat() if change.effective_from else None,
            **_place_json(change.place),
            "preview": shown,
        },
        requested_by=actor.person_id,
        deciding_roles=_DECIDING,
        reason=reason,
        place=change.place,
        beneficiary_id=change.person_id,
    )


async def ask_to_grant(
    session: AsyncSession, actor: Principal, person_id: UUID, role: Role, place: Place, *, reason: str = ""
) -> UUID:
    """The same for a role from the day of the approval on."""
    return await ask_for(session, actor, RoleChange(person_id, role, place), reason=reason)


async def _check(session: AsyncSession, actor: Principal, change: RoleChange) -> Person:
    """What holds when it is asked for, and again when it comes true."""
    place = change.place
    actor.require(
        Role.SECURITY_ADMIN, organisation_id=place.organisation_id, site_id=place.site_id, region_id=place.region_id
    )
    if actor.person_id == change.person_id:
        raise SamePerson
    if change.effective_from is not None and change.effective_from < today():
        raise Malformed(reason="effective_from: a day that is past", field="effective_from")
    await _named(session, place)
    person = await lock_person(session, change.person_id)
    if change.kind == GRANT:
        if person.status == "left":
            raise NotFound(what="per", id=public_id("per", change.person_id))
        await refuse_mixed_roles(session, change.person_id, change.role)
    return person


# ---- when it was approved, and when its day has come


async def _carry_out_grant(session: AsyncSession, payload: dict[str, Any]) -> None:
    await _now_or_later(session, GRANT, payload)


async def _carry_out_revocation(session: AsyncSession, payload: dict[str, Any]) -> None:
    await _now_or_later(session, REVOKE, payload)


register_executor(GRANT, _carry_out_grant)
register_executor(_GRANT_BEFORE, _carry_out_grant)
register_executor(REVOKE, _carry_out_revocation)


async def _now_or_later(session: AsyncSession, kind: str, payload: dict[str, Any]) -> None:
    since = date.fromisoformat(payload["effective_from"]) if payload.get("effective_from") else today()
    if since > today():
        begins_at = datetime.combine(since, time(), get_settings().zone)
        await timers.schedule(session, TIMER_KIND, payload["change"], begins_at, {"kind": kind, **payload})
    else:
        await _do(session, kind, payload)


async def begin_change(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work. What has become impossible meanwhile is noted and not tried again."""
    kind = timer.payload["kind"]
    try:
        await _do(session, kind, timer.payload)
    except GuanjiaError as refusal:
        subject = public_id("per", UUID(timer.payload["person"]))
        data = {"kind": kind, "role": timer.payload["role"], "code": refusal.code}
        await audit_log.record(session, actor="system", action="role.change_failed", subject=subject, data=data)


async def _do(session: AsyncSession, kind: str, payload: dict[str, Any]) -> None:
    person_id, role = UUID(payload["person"]), Role(payload["role"])
    person = await lock_person(session, person_id)
    asker = UUID(payload["granted_by"])
    if kind == REVOKE:
        await end_grant(session, person_id, UUID(payload["grant"]), by=asker)
        return
    if person.status == "left":
        raise NotFound(what="per", id=public_id("per", person_id))
    await refuse_mixed_roles(session, person_id, role)
    await write_grant(session, person_id, role, _place_of_json(payload), granted_by=asker)
    if role in ADMINISTRATORS:
        # The sign-ins that they have were opened as somebody who needed no second factor.
        await end_sessions(session, person_id)


async def ends_of(session: AsyncSession, grants: Collection[UUID]) -> dict[UUID, date]:
    """Of these roles, those whose end was approved and is still to come: the day from which each counts no longer."""
    waiting = await timers.waiting(session, TIMER_KIND, "grant", [str(grant) for grant in grants])
    found: dict[UUID, date] = {}
    for timer in waiting:
        # Of two ends that were approved the earlier one is its end.
        found.setdefault(UUID(timer.payload["grant"]), date.fromisoformat(timer.payload["effective_from"]))
    return found


# ---- places by name, and how far they reach


async def _named(session: AsyncSession, place: Place) -> dict[str, str | None]:
    """NotFound for a place that does not exist."""
    row: Organisation | Site | Region
    if place.organisation_id is not None:
        kind, prefix, row = "organisation", "org", await get_place(session, Organisation, place.organisation_id)
    elif place.site_id is not None:
        kind, prefix, row = "site", "sit", await get_place(session, Site, place.site_id)
    elif place.region_id is not None:
        kind, prefix, row = "region", "reg", await get_place(session, Region, place.region_id)
    else:
        return {"kind": "everywhere", "id": None, "name_zh": None, "name_en": None}
    return {"kind": kind, "id": public_id(prefix, row.id), "name_zh": row.name_zh, "name_en": row.name_en}


async def _reach(session: AsyncSession, place: Place) -> dict[str, int]:
    """How many organisations, sites and people of today lie within."""
    cover = await queries.find_cover(
        session, organisation_id=place.organisation_id, site_id=place.site_id, region_id=place.region_id
    )
    people = select(func.count()).select_from(Membership).where(Membership.valid.contains(today()))
    if place.is_everywhere:
        return {
            "organisations": await session.scalar(select(func.count()).select_from(Organisation)) or 0,
            "sites": await session.scalar(select(func.count()).select_from(Site)) or 0,
            "people": await session.scalar(people) or 0,
        }
    return {
        "organisations": len(cover.organisations),
        "sites": len(cover.sites),
        "people": await session.scalar(people.where(Membership.organisation_id.in_(cover.organisations))) or 0,
    }


def _place_json(place: Place) -> dict[str, str | None]:
    named = {"organisation": place.organisation_id, "site": place.site_id, "region": place.region_id}
    return {name: str(identifier) if identifier else None for name, identifier in named.items()}


def _place_of_json(payload: dict[str, Any]) -> Place:
    organisation, site, region = (payload[name] for name in ("organisation", "site", "region"))
    return Place(
        UUID(organisation) if organisation else None,
        UUID(site) if site else None,
        UUID(region) if region else None,
    )
