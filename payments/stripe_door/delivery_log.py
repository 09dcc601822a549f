"""What was to be told to receivers, and what came of it: read for `/admin/developers`."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from payments.stripe_door.models import DoorEvent, WebhookAttempt, WebhookDelivery, WebhookEndpoint


class Entry(NamedTuple):
    """A delivery, its event, and every try, the oldest first."""

    delivery: WebhookDelivery
    event: DoorEvent
    attempts: Sequence[WebhookAttempt]


async def endpoints_of(session: AsyncSession, site_id: UUID) -> Sequence[WebhookEndpoint]:
    """A merchant's receivers, newest first."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.site_id == site_id).order_by(WebhookEndpoint.id.desc())
    return (await session.scalars(query)).all()


async def waiting_at(session: AsyncSession, endpoint_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many events each of these receivers has still to hear of."""
    rows = await session.execute(
        select(WebhookDelivery.endpoint_id, func.count().label("waiting"))
        .where(WebhookDelivery.endpoint_id.in_(endpoint_ids), WebhookDelivery.state == "pending")
        .group_by(WebhookDelivery.endpoint_id)
    )
    return {row.endpoint_id: row.waiting for row in rows}


async def deliveries_of(
    session: AsyncSession, endpoint_id: UUID, limit: int, before: UUID | None, *, only: int | None = None
) -> list[Entry]:
    """Newest first, one more than the limit; `before` is an event's id, `only` one event's ordinal."""
    query = (
        select(WebhookDelivery, DoorEvent)
        .join(DoorEvent, DoorEvent.ordinal == WebhookDelivery.ordinal)
        .where(WebhookDelivery.endpoint_id == endpoint_id)
        .order_by(WebhookDelivery.ordinal.desc())
        .limit(limit + 1)
    )
    if before is not None:
        last = select(DoorEvent.ordinal).where(DoorEvent.id == before).scalar_subquery()
        query = query.where(WebhookDelivery.ordinal < last)
    if only is not None:
        query = query.where(WebhookDelivery.ordinal == only)
    found = (await session.execute(query)).all()
    tries: dict[int, list[WebhookAttempt]] = defaultdict(list)
    for attempt in await session.scalars(
        select(WebhookAttempt)
        .where(
            WebhookAttempt.endpoint_id == endpoint_id,
            WebhookAttempt.ordinal.in_([delivery.ordinal for delivery, _ in found]),
        )
        .order_by(WebhookAttempt.attempt)
    ):
        tries[attempt.ordinal].append(attempt)
    return [Entry(delivery, event, tries[delivery.ordinal]) for delivery, event in found]
