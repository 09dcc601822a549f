"""The one form in which a close is hashed: the same bytes on any machine, in any zone, under any locale.

JSON without spaces, members in order, numbers whole, ids as 32 hexadecimal digits, days as YYYY-MM-DD: what RFC 8785 makes of
such a value. It is fed to SHA-256 as it is written, so that a province's close never stands in memory.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from uuid import UUID

VERSION: Final = 1


async def hash_of_close(
    region_id: UUID,
    period: str,
    vector: Mapping[str, int],
    chain_heads: Mapping[str, str],
    totals: AsyncIterator[tuple[Any, ...]],
    units: AsyncIterator[tuple[Any, ...]],
) -> str:
    """SHA-256 over `{chain_heads, period, region, totals, units, vector, version}`; rows come in their stored order."""
    digest = hashlib.sha256()
    digest.update(b'{"chain_heads":' + _bytes(dict(sorted(chain_heads.items()))))
    digest.update(b',"period":' + _bytes(period) + b',"region":' + _bytes(region_id.hex) + b',"totals":')
    await _feed(digest, totals)
    digest.update(b',"units":')
    await _feed(digest, units)
    digest.update(b',"vector":' + _bytes(dict(sorted(vector.items()))) + b',"version":' + _bytes(VERSION) + b"}")
    return digest.hexdigest()


async def _feed(digest: "hashlib._Hash", rows: AsyncIterator[tuple[Any, ...]]) -> None:
    separator = b"["
    async for row in rows:
        digest.update(separator + _bytes([_plain(value) for value in row]))
        separator = b","
    digest.update(b"]" if separator == b"," else b"[]")


def _plain(value: Any) -> str | int:
    if isinstance(value, UUID):
        return value.hex
    return value if isinstance(value, int | str) else str(value)


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
