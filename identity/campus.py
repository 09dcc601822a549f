"""Signing in by the campus's own sign-in (OpenID Connect): who comes back is matched to a person, and nothing more.

The first time by staff number, from then on by the provider's subject, which never changes hands. Nobody is opened and
no right is made: whoever is not known here stays outside. An administrator needs a second factor of ours as well, so
that whoever runs the provider does not run this house.

One way through: a browser leaves with a state and comes back with it, once, within ten minutes, and it must be the
same browser. The page then fetches its sign-in by a POST with a cookie; no token ever stands in an address.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity import campus_provider
from identity.campus_provider import Claims
from identity.errors import CampusFailed, CampusNeedsSecondFactor, CampusUnknown, SignInGone
from identity.models import CampusIdentity, CampusSignIn, Person
from identity.people import lock_person
from identity.roles import holds_administrators_role
from identity.second_factor import find_factor
from identity.sign_in import PAGE_LIFE, SignedIn, WaitsFor, open_pending, open_session_or_half, take_pending
from identity.tokens import hash_token
from kernel import audit_log, clock
from kernel.db import Database
from kernel.ids import public_id
from kernel.settings import get_settings

LIFE_S: Final = 600
PAGE_S: Final = int(PAGE_LIFE.total_seconds())


@dataclass(frozen=True, slots=True)
class WayThere:
    """Where the browser goes, and what it keeps so that it is known when it comes back."""

    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class WayBack:
    """What was remembered of a browser that went to sign in."""

    nonce: str
    code_verifier: str
    return_to: str


async def begin(db: Database, callback: str, return_to: str) -> WayThere:
    """Send a browser to the campus's sign-in."""
    state, nonce, code_verifier, browser = (secrets.token_urlsafe(48) for _ in range(4))
    address = await campus_provider.way_there(callback, state, nonce, code_verifier)
    async with db.session() as session:
        session.add(
            CampusSignIn(
                state_hash=hash_token(state),
                browser_hash=hash_token(browser),
                nonce=nonce,
                code_verifier=code_verifier,
                return_to=return_to,
                expires_at=clock.now() + timedelta(seconds=LIFE_S),
            )
        )
    return WayThere(address, browser)


async def take_back(db: Database, state: str, browser: str) -> WayBack:
    """A browser has come back: with a state that we gave, to this very browser, not long ago, for the first time."""
    campus_provider.issuer_of(get_settings())
    async with db.session() as session:
        found = await session.execute(
            delete(CampusSignIn)
            .where(
                CampusSignIn.state_hash == hash_token(state),
                CampusSignIn.browser_hash == hash_token(browser),
                CampusSignIn.expires_at > clock.now(),
            )
            .returning(CampusSignIn.nonce, CampusSignIn.code_verifier, CampusSignIn.return_to)
        )
        row = found.one_or_none()
    if row is None:
        raise SignInGone
    return WayBack(*row)


async def finish(db: Database, way: WayBack, callback: str, code: str | None, error: str | None) -> str:
    """Find out who it is; what comes back is the token by which the page fetches the sign-in."""
    if error is not None or not code:
        raise CampusFailed
    claims = await campus_provider.ask_who(callback, code, way.nonce, way.code_verifier)
    async with db.session() as session:
        person_id = await _match(session, claims)
        await lock_person(session, person_id)
        if await holds_administrators_role(session, person_id) and await find_factor(session, person_id) is None:
            raise CampusNeedsSecondFactor
        return (await open_pending(session, person_id, WaitsFor.PAGE, PAGE_LIFE)).token


async def fetch(db: Database, token: str) -> SignedIn:
    """The page takes its sign-in, or the first half of one."""
    async with db.session() as session:
        return await open_session_or_half(session, await take_pending(session, token, WaitsFor.PAGE))


async def _match(session: AsyncSession, claims: Claims) -> UUID:
    """Who this subject is here. CampusUnknown for whoever is nobody, is somebody else's number, or may not sign in."""
    known = await session.scalar(
        select(CampusIdentity.person_id).where(
            CampusIdentity.issuer == claims.issuer, CampusIdentity.subject == claims.subject
        )
    )
    person_id = known or await _link(session, claims)
    status = await session.scalar(select(Person.status).where(Person.id == person_id))
    if person_id is None or status != "active":
        raise CampusUnknown
    return person_id


async def _link(session: AsyncSession, claims: Claims) -> UUID | None:
    """The first time: by staff number, if nobody else of the campus is that person already."""
    if not claims.staff_number:
        return None
    person_id = await session.scalar(
        select(Person.id).where(Person.staff_number == claims.staff_number, Person.status == "active")
    )
    if person_id is None:
        return None
    linked = await session.scalar(
        insert(CampusIdentity)
        .values(issuer=claims.issuer, subject=claims.subject, person_id=person_id, linked_at=clock.now())
        .on_conflict_do_nothing()
        .returning(CampusIdentity.person_id)
    )
    if linked is None:
        return None
    subject = public_id("per", person_id)
    data = {"issuer": claims.issuer, "staff_number": claims.staff_number}
    await audit_log.record(session, actor=subject, action="campus_identity.link", subject=subject, data=data)
    return person_id
