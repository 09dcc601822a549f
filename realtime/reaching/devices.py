"""Browsers that somebody allowed us to notify, and our own key at the browsers' push services."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from secrets import token_bytes
from typing import Any, Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.errors import Malformed, NotFound
from kernel.ids import uuid7
from kernel.sealing import seal, unseal
from kernel.settings import get_settings
from realtime.reaching.addresses import check_address
from realtime.reaching.errors import TooManyDevices
from realtime.reaching.models import PushDevice, PushKey
from realtime.reaching.schemas import DeviceRequest

DEVICES_MAX: Final = 10


async def add_device(session: AsyncSession, person_id: UUID, wanted: DeviceRequest) -> PushDevice:
    """Notify this browser from now on. A browser is one device, of whoever said so last."""
    check_address(wanted.endpoint)
    subscription = {"endpoint": wanted.endpoint, "keys": {"p256dh": wanted.keys.p256dh, "auth": wanted.keys.auth}}
    _check_keys(wanted)
    endpoint_hash = hashlib.sha256(wanted.endpoint.encode()).digest()
    # A page that sends it twice at once must not lose against itself.
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": endpoint_hash.hex()})
    known = await session.scalar(select(PushDevice).where(PushDevice.endpoint_hash == endpoint_hash).with_for_update())
    count = await session.scalar(
        select(func.count())
        .select_from(PushDevice)
        .where(PushDevice.person_id == person_id, PushDevice.endpoint_hash != endpoint_hash)
    )
    if (count or 0) >= DEVICES_MAX:
        raise TooManyDevices(limit=DEVICES_MAX)
    sealed = seal(msgspec.json.encode(subscription), token_bytes(12))
    if known is not None and known.person_id == person_id:
        known.sealed_subscription, known.label = sealed, wanted.label
        await session.flush()
        return known
    if known is not None:
        # Somebody else signed in there: what proved the way to one person proves nothing of the other.
        await session.delete(known)
        await session.flush()
    device = PushDevice(
        id=uuid7(),
        person_id=person_id,
        endpoint_hash=endpoint_hash,
        sealed_subscription=sealed,
        label=wanted.label,
        created_at=clock.now(),
    )
    session.add(device)
    await session.flush()
    return device


def _check_keys(wanted: DeviceRequest) -> None:
    """A point on the curve and sixteen bytes, or nothing could be encrypted for it."""
    try:
        point, auth = _unpadded(wanted.keys.p256dh), _unpadded(wanted.keys.auth)
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise Malformed(reason="p256dh is not a key", field="keys.p256dh") from None
    if len(auth) != 16:
        raise Malformed(reason="auth has 16 bytes", field="keys.auth")


def _unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def remove_device(session: AsyncSession, person_id: UUID, device_id: UUID) -> None:
    """Notify it no more; NotFound for somebody else's."""
    gone = await session.scalar(
        delete(PushDevice).where(PushDevice.id == device_id, PushDevice.person_id == person_id).returning(PushDevice.id)
    )
    if gone is None:
        raise NotFound


def subscription_of(device: PushDevice) -> dict[str, Any]:
    """For the courier alone."""
    found: dict[str, Any] = msgspec.json.decode(unseal(device.sealed_subscription))
    return found


# ---- our own key


async def push_key(session: AsyncSession) -> PushKey:
    """Our key, made at the first time that somebody asks for it; the same for all processes from then on."""
    found = await session.get(PushKey, 1)
    if found is None:
        await session.execute(insert(PushKey).values(_new_key()).on_conflict_do_nothing(index_elements=["id"]))
        found = await session.get_one(PushKey, 1)
    return found


def _new_key() -> dict[str, Any]:
    private = ec.generate_private_key(ec.SECP256R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    raw = private.private_numbers().private_value.to_bytes(32, "big")
    return {
        "id": 1,
        "public_key": urlsafe_b64encode(point).rstrip(b"=").decode(),
        "sealed_private_key": seal(raw, token_bytes(12)),
        "created_at": clock.now(),
    }


def signing_key(row: PushKey) -> Vapid02:
    """For the courier alone."""
    return Vapid02.from_raw(urlsafe_b64encode(unseal(row.sealed_private_key)))


def contact_address() -> str:
    """Whom a push service may complain to: our page, or the sender of our mail."""
    settings = get_settings()
    if (
        settings.public_url is not None
        and settings.public_url.startswith("https://")
        and settings.public_url.count(":") == 1
    ):
        return settings.public_url
    return f"mailto:{settings.smtp_from or 'guanjia@localhost'}"
