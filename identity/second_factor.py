"""The second factor: codes from an authenticator (TOTP), and recovery codes for the day on which it is lost.

Guesses are counted before they are checked. A code opens once: neither it nor an older one is taken again. Who has lost
both the authenticator and the recovery codes asks two administrators.
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import pyotp
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.approvals import register_executor, request_approval
from identity.attempts import SIGN_IN, count_attempt, forget_attempts
from identity.errors import SignInLocked, WrongSecondFactor
from identity.kinds import Role
from identity.models import Credential, SecondFactor
from identity.passwords import normalise_username
from identity.people import end_sessions, lock_person
from identity.principal import Principal
from identity.tokens import PAIRING_ALPHABET
from kernel import audit_log, clock
from kernel.db import Database
from kernel.errors import NotFound, StateConflict
from kernel.ids import public_id
from kernel.qr import qr_svg
from kernel.sealing import derived_key, seal, unseal

ISSUER: Final = "管家 Guanjia"
_STEP_S: Final = 30
# A clock that is half a minute off, either way.
_STEPS_AROUND: Final = (0, -1, 1)
_RECOVERY_CODES: Final = 10
_RECOVERY_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator is told, shown once."""

    secret: str
    uri: str
    qr_svg: str


async def find_factor(session: AsyncSession, person_id: UUID) -> SecondFactor | None:
    """The factor that counts, if somebody has one."""
    factor = await session.get(SecondFactor, person_id, populate_existing=True)
    return factor if factor is not None and factor.confirmed_at is not None else None


async def begin_enrolment(session: AsyncSession, person_id: UUID) -> Enrolment:
    """A new secret. It counts once a code from it has been typed in; until then another may be asked for."""
    await lock_person(session, person_id)
    if await find_factor(session, person_id) is not None:
        raise StateConflict(state="enrolled", trigger="enrol", allowed=["reset"])
    secret = pyotp.random_base32()
    values = {
        "sealed_secret": seal(secret.encode(), secrets.token_bytes(12)),
        "last_step": 0,
        "recovery_hashes": [],
        "created_at": clock.now(),
        "confirmed_at": None,
    }
    await session.execute(
        insert(SecondFactor)
        .values(person_id=person_id, **values)
        .on_conflict_do_update(index_elements=[SecondFactor.person_id], set_=values)
    )
    credential = await session.get(Credential, person_id)
    name = credential.username if credential else public_id("per", person_id)
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)
    return Enrolment(secret, uri, qr_svg(uri))


async def confirm_enrolment(db: Database, person_id: UUID, code: str) -> list[str]:
    """The first code from the new authenticator: from now on one is required. Returns the recovery codes, once."""
    await _count(db, person_id)
    async with db.session() as session:
        await lock_person(session, person_id)
        factor = await session.get(SecondFactor, person_id, populate_existing=True)
        if factor is None or factor.confirmed_at is not None:
            raise StateConflict(state="enrolled" if factor else "none", trigger="confirm", allowed=[])
        if not _take_step(factor, code):
            raise WrongSecondFactor
        codes = [_new_recovery_code() for _ in range(_RECOVERY_CODES)]
        factor.recovery_hashes = [_recovery_hash(person_id, recovery) for recovery in codes]
        factor.confirmed_at = clock.now()
        await forget_attempts(session, _key(person_id))
        subject = public_id("per", person_id)
        await audit_log.record(session, actor=subject, action="second_factor.enrol", subject=subject, data={})
    return codes


async def check_code(db: Database, person_id: UUID, code: str) -> None:
    """A code of this moment, or a recovery code; WrongSecondFactor or SignInLocked otherwise."""
    await _count(db, person_id)
    async with db.session() as session:
        await lock_person(session, person_id)
        factor = await find_factor(session, person_id)
        if factor is None or not (_take_step(factor, code) or await _take_recovery_code(session, factor, code)):
            raise WrongSecondFactor
        await forget_attempts(session, _key(person_id))


def _take_step(factor: SecondFactor, code: str) -> bool:
    """Whether it is the code of a step around now that is later than the last one used; then that step is used."""
    totp = pyotp.TOTP(unseal(factor.sealed_secret).decode())
    now = int(clock.now().timestamp()) // _STEP_S
    typed = "".join(sign for sign in code if not sign.isspace())
    matched = [
        now + offset
        for offset in _STEPS_AROUND
        if hmac.compare_digest(totp.generate_otp(now + offset).encode(), typed.encode())
    ]
    fresh = [step for step in matched if step > factor.last_step]
    if not fresh:
        return False
    factor.last_step = fresh[0]
    return True


async def _take_recovery_code(session: AsyncSession, factor: SecondFactor, code: str) -> bool:
    found = _recovery_hash(factor.person_id, code)
    if found not in factor.recovery_hashes:
        return False
    factor.recovery_hashes = [kept for kept in factor.recovery_hashes if kept != found]
    subject = public_id("per", factor.person_id)
    left = len(factor.recovery_hashes)
    await audit_log.record(session, actor=subject, action="second_factor.recover", subject=subject, data={"left": left})
    return True


def _new_recovery_code() -> str:
    signs = "".join(secrets.choice(PAIRING_ALPHABET) for _ in range(_RECOVERY_LENGTH))
    return "-".join(signs[first : first + 4] for first in range(0, _RECOVERY_LENGTH, 4))


def _recovery_hash(person_id: UUID, code: str) -> bytes:
    """Keyed: 59 bits alone could be tried out by whoever holds a copy of the table."""
    signs = "".join(sign for sign in code.upper() if sign.isalnum())
    return hmac.digest(derived_key("recovery-code"), person_id.bytes + signs.encode("utf-8", "surrogatepass"), "sha256")


def _key(person_id: UUID) -> str:
    return f"second_factor:{person_id.hex}"


async def _count(db: Database, person_id: UUID) -> None:
    """In a transaction of its own: a wrong guess must not be forgotten with the refusal that it gets."""
    async with db.session() as session:
        wait_s = await count_attempt(session, _key(person_id), SIGN_IN)
    if wait_s:
        raise SignInLocked(retry_after_s=wait_s)


# ---- lost

RESET_SECOND_FACTOR: Final = "reset_second_factor"


async def ask_to_reset(session: AsyncSession, actor: Principal, person_id: UUID, reason: str) -> UUID:
    """Somebody lost authenticator and recovery codes: ask a second administrator to let the factor be taken away."""
    await lock_person(session, person_id)
    if await find_factor(session, person_id) is None:
        raise NotFound(what="second_factor", id=public_id("per", person_id))
    return await request_approval(
        session,
        kind=RESET_SECOND_FACTOR,
        subject=public_id("per", person_id),
        payload={"person": str(person_id)},
        requested_by=actor.person_id,
        deciding_roles=(Role.SECURITY_ADMIN, Role.SYSTEM_ADMIN),
        reason=reason,
        beneficiary_id=person_id,
    )


async def _reset(session: AsyncSession, payload: dict[str, Any]) -> None:
    await _take_away(session, UUID(payload["person"]))


async def _take_away(session: AsyncSession, person_id: UUID) -> None:
    await lock_person(session, person_id)
    await session.execute(delete(SecondFactor).where(SecondFactor.person_id == person_id))
    await end_sessions(session, person_id)


async def forget_factor(session: AsyncSession, username: str, *, actor: str) -> None:
    """Whoever runs the house takes a factor away where nobody is left to agree; never behind an address."""
    person_id = await session.scalar(
        select(Credential.person_id).where(Credential.username == normalise_username(username))
    )
    if person_id is None or await find_factor(session, person_id) is None:
        raise NotFound(what="second_factor", id=username)
    await _take_away(session, person_id)
    subject = public_id("per", person_id)
    await audit_log.record(session, actor=actor, action="second_factor.forget", subject=subject, data={})


register_executor(RESET_SECOND_FACTOR, _reset)
