"""Secret addresses: a person's or a bookable's calendar, and the display at a door. Only a hash of the secret is kept."""

import hashlib
import secrets
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import BookingAddress
from kernel import audit_log, clock
from kernel.errors import NotFound
from kernel.ids import public_id

AddressKind = Literal["person", "bookable", "door"]


async def make_address(session: AsyncSession, kind: AddressKind, owner_id: UUID, *, actor: str) -> str:
    """A new secret, told this once; the one before it ends."""
    token = secrets.token_urlsafe(32)
    row = {"kind": kind, "owner_id": owner_id, "token_hash": _hash(token), "created_at": clock.now()}
    changed = {name: row[name] for name in ("token_hash", "created_at")}
    await session.execute(
        insert(BookingAddress).values(row).on_conflict_do_update(index_elements=["kind", "owner_id"], set_=changed)
    )
    await _note(session, "make", kind, owner_id, actor)
    return token


async def end_address(session: AsyncSession, kind: AddressKind, owner_id: UUID, *, actor: str) -> None:
    """It leads nowhere any more."""
    chosen = delete(BookingAddress).where(BookingAddress.kind == kind, BookingAddress.owner_id == owner_id)
    await session.execute(chosen)
    await _note(session, "end", kind, owner_id, actor)


async def owner_of(session: AsyncSession, token: str, *kinds: AddressKind) -> tuple[str, UUID]:
    """Whose it is; NotFound for a secret that is wrong or ended."""
    found = await session.scalar(
        select(BookingAddress).where(BookingAddress.token_hash == _hash(token), BookingAddress.kind.in_(kinds))
    )
    if found is None:
        raise NotFound
    return found.kind, found.owner_id


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def _note(session: AsyncSession, verb: str, kind: AddressKind, owner_id: UUID, actor: str) -> None:
    subject = public_id("per" if kind == "person" else "bkb", owner_id)
    await audit_log.record(session, actor=actor, action=f"booking_address.{verb}", subject=subject, data={"kind": kind})
