"""Background steps of the door, run by the worker: the courier, attempts left behind, old rows away."""

from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.handlers import run_handler
from kernel.idempotency import Answer
from kernel.ids import HOUSE_BUCKET, uuid7
from kernel.settings import get_settings
from payments.answers import refusal_body
from payments.models import TerminalRequest
from payments.posting_rule import DenyCode, Refusal
from payments.stripe_door import outcomes, queries
from payments.stripe_door.confirming import keep_answers
from payments.stripe_door.courier import Courier
from payments.stripe_door.handlers import FOLLOWED, HANDLER, follow_reversals
from payments.stripe_door.intents import Intent
from payments.stripe_door.keys import EPOCH
from payments.stripe_door.models import DoorBegun, DoorRequest
from payments.stripe_door.telling import tell
from payments.stripe_door.webhooks import AddressGuard, Sender

log = structlog.get_logger(__name__)

# No attempt of a living process takes this long: its database gives up earlier.
LEFT_BEHIND_AFTER: Final = timedelta(seconds=15)
ANSWERS_KEPT: Final = timedelta(days=3)
EVENTS_KEPT: Final = timedelta(days=30)


_LOOKED_AT_ONCE: Final = 200
_OLDEST_BEGUN: Final = select(DoorBegun.id).order_by(DoorBegun.id).limit(_LOOKED_AT_ONCE)
_STILL_UNDER_WAY: Final = text("""
    SELECT DISTINCT i.site_id, i.id
      FROM door_begun b
     CROSS JOIN LATERAL unnest(b.site_ids, b.intent_ids) AS k(site_id, id)
      JOIN payment_intents i ON i.site_id = k.site_id AND i.id = k.id
     WHERE b.id = ANY(CAST(:begun AS bigint[])) AND i.state = 'processing' AND i.attempted_at < :before
""")


async def deliver_webhooks(db: Database) -> None:
    """Send webhooks, for ever."""
    sender = Sender(AddressGuard.of_settings(get_settings()))
    try:
        await Courier(db, sender).run()
    finally:
        await sender.close()


async def hear_of_reversals(db: Database) -> None:
    """Give the handler what it has not seen."""
    while await run_handler(db, HANDLER, follow_reversals, types=FOLLOWED):
        pass


async def end_left_behind(db: Database) -> int:
    """End the attempts of processes that are gone; returns how many there were."""
    before, ended = clock.now() - LEFT_BEHIND_AFTER, 0
    while True:
        async with db.session() as session:
            looked = list(await session.scalars(_OLDEST_BEGUN.where(DoorBegun.begun_at < before)))
            rows = (await session.execute(_STILL_UNDER_WAY, {"begun": looked, "before": before})).all()
        for site_id, intent_id in rows:
            async with db.session() as session:
                await _end_one(session, site_id, intent_id)
        # Only now: should we die on the way, they are looked through again.
        async with db.session() as session:
            await session.execute(delete(DoorBegun).where(DoorBegun.id.in_(looked)))
        ended += len(rows)
        if len(looked) < _LOOKED_AT_ONCE:
            return ended


async def _end_one(session: AsyncSession, site_id: UUID, intent_id: UUID) -> None:
    intent = await queries.lock_intent(session, site_id, intent_id)
    if intent.state != "processing":
        return
    outcome = await _outcome_in_the_books(session, intent)
    outcomes.apply(intent, outcome)
    await queries.write_intents(session, [intent])
    key = await session.scalar(
        select(DoorRequest.key).where(
            DoorRequest.site_id == site_id, DoorRequest.intent_id == intent_id, DoorRequest.status == 0
        )
    )
    ended = outcomes.ending_of(intent, outcome, expand_charge=False, request_id=None, key=key)
    await tell(session, ended.events)
    await keep_answers(session, [(site_id, key, ended.answer)])
    log.warning("door.attempt_ended", intent=intent.public, state=intent.state)


async def _outcome_in_the_books(session: AsyncSession, intent: Intent) -> outcomes.Outcome:
    """What became of the attempt; where the books do not know it, its number is taken, so that they never will."""
    at = clock.now()
    charge_id = uuid7(HOUSE_BUCKET, at)
    taken = await session.scalar(
        insert(TerminalRequest)
        .values(
            terminal_id=intent.attempt_by,
            epoch=EPOCH,
            seq=intent.attempt_seq,
            key=intent.attempt_key,
            body_hash=b"left behind",
            payment_id=charge_id,
            recorded_at=at,
        )
        .on_conflict_do_nothing()
        .returning(TerminalRequest.payment_id)
    )
    if taken is not None:
        body = refusal_body(Refusal(DenyCode.TERMINAL, {"reason": "left behind"}), "en", "")
        await session.execute(
            text("INSERT INTO stored_answers (id, status, body) VALUES (:id, 402, :body)"),
            {"id": charge_id, "body": body},
        )
        return outcomes.never_posted(charge_id, at)
    row = (
        await session.execute(
            text("""
                SELECT r.payment_id, a.status, a.body FROM terminal_requests r
                  LEFT JOIN stored_answers a ON a.id = r.payment_id
                 WHERE r.terminal_id = :terminal AND r.key = :key
            """),
            {"terminal": intent.attempt_by, "key": intent.attempt_key},
        )
    ).one()
    if row.body is not None:
        return outcomes.outcome_of(Answer(row.status, row.body, replayed=True), row.payment_id, at)
    paid = row.payment_id in await queries.payments_by_id(session, [row.payment_id])
    return outcomes.Outcome(at, row.payment_id) if paid else outcomes.never_posted(row.payment_id, at)


async def forget_old(db: Database) -> None:
    """Kept answers of three days, events of thirty and their deliveries."""
    async with db.session() as session:
        await session.execute(
            text("DELETE FROM door_requests WHERE recorded_at < :before AND status <> 0"),
            {"before": clock.now() - ANSWERS_KEPT},
        )
    async with db.session() as session:
        last = await session.scalar(
            text("SELECT max(ordinal) FROM door_events WHERE created_at < :before"),
            {"before": clock.now() - EVENTS_KEPT},
        )
        for table in ("webhook_attempts", "webhook_deliveries", "door_events"):
            await session.execute(text(f"DELETE FROM {table} WHERE ordinal <= :last"), {"last": last or 0})  # noqa: S608
