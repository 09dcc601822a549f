"""The one form in which a close is hashed: the same bytes on any machine, in any zone, under any locale.

JSON without spaces, members in order, numbers whole, ids as 32 hexadecimal digits, days as YYYY-MM-DD: what RFC 8785 makes of
such a value. The rows come from the database as text in that very form, a piece for each kind of account.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

VERSION: Final = 1


def hash_of_close(
    region_id: UUID,
    period: str,
    vector: Mapping[str, int],
    chain_heads: Mapping[str, str],
    totals: Sequence[str],
    units: Sequence[str],
) -> str:
    """SHA-256 over `{chain_heads, period, region, totals, units, vector, version}`."""
    digest = hashlib.sha256()
    digest.update(b'{"chain_heads":' + _bytes(dict(sorted(chain_heads.items()))))
    digest.update(b',"period":' + _bytes(period) + b',"region":' + _bytes(region_id.hex))
    for name, pieces in (("totals", totals), ("units", units)):
        digest.update(f',"{name}":['.encode())
        for ordinal, piece in enumerate(pieces):
            digest.update((b"," if ordinal else b"") + piece.encode())
        digest.update(b"]")
    digest.update(b',"vector":' + _bytes(dict(sorted(vector.items()))) + b',"version":' + _bytes(VERSION) + b"}")
    return digest.hexdigest()


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
