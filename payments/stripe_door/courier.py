"""The courier, in the worker: takes what is due, sends it, writes down what came of it.

* At least once: a delivery is taken for a minute; if the worker dies, it is due again afterwards. Receivers know an event
  that comes twice by its id.
* In order for each intent and receiver: a delivery waits while an earlier one of the same intent is still to come.
* A receiver that fails is tried again ever more slowly for three days, then it is disabled. One that stalls holds up
  four sendings of its own and nobody else's.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter as Metric
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from payments.states import next_state
from payments.stripe_door.endpoints import secrets_of, switch_endpoint
from payments.stripe_door.models import DoorEvent, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from payments.stripe_door.states import DELIVERY
from payments.stripe_door.views import event_view, unix
from payments.stripe_door.webhooks import Sender, Tried, signature_header

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 0.3
AT_ONCE: Final = 64
AT_ONCE_TO_ONE: Final = 4
# Longer than a sending can take.
TAKEN_FOR: Final = timedelta(seconds=60)
GIVE_UP_AFTER: Final = timedelta(days=3)
_WAITS_S: Final = (5, 30, 120, 600, 1800, 3600, 7200, 14_400)
_LONGEST_WAIT_S: Final = 28_800

_deliveries = Metric("guanjia_webhooks_total", "Webhooks sent, by what came of it", ["outcome"])


def wait_after(attempts: int) -> timedelta:
    """How long after the n-th failed try the next one is due."""
    return timedelta(seconds=_WAITS_S[attempts - 1] if attempts <= len(_WAITS_S) else _LONGEST_WAIT_S)


class Parcel(NamedTuple):
    """One delivery that was taken, with all that sending it needs."""

    endpoint_id: UUID
    ordinal: int
    attempt: int
    url: str
    secrets: Sequence[str]
    payload: bytes


_TAKE: Final = text("""
    WITH due AS (
        SELECT d.endpoint_id, d.ordinal
          FROM webhook_endpoints e
         CROSS JOIN LATERAL (
               SELECT d.endpoint_id, d.ordinal
                 FROM webhook_deliveries d
                WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.next_at <= :now
                  AND NOT EXISTS (
                      SELECT 1 FROM webhook_deliveries b
                       WHERE b.endpoint_id = d.endpoint_id AND b.stream = d.stream AND b.state = 'pending'
                         AND b.ordinal < d.ordinal)
                ORDER BY d.next_at, d.ordinal
                LIMIT greatest(0, :each - coalesce(
                      (SELECT k.busy FROM unnest(CAST(:endpoints AS uuid[]), CAST(:busy AS integer[])) AS k(id, busy)
                        WHERE k.id = e.id), 0))) AS d
         WHERE e.state = 'enabled'
         LIMIT :free)
    UPDATE webhook_deliveries d SET next_at = :until, attempts = d.attempts + 1
      FROM due
     WHERE d.endpoint_id = due.endpoint_id AND d.ordinal = due.ordinal AND d.state = 'pending' AND d.next_at <= :now
    RETURNING d.endpoint_id, d.ordinal, d.attempts
""")


class Courier:
    """Sends until it is cancelled; what it had taken is due again a minute later."""

    def __init__(self, database: Database, sender: Sender) -> None:
        self._database = database
        self._sender = sender
        self._under_way: dict[asyncio.Task[None], UUID] = {}

    async def run(self) -> None:
        """For ever."""
        try:
            while True:
                if not await self.step():
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def step(self) -> int:
        """Take what is due, as far as there is room, and begin to send it; returns how many were taken."""
        free = AT_ONCE - len(self._under_way)
        if free <= 0:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            return 1
        parcels = await self._take(free)
        for parcel in parcels:
            task = asyncio.create_task(self._send(parcel))
            self._under_way[task] = parcel.endpoint_id
            task.add_done_callback(self._forget)
        return len(parcels)

    async def settle(self) -> None:
        """Until nothing is under way. For tests."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("webhook.send_failed", exc_info=error)

    async def _take(self, free: int) -> list[Parcel]:
        busy = Counter(self._under_way.values())
        now = clock.now()
        async with self._database.session() as session:
            rows = (
                await session.execute(
                    _TAKE,
                    {
                        "now": now,
                        "until": now + TAKEN_FOR,
                        "each": AT_ONCE_TO_ONE,
                        "free": free,
                        "endpoints": list(busy),
                        "busy": list(busy.values()),
                    },
                )
            ).all()
            return await _pack(session, [(row.endpoint_id, row.ordinal, row.attempts) for row in rows])

    async def _send(self, parcel: Parcel) -> None:
        started_at = clock.now()
        signature = signature_header(parcel.payload, parcel.secrets, unix(started_at))
        tried = await self._sender.post(parcel.url, parcel.payload, signature)
        _deliveries.labels("arrived" if tried.arrived else "failed").inc()
        async with self._database.session() as session:
            await note_try(session, parcel, tried, started_at)


async def _pack(session: AsyncSession, taken: Sequence[tuple[UUID, int, int]]) -> list[Parcel]:
    if not taken:
        return []
    events = {
        event.ordinal: event
        for event in await session.scalars(select(DoorEvent).where(DoorEvent.ordinal.in_([n for _, n, _ in taken])))
    }
    endpoints = {
        endpoint.id: endpoint
        for endpoint in await session.scalars(
            select(WebhookEndpoint).where(WebhookEndpoint.id.in_([identifier for identifier, _, _ in taken]))
        )
    }
    parcels = []
    for endpoint_id, ordinal, attempt in sorted(taken, key=lambda row: row[1]):
        endpoint, event = endpoints[endpoint_id], events.get(ordinal)
        if event is not None:
            payload = msgspec.json.encode(event_view(event, pending=1))
            parcels.append(Parcel(endpoint_id, ordinal, attempt, endpoint.url, secrets_of(endpoint), payload))
    return parcels


async def note_try(session: AsyncSession, parcel: Parcel, tried: Tried, started_at: datetime) -> None:
    """Write down a try; decide what is next for the delivery, and for a receiver that keeps failing."""
    endpoint = await session.scalar(
        select(WebhookEndpoint).where(WebhookEndpoint.id == parcel.endpoint_id).with_for_update()
    )
    delivery = await session.scalar(
        select(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == parcel.endpoint_id, WebhookDelivery.ordinal == parcel.ordinal)
        .with_for_update()
    )
    if endpoint is None or delivery is None:
        # The receiver was deleted while we were on our way.
        return
    await session.execute(
        insert(WebhookAttempt).values(
            endpoint_id=parcel.endpoint_id,
            ordinal=parcel.ordinal,
            attempt=parcel.attempt,
            started_at=started_at,
            took_ms=tried.took_ms,
            status=tried.status,
            error=tried.error,
            answer=tried.answer,
        )
    )
    now = clock.now()
    if tried.arrived:
        endpoint.failing_since = None
        delivery.delivered_at = now
        if delivery.state == "pending":
            delivery.state = next_state(DELIVERY, delivery.state, "deliver")
    else:
        endpoint.failing_since = endpoint.failing_since or started_at
        delivery.next_at = now + wait_after(parcel.attempt)
        if delivery.state == "pending" and now - delivery.first_at >= GIVE_UP_AFTER:
            delivery.state = next_state(DELIVERY, delivery.state, "abandon")
        if endpoint.state == "enabled" and now - endpoint.failing_since >= GIVE_UP_AFTER:
            log.warning("webhook.endpoint_given_up", url=endpoint.url)
            await session.flush()
            await switch_endpoint(session, endpoint, "give_up", actor="system")
    await session.flush()
