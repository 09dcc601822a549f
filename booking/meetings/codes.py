"""What a guest shows at each door, and the address of the guide: short blocks that this installation has signed.

`HZM1`: a kind (1 byte), an id (16), an issue (2, big-endian) and an Ed25519 signature (64) over ASCII `HZM1` and these 19
bytes; written in base32 without padding, 133 letters and digits, which a QR code holds in its dense alphanumeric mode. A
scanner without a network checks it by the public key alone. The key is derived from the installation's secret: nothing has
to be kept, and every process has the same one.
"""

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.sealing import derived_key

SIGNED_PREFIX: Final = b"HZM1"
# Versions of one block: a guest's code, and a meeting's guide for everybody.
GUEST_BLOCK: Final = 0x11
GUIDE_BLOCK: Final = 0x12
_HEAD_LENGTH: Final = 19
_LENGTH: Final = _HEAD_LENGTH + 64


@dataclass(frozen=True, slots=True)
class Block:
    """What a code says, once its signature is good."""

    kind: int
    id: UUID
    issue: int


@lru_cache(maxsize=4)
def _key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


def _signing_key() -> Ed25519PrivateKey:
    return _key(derived_key("meeting-code"))


def public_key() -> bytes:
    """The raw 32 bytes by which anybody checks a code."""
    return _signing_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def guest_code(guest_id: UUID, issue: int) -> str:
    """What a guest shows."""
    return _signed(GUEST_BLOCK, guest_id, issue)


def guide_code(meeting_id: UUID) -> str:
    """What leads to the guide without naming a guest."""
    return _signed(GUIDE_BLOCK, meeting_id, 1)


def _signed(kind: int, identifier: UUID, issue: int) -> str:
    head = bytes([kind]) + identifier.bytes + issue.to_bytes(2)
    block = head + _signing_key().sign(SIGNED_PREFIX + head)
    return base64.b32encode(block).decode().rstrip("=")


def read_code(code: str) -> Block | None:
    """What a code says; None for any text that we have not signed."""
    letters = code.strip().upper()
    try:
        block = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        return None
    if len(block) != _LENGTH or block[0] not in (GUEST_BLOCK, GUIDE_BLOCK):
        return None
    head, signature = block[:_HEAD_LENGTH], block[_HEAD_LENGTH:]
    try:
        _signing_key().public_key().verify(signature, SIGNED_PREFIX + head)
    except InvalidSignature:
        return None
    return Block(head[0], UUID(bytes=head[1:17]), int.from_bytes(head[17:]))
