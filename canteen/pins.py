"""The PINs that cashiers and supervisors sign with at a till: hashed like passwords, their guesses counted before they
are checked, and locked for a while after five wrong ones."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from canteen.errors import TillPinLocked, TillPinMissing, TillPinTooWeak, TillPinWrong
from canteen.models import TillPin
from identity.api import (
    AttemptPolicy,
    Principal,
    Role,
    count_attempt,
    forget_attempts,
    hash_password,
    people_with_roles_at,
    principal_of,
    today,
    verify_password,
)
from kernel import audit_log, clock
from kernel.db import Database
from kernel.errors import Forbidden, NotFound
from kernel.ids import public_id

TILL_ROLES: Final = (Role.CASHIER, Role.CANTEEN_MANAGER)
_GUESSES: Final = AttemptPolicy(5, timedelta(minutes=15), timedelta(minutes=1), timedelta(minutes=15))
_PIN_LENGTHS: Final = range(6, 9)


def check_pin_strength(pin: str) -> None:
    """Six to eight digits that nobody tries first: not one digit alone, not counted up or down."""
    if len(pin) not in _PIN_LENGTHS or not (pin.isascii() and pin.isdigit()):
        raise TillPinTooWeak(field="pin")
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    if steps in ({0}, {1}, {-1}):
        raise TillPinTooWeak(field="pin")


async def set_pin(db: Database, person_id: UUID, pin: str, *, actor: str) -> None:
    """Give somebody a PIN, or another one. What was guessed in vain before is forgotten."""
    check_pin_strength(pin)
    pin_hash = await hash_password(pin)
    async with db.session() as session:
        values = {"pin_hash": pin_hash, "changed_by": actor, "changed_at": clock.now()}
        await session.execute(
            insert(TillPin)
            .values(person_id=person_id, **values)
            .on_conflict_do_update(index_elements=[TillPin.person_id], set_=values)
        )
        await forget_attempts(session, _key(person_id))
        await audit_log.record(
            session, actor=actor, action="till_pin.set", subject=public_id("per", person_id), data={}
        )


async def has_pin(session: AsyncSession, person_id: UUID) -> bool:
    """Whether somebody has one already."""
    return await session.get(TillPin, person_id) is not None


async def verify_pin(db: Database, person_id: UUID, pin: str, site_id: UUID) -> Principal:
    """Whoever signs, if the PIN is theirs and they work at this counter."""
    async with db.session() as session:
        wait_s = await count_attempt(session, _key(person_id), _GUESSES)
        pin_hash = await session.scalar(select(TillPin.pin_hash).where(TillPin.person_id == person_id))
        signer = await _worker_at(session, person_id, site_id)
    if wait_s:
        raise TillPinLocked(retry_after_s=wait_s)
    if pin_hash is None:
        raise TillPinMissing(person=public_id("per", person_id))
    if not await verify_password(pin_hash, pin):
        raise TillPinWrong
    async with db.session() as session:
        await forget_attempts(session, _key(person_id))
    return signer


async def _worker_at(session: AsyncSession, person_id: UUID, site_id: UUID) -> Principal:
    try:
        signer = await principal_of(session, person_id, today())
    except NotFound:
        raise Forbidden(roles=[role.value for role in TILL_ROLES]) from None
    signer.require(*TILL_ROLES, site_id=site_id)
    return signer


def _key(person_id: UUID) -> str:
    return f"till_pin:{person_id}"


@dataclass(frozen=True, slots=True)
class TillWorker:
    """Somebody who may work at a canteen's tills."""

    person_id: UUID
    name: str
    is_supervisor: bool
    has_pin: bool


async def till_workers(session: AsyncSession, site_id: UUID) -> list[TillWorker]:
    """The cashiers and supervisors of a canteen, by name."""
    holders = await people_with_roles_at(session, site_id, TILL_ROLES)
    with_pin = set(
        await session.scalars(select(TillPin.person_id).where(TillPin.person_id.in_([holder.id for holder in holders])))
    )
    return [
        TillWorker(holder.id, holder.name, Role.CANTEEN_MANAGER in holder.roles, holder.id in with_pin)
        for holder in holders
    ]
