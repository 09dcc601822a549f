"""Reach somebody: one row for each way, in the caller's transaction. Nothing is sent here."""

from datetime import timedelta
from secrets import token_bytes
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, mail
from kernel.ids import uuid7
from kernel.sealing import seal
from kernel.settings import get_settings
from realtime.reaching.kinds import GATEWAYS, Kind
from realtime.reaching.models import Delivery
from realtime.reaching.paths import Path, paths_to
from realtime.reaching.targets import DeliveryId, Target, Words

# After that nobody would want to hear it any more.
URGENT_LIFE: Final = timedelta(minutes=15)
CALM_LIFE: Final = timedelta(hours=12)


async def reach(session: AsyncSession, *, target: Target, text: Words, ref: str, urgent: bool) -> list[DeliveryId]:
    """Say this to a target on every way that leads there; the same `ref` on the same way is said once.

    Returns the deliveries of this call and of those before it with the same `ref`.
    """
    return [await _deliver(session, path, text, ref, urgent=urgent) for path in await paths_to(session, target)]


async def _deliver(session: AsyncSession, path: Path, words: Words, ref: str, *, urgent: bool) -> UUID:
    row = _row(path, words, ref, urgent=urgent)
    written: UUID | None = await session.scalar(
        insert(Delivery).values(row).on_conflict_do_nothing(index_elements=["ref", "path"]).returning(Delivery.id)
    )
    if written is None:
        known = select(Delivery.id).where(Delivery.ref == ref, Delivery.path == path.key)
        return (await session.scalars(known)).one()
    if path.kind is Kind.MAIL:
        await _write_letter(session, written, path, words, urgent=urgent)
    return written


def _row(path: Path, words: Words, ref: str, *, urgent: bool) -> dict[str, Any]:
    now = clock.now()
    is_number = path.kind in GATEWAYS and path.address is not None
    return {
        "id": uuid7(),
        "ref": ref,
        "path": path.key,
        "kind": path.kind.value,
        "person_id": path.person_id,
        "channel_id": path.channel_id,
        "device_id": path.device_id,
        "sealed_number": seal((path.address or "").encode(), token_bytes(12)) if is_number else None,
        "language": path.language,
        "is_urgent": urgent,
        "title": words.title(path.language),
        "body": words.body(path.language),
        "link": words.link,
        "state": "pending",
        "attempts": 0,
        "due_at": now,
        "expires_at": now + (URGENT_LIFE if urgent else CALM_LIFE),
        "created_at": now,
    }


async def _write_letter(session: AsyncSession, delivery_id: UUID, path: Path, words: Words, *, urgent: bool) -> None:
    """A letter has a queue and tries of its own (kernel/mail.py); the courier only looks what became of it."""
    assert path.address is not None, "a mail path has an address"
    address = get_settings().public_url
    link = f"\n\n{address}{words.link}" if words.link and address else ""
    life = URGENT_LIFE if urgent else CALM_LIFE
    body = f"{words.body(path.language)}{link}\n"
    mail_id = await mail.write_mail(session, path.address, words.title(path.language), body, life=life)
    delivery = await session.get_one(Delivery, delivery_id)
    delivery.mail_id = mail_id
    await session.flush()
