"""Statements of the door. Those of a confirmation are set-based: their arguments are arrays, one element an intent."""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from kernel import clock
from kernel.idempotency import Answer
from kernel.ids import bucket_of, first_id_at
from payments.models import Payment, TerminalRequest
from payments.stripe_door.errors import ResourceMissing
from payments.stripe_door.intents import INTENT_COLUMNS, Intent
from payments.stripe_door.models import (
    DoorEvent,
    DoorRefund,
    PaymentIntent,
    SecretKey,
    WebhookDelivery,
    WebhookEndpoint,
)
from payments.stripe_door.schemas import ListParams, identifier
from payments.stripe_door.statements import Place, Statement

_TYPES: Final = {
    "site_id": "uuid",
    "id": "uuid",
    "method_id": "uuid",
    "attempt_by": "uuid",
    "payment_id": "uuid",
    "amount_fen": "bigint",
    "attempts": "integer",
    "attempt_seq": "bigint",
    "version": "integer",
    "attempted_at": "timestamptz",
    "canceled_at": "timestamptz",
    "created_at": "timestamptz",
}
_LIST: Final = ", ".join(INTENT_COLUMNS)
_FIXED: Final = ("site_id", "id", "created_at")

_LOCK_INTENTS: Final = Statement(f"""
    SELECT {_LIST} FROM payment_intents
     WHERE (site_id, id) IN (SELECT * FROM unnest(CAST(:sites AS uuid[]), CAST(:ids AS uuid[])))
     ORDER BY site_id, id FOR UPDATE
""")  # noqa: S608  column names of our own

# The version holds what the row's lock holds already: nobody may have written since this copy was read.
_WRITE_INTENTS: Final = Statement(f"""
    INSERT INTO payment_intents ({_LIST})
    SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {_TYPES.get(name, 'text')}[])" for name in INTENT_COLUMNS)})
    ON CONFLICT (site_id, id) DO UPDATE
       SET {", ".join(f"{name} = excluded.{name}" for name in INTENT_COLUMNS if name not in _FIXED)}
     WHERE payment_intents.version = excluded.version - 1
    RETURNING id
""")  # noqa: S608  column names of our own


# As they were looked at, or not at all; nobody is waited for.
_LOCK_SEEN: Final = Statement("""
    SELECT i.id
      FROM unnest(CAST(:sites AS uuid[]), CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS k(site_id, id, version)
      JOIN payment_intents i ON i.site_id = k.site_id AND i.id = k.id
     WHERE i.version = k.version
       FOR UPDATE OF i SKIP LOCKED
""")

# Whether the key has kept an answer is true of the moment before the lock: it says that nothing was there, never that something is.
_LOCK_UNSEEN: Final = Statement(f"""
    SELECT {", ".join(f"i.{name}" for name in INTENT_COLUMNS)}
      FROM unnest(CAST(:sites AS uuid[]), CAST(:ids AS uuid[]), CAST(:keys AS text[])) AS k(site_id, id, key)
      JOIN payment_intents i ON i.site_id = k.site_id AND i.id = k.id
      LEFT JOIN door_requests r ON r.site_id = k.site_id AND r.key = k.key
     WHERE r.key IS NULL
       FOR UPDATE OF i SKIP LOCKED
""")  # noqa: S608  column names of our own

# What an attempt changes, and nothing else: no index speaks of these columns, so the row stays on its page.
_ATTEMPT_COLUMNS: Final = (
    *("state", "method_id", "pay_code", "attempts", "attempt_seq", "attempt_by", "attempted_at", "payment_id"),
    *("last_error_json", "version"),
)
_ATTEMPT_KEYED: Final = ("site_id", "id", *_ATTEMPT_COLUMNS)
_UPDATE_ATTEMPTS: Final = Statement(f"""
    UPDATE payment_intents i
       SET {", ".join(f"{name} = k.{name}" for name in _ATTEMPT_COLUMNS)}
      FROM unnest({", ".join(f"CAST(:{name} AS {_TYPES.get(name, 'text')}[])" for name in _ATTEMPT_KEYED)})
           AS k({", ".join(_ATTEMPT_KEYED)})
     WHERE i.site_id = k.site_id AND i.id = k.id AND i.version = k.version - 1
    RETURNING i.id
""")  # noqa: S608  column names of our own

_LOOK_AT_INTENTS: Final = Statement(f"""
    SELECT {", ".join(f"i.{name}" for name in INTENT_COLUMNS)}
      FROM unnest(CAST(:sites AS uuid[]), CAST(:ids AS uuid[])) AS k(site_id, id)
      JOIN payment_intents i ON i.site_id = k.site_id AND i.id = k.id
""")  # noqa: S608  column names of our own

_KEPT_ANSWERS: Final = Statement("""
    SELECT r.site_id, r.key, r.status, r.body, r.fingerprint
      FROM unnest(CAST(:sites AS uuid[]), CAST(:keys AS text[])) AS k(site_id, key)
      JOIN door_requests r ON r.site_id = k.site_id AND r.key = k.key
""")
_KEEP_ANSWERS: Final = Statement("""
    INSERT INTO door_requests (site_id, key, fingerprint, status, body, intent_id, recorded_at)
    SELECT k.*, CAST(:at AS timestamptz)
      FROM unnest(CAST(:sites AS uuid[]), CAST(:keys AS text[]), CAST(:fingerprints AS bytea[]),
                  CAST(:statuses AS smallint[]), CAST(:bodies AS bytea[]), CAST(:intents AS uuid[])) AS k
    ON CONFLICT DO NOTHING
    RETURNING 1
""")

_NEXT_ATTEMPTS: Final = Statement("SELECT nextval('door_attempts')")


async def lock_intents(on: Place, keys: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Intent]:
    """Working copies of these (site, id), locked in that order; what does not exist is absent."""
    rows = await _LOCK_INTENTS.run(on, sites=[site for site, _ in keys], ids=[key for _, key in keys])
    return {(row[0], row[1]): Intent(*row) for row in rows}


async def lock_intent(session: AsyncSession, site_id: UUID, intent_id: UUID) -> Intent:
    """One of them; ResourceMissing where there is none."""
    found = await lock_intents(session, [(site_id, intent_id)])
    if not found:
        raise ResourceMissing("payment_intent", f"pi_{intent_id.hex}", param="intent")
    return found[site_id, intent_id]


async def write_intents(on: Place, intents: Sequence[Intent]) -> set[UUID]:
    """Write working copies, new ones too; returns the ids of those that were written."""
    for intent in intents:
        intent.version += 1
    columns = {name: [getattr(intent, name) for intent in intents] for name in INTENT_COLUMNS}
    return {row[0] for row in await _WRITE_INTENTS.run(on, **columns)}


async def look_at_intents(on: Place, keys: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Intent]:
    """Copies of these (site, id) as they stand; what does not exist is absent."""
    rows = await _LOOK_AT_INTENTS.run(on, sites=[site for site, _ in keys], ids=[key for _, key in keys])
    return {(row[0], row[1]): Intent(*row) for row in rows}


async def lock_seen(on: Place, intents: Sequence[Intent]) -> set[UUID]:
    """The ids of those that nobody has locked and that still stand as these copies say."""
    rows = await _LOCK_SEEN.run(
        on,
        sites=[intent.site_id for intent in intents],
        ids=[intent.id for intent in intents],
        versions=[intent.version for intent in intents],
    )
    return {row[0] for row in rows}


async def lock_unseen(on: Place, wanted: Sequence[tuple[UUID, UUID, str | None]]) -> dict[tuple[UUID, UUID], Intent]:
    """Of these (site, id, idempotency key) those that nobody has locked, and whose key has kept nothing."""
    rows = await _LOCK_UNSEEN.run(
        on,
        sites=[site for site, _, _ in wanted],
        ids=[identifier for _, identifier, _ in wanted],
        keys=[key for _, _, key in wanted],
    )
    return {(row[0], row[1]): Intent(*row) for row in rows}


async def write_confirmed(on: Place, intents: Sequence[Intent]) -> None:
    """Write what an attempt has changed of locked intents, and those that are new."""
    fresh = [intent for intent in intents if intent.version == 0]
    known = [intent for intent in intents if intent.version > 0]
    written = await write_intents(on, fresh) if fresh else set()
    if known:
        for intent in known:
            intent.version += 1
        columns = {name: [getattr(intent, name) for intent in known] for name in _ATTEMPT_KEYED}
        written |= {row[0] for row in await _UPDATE_ATTEMPTS.run(on, **columns)}
    assert len(written) == len(intents), "a locked intent was written by somebody else"


class Kept(NamedTuple):
    """An answer to be kept under its key."""

    site_id: UUID
    key: str
    fingerprint: bytes
    status: int
    body: bytes
    intent_id: UUID


async def kept_answers(
    on: Place, keys: Sequence[tuple[UUID, str | None]]
) -> dict[tuple[UUID, str | None], tuple[Answer, bytes]]:
    """The answers that these keys have kept, each with the fingerprint of its request."""
    if not keys:
        return {}
    rows = await _KEPT_ANSWERS.run(on, sites=[site for site, _ in keys], keys=[key for _, key in keys])
    return {(row[0], row[1]): (Answer(row[2], row[3], replayed=True), row[4]) for row in rows}


async def keep_answers(on: Place, kept: Sequence[Kept]) -> int:
    """Keep them; returns how many of the keys were free."""
    # In one order everywhere, so that two processes never wait for each other.
    ordered = sorted(kept, key=lambda each: (each.site_id.int, each.key))
    rows = await _KEEP_ANSWERS.run(
        on,
        at=clock.now(),
        sites=[each.site_id for each in ordered],
        keys=[each.key for each in ordered],
        fingerprints=[each.fingerprint for each in ordered],
        statuses=[each.status for each in ordered],
        bodies=[each.body for each in ordered],
        intents=[each.intent_id for each in ordered],
    )
    return len(rows)


async def get_intent(session: AsyncSession, site_id: UUID, intent_id: UUID) -> Intent:
    """A copy to look at; ResourceMissing where there is none."""
    row = await session.get(PaymentIntent, (site_id, intent_id), populate_existing=True)
    if row is None:
        raise ResourceMissing("payment_intent", f"pi_{intent_id.hex}", param="intent")
    return intent_of(row)


def intent_of(row: PaymentIntent) -> Intent:
    """A row as plain data."""
    return Intent(*(getattr(row, name) for name in INTENT_COLUMNS))


async def payments_by_id(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Payment]:
    """The payments of intents."""
    if not ids:
        return {}
    buckets = {bucket_of(key) for key in ids}
    rows = await session.scalars(select(Payment).where(Payment.bucket.in_(buckets), Payment.id.in_(ids)))
    return {row.id: row for row in rows}


async def attempt_of_payment(session: AsyncSession, payment: Payment) -> UUID | None:
    """The intent whose attempt a payment was; None where it was made at a till."""
    key = await session.scalar(
        select(TerminalRequest.key).where(
            TerminalRequest.terminal_id == payment.terminal_id,
            TerminalRequest.epoch == payment.epoch,
            TerminalRequest.seq == payment.seq,
        )
    )
    if key is None or not key.startswith("pi_"):
        return None
    return UUID(hex=key[3:35])


# ---- lists


class Listed(NamedTuple):
    """A page of rows, newest first."""

    rows: Sequence[Any]
    has_more: bool


async def _page(
    session: AsyncSession,
    model: type[Any],
    column: InstrumentedAttribute[Any],
    where: Sequence[ColumnElement[bool]],
    page: ListParams,
    after: Any,
    before: Any,
) -> Listed:
    query = select(model).where(*where)
    if before is not None:
        # The page just above: read upwards, then turned round.
        query = query.where(column > before).order_by(column)
    else:
        query = query.where(column < after) if after is not None else query
        query = query.order_by(column.desc())
    rows = list(await session.scalars(query.limit(page.limit + 1)))
    kept = rows[: page.limit]
    return Listed(kept[::-1] if before is not None else kept, len(rows) > page.limit)


def _made_within(column: InstrumentedAttribute[UUID], page: ListParams) -> list[ColumnElement[bool]]:
    """Bounds of `created`, by the instant inside the ids."""
    found: list[ColumnElement[bool]] = []
    if page.created_from is not None:
        found.append(column >= first_id_at(page.created_from))
    if page.created_until is not None:
        found.append(column < first_id_at(page.created_until))
    return found


def _cursor(prefix: str, what: str, value: str | None, param: str) -> UUID | None:
    return identifier(prefix, what, value, param=param) if value is not None else None


async def list_intents(session: AsyncSession, site_id: UUID, page: ListParams) -> Listed:
    """A merchant's intents."""
    after = _cursor("pi", "payment_intent", page.after, "starting_after")
    before = _cursor("pi", "payment_intent", page.before, "ending_before")
    where = [PaymentIntent.site_id == site_id, *_made_within(PaymentIntent.id, page)]
    return await _page(session, PaymentIntent, PaymentIntent.id, where, page, after, before)


async def list_refunds(
    session: AsyncSession, site_id: UUID, page: ListParams, intent_id: UUID | None, payment_id: UUID | None
) -> Listed:
    """A merchant's refunds, of one intent or charge where that is asked."""
    after = _cursor("re", "refund", page.after, "starting_after")
    before = _cursor("re", "refund", page.before, "ending_before")
    where = [DoorRefund.site_id == site_id, *_made_within(DoorRefund.id, page)]
    if intent_id is not None:
        where.append(DoorRefund.intent_id == intent_id)
    if payment_id is not None:
        where.append(DoorRefund.payment_id == payment_id)
    return await _page(session, DoorRefund, DoorRefund.id, where, page, after, before)


async def list_events(session: AsyncSession, site_id: UUID, page: ListParams, types: Sequence[str] | None) -> Listed:
    """A merchant's events, in the order in which they were written."""
    where = [DoorEvent.site_id == site_id]
    if types is not None:
        where.append(DoorEvent.type.in_(types))
    if page.created_from is not None:
        where.append(DoorEvent.created_at >= page.created_from)
    if page.created_until is not None:
        where.append(DoorEvent.created_at < page.created_until)
    after = await _ordinal(session, site_id, page.after, "starting_after")
    before = await _ordinal(session, site_id, page.before, "ending_before")
    return await _page(session, DoorEvent, DoorEvent.ordinal, where, page, after, before)


async def _ordinal(session: AsyncSession, site_id: UUID, event: str | None, param: str) -> int | None:
    if event is None:
        return None
    return (await get_event(session, site_id, identifier("evt", "event", event, param=param))).ordinal


async def get_event(session: AsyncSession, site_id: UUID, event_id: UUID) -> DoorEvent:
    """One event; ResourceMissing where this merchant has none of this name."""
    event = await session.scalar(select(DoorEvent).where(DoorEvent.id == event_id, DoorEvent.site_id == site_id))
    if event is None:
        raise ResourceMissing("event", f"evt_{event_id.hex}")
    return event


async def pending_of(session: AsyncSession, ordinals: Collection[int]) -> dict[int, int]:
    """How many receivers have still to hear of these events."""
    rows = await session.execute(
        select(WebhookDelivery.ordinal, func.count())
        .where(WebhookDelivery.ordinal.in_(ordinals), WebhookDelivery.state == "pending")
        .group_by(WebhookDelivery.ordinal)
    )
    return {ordinal: count for ordinal, count in rows.all()}  # noqa: C416  a Row is no tuple to mypy


async def list_endpoints(session: AsyncSession, site_id: UUID, page: ListParams) -> Listed:
    """A merchant's webhook endpoints."""
    after = _cursor("we", "webhook_endpoint", page.after, "starting_after")
    before = _cursor("we", "webhook_endpoint", page.before, "ending_before")
    where = [WebhookEndpoint.site_id == site_id]
    return await _page(session, WebhookEndpoint, WebhookEndpoint.id, where, page, after, before)


async def lock_endpoint(session: AsyncSession, endpoint_id: UUID, site_id: UUID | None = None) -> WebhookEndpoint:
    """One endpoint, locked; of this merchant, where one is named."""
    endpoint = await session.scalar(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if endpoint is None or site_id not in (None, endpoint.site_id):
        raise ResourceMissing("webhook_endpoint", f"we_{endpoint_id.hex}")
    return endpoint


async def keys_of(session: AsyncSession, site_ids: Collection[UUID]) -> Sequence[SecretKey]:
    """The secret keys of merchants, newest first."""
    return (
        await session.scalars(select(SecretKey).where(SecretKey.site_id.in_(site_ids)).order_by(SecretKey.id.desc()))
    ).all()


async def keys_among(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, SecretKey]:
    """Those of some terminals that are secret keys."""
    rows = await session.scalars(select(SecretKey).where(SecretKey.id.in_(ids)))
    return {row.id: row for row in rows}


async def next_attempts(on: Place) -> int:
    """The first of a thousand numbers of attempts that nobody else will use."""
    first: int = (await _NEXT_ATTEMPTS.run(on))[0][0]
    return first
