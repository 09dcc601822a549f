"""Once means once: a money POST outside of the posting queue, with its answer stored in its own transaction.

The first request with a key does the work and stores status and bytes beside it; every later one gets those bytes.
A refusal with status 402 is an answer too and is stored, after what it had begun is undone; every other error is not.
A second request while the first still runs waits for the one answer (the unique key makes it wait).
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import DateTime, LargeBinary, SmallInteger, Text, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.db import Base
from kernel.errors import GuanjiaError, IdempotencyKeyRequired, IdempotencyKeyReused
from kernel.outbox import savepoint

KEY_LENGTH_MAX = 255


class IdempotentRequest(Base):
    """One key of one caller, and the answer it got."""

    __tablename__ = "idempotent_requests"

    caller: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int] = mapped_column(SmallInteger)
    answer: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


class Answer(NamedTuple):
    """What goes back over the wire."""

    status: int
    body: bytes
    replayed: bool


def check_key(key: str | None) -> str:
    """A key has 1 to 255 characters, none of them NUL: the database could not keep it."""
    if not key or len(key) > KEY_LENGTH_MAX or "\0" in key:
        raise IdempotencyKeyRequired()
    return key


def hash_of(parsed: Any) -> bytes:
    """A body's identity as parsed values: spaces and the order of fields do not count."""
    return hashlib.sha256(msgspec.json.encode(parsed, order="sorted")).digest()


async def once(
    session: AsyncSession,
    caller: str,
    key: str | None,
    parsed_body: Any,
    act: Callable[[], Awaitable[Any]],
    *,
    tell_refusal: Callable[[GuanjiaError], dict[str, Any]],
) -> Answer:
    """Do `act` for the first request with this key; give its stored answer to all others.

    `act` works in the same session and returns what is to be encoded as JSON; `tell_refusal` puts an error into wire
    form. Whatever raises is undone together with the claim of the key, because both are the caller's transaction.
    """
    key, body_hash = check_key(key), hash_of(parsed_body)
    claimed = await session.scalar(
        insert(IdempotentRequest)
        .values(caller=caller, key=key, body_hash=body_hash, status=0, answer=b"", recorded_at=clock.now())
        .on_conflict_do_nothing()
        .returning(IdempotentRequest.key)
    )
    if claimed is None:
        return await _stored_answer(session, caller, key, body_hash)
    try:
        async with savepoint(session):
            answer = Answer(201, msgspec.json.encode(await act()), replayed=False)
    except GuanjiaError as refusal:
        if refusal.status != 402:
            raise
        answer = Answer(402, msgspec.json.encode(tell_refusal(refusal), enc_hook=str), replayed=False)
    await session.execute(
        update(IdempotentRequest)
        .where(IdempotentRequest.caller == caller, IdempotentRequest.key == key)
        .values(status=answer.status, answer=answer.body)
    )
    return answer


class Begun(NamedTuple):
    """A key that has no answer yet: taken now, or by an earlier request that is still at work or has died."""

    fresh: bool


async def begin(session: AsyncSession, caller: str, key: str, parsed_body: Any) -> Answer | Begun:
    """The first half of `once`, for an act that must not be one transaction because it asks somebody outside.

    What the act has written down by then says who is at work on it; `finish` stores the one answer.
    """
    body_hash = hash_of(parsed_body)
    claimed = await session.scalar(
        insert(IdempotentRequest)
        .values(caller=caller, key=key, body_hash=body_hash, status=0, answer=b"", recorded_at=clock.now())
        .on_conflict_do_nothing()
        .returning(IdempotentRequest.key)
    )
    if claimed is not None:
        return Begun(fresh=True)
    stored = await _stored_answer(session, caller, key, body_hash)
    return stored if stored.status else Begun(fresh=False)


async def finish(session: AsyncSession, caller: str, key: str, status: int, body: Any) -> Answer:
    """The second half: store the answer of a key that was begun. Whoever comes second gets what the first has stored."""
    encoded = msgspec.json.encode(body, enc_hook=str)
    stored = await session.scalar(
        update(IdempotentRequest)
        .where(IdempotentRequest.caller == caller, IdempotentRequest.key == key, IdempotentRequest.status == 0)
        .values(status=status, answer=encoded)
        .returning(IdempotentRequest.key)
    )
    if stored is not None:
        return Answer(status, encoded, replayed=False)
    row = (
        await session.execute(
            select(IdempotentRequest.status, IdempotentRequest.answer).where(
                IdempotentRequest.caller == caller, IdempotentRequest.key == key
            )
        )
    ).one()
    return Answer(row.status, row.answer, replayed=True)


async def _stored_answer(session: AsyncSession, caller: str, key: str, body_hash: bytes) -> Answer:
    row = (
        await session.execute(
            select(
                IdempotentRequest.body_hash,
                IdempotentRequest.status,
                IdempotentRequest.answer,
            ).where(IdempotentRequest.caller == caller, IdempotentRequest.key == key)
        )
    ).one()
    if row.body_hash != body_hash:
        raise IdempotencyKeyReused()
    return Answer(row.status, row.answer, replayed=True)
