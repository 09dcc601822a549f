"""Events: written in the transaction that makes them true, with a delivery for each receiver that wants to hear of them."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from kernel import clock
from kernel.ids import uuid7
from payments.stripe_door.statements import Place, Statement
from payments.stripe_door.views import Json


class Told(NamedTuple):
    """One event to be. `stream` is the intent that it belongs to."""

    site_id: UUID
    stream: UUID
    type: str
    data_json: str
    request_id: str | None
    idempotency_key: str | None


_encode: Final = msgspec.json.Encoder().encode

# The identity column is filled in the order of the rows; the rows of one intent are written under its lock or that of
# its payer, so that their ordinals grow with time.
_TELL: Final = Statement("""
    WITH told AS (
        INSERT INTO door_events (site_id, id, type, stream, data_json, request_id, idempotency_key, created_at)
        SELECT k.site_id, k.id, k.type, k.stream, k.data_json, k.request_id, k.idempotency_key, CAST(:at AS timestamptz)
          FROM unnest(CAST(:sites AS uuid[]), CAST(:ids AS uuid[]), CAST(:types AS text[]), CAST(:streams AS uuid[]),
                      CAST(:data AS text[]), CAST(:requests AS text[]), CAST(:keys AS text[])) WITH ORDINALITY
               AS k(site_id, id, type, stream, data_json, request_id, idempotency_key, place)
         ORDER BY k.place
        RETURNING ordinal, site_id, type, stream)
    INSERT INTO webhook_deliveries (endpoint_id, ordinal, stream, state, attempts, next_at, first_at)
    SELECT e.id, t.ordinal, t.stream, 'pending', 0, CAST(:at AS timestamptz), CAST(:at AS timestamptz)
      FROM told t
      JOIN webhook_endpoints e
        ON e.site_id = t.site_id AND e.state = 'enabled' AND e.enabled_events && ARRAY['*', t.type]
""")


def data_of(shown: Json | bytes, previous: Json | None = None) -> str:
    """`data` of an event: the object as it is now, and what has changed of it."""
    body = (shown if isinstance(shown, bytes) else _encode(shown)).decode()
    if previous is None:
        return f'{{"object":{body}}}'
    return f'{{"object":{body},"previous_attributes":{_encode(previous).decode()}}}'


async def tell(on: Place, events: Sequence[Told]) -> None:
    """Write them, in this order."""
    if not events:
        return
    at = clock.now()
    await _TELL.run(
        on,
        at=at,
        sites=[event.site_id for event in events],
        ids=[uuid7(at=at) for _ in events],
        types=[event.type for event in events],
        streams=[event.stream for event in events],
        data=[event.data_json for event in events],
        requests=[event.request_id for event in events],
        keys=[event.idempotency_key for event in events],
    )
