"""Holders: opening an account, freezing it, losing a card and getting a new one, closing it.

Every function joins the caller's transaction and takes the holder's lock first.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import AttemptPolicy, PersonClass, count_attempt, forget_attempts, person_summary
from kernel import clock
from kernel.audit_log import record
from kernel.db import Database
from kernel.errors import TooManyRequests
from kernel.ids import BUCKETS, public_id, uuid7
from kernel.outbox import publish
from payments import queries
from payments.credentials import cards
from payments.errors import BalanceLeft, CardNumberTaken
from payments.events import HolderStateChanged
from payments.lines import Line
from payments.models import Card, CardDirectory, Holder, HolderDirectory, Purse
from payments.moving import move_holder
from payments.states import CARD, HOLDER, next_state
from payments.subsidies.closing import return_lots

# The unit of those who belong to none. No unit has this id, so nothing that is for a unit's people counts for them.
NO_UNIT: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class NewHolder:
    """Who gets an account. `label` is the masked name that a canteen's board shows."""

    person_id: UUID
    unit_id: UUID
    region_id: UUID
    person_class: str
    label: str


async def open_holders(session: AsyncSession, people: Sequence[NewHolder]) -> dict[UUID, tuple[int, UUID]]:
    """Open accounts with empty purses; returns (bucket, id) by person. Who has one already keeps it."""
    existing = await queries.holder_keys(session, [person.person_id for person in people])
    missing = [person for person in people if person.person_id not in existing]
    if not missing:
        return existing
    at = clock.now()
    opened: dict[UUID, tuple[int, UUID]] = {}
    for person in missing:
        # Spread evenly and for good; the bucket never changes.
        bucket = int.from_bytes(hashlib.sha256(person.person_id.bytes).digest()[:4], "big") % BUCKETS
        opened[person.person_id] = (bucket, uuid7(bucket))
    await session.execute(
        insert(HolderDirectory),
        [
            {"person_id": person_id, "bucket": bucket, "holder_id": holder_id}
            for person_id, (bucket, holder_id) in opened.items()
        ],
    )
    await session.execute(
        insert(Holder),
        [
            {
                "bucket": opened[person.person_id][0],
                "id": opened[person.person_id][1],
                "person_id": person.person_id,
                "unit_id": person.unit_id,
                "region_id": person.region_id,
                "person_class": person.person_class,
                "label": person.label,
                "state": "active",
                "opened_at": at,
                "changed_at": at,
            }
            for person in missing
        ],
    )
    await session.execute(
        insert(Purse),
        [
            {"bucket": bucket, "holder_id": holder_id, "kind": kind, "balance_fen": 0, "held_fen": 0, "version": 0}
            for bucket, holder_id in opened.values()
            for kind in ("cash", "official")
        ],
    )
    return existing | opened


async def change_membership(
    session: AsyncSession, person_id: UUID, *, unit_id: UUID, region_id: UUID, person_class: str
) -> list[Line]:
    """Someone moved to another unit or class: prices follow from the next payment on, and so does their money, into the
    book of the unit's region. The lines are the caller's to post, last."""
    holder = await queries.lock_person(session, person_id)
    holder.unit_id, holder.person_class = unit_id, person_class
    holder.changed_at = clock.now()
    return await move_holder(session, holder, region_id)


async def end_membership(session: AsyncSession, person_id: UUID) -> None:
    """Somebody belongs to no unit any more: a guest from the next payment on, for whom no unit pays. Their money, and
    the book that it is in, stay."""
    holder = await queries.lock_person(session, person_id)
    holder.unit_id, holder.person_class = NO_UNIT, PersonClass.VISITOR.value
    holder.changed_at = clock.now()


async def change_state(session: AsyncSession, person_id: UUID, trigger: str, *, actor: str, reason: str) -> Holder:
    """Freeze, unfreeze, report lost, unlist or close an account; the card follows its holder."""
    holder = await queries.lock_person(session, person_id)
    state = next_state(HOLDER, holder.state, trigger)
    if trigger == "close":
        await _refuse_with_money_left(session, holder)
        await return_lots(session, holder)
    holder.state, holder.changed_at = state, clock.now()
    # Whatever the office does by hand is its own decision from now on.
    holder.frozen_for_suspension = False
    card = await live_card(session, holder)
    if card is not None and (card.state, trigger) in CARD:
        card.state, card.changed_at = next_state(CARD, card.state, trigger), clock.now()
    await _tell(session, holder, trigger, actor, reason)
    if trigger == "unlist":
        await _freeze_again(session, holder)
    return holder


async def follow_status(session: AsyncSession, person_id: UUID, status: str) -> None:
    """Freeze the account of somebody who may not act for the house now, card and PIN with it; unfreeze it when they are
    active again, if nobody but their suspension froze it. A lost account is refused everywhere as it is."""
    holder = await queries.lock_person(session, person_id)
    if status == "suspended" and holder.state == "active":
        await change_state(session, person_id, "freeze", actor="system", reason="suspended")
        holder.frozen_for_suspension = True
    elif status == "active" and holder.frozen_for_suspension:
        await change_state(session, person_id, "unfreeze", actor="system", reason="not suspended any more")


async def _freeze_again(session: AsyncSession, holder: Holder) -> None:
    """What was found or replaced while its owner is suspended lives no sooner than they are back."""
    owner = (await person_summary(session, [holder.person_id])).get(holder.person_id)
    if owner is not None:
        await follow_status(session, holder.person_id, owner.status)


async def reissue_card(session: AsyncSession, person_id: UUID, *, actor: str, number: str | None = None) -> str:
    """A first card, or a new one instead of the old one, whose number is refused from now on; a lost account lives again.

    `number` is that of a blank card, as its reader types it; without it one is made. Returned this once, and never kept.
    """
    number = f"{secrets.randbelow(10**10):010d}" if number is None else cards.check_card_number(number)
    holder = await queries.lock_person(session, person_id)
    holder.state, holder.changed_at = next_state(HOLDER, holder.state, "reissue"), clock.now()
    old = await live_card(session, holder)
    if old is not None:
        old.state, old.changed_at = next_state(CARD, old.state, "replace"), clock.now()
        await session.flush()
    await _register_card(session, holder, number)
    await _tell(session, holder, "reissue", actor, "")
    await _freeze_again(session, holder)
    return number


# Who tries numbers out to learn which of them are cards is slowed down.
TAKING: Final = AttemptPolicy(5, timedelta(hours=1), timedelta(minutes=15), timedelta(hours=24))


async def take_card(db: Database, person_id: UUID, number: str, *, actor: str) -> Card:
    """Somebody makes a blank card their own, by the number printed on it."""
    key = f"take_card:{person_id}"
    async with db.session() as session:
        wait_s = await count_attempt(session, key, TAKING)
    if wait_s:
        raise TooManyRequests(retry_after_s=wait_s)
    async with db.session() as session:
        await reissue_card(session, person_id, actor=actor, number=number)
        await forget_attempts(session, key)
        card = await live_card(session, await queries.lock_person(session, person_id))
        assert card is not None, "it was registered a moment ago"
        return card


async def _register_card(session: AsyncSession, holder: Holder, number: str) -> None:
    card_id, number_hash, at = uuid7(holder.bucket), cards.card_number_hash(number), clock.now()
    taken = await session.scalar(
        upsert(CardDirectory)
        .values(number_hash=number_hash, bucket=holder.bucket, card_id=card_id, holder_id=holder.id)
        .on_conflict_do_nothing()
        .returning(CardDirectory.card_id)
    )
    if taken is None:
        raise CardNumberTaken
    session.add(
        Card(
            bucket=holder.bucket,
            id=card_id,
            holder_id=holder.id,
            number_hash=number_hash,
            state="active",
            issued_at=at,
            changed_at=at,
        )
    )
    await session.flush()


async def live_card(session: AsyncSession, holder: Holder) -> Card | None:
    """The card that is active or lost; a holder has at most one."""
    return await session.scalar(
        select(Card).where(
            Card.bucket == holder.bucket, Card.holder_id == holder.id, Card.state.in_(("active", "lost"))
        )
    )


async def _refuse_with_money_left(session: AsyncSession, holder: Holder) -> None:
    purses = await queries.purses_of(session, holder.bucket, holder.id)
    left = {f"{kind}_fen": purse.balance_fen for kind, purse in purses.items()}
    held_fen = sum(hold.amount_fen for hold in await queries.open_holds(session, holder.bucket, holder.id))
    if any(left.values()) or held_fen:
        raise BalanceLeft(**left, held_fen=held_fen)


async def _tell(session: AsyncSession, holder: Holder, trigger: str, actor: str, reason: str) -> None:
    publish(
        session,
        HolderStateChanged(
            happened_at=clock.rfc3339(clock.now()),
            holder=public_id("hol", holder.id),
            person=public_id("per", holder.person_id),
            state=holder.state,
            trigger=trigger,
        ),
    )
    await record(
        session,
        actor=actor,
        action=f"holder.{trigger}",
        subject=public_id("hol", holder.id),
        data={"state": holder.state, "reason": reason},
    )
