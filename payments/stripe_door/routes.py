"""HTTP of `/admin/developers`: a merchant's secret keys, its receivers, and what was delivered to them.

In the house's own shapes, for those who hold finance or system administration at the merchant's site. A secret is in the
one answer that makes it and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, Principal, Role, site_summary
from kernel import clock
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from payments.states import allowed
from payments.stripe_door import delivery_log, endpoints, keys, queries
from payments.stripe_door.errors import InvalidRequest, ResourceMissing
from payments.stripe_door.models import SecretKey, WebhookEndpoint
from payments.stripe_door.schemas import EVENT_TYPES, EVERY_EVENT, EndpointParams, check_event_types, check_url
from payments.stripe_door.states import ENDPOINT, SECRET_KEY

router = APIRouter(prefix="/v1/developers", tags=["developers"])

ROLES = (Role.FINANCE, Role.SYSTEM_ADMIN)
SiteQuery = Annotated[str, Query(pattern=r"^sit_[0-9a-f]{32}$", max_length=36)]
KeyId = Annotated[str, Path(pattern=r"^key_[0-9a-f]{32}$", max_length=36)]
EndpointId = Annotated[str, Path(pattern=r"^we_[0-9a-f]{32}$", max_length=35)]
EventId = Annotated[str, Path(pattern=r"^evt_[0-9a-f]{32}$", max_length=36)]


class KeyView(BaseModel):
    """A secret key, without its secret."""

    id: str
    site: str
    name: str
    hint: str
    state: str
    allowed: list[str]
    made_by: str
    made_at: str
    revoked_at: str | None


class NewKey(BaseModel):
    """For which merchant, and what it is for."""

    site: str = Field(pattern=r"^sit_[0-9a-f]{32}$")
    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00]*\S[^\x00]*$")


class MadeKeyView(BaseModel):
    """The new key; its secret is told this once."""

    key: KeyView
    secret: str


class EndpointView(BaseModel):
    """A receiver, without its secret."""

    id: str
    site: str
    url: str
    enabled_events: list[str]
    description: str | None
    state: str
    allowed: list[str]
    failing_since: str | None
    pending: int
    created_at: str


class NewEndpoint(BaseModel):
    """A receiver of a merchant."""

    site: str = Field(pattern=r"^sit_[0-9a-f]{32}$")
    url: str = Field(min_length=8, max_length=2000)
    enabled_events: list[str] = Field(default=[EVERY_EVENT], min_length=1, max_length=len(EVENT_TYPES) + 1)
    description: str = Field(default="", max_length=500, pattern=r"^[^\x00]*$")


class EditedEndpoint(BaseModel):
    """What is to be changed; what is absent stays."""

    url: str | None = Field(default=None, min_length=8, max_length=2000)
    enabled_events: list[str] | None = Field(default=None, min_length=1, max_length=len(EVENT_TYPES) + 1)
    description: str | None = Field(default=None, max_length=500, pattern=r"^[^\x00]*$")


class MadeEndpointView(BaseModel):
    """The new receiver; its signing secret is told this once."""

    endpoint: EndpointView
    secret: str


class SecretView(BaseModel):
    """A new signing secret; the old one signs beside it for a day."""

    secret: str


class AttemptView(BaseModel):
    """One try at a delivery."""

    started_at: str
    took_ms: int
    status: int | None
    error: str | None
    answer: str


class DeliveryView(BaseModel):
    """One event for one receiver, with every try."""

    event: str
    type: str
    intent: str
    state: str
    created_at: str
    next_at: str | None
    attempts: list[AttemptView]


class EventTypesView(BaseModel):
    """What can be told."""

    data: list[str]


# ---- keys


@router.get("/keys", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_keys(site: SiteQuery, person: CurrentPerson, session: SessionDep) -> Page[KeyView]:
    """A merchant's secret keys, newest first, the revoked ones too."""
    site_id = await _require_at(session, person, parse_public_id("sit", site))
    return Page(data=[_key_view(row) for row in await queries.keys_of(session, [site_id])], has_more=False)


@router.post("/keys", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def make_key(body: NewKey, person: CurrentPerson, session: SessionDep) -> MadeKeyView:
    """A new secret key; the answer is the only place where the secret stands."""
    site_id = await _require_at(session, person, parse_public_id("sit", body.site))
    made = await keys.make_key(session, site_id, body.name.strip(), actor=person.actor)
    return MadeKeyView(key=_key_view(await _get_key(session, made.id)), secret=made.secret)


@router.post("/keys/{key}/revoke", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def revoke_key(key: KeyId, person: CurrentPerson, session: SessionDep) -> KeyView:
    """For good: programs that use it are refused from now on."""
    row = await _get_key(session, parse_public_id("key", key))
    await _require_at(session, person, row.site_id)
    await keys.revoke_key(session, row.id, actor=person.actor)
    return _key_view(row)


# ---- receivers


@router.get("/event_types", responses=raises(Unauthenticated))
async def list_event_types(_person: CurrentPerson) -> EventTypesView:
    """The events that a receiver may ask for."""
    return EventTypesView(data=list(EVENT_TYPES))


@router.get("/webhook_endpoints", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_endpoints(site: SiteQuery, person: CurrentPerson, session: SessionDep) -> Page[EndpointView]:
    """A merchant's receivers, newest first."""
    site_id = await _require_at(session, person, parse_public_id("sit", site))
    rows = await delivery_log.endpoints_of(session, site_id)
    waiting = await delivery_log.waiting_at(session, [row.id for row in rows])
    return Page(data=[_endpoint_view(row, waiting.get(row.id, 0)) for row in rows], has_more=False)


@router.post("/webhook_endpoints", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def make_endpoint(body: NewEndpoint, person: CurrentPerson, session: SessionDep) -> MadeEndpointView:
    """A new receiver; the answer is the only place where its signing secret stands."""
    site_id = await _require_at(session, person, parse_public_id("sit", body.site))
    with _in_own_words():
        params = EndpointParams(
            check_url(body.url), check_event_types(body.enabled_events), body.description, None, None
        )
        endpoint, secret = await endpoints.create_endpoint(session, site_id, params, actor=person.actor)
    return MadeEndpointView(endpoint=_endpoint_view(endpoint, 0), secret=secret)


@router.patch("/webhook_endpoints/{endpoint}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def edit_endpoint(
    endpoint: EndpointId, body: EditedEndpoint, person: CurrentPerson, session: SessionDep
) -> EndpointView:
    """Change what is given."""
    row = await _lock_endpoint(session, person, endpoint)
    with _in_own_words():
        params = EndpointParams(
            check_url(body.url) if body.url is not None else None,
            check_event_types(body.enabled_events) if body.enabled_events is not None else None,
            body.description,
            None,
            None,
        )
        row = await endpoints.update_endpoint(session, row.site_id, row.id, params, actor=person.actor)
    return await _shown_endpoint(session, row)


@router.delete("/webhook_endpoints/{endpoint}", status_code=204, responses=raises(Unauthenticated, Forbidden, NotFound))
async def delete_endpoint(endpoint: EndpointId, person: CurrentPerson, session: SessionDep) -> None:
    """Away with it and its log."""
    await endpoints.delete_endpoint(session, await _lock_endpoint(session, person, endpoint), actor=person.actor)


@router.post("/webhook_endpoints/{endpoint}/rotate_secret", responses=raises(Unauthenticated, Forbidden, NotFound))
async def rotate_secret(endpoint: EndpointId, person: CurrentPerson, session: SessionDep) -> SecretView:
    """A new signing secret; both sign for a day."""
    row = await _lock_endpoint(session, person, endpoint)
    return SecretView(secret=await endpoints.rotate_secret(session, row, actor=person.actor))


@router.post(
    "/webhook_endpoints/{endpoint}/{trigger}", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def switch_endpoint(
    endpoint: EndpointId,
    trigger: Annotated[str, Path(pattern="^(enable|disable)$")],
    person: CurrentPerson,
    session: SessionDep,
) -> EndpointView:
    """Stop sending there, or begin again."""
    row = await _lock_endpoint(session, person, endpoint)
    await endpoints.switch_endpoint(session, row, trigger, actor=person.actor)
    return await _shown_endpoint(session, row)


# ---- what was delivered


@router.get("/webhook_endpoints/{endpoint}/deliveries", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_deliveries(
    endpoint: EndpointId,
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[DeliveryView]:
    """What was to be told to a receiver and what came of it, newest first."""
    row = await _lock_endpoint(session, person, endpoint)
    before = parse_public_id("evt", starting_after) if starting_after else None
    found = await delivery_log.deliveries_of(session, row.id, limit, before)
    return page_of([_delivery_view(entry) for entry in found], limit)


@router.post(
    "/webhook_endpoints/{endpoint}/deliveries/{event}/redeliver",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def redeliver(endpoint: EndpointId, event: EventId, person: CurrentPerson, session: SessionDep) -> DeliveryView:
    """Send an event again, now."""
    row = await _lock_endpoint(session, person, endpoint)
    if row.state != "enabled":
        raise StateConflict(state=row.state, trigger="redeliver", allowed=allowed(ENDPOINT, row.state))
    with _in_own_words():
        told = await queries.get_event(session, row.site_id, parse_public_id("evt", event))
    if not await endpoints.redeliver(session, row, told.ordinal, actor=person.actor):
        raise NotFound(what="evt", id=event)
    (entry,) = await delivery_log.deliveries_of(session, row.id, 1, None, only=told.ordinal)
    return _delivery_view(entry)


# ---- in common


async def _require_at(session: AsyncSession, person: Principal, site_id: UUID) -> UUID:
    site = (await site_summary(session, [site_id])).get(site_id)
    if site is None:
        raise NotFound(what="sit", id=public_id("sit", site_id))
    person.require(*ROLES, site_id=site_id, organisation_id=site.operator_id, region_id=site.region_id)
    return site_id


async def _get_key(session: AsyncSession, key_id: UUID) -> SecretKey:
    row = await session.get(SecretKey, key_id)
    if row is None:
        raise NotFound(what="key", id=public_id("key", key_id))
    return row


async def _lock_endpoint(session: AsyncSession, person: Principal, endpoint: str) -> WebhookEndpoint:
    with _in_own_words():
        row = await queries.lock_endpoint(session, parse_public_id("we", endpoint))
    await _require_at(session, person, row.site_id)
    return row


@contextmanager
def _in_own_words() -> Iterator[None]:
    """The door's errors as the house's."""
    try:
        yield
    except ResourceMissing as error:
        raise NotFound(what=error.message) from error
    except InvalidRequest as error:
        raise Malformed(reason=error.message, field=error.param) from error


def _key_view(row: SecretKey) -> KeyView:
    return KeyView(
        id=public_id("key", row.id),
        site=public_id("sit", row.site_id),
        name=row.name,
        hint=row.hint,
        state=row.state,
        allowed=allowed(SECRET_KEY, row.state),
        made_by=row.made_by,
        made_at=clock.rfc3339(row.made_at),
        revoked_at=clock.rfc3339(row.revoked_at) if row.revoked_at else None,
    )


async def _shown_endpoint(session: AsyncSession, row: WebhookEndpoint) -> EndpointView:
    return _endpoint_view(row, (await delivery_log.waiting_at(session, [row.id])).get(row.id, 0))


def _endpoint_view(row: WebhookEndpoint, pending: int) -> EndpointView:
    return EndpointView(
        id=public_id("we", row.id),
        site=public_id("sit", row.site_id),
        url=row.url,
        enabled_events=row.enabled_events,
        description=row.description,
        state=row.state,
        # Giving up is the courier's own act.
        allowed=[trigger for trigger in allowed(ENDPOINT, row.state) if trigger != "give_up"],
        failing_since=clock.rfc3339(row.failing_since) if row.failing_since else None,
        pending=pending,
        created_at=clock.rfc3339(row.created_at),
    )


def _delivery_view(entry: delivery_log.Entry) -> DeliveryView:
    delivery, event = entry.delivery, entry.event
    return DeliveryView(
        event=public_id("evt", event.id),
        type=event.type,
        intent=public_id("pi", event.stream),
        state=delivery.state,
        created_at=clock.rfc3339(event.created_at),
        next_at=clock.rfc3339(delivery.next_at) if delivery.state == "pending" else None,
        attempts=[
            AttemptView(
                started_at=clock.rfc3339(attempt.started_at),
                took_ms=attempt.took_ms,
                status=attempt.status,
                error=attempt.error,
                answer=attempt.answer,
            )
            for attempt in entry.attempts
        ],
    )
