"""Ids: UUIDv7 inside, prefixed outside (`pay_0199...`).

Layout of a UUIDv7 (RFC 9562): 48 bits of unix milliseconds, version 7, 12 bits `rand_a`, the variant, 62 bits
`rand_b`. What one process makes within one millisecond sorts in the order in which it was made. Ids of the hot tables
do not: they carry their holder's 10-bit bucket in the upper bits of `rand_a`, so that an id alone names its bucket and
no look-up by id has to ask every shard.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from asyncpg.pgproto import pgproto

from kernel import clock
from kernel.errors import NotFound

BUCKETS = 1000
HOUSE_BUCKET = 1000

_VERSION = 7 << 76
_VARIANT = 2 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_uuid_of: Final[Callable[[bytes], UUID]] = pgproto.UUID
"""The driver's own subclass of UUID: made, written as text and sent to the database at a fifth of the cost."""

_ORDERLY: Final = 0xFFF
_last = [0, 0]
"""The millisecond of the last id made without a bucket, and its `rand_a`: see `_next_within`."""

# Seeded from the system's entropy. Ids are unique names, never secrets: tokens and codes use the `secrets` module.
_random = random.Random(random.SystemRandom().getrandbits(128))  # noqa: S311  see above


def uuid7(bucket: int | None = None, at: datetime | None = None) -> UUID:
    """A new id; with `bucket` (0-1000) the id tells the bucket of its holder."""
    moment = at or clock.now()
    since = moment - _EPOCH
    milliseconds = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    rand_a = _next_within(milliseconds) if bucket is None else (bucket << 2) | _random.getrandbits(2)
    number = (milliseconds << 80) | _VERSION | (rand_a << 64) | _VARIANT | _random.getrandbits(62)
    return _uuid_of(number.to_bytes(16))


def _next_within(milliseconds: int) -> int:
    """`rand_a` as the counter of RFC 9562 (6.2, method 1): what one process makes within a millisecond sorts as made.

    It begins in the lower half, so that 2,048 ids fit behind any beginning; after those the order starts again, which
    costs nothing but the order.
    """
    _last[1] = (_last[1] + 1) & _ORDERLY if milliseconds == _last[0] else _random.getrandbits(11)
    _last[0] = milliseconds
    return _last[1]


def bucket_of(identifier: UUID) -> int:
    """The bucket that a hot id carries. Every caller checks that the row it then finds really has this id."""
    return ((identifier.int >> 64) & 0xFFF) >> 2


def instant_of(identifier: UUID) -> datetime:
    """When an id was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=identifier.int >> 80)


def first_id_at(at: datetime) -> UUID:
    """The smallest UUIDv7 of an instant: the bound of a partition or of a look back in time."""
    since = at - _EPOCH
    milliseconds = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return UUID(int=(milliseconds << 80) | _VERSION | _VARIANT)


def public_id(prefix: str, identifier: UUID) -> str:
    """`pay` and a UUID make `pay_0199c0...` (32 hexadecimal digits)."""
    return f"{prefix}_{identifier.hex}"


def parse_public_id(prefix: str, text: str) -> UUID:
    """The inverse of `public_id`. Anything else names nothing: NotFound."""
    head, _, digits = text.partition("_")
    if head != prefix or len(digits) != 32:
        raise NotFound(what=prefix, id=text)
    try:
        # It reads past spaces, after which there are too few bytes: an error as well.
        return _uuid_of(bytes.fromhex(digits))
    except ValueError:
        raise NotFound(what=prefix, id=text) from None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make ids repeatable: for the story pages and the demo data."""
    state = _random.getstate()
    _random.seed(seed)
    _last[0] = 0
    try:
        yield
    finally:
        _random.setstate(state)
        _last[0] = 0
