"""Signing in and out, and passwords.

A guess is counted before it is checked; a name that nobody has is counted and takes as long as one that somebody has.
No password is checked while a transaction is open.

Who has a second factor is only half in after the password: what comes back then opens nothing but the second half. In
production an administrator without one sets it up before anything else.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.access import authenticate, today
from identity.approvals import register_executor, request_approval
from identity.attempts import SIGN_IN, count_attempt, forget_attempts
from identity.errors import SignInGone, SignInLocked, WrongCredentials
from identity.kinds import Role
from identity.models import Credential, PendingSignIn, Person, SignInSession
from identity.passwords import check_password_strength, hash_password, normalise_username, verify_password
from identity.people import end_sessions, lock_person
from identity.principal import Principal
from identity.queries import principal_of
from identity.roles import holds_administrators_role
from identity.second_factor import Enrolment, begin_enrolment, check_code, confirm_enrolment, find_factor
from identity.tokens import hash_token, new_pending_token, new_session_token
from identity.uniqueness import unique_or_refused
from kernel import audit_log, clock
from kernel.db import Database
from kernel.ids import public_id, uuid7
from kernel.settings import get_settings

# A phone that somebody keeps, and a desk that others pass by.
EMPLOYEE_LIFE: Final = timedelta(days=30)
DESK_LIFE: Final = timedelta(hours=12)


# Time to find the telephone and open the authenticator.
PENDING_LIFE: Final = timedelta(minutes=10)
PAGE_LIFE: Final = timedelta(minutes=2)


class WaitsFor(StrEnum):
    """What a sign-in half done waits for: a code, a second factor to be set up, or the page that asked for it."""

    CODE = "code"
    ENROLMENT = "enrolment"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new sign-in, or the first half of one. The token is nowhere else: the database knows its hash."""

    token: str
    expires_at: datetime
    principal: Principal
    waits_for: WaitsFor | None = None


async def sign_in(db: Database, username: str, password: str) -> SignedIn:
    """Check name and password and open a session, or half of one; WrongCredentials or SignInLocked otherwise."""
    key = f"sign_in:{normalise_username(username)}"
    async with _turn_of(key):
        async with db.session() as session:
            wait_s = await count_attempt(session, key, SIGN_IN)
            known = await _find_credential(session, username)
        if wait_s:
            raise SignInLocked(retry_after_s=wait_s)
        if not await verify_password(known.password_hash if known else None, password) or known is None:
            raise WrongCredentials
        async with db.session() as session:
            await forget_attempts(session, key)
            return await open_session_or_half(session, known.person_id)


def _turn_of(key: str) -> asyncio.Lock:
    """One try of a name at a time in each process: right passwords sent all at once must not count as guesses."""
    return _turns.setdefault(key, asyncio.Lock())


_turns: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()


async def _find_credential(session: AsyncSession, username: str) -> Row[UUID, str] | None:
    """The credential of somebody who may sign in."""
    found = await session.execute(
        select(Credential.person_id, Credential.password_hash)
        .join(Person, Person.id == Credential.person_id)
        .where(Credential.username == normalise_username(username), Person.status == "active")
    )
    return found.one_or_none()


async def open_session_or_half(session: AsyncSession, person_id: UUID) -> SignedIn:
    """Sign somebody in who has shown one factor: wholly where that is enough."""
    await lock_person(session, person_id)
    if await find_factor(session, person_id) is not None:
        return await open_pending(session, person_id, WaitsFor.CODE)
    if get_settings().production and await holds_administrators_role(session, person_id):
        return await open_pending(session, person_id, WaitsFor.ENROLMENT)
    return await open_session(session, person_id)


async def open_pending(
    session: AsyncSession, person_id: UUID, waits_for: WaitsFor, life: timedelta = PENDING_LIFE
) -> SignedIn:
    """The first half of a sign-in."""
    principal = await principal_of(session, person_id, today())
    token, now = new_pending_token(), clock.now()
    session.add(
        PendingSignIn(
            id=uuid7(),
            person_id=person_id,
            token_hash=hash_token(token),
            waits_for=waits_for,
            created_at=now,
            expires_at=now + life,
        )
    )
    await session.flush()
    return SignedIn(token, now + life, principal, waits_for)


async def pending_person(session: AsyncSession, token: str, waits_for: WaitsFor) -> UUID:
    """Whose half sign-in this is; SignInGone where there is none that waits for this."""
    found = await session.scalar(
        select(PendingSignIn.person_id).where(
            PendingSignIn.token_hash == hash_token(token),
            PendingSignIn.waits_for == waits_for,
            PendingSignIn.expires_at > clock.now(),
        )
    )
    if found is None:
        raise SignInGone
    return found


async def take_pending(session: AsyncSession, token: str, waits_for: WaitsFor) -> UUID:
    """Use a half sign-in up: it becomes a whole one, once."""
    gone: UUID | None = await session.scalar(
        delete(PendingSignIn)
        .where(
            PendingSignIn.token_hash == hash_token(token),
            PendingSignIn.waits_for == waits_for,
            PendingSignIn.expires_at > clock.now(),
        )
        .returning(PendingSignIn.person_id)
    )
    if gone is None:
        raise SignInGone
    return gone


async def finish_with_code(db: Database, token: str, code: str) -> SignedIn:
    """The second half: a code from the authenticator, or a recovery code."""
    async with db.session() as session:
        person_id = await pending_person(session, token, WaitsFor.CODE)
    await check_code(db, person_id, code)
    async with db.session() as session:
        return await open_session(session, await take_pending(session, token, WaitsFor.CODE))


async def begin_pending_enrolment(session: AsyncSession, token: str) -> Enrolment:
    """Set a second factor up before one is let in."""
    return await begin_enrolment(session, await pending_person(session, token, WaitsFor.ENROLMENT))


async def finish_with_enrolment(db: Database, token: str, code: str) -> tuple[SignedIn, list[str]]:
    """The first code from the new authenticator opens the door; the recovery codes come with it."""
    async with db.session() as session:
        person_id = await pending_person(session, token, WaitsFor.ENROLMENT)
    recovery_codes = await confirm_enrolment(db, person_id, code)
    async with db.session() as session:
        signed_in = await open_session(session, await take_pending(session, token, WaitsFor.ENROLMENT))
    return signed_in, recovery_codes


async def enrol_signed_in(db: Database, principal: Principal, password: str) -> Enrolment:
    """Somebody who is signed in sets a second factor up; their password shows that it is they who sit there."""
    await check_own_password(db, principal, password)
    async with db.session() as session:
        return await begin_enrolment(session, principal.person_id)


async def open_session(session: AsyncSession, person_id: UUID) -> SignedIn:
    """Sign somebody in who has shown all that is asked of them. The person's row is locked against being suspended meanwhile."""
    person = await lock_person(session, person_id)
    if person.status != "active":
        raise WrongCredentials
    token, now = new_session_token(), clock.now()
    row = SignInSession(
        id=uuid7(), person_id=person_id, token_hash=hash_token(token), created_at=now, expires_at=now + DESK_LIFE
    )
    session.add(row)
    await session.flush()
    principal = await authenticate(session, token)
    if all(grant.role == Role.EMPLOYEE for grant in principal.roles):
        row.expires_at = now + EMPLOYEE_LIFE
    await audit_log.record(
        session, actor=principal.actor, action="session.open", subject=public_id("ses", row.id), data={}
    )
    return SignedIn(token, row.expires_at, principal)


async def sign_out(session: AsyncSession, principal: Principal) -> None:
    """End the sign-in that this request came with."""
    assert principal.session_id is not None, "who calls over HTTP has a session"
    await session.execute(
        update(SignInSession).where(SignInSession.id == principal.session_id).values(revoked_at=clock.now())
    )
    await audit_log.record(
        session,
        actor=principal.actor,
        action="session.close",
        subject=public_id("ses", principal.session_id),
        data={},
    )


async def check_own_password(db: Database, principal: Principal, password: str) -> str:
    """Whether it is they who sit there: their user name, or WrongCredentials, or SignInLocked."""
    async with db.session() as session:
        credential = await session.get(Credential, principal.person_id)
        username = credential.username if credential else ""
        wait_s = await count_attempt(session, f"sign_in:{username}", SIGN_IN)
    if wait_s:
        raise SignInLocked(retry_after_s=wait_s)
    if not await verify_password(credential.password_hash if credential else None, password):
        raise WrongCredentials
    async with db.session() as session:
        await forget_attempts(session, f"sign_in:{username}")
    return username


async def change_password(db: Database, principal: Principal, present: str, new: str) -> None:
    """Somebody changes their own password; all their other sign-ins end."""
    username = await check_own_password(db, principal, present)
    check_password_strength(username, new)
    password_hash = await hash_password(new)
    async with db.session() as session:
        await write_credential(
            session, principal.person_id, username, password_hash, actor=principal.actor, keep=principal.session_id
        )


async def write_credential(
    session: AsyncSession,
    person_id: UUID,
    username: str,
    password_hash: str,
    *,
    actor: str,
    keep: UUID | None = None,
) -> None:
    """Give somebody a name and a password (`hash_password`), or new ones; their sign-ins end, except for `keep`."""
    username = normalise_username(username)
    await lock_person(session, person_id)
    values = {"username": username, "password_hash": password_hash, "changed_at": clock.now()}
    async with unique_or_refused(session):
        await session.execute(
            insert(Credential)
            .values(person_id=person_id, **values)
            .on_conflict_do_update(index_elements=[Credential.person_id], set_=values)
        )
    await end_sessions(session, person_id, except_for=keep)
    await forget_attempts(session, f"sign_in:{username}")
    await audit_log.record(
        session, actor=actor, action="credential.write", subject=public_id("per", person_id), data={}
    )


# ---- somebody else's password

RESET_CREDENTIAL: Final = "reset_credential"


async def ask_to_reset_credential(session: AsyncSession, actor: Principal, person_id: UUID, reason: str) -> UUID:
    """An administrator forgot their password: ask a second one to let it be taken away."""
    await lock_person(session, person_id)
    return await request_approval(
        session,
        kind=RESET_CREDENTIAL,
        subject=public_id("per", person_id),
        payload={"person": str(person_id)},
        requested_by=actor.person_id,
        deciding_roles=(Role.SECURITY_ADMIN, Role.SYSTEM_ADMIN),
        reason=reason,
        beneficiary_id=person_id,
    )


async def _reset_credential(session: AsyncSession, payload: dict[str, Any]) -> None:
    person_id = UUID(payload["person"])
    await lock_person(session, person_id)
    await session.execute(delete(Credential).where(Credential.person_id == person_id))
    await end_sessions(session, person_id)


register_executor(RESET_CREDENTIAL, _reset_credential)
