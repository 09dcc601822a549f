"""`/v1/sessions`, `/v1/me`, `/v1/me/password`."""

from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncSession

from identity import lists, people, sign_in
from identity.access import SESSION_COOKIE, CurrentPerson, CurrentPersonApart, today
from identity.errors import SignInLocked, WrongCredentials
from identity.events import optional_id
from identity.getting_in_schemas import EmailChange, MyEmail, PasswordChange, SignedIn, SignedInPerson, SignIn
from identity.kinds import PersonClass
from identity.models import Organisation, Region, Site
from identity.principal import Principal, RoleGrant
from identity.schemas import Grant, Me, MeChange, NamedPlace
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import TryAgain, Unauthenticated
from kernel.http import raises
from kernel.ids import public_id
from kernel.settings import get_settings

router = APIRouter(tags=["sign-in"])


@router.post("/v1/sessions", status_code=201, responses=raises(WrongCredentials, SignInLocked, TryAgain))
async def post_session(body: SignIn, response: Response, db: DatabaseDep) -> SignedIn:
    """Sign in. The token comes back for Bearer, and as the cookie `guanjia_session` for pages. Where `waits_for` is
    set, only the first half is done (`/v1/sessions/second_factor`, `/v1/sessions/enrolment`)."""
    signed_in = await sign_in.sign_in(db, body.username, body.password)
    set_session_cookie(response, signed_in)
    return SignedIn(**signed_in_fields(signed_in))


def signed_in_fields(signed_in: sign_in.SignedIn) -> dict[str, Any]:
    who = signed_in.principal
    return {
        "token": signed_in.token,
        "expires_at": signed_in.expires_at,
        "person": SignedInPerson(id=public_id("per", who.person_id), name=who.name, roles=role_names(who)),
        "waits_for": signed_in.waits_for,
    }


def set_session_cookie(response: Response, signed_in: sign_in.SignedIn) -> None:
    """For pages; half a sign-in has none."""
    if signed_in.waits_for is not None:
        return
    response.set_cookie(
        SESSION_COOKIE,
        signed_in.token,
        expires=signed_in.expires_at,
        httponly=True,
        samesite="lax",
        secure=get_settings().cookies_are_secure,
    )


@router.delete("/v1/sessions/current", status_code=204, responses=raises(Unauthenticated))
async def delete_session(person: CurrentPerson, session: SessionDep, response: Response) -> None:
    """Sign out here."""
    await sign_in.sign_out(session, person)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")


@router.get("/v1/me", responses=raises(Unauthenticated))
async def get_me(person: CurrentPerson, session: SessionDep) -> Me:
    """Who is signed in, where they belong, and what they may do."""
    return await me_of(session, person)


@router.patch("/v1/me", responses=raises(Unauthenticated))
async def patch_me(body: MeChange, person: CurrentPerson, session: SessionDep) -> Me:
    """Change one's own language."""
    await people.edit_person(session, person.person_id, {"language": body.language}, actor=person.actor)
    me = await me_of(session, person)
    return me.model_copy(update={"language": body.language})


@router.post(
    "/v1/me/password", status_code=204, responses=raises(Unauthenticated, WrongCredentials, SignInLocked, TryAgain)
)
async def post_password(body: PasswordChange, person: CurrentPersonApart, db: DatabaseDep) -> None:
    """Change one's own password; every other sign-in of this person ends."""
    await sign_in.change_password(db, person, body.present, body.new)


@router.get("/v1/me/email", responses=raises(Unauthenticated))
async def get_email(person: CurrentPerson, session: SessionDep) -> MyEmail:
    """The address that mail to oneself goes to."""
    row = await lists.get_person(session, person.person_id, today())
    return MyEmail(email=row.Person.email)


@router.put("/v1/me/email", responses=raises(Unauthenticated, WrongCredentials, SignInLocked, TryAgain))
async def put_email(body: EmailChange, person: CurrentPersonApart, db: DatabaseDep) -> MyEmail:
    """Say where one's mail goes, or (null) that there should be none."""
    await sign_in.check_own_password(db, person, body.present)
    async with db.session() as session:
        await people.edit_person(session, person.person_id, {"email": body.email}, actor=person.actor)
    return MyEmail(email=body.email)


def role_names(person: Principal) -> list[str]:
    """Each role once, in the order in which it was granted."""
    return list(dict.fromkeys(str(grant.role) for grant in person.roles))


async def me_of(session: AsyncSession, person: Principal) -> Me:
    organisations = await lists.places_by_id(session, Organisation, {person.organisation_id, person.unit_id})
    regions = await lists.places_by_id(session, Region, {person.region_id})
    return Me(
        id=public_id("per", person.person_id),
        name=person.name,
        person_class=PersonClass(person.person_class) if person.person_class else None,
        organisation=named("org", organisations.get(person.organisation_id) if person.organisation_id else None),
        unit=named("org", organisations.get(person.unit_id) if person.unit_id else None),
        region=named("reg", regions.get(person.region_id) if person.region_id else None),
        roles=role_names(person),
        grants=[_grant(grant) for grant in person.roles],
        language=person.language,
    )


def named(prefix: str, place: Region | Organisation | Site | None) -> NamedPlace | None:
    """A place by id and names."""
    if place is None:
        return None
    return NamedPlace(id=public_id(prefix, place.id), name_zh=place.name_zh, name_en=place.name_en)


def _grant(grant: RoleGrant) -> Grant:
    return Grant(
        role=grant.role,
        organisation=optional_id("org", grant.organisation_id),
        site=optional_id("sit", grant.site_id),
        region=optional_id("reg", grant.region_id),
    )
