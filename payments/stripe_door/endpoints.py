"""Webhook endpoints: made, changed, rotated, deleted; by a merchant's program or at `/admin/developers`."""

import os
import secrets
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit_log, clock
from kernel.ids import public_id, uuid7
from kernel.sealing import seal, unseal
from kernel.settings import get_settings
from payments.states import next_state
from payments.stripe_door import queries
from payments.stripe_door.errors import InvalidRequest
from payments.stripe_door.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from payments.stripe_door.schemas import EndpointParams, merge_metadata
from payments.stripe_door.states import DELIVERY, ENDPOINT
from payments.stripe_door.webhooks import AddressGuard, AddressRefused

# For how long both secrets sign after a rotation.
ROTATION: Final = timedelta(hours=24)
ENDPOINTS_MAX: Final = 16
_NONCE_BYTES: Final = 12


def new_secret() -> str:
    """A signing secret."""
    return f"whsec_{secrets.token_urlsafe(32)}"


def _seal(secret: str) -> bytes:
    return seal(secret.encode(), os.urandom(_NONCE_BYTES))


def secrets_of(endpoint: WebhookEndpoint) -> list[str]:
    """What signs now: the secret, and the one before it for a day."""
    found = [unseal(endpoint.sealed_secret).decode()]
    if endpoint.sealed_old_secret and endpoint.old_secret_until and endpoint.old_secret_until > clock.now():
        found.append(unseal(endpoint.sealed_old_secret).decode())
    return found


def refuse_address(url: str) -> None:
    """InvalidRequest for a receiver that could never be reached; names are looked at when they are connected to."""
    parts, settings = urlsplit(url), get_settings()
    try:
        AddressGuard.of_settings(settings).refuse_literal(parts.hostname or "")
    except AddressRefused:
        raise InvalidRequest(
            "Invalid URL: URL must be publicly accessible, or in a network that the operator allows.",
            code="url_invalid",
            param="url",
        ) from None


async def create_endpoint(
    session: AsyncSession, site_id: UUID, params: EndpointParams, *, actor: str
) -> tuple[WebhookEndpoint, str]:
    """A new receiver of a merchant, and the secret that signs for it, told this once."""
    assert params.url is not None, "creating needs a URL"
    refuse_address(params.url)
    count = await session.scalar(
        select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.site_id == site_id)
    )
    if (count or 0) >= ENDPOINTS_MAX:
        raise InvalidRequest(f"You have reached the maximum of {ENDPOINTS_MAX} webhook endpoints.")
    secret = new_secret()
    endpoint = WebhookEndpoint(
        id=uuid7(),
        site_id=site_id,
        url=params.url,
        enabled_events=params.enabled_events or [],
        description=params.description or None,
        metadata_json=merge_metadata("{}", params.metadata),
        state="enabled",
        sealed_secret=_seal(secret),
        sealed_old_secret=None,
        old_secret_until=None,
        failing_since=None,
        created_at=clock.now(),
    )
    session.add(endpoint)
    await session.flush()
    await _record(session, endpoint, "make", actor)
    return endpoint, secret


async def update_endpoint(
    session: AsyncSession, site_id: UUID, endpoint_id: UUID, params: EndpointParams, *, actor: str
) -> WebhookEndpoint:
    """Change what is given."""
    endpoint = await queries.lock_endpoint(session, endpoint_id, site_id)
    if params.url is not None:
        refuse_address(params.url)
        endpoint.url = params.url
    if params.enabled_events is not None:
        endpoint.enabled_events = params.enabled_events
    if params.description is not None:
        endpoint.description = params.description or None
    endpoint.metadata_json = merge_metadata(endpoint.metadata_json, params.metadata)
    await session.flush()
    await _record(session, endpoint, "edit", actor)
    if params.disabled is not None and params.disabled != (endpoint.state == "disabled"):
        await switch_endpoint(session, endpoint, "disable" if params.disabled else "enable", actor=actor)
    return endpoint


async def switch_endpoint(session: AsyncSession, endpoint: WebhookEndpoint, trigger: str, *, actor: str) -> None:
    """Disable, enable, or give up. What was to be sent to a disabled receiver is abandoned; it can be redelivered."""
    endpoint.state = next_state(ENDPOINT, endpoint.state, trigger)
    if endpoint.state == "enabled":
        endpoint.failing_since = None
    else:
        await session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == "pending")
            .values(state=DELIVERY["pending", "abandon"])
        )
    await session.flush()
    await _record(session, endpoint, trigger, actor)


async def rotate_secret(session: AsyncSession, endpoint: WebhookEndpoint, *, actor: str) -> str:
    """A new secret; the old one signs beside it for a day."""
    secret = new_secret()
    endpoint.sealed_old_secret, endpoint.old_secret_until = endpoint.sealed_secret, clock.now() + ROTATION
    endpoint.sealed_secret = _seal(secret)
    await session.flush()
    await _record(session, endpoint, "rotate_secret", actor)
    return secret


async def delete_endpoint(session: AsyncSession, endpoint: WebhookEndpoint, *, actor: str) -> None:
    """Away with it, and with the log of its deliveries."""
    await _record(session, endpoint, "delete", actor)
    for table in (WebhookAttempt, WebhookDelivery):
        await session.execute(delete(table).where(table.endpoint_id == endpoint.id))
    await session.delete(endpoint)
    await session.flush()


async def redeliver(session: AsyncSession, endpoint: WebhookEndpoint, ordinal: int, *, actor: str) -> bool:
    """Send an event again, now; False where this receiver was never to hear of it."""
    delivery = await session.scalar(
        select(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.ordinal == ordinal)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if delivery is None:
        return False
    delivery.state = next_state(DELIVERY, delivery.state, "redeliver")
    # A redelivery has three days of its own.
    delivery.next_at = delivery.first_at = clock.now()
    await session.flush()
    await _record(session, endpoint, "redeliver", actor)
    return True


async def _record(session: AsyncSession, endpoint: WebhookEndpoint, verb: str, actor: str) -> None:
    await audit_log.record(
        session,
        actor=actor,
        action=f"webhook_endpoint.{verb}",
        subject=public_id("we", endpoint.id),
        data={"site": public_id("sit", endpoint.site_id), "url": endpoint.url},
    )
