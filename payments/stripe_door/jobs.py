"""Background steps of the door, run by the worker: the courier, reversals made elsewhere, old rows away."""

from datetime import timedelta
from typing import Final

from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from kernel.handlers import run_handler
from kernel.settings import get_settings
from payments.stripe_door.courier import Courier
from payments.stripe_door.handlers import FOLLOWED, HANDLER, follow_reversals
from payments.stripe_door.webhooks import AddressGuard, Sender

ANSWERS_KEPT: Final = timedelta(days=3)
EVENTS_KEPT: Final = timedelta(days=30)


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


async def forget_old(db: Database) -> None:
    """Kept answers of three days, events of thirty and their deliveries."""
    async with db.session() as session:
        await session.execute(
            text("DELETE FROM door_requests WHERE recorded_at < :before"),
            {"before": clock.now() - ANSWERS_KEPT},
        )
    async with db.session() as session:
        last = await session.scalar(
            text("SELECT max(ordinal) FROM door_events WHERE created_at < :before"),
            {"before": clock.now() - EVENTS_KEPT},
        )
        for table in ("webhook_attempts", "webhook_deliveries", "door_events"):
            await session.execute(text(f"DELETE FROM {table} WHERE ordinal <= :last"), {"last": last or 0})  # noqa: S608
