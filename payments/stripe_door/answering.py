"""One key, one answer: status and body are kept once a request has begun, and every repetition gets them back.

A request is known by its merchant and its Idempotency-Key. Other parameters under the same key are an error; so is the
key of a request that is still under way. What was refused before anything began (a parameter that cannot be read, an
object that does not exist) keeps nothing, so that the same key may be used for the corrected request.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.errors import GuanjiaError
from kernel.idempotency import KEY_LENGTH_MAX, Answer
from kernel.outbox import savepoint
from payments.stripe_door.errors import InvalidRequest, KeyInUse, KeyReused, StripeError, of_native
from payments.stripe_door.forms import Form
from payments.stripe_door.models import DoorRequest

# A request whose answer is not known yet.
OPEN: Final = 0

encode: Final = msgspec.json.Encoder(enc_hook=str).encode


def check_idempotency_key(key: str | None) -> str | None:
    """At most 255 characters; Stripe's clients send one with every POST, other callers may go without."""
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_LENGTH_MAX or "\0" in key:
        raise InvalidRequest(f"Idempotency keys have 1 to {KEY_LENGTH_MAX} characters.", code="idempotency_key_invalid")
    return key


def fingerprint_of(method: str, path: str, form: Form) -> bytes:
    """A request's identity as parsed values: the order of fields does not count."""
    return hashlib.sha256(msgspec.json.encode((method, path, form), order="sorted")).digest()[:16]


def error_answer(error: StripeError) -> Answer:
    """An error as an answer."""
    return Answer(error.status, encode(error.body()), replayed=False)


def stored_answer(status: int, body: bytes, fingerprint: bytes, asked: bytes) -> Answer:
    """What a repetition gets: the kept answer, or why it gets none."""
    if fingerprint != asked:
        raise KeyReused
    if status == OPEN:
        raise KeyInUse
    return Answer(status, body, replayed=True)


async def answer_once(
    database: Database,
    site_id: UUID,
    key: str | None,
    fingerprint: bytes,
    act: Callable[[AsyncSession], Awaitable[Any]],
) -> Answer:
    """Do `act` in one transaction with the keeping of its answer; repetitions get that answer."""
    async with database.session() as session:
        if key is None:
            return Answer(200, encode(await _translated(session, act)), replayed=False)
        replayed = await _claim(session, site_id, key, fingerprint)
        if replayed is not None:
            return replayed
        try:
            async with savepoint(session):
                answer = Answer(200, encode(await _translated(session, act)), replayed=False)
        except StripeError as error:
            if not error.kept:
                raise
            answer = error_answer(error)
        await session.execute(
            update(DoorRequest)
            .where(DoorRequest.site_id == site_id, DoorRequest.key == key)
            .values(status=answer.status, body=answer.body)
        )
        return answer


async def _translated(session: AsyncSession, act: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    try:
        return await act(session)
    except GuanjiaError as error:
        raise of_native(error) from error


async def _claim(session: AsyncSession, site_id: UUID, key: str, fingerprint: bytes) -> Answer | None:
    """Take the key for this transaction; the kept answer where it was used before."""
    free = await session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"door {site_id} {key}"}
    )
    if not free:
        raise KeyInUse
    claimed = await session.scalar(
        insert(DoorRequest)
        .values(site_id=site_id, key=key, fingerprint=fingerprint, status=OPEN, body=b"", recorded_at=clock.now())
        .on_conflict_do_nothing()
        .returning(DoorRequest.key)
    )
    if claimed is not None:
        return None
    row = (
        await session.execute(
            select(DoorRequest.status, DoorRequest.body, DoorRequest.fingerprint).where(
                DoorRequest.site_id == site_id, DoorRequest.key == key
            )
        )
    ).one()
    return stored_answer(row.status, row.body, row.fingerprint, fingerprint)
