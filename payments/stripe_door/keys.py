"""Secret keys: made for a merchant, shown once, kept as a hash, revoked for good.

A key is a terminal to the posting queue: it has a place, an epoch and numbers of its own. So a key that is revoked is
refused at its next payment everywhere, as a till is, and ten wrong codes in a minute slow down one key and no other.
"""

import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Terminal, hash_token, site_summary
from kernel import audit_log, clock
from kernel.configuration import bump_configuration
from kernel.errors import NotFound
from kernel.ids import public_id, uuid7
from payments.states import next_state
from payments.stripe_door.models import SecretKey
from payments.stripe_door.states import SECRET_KEY
from payments.stripe_door.views import is_live
from payments.terminals import TerminalCache

_SECRET_BYTES: Final = 32
_HINT_LENGTH: Final = 4
# A key never loses its memory, so it counts within one epoch for life.
EPOCH: Final = 1

_KEYS_SINCE: Final = """
    SELECT k.id, k.site_id, s.region_id, k.name, k.state, k.key_hash, k.configuration_version
      FROM secret_keys k JOIN sites s ON s.id = k.site_id WHERE k.configuration_version > $1
"""


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key; `secret` is told this once."""

    id: UUID
    secret: str


async def make_key(session: AsyncSession, site_id: UUID, name: str, *, actor: str) -> MadeKey:
    """A new secret key of a merchant."""
    if site_id not in await site_summary(session, [site_id]):
        raise NotFound(what="sit", id=public_id("sit", site_id))
    secret = f"sk_{'live' if is_live() else 'test'}_{secrets.token_hex(_SECRET_BYTES)}"
    key = SecretKey(
        id=uuid7(),
        site_id=site_id,
        name=name,
        state="active",
        key_hash=hash_token(secret),
        hint=secret[-_HINT_LENGTH:],
        made_by=actor,
        made_at=clock.now(),
        revoked_at=None,
        configuration_version=await bump_configuration(session),
    )
    session.add(key)
    await session.flush()
    data = {"site": public_id("sit", site_id), "name": name, "hint": key.hint}
    await audit_log.record(session, actor=actor, action="secret_key.make", subject=public_id("key", key.id), data=data)
    return MadeKey(key.id, secret)


async def revoke_key(session: AsyncSession, key_id: UUID, *, actor: str) -> None:
    """For good, from the next request on."""
    key = await session.scalar(
        select(SecretKey).where(SecretKey.id == key_id).with_for_update().execution_options(populate_existing=True)
    )
    assert key is not None, "the caller has looked whose it is"
    key.state = next_state(SECRET_KEY, key.state, "revoke")
    key.revoked_at = clock.now()
    key.configuration_version = await bump_configuration(session)
    await session.flush()
    await audit_log.record(
        session, actor=actor, action="secret_key.revoke", subject=public_id("key", key_id), data={"name": key.name}
    )


async def find_key(session: AsyncSession, secret: str) -> Terminal | None:
    """The active key with this secret, asked of the database: it may have been made a moment ago."""
    key = await session.scalar(
        select(SecretKey).where(SecretKey.key_hash == hash_token(secret), SecretKey.state == "active")
    )
    if key is None:
        return None
    site = (await site_summary(session, [key.site_id]))[key.site_id]
    return _terminal(key.id, key.site_id, site.region_id, key.name, key.state, key.configuration_version)


class KeyCache(TerminalCache):
    """The tills and the secret keys, as this process knows them. A key's secret is no till's token, nor the reverse."""

    def __init__(self) -> None:
        super().__init__()
        self._keys_by_hash: dict[bytes, Terminal] = {}

    def by_secret(self, secret: str) -> Terminal | None:
        """The key with this secret, as far as this process knows; a revoked one too."""
        return self._keys_by_hash.get(hash_token(secret))

    async def refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", since_version: int) -> None:
        """Tills and keys that changed after a configuration version; 0 loads everything anew."""
        changed = await connection.fetch(_KEYS_SINCE, since_version)
        await super().refresh(connection, since_version)
        if since_version == 0:
            self._keys_by_hash.clear()
        for row in changed:
            key = _terminal(
                row["id"], row["site_id"], row["region_id"], row["name"], row["state"], row["configuration_version"]
            )
            self._by_id[key.id] = key
            self._keys_by_hash[row["key_hash"]] = key


def _terminal(key_id: UUID, site_id: UUID, region_id: UUID, name: str, state: str, version: int) -> Terminal:
    """A key in the eyes of posting."""
    return Terminal(
        id=key_id,
        site_id=site_id,
        region_id=region_id,
        name=name,
        status=state,
        epoch=EPOCH,
        modes=frozenset(("keyed",)),
        token_hash=b"",
        configuration_version=version,
    )
