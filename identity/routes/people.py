"""`/v1/people`: who there is, where they belong, what they may do, how they sign in."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from sqlalchemy.ext.asyncio import AsyncSession

from identity import lists, people, role_changes, roles, second_factor, sign_in
from identity.access import CurrentPerson, today
from identity.errors import (
    AdministratorsApart,
    AlreadyExists,
    LastAdministrator,
    MembershipOverlaps,
    SamePerson,
)
from identity.events import optional_id
from identity.getting_in_schemas import CredentialReset
from identity.kinds import ADMINISTRATORS, PersonClass, Role
from identity.lists import PeopleFilter, PersonRow, Slice
from identity.models import RoleGrantRow
from identity.people import NewPerson
from identity.principal import Place, Principal
from identity.role_changes import RoleChange
from identity.routes.places import SearchQuery, given, optional
from identity.schemas import (
    GrantAnswer,
    GrantEnd,
    GrantView,
    MembershipChange,
    MembershipInfo,
    NamedPlace,
    NewGrant,
    NewPersonBody,
    PersonChange,
    PersonDetail,
    PersonView,
    PublicId,
    RoleChangePreview,
)
from identity.states import PERSON, allowed_triggers
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id

router = APIRouter(tags=["people"])
READERS = (*sorted(ADMINISTRATORS), Role.FINANCE)
_READ = raises(Unauthenticated, Forbidden, NotFound)
_WRITE = raises(Unauthenticated, Forbidden, NotFound, AlreadyExists)


# ---- lists and one person


@router.get("/v1/people", responses=_READ)
async def get_people(
    person: CurrentPerson,
    session: SessionDep,
    q: SearchQuery = None,
    organisation: PublicId | None = None,
    status: Literal["active", "suspended", "left"] | None = None,
    order: Literal["newest", "name"] = "newest",
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[PersonView]:
    """People within the reader's reach: newest first, or by name in the order of pinyin."""
    if not person.holds(*READERS):
        raise Forbidden
    rows = await lists.list_people(
        session,
        Slice(limit, optional("per", starting_after)),
        PeopleFilter(q, optional("org", organisation), status),
        today=today(),
        cover=person.cover_of(*READERS),
        order=order,
    )
    return page_of([PersonView(**_person(row)) for row in rows], limit)


@router.post("/v1/people", status_code=201, responses=_WRITE)
async def post_person(body: NewPersonBody, person: CurrentPerson, session: SessionDep) -> PersonDetail:
    """Open somebody, with their first membership."""
    organisation_id = parse_public_id("org", body.organisation)
    person.require(Role.SYSTEM_ADMIN, organisation_id=organisation_id)
    refuse_backward_days(body)
    new = NewPerson(**body.model_dump(exclude={"organisation"}), organisation_id=organisation_id)
    person_id = await people.open_person(session, new, actor=person.actor)
    return await _detail(session, person_id)


@router.get("/v1/people/{who}", responses=_READ)
async def get_person(who: PublicId, person: CurrentPerson, session: SessionDep) -> PersonDetail:
    person_id = await _within_reach(session, person, who, *READERS)
    return await _detail(session, person_id)


@router.patch("/v1/people/{who}", responses=_WRITE)
async def patch_person(who: PublicId, body: PersonChange, person: CurrentPerson, session: SessionDep) -> PersonDetail:
    person_id = await _within_reach(session, person, who, Role.SYSTEM_ADMIN)
    changes = given(body, "name", "staff_number", "phone", "email", "language")
    await people.edit_person(session, person_id, changes, actor=person.actor)
    return await _detail(session, person_id)


@router.post("/v1/people/{who}/membership", responses=_WRITE | raises(MembershipOverlaps, AlreadyExists))
async def post_membership(
    who: PublicId, body: MembershipChange, person: CurrentPerson, session: SessionDep
) -> PersonDetail:
    """From a day on somebody belongs elsewhere, as another class, or nowhere."""
    person_id = await _within_reach(session, person, who, Role.SYSTEM_ADMIN)
    organisation_id = optional("org", body.organisation)
    if organisation_id is not None:
        person.require(Role.SYSTEM_ADMIN, organisation_id=organisation_id)
    refuse_backward_days(body)
    fields = body.model_dump(exclude={"organisation"})
    await people.change_membership(session, person_id, **fields, organisation_id=organisation_id, actor=person.actor)
    return await _detail(session, person_id)


# ---- roles


@router.get("/v1/people/{who}/roles", responses=_READ)
async def get_roles(
    who: PublicId, person: CurrentPerson, session: SessionDep, which: Literal["in_force", "all"] = "in_force"
) -> Page[GrantView]:
    """All roles of a person at once: `has_more` is always false."""
    person_id = await _within_reach(session, person, who, *sorted(ADMINISTRATORS))
    grants = await roles.list_grants(session, person_id, also_revoked=which == "all")
    ends = await role_changes.ends_of(session, [grant.id for grant in grants if grant.revoked_at is None])
    return Page(data=[_grant(grant, ends.get(grant.id)) for grant in grants], has_more=False)


_ROLE = _READ | {403: raises(Forbidden, SamePerson, AdministratorsApart)[403]}


@router.post("/v1/people/{who}/roles/preview", responses=_ROLE)
async def post_role_preview(
    who: PublicId, body: NewGrant, person: CurrentPerson, session: SessionDep
) -> RoleChangePreview:
    """Who and what a new role would change; nothing is asked for yet."""
    change = await _new_role(session, person, who, body)
    return RoleChangePreview(**await role_changes.preview(session, person, change))


@router.post("/v1/people/{who}/roles", status_code=201, responses=_ROLE)
async def post_role(who: PublicId, body: NewGrant, person: CurrentPerson, session: SessionDep) -> GrantAnswer:
    """Ask for a role. A second administrator decides, and it counts from its day on."""
    change = await _new_role(session, person, who, body)
    approval_id = await role_changes.ask_for(session, person, change, reason=body.reason)
    return GrantAnswer(status="pending", approval=public_id("apr", approval_id))


async def _new_role(session: AsyncSession, person: Principal, who: str, body: NewGrant) -> RoleChange:
    person_id = await _within_reach(session, person, who, Role.SECURITY_ADMIN)
    place = Place(optional("org", body.organisation), optional("sit", body.site), optional("reg", body.region))
    if body.role is Role.EMPLOYEE or sum(name is not None for name in (body.organisation, body.site, body.region)) > 1:
        raise Malformed(reason="role: one that is granted, and at most one place", field="role")
    return RoleChange(person_id, body.role, place, body.effective_from)


@router.post("/v1/people/{who}/roles/{grant}/end/preview", responses=_ROLE)
async def post_role_end_preview(
    who: PublicId, grant: PublicId, body: GrantEnd, person: CurrentPerson, session: SessionDep
) -> RoleChangePreview:
    """Who and what would change if a role ended; nothing is asked for yet."""
    change = await _ended_role(session, person, who, grant, body)
    return RoleChangePreview(**await role_changes.preview(session, person, change))


@router.post("/v1/people/{who}/roles/{grant}/end", status_code=201, responses=_ROLE)
async def post_role_end(
    who: PublicId, grant: PublicId, body: GrantEnd, person: CurrentPerson, session: SessionDep
) -> GrantAnswer:
    """Ask for a role to end, from a day on. Who must stop one at once deletes it."""
    change = await _ended_role(session, person, who, grant, body)
    approval_id = await role_changes.ask_for(session, person, change, reason=body.reason)
    return GrantAnswer(status="pending", approval=public_id("apr", approval_id))


async def _ended_role(session: AsyncSession, person: Principal, who: str, grant: str, body: GrantEnd) -> RoleChange:
    person_id = await _within_reach(session, person, who, Role.SECURITY_ADMIN)
    return await role_changes.revocation_of(session, person_id, parse_public_id("rol", grant), body.effective_from)


@router.delete("/v1/people/{who}/roles/{grant}", status_code=204, responses=_READ | raises(LastAdministrator))
async def delete_role(who: PublicId, grant: PublicId, person: CurrentPerson, session: SessionDep) -> None:
    """Take a role away, at once and alone: whoever sees something wrong stops it. To give it back takes two."""
    person_id = await _within_reach(session, person, who, Role.SECURITY_ADMIN)
    await roles.revoke_role(session, person, person_id, parse_public_id("rol", grant))


# ---- how they sign in


@router.post("/v1/people/{who}/credential/reset", status_code=201, responses=_READ)
async def post_credential_reset(
    who: PublicId, body: CredentialReset, person: CurrentPerson, session: SessionDep
) -> GrantAnswer:
    """For an administrator's password: ask a second administrator to let it be taken away."""
    person_id = await _within_reach(session, person, who, Role.SECURITY_ADMIN)
    approval_id = await sign_in.ask_to_reset_credential(session, person, person_id, body.reason)
    return GrantAnswer(status="pending", approval=public_id("apr", approval_id))


@router.post("/v1/people/{who}/second_factor/reset", status_code=201, responses=_READ)
async def post_second_factor_reset(
    who: PublicId, body: CredentialReset, person: CurrentPerson, session: SessionDep
) -> GrantAnswer:
    """Somebody lost their authenticator: ask a second administrator to let it be taken away."""
    person_id = await _within_reach(session, person, who, Role.SECURITY_ADMIN, Role.SYSTEM_ADMIN)
    approval_id = await second_factor.ask_to_reset(session, person, person_id, body.reason)
    return GrantAnswer(status="pending", approval=public_id("apr", approval_id))


# ---- their status (last, because its address would take the ones above for triggers)


@router.post("/v1/people/{who}/{trigger}", responses=_READ | raises(StateConflict))
async def post_trigger(
    who: PublicId,
    trigger: Annotated[Literal["suspend", "resume", "leave", "return"], Path()],
    person: CurrentPerson,
    session: SessionDep,
) -> PersonDetail:
    """Suspend and resume are the security administrator's too; leaving and coming back are the system's."""
    may = (Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN) if trigger in ("suspend", "resume") else (Role.SYSTEM_ADMIN,)
    person_id = await _within_reach(session, person, who, *may)
    if person_id == person.person_id:
        raise SamePerson
    await people.change_person_status(session, person_id, trigger, actor=person.actor)
    return await _detail(session, person_id)


# ---- in common


def refuse_backward_days(body: NewPersonBody | MembershipChange) -> None:
    if body.valid_until is not None and body.valid_until <= body.valid_from:
        raise Malformed(reason="valid_until: a day after valid_from", field="valid_until")


async def _within_reach(session: AsyncSession, reader: Principal, who: str, *may: Role) -> UUID:
    """The person's id, if the reader holds one of the roles where that person belongs today."""
    person_id = parse_public_id("per", who)
    if not reader.holds(*may):
        raise Forbidden(roles=[str(role) for role in may])
    row = await lists.get_person(session, person_id, today())
    reader.require(*may, organisation_id=row.organisation_id)
    return person_id


def _person(row: PersonRow) -> dict[str, Any]:
    person = row.Person
    organisation = None
    if row.organisation_id is not None:
        organisation = NamedPlace(id=public_id("org", row.organisation_id), name_zh=row.name_zh, name_en=row.name_en)
    return {
        "id": public_id("per", person.id),
        "name": person.name,
        "pinyin": person.pinyin,
        "staff_number": person.staff_number,
        "phone": person.phone,
        "email": person.email,
        "username": row.username,
        "status": person.status,
        "triggers": allowed_triggers(PERSON, person.status),
        "language": person.language,
        "person_class": row.person_class,
        "organisation": organisation,
        "created_at": person.created_at,
    }


async def _detail(session: AsyncSession, person_id: UUID) -> PersonDetail:
    row = await lists.get_person(session, person_id, today())
    memberships = [
        MembershipInfo(
            organisation=NamedPlace(
                id=public_id("org", organisation.id), name_zh=organisation.name_zh, name_en=organisation.name_en
            ),
            person_class=PersonClass(membership.person_class),
            valid_from=membership.valid.lower,
            valid_until=membership.valid.upper,
        )
        for membership, organisation in await lists.memberships_of_person(session, person_id)
    ]
    return PersonDetail(**_person(row), memberships=memberships)


def _grant(row: RoleGrantRow, ends_on: date | None) -> GrantView:
    return GrantView(
        id=public_id("rol", row.id),
        role=Role(row.role),
        organisation=optional_id("org", row.organisation_id),
        site=optional_id("sit", row.site_id),
        region=optional_id("reg", row.region_id),
        granted_by=optional_id("per", row.granted_by),
        granted_at=row.granted_at,
        revoked_by=optional_id("per", row.revoked_by),
        revoked_at=row.revoked_at,
        ends_on=ends_on,
    )
