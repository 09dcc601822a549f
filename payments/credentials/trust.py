"""Who may sign pay codes: a key pair per region, and the list of public keys that a root key signs.

Terminals keep the list and check blocks against it without a network. Keys live 90 days; the next one is published
7 days ahead; the old one is accepted 48 h after.
"""

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import public_id
from kernel.sealing import seal, unseal
from payments.credentials.pay_code_format import SUITE_ED25519
from payments.models import RootKey, SigningKey

KEY_LIFE: Final = timedelta(days=90)
PUBLISHED_AHEAD: Final = timedelta(days=7)
ACCEPTED_AFTER: Final = timedelta(hours=48)
SIGNED_PREFIX: Final = b"HZT1"


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The raw 32 bytes of the public half."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _sealed(key: Ed25519PrivateKey) -> bytes:
    private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return seal(private, secrets.token_bytes(12))


def _unsealed(column: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(unseal(column))


async def root_public_key(session: AsyncSession) -> bytes:
    """The public half of the root key, made at the first call."""
    return (await _root_key(session)).public_key


async def _root_key(session: AsyncSession) -> RootKey:
    root = await session.get(RootKey, 1)
    if root is None:
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('guanjia.root_key'))"))
        root = await session.get(RootKey, 1)
    if root is None:
        key = Ed25519PrivateKey.generate()
        root = RootKey(id=1, public_key=public_bytes(key), sealed_private_key=_sealed(key), made_at=clock.now())
        session.add(root)
        await session.flush()
    return root


async def sign_with_root(session: AsyncSession, message: bytes) -> bytes:
    """The root key's signature. The message begins with the prefix of its use, so that it passes for nothing else."""
    return _unsealed((await _root_key(session)).sealed_private_key).sign(message)


def listed_key(row: SigningKey) -> dict[str, int | str]:
    """A key as the trust list names it; times are unix seconds."""
    return {
        "kid": row.kid,
        "suite": row.suite,
        "public_key": base64.b64encode(row.public_key).decode(),
        "region": public_id("reg", row.region_id),
        "not_before": int(row.not_before.timestamp()),
        "not_after": int(row.not_after.timestamp()),
    }


async def ensure_signing_key(session: AsyncSession, region_id: UUID) -> SigningKey:
    """The region's key that signs now, made where there is none; its successor is made a week before it ends."""
    at = clock.now()
    current = await _key_at(session, region_id, at)
    if current is not None and await _has_successor(session, current, at):
        return current
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('guanjia.signing_keys'))"))
    current = await _key_at(session, region_id, at)
    if current is None:
        current = await _make_key(session, region_id, at)
    elif not await _has_successor(session, current, at):
        await _make_key(session, region_id, current.not_after)
    return current


async def _key_at(session: AsyncSession, region_id: UUID, at: datetime) -> SigningKey | None:
    return await session.scalar(
        select(SigningKey)
        .where(SigningKey.region_id == region_id, SigningKey.not_before <= at, SigningKey.not_after > at)
        .order_by(SigningKey.not_before.desc())
        .limit(1)
    )


async def _has_successor(session: AsyncSession, current: SigningKey, at: datetime) -> bool:
    if current.not_after - at > PUBLISHED_AHEAD:
        return True
    later = await session.scalar(
        select(func.count())
        .select_from(SigningKey)
        .where(SigningKey.region_id == current.region_id, SigningKey.not_before >= current.not_after)
    )
    return bool(later)


async def _make_key(session: AsyncSession, region_id: UUID, not_before: datetime) -> SigningKey:
    key = Ed25519PrivateKey.generate()
    last = await session.scalar(select(func.max(SigningKey.kid)))
    row = SigningKey(
        kid=(last or 0) + 1,
        region_id=region_id,
        suite=SUITE_ED25519,
        public_key=public_bytes(key),
        sealed_private_key=_sealed(key),
        not_before=not_before,
        not_after=not_before + KEY_LIFE,
    )
    session.add(row)
    await session.flush()
    return row


# Unsealed private keys of this process, by kid: unsealing is cheap, but not for each of 500 codes a second.
_private_keys: dict[tuple[int, bytes], Ed25519PrivateKey] = {}


def private_key_of(row: SigningKey) -> Ed25519PrivateKey:
    """The private half, kept in this process's memory only."""
    index = (row.kid, row.public_key)
    if index not in _private_keys:
        _private_keys[index] = _unsealed(row.sealed_private_key)
    return _private_keys[index]


async def trust_list(session: AsyncSession) -> dict[str, Any]:
    """Keys that are good now, were within 48 h, or will be within 7 days; signed by the root key.

    Times are unix seconds; the signature is Ed25519 over ASCII `HZT1` and the RFC 8785 JSON of {keys, version}.
    """
    at = clock.now()
    rows = await session.scalars(
        select(SigningKey)
        .where(SigningKey.not_after + ACCEPTED_AFTER > at, SigningKey.not_before - PUBLISHED_AHEAD <= at)
        .order_by(SigningKey.kid)
    )
    keys = [listed_key(row) for row in rows]
    signed: dict[str, Any] = {"keys": keys, "version": keys[-1]["kid"] if keys else 0}
    signature = base64.b64encode(await sign_with_root(session, SIGNED_PREFIX + rfc8785.dumps(signed))).decode()
    return {**signed, "signature": signature}
