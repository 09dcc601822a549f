"""Paying by staff number and PIN, for somebody with neither phone nor card at hand.

A PIN is hashed like a password (argon2), and tries are counted before they are checked: a hundred at once count as a
hundred. A staff number that nobody has is counted and takes as long as one that somebody has.
"""

from datetime import timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import (
    AttemptPolicy,
    count_attempt,
    find_active_person,
    forget_attempts,
    hash_password,
    person_summary,
    verify_password,
)
from kernel import clock
from kernel.audit_log import record
from kernel.db import Database
from kernel.ids import public_id
from payments import queries
from payments.errors import PinTooWeak
from payments.models import PaymentPin
from payments.posting_rule import DenyCode, Refusal

PIN_LENGTH: Final = 6
# A tenth of a thousandth of all PINs at the most, before it locks for a quarter of an hour, then twice as long.
GUESSES: Final = AttemptPolicy(5, timedelta(hours=1), timedelta(minutes=15), timedelta(hours=24))


def check_pin_strength(pin: str, staff_number: str | None) -> None:
    """Six digits that nobody tries first: not one digit repeated, no run, not in the staff number."""
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    if steps in ({0}, {1}, {-1}) or (staff_number is not None and pin in staff_number):
        raise PinTooWeak(field="pin")


async def set_pin(db: Database, person_id: UUID, pin: str, *, actor: str) -> None:
    """Give oneself a PIN, or a new one; what was guessed before is forgotten."""
    async with db.session() as session:
        await queries.find_holder_key(session, person_id)
        summary = (await person_summary(session, [person_id]))[person_id]
    check_pin_strength(pin, summary.staff_number)
    pin_hash = await hash_password(pin)
    async with db.session() as session:
        values = {"pin_hash": pin_hash, "changed_at": clock.now()}
        await session.execute(
            insert(PaymentPin)
            .values(person_id=person_id, **values)
            .on_conflict_do_update(index_elements=[PaymentPin.person_id], set_=values)
        )
        if summary.staff_number is not None:
            await forget_attempts(session, _key(summary.staff_number))
        await _audit(session, person_id, "set", actor)


async def clear_pin(session: AsyncSession, person_id: UUID, *, actor: str) -> None:
    """Without a PIN nobody pays by this staff number."""
    await session.execute(delete(PaymentPin).where(PaymentPin.person_id == person_id))
    await _audit(session, person_id, "clear", actor)


async def has_pin(session: AsyncSession, person_id: UUID) -> bool:
    """Whether somebody can pay by staff number and PIN."""
    return await session.get(PaymentPin, person_id) is not None


async def check_pin(db: Database, staff_number: str, pin: str) -> tuple[int, UUID] | Refusal:
    """(bucket, id) of the holder whose staff number and PIN these are; else what the till is told."""
    async with db.session() as session:
        wait_s = await count_attempt(session, _key(staff_number), GUESSES)
        person_id = await find_active_person(session, staff_number)
        row = await session.get(PaymentPin, person_id) if person_id is not None else None
        keys = await queries.holder_keys(session, [person_id]) if person_id is not None else {}
    if wait_s:
        return Refusal(DenyCode.FROZEN, {"credential": "staff_pin", "reason": "locked", "retry_after_s": wait_s})
    right = await verify_password(row.pin_hash if row is not None else None, pin)
    if not right or person_id is None or person_id not in keys:
        return Refusal(DenyCode.CODE_UNKNOWN, {"credential": "staff_pin"})
    async with db.session() as session:
        await forget_attempts(session, _key(staff_number))
    return keys[person_id]


def _key(staff_number: str) -> str:
    return f"pay_pin:{staff_number}"


async def _audit(session: AsyncSession, person_id: UUID, verb: str, actor: str) -> None:
    await record(session, actor=actor, action=f"payment_pin.{verb}", subject=public_id("per", person_id), data={})
