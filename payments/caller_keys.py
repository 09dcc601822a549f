"""One key names one request of its caller, on whatever address it was used first.

Sales keep their keys in `terminal_requests`, where the posting batch takes them; everything else keeps key and answer in
`idempotent_requests`. So what is not a sale takes its key among the sales' too, under an epoch that no till has: the
batch then refuses it by the statement it has anyhow.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Terminal
from kernel import clock
from kernel.errors import GuanjiaError, IdempotencyKeyReused
from kernel.idempotency import Answer, check_key, once
from kernel.ids import HOUSE_BUCKET, uuid7
from payments.models import TerminalRequest

# The epoch of keys that took no number.
WITHOUT_NUMBER: Final = -1


async def once_of_caller(
    session: AsyncSession,
    caller: Principal | Terminal,
    key: str | None,
    parsed_body: Any,
    act: Callable[[], Awaitable[Any]],
    *,
    tell_refusal: Callable[[GuanjiaError], dict[str, Any]],
) -> Answer:
    """`kernel.idempotency.once`, for a caller who also pays or takes payments: a sale's key is no other request's."""
    key, caller_id = check_key(key), caller.id if isinstance(caller, Terminal) else caller.person_id

    async def act_with_key() -> Any:
        await _refuse_used(session, caller_id, key)
        done = await act()
        await claim_key(session, caller_id, key)
        return done

    return await once(session, caller.actor, key, parsed_body, act_with_key, tell_refusal=tell_refusal)


async def _refuse_used(session: AsyncSession, caller_id: UUID, key: str) -> None:
    """Before anything else is looked at: what comes first in the order of refusals."""
    query = select(TerminalRequest.key).where(TerminalRequest.terminal_id == caller_id, TerminalRequest.key == key)
    if await session.scalar(query) is not None:
        raise IdempotencyKeyReused


async def claim_key(session: AsyncSession, caller_id: UUID, key: str) -> None:
    """Take a key, or IdempotencyKeyReused. After the holder is locked, as in posting, so that the two cannot deadlock."""
    claimed = await session.scalar(
        insert(TerminalRequest)
        .values(
            terminal_id=caller_id,
            epoch=WITHOUT_NUMBER,
            seq=number_of_key(key),
            key=key,
            body_hash=b"",
            payment_id=uuid7(HOUSE_BUCKET),
            recorded_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(TerminalRequest.key)
    )
    if claimed is None:
        raise IdempotencyKeyReused


def number_of_key(key: str) -> int:
    """A phone counts nothing: its number in the table of requests is made from the key, so the same key has the same."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 2 or 1
