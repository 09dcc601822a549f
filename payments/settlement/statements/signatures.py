"""The signature beside a statement: whose key signed which hash when, and the root key's word for that key. Pure.

A region signs with the key that signs its pay codes (`payments/credentials/trust.py`). That key lives 90 days and then
leaves the trust list, but a statement is read for years: so the signature carries the key itself, and the root key's
signature over it. Who has the root key needs nothing else.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# What each signature is over, before the RFC 8785 JSON: no signature of one kind passes for another.
STATEMENT_PREFIX: Final = b"HZS1"
KEY_PREFIX: Final = b"HZK1"
TRUST_LIST_PREFIX: Final = b"HZT1"
_KEY_FIELDS: Final = ("kid", "suite", "public_key", "region", "not_before", "not_after")


class SignatureRefused(Exception):
    """The signature proves nothing; why, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


@dataclass(frozen=True, slots=True)
class Origin:
    """Who signed: the region, its key, when by their own word, and the root key that answers for it."""

    region: str
    kid: int
    signed_at: datetime
    root_key: bytes
    # Whether the reader had the root key, or a trust list, from elsewhere.
    pinned: bool


def encode(raw: bytes) -> str:
    """Bytes as the signature's JSON has them."""
    return base64.b64encode(raw).decode()


def statement_message(signed: Mapping[str, Any]) -> bytes:
    """What a region's key signs: {kid, region, sha256, signed_at}."""
    return STATEMENT_PREFIX + rfc8785.dumps(dict(signed))


def key_message(key: Mapping[str, Any]) -> bytes:
    """What the root key signs: an entry of the trust list."""
    return KEY_PREFIX + rfc8785.dumps(dict(key))


def check_signature(
    signature: bytes, sha256: str, *, root_key: bytes | None = None, trust_list: bytes | None = None
) -> Origin:
    """Whether this signature is of that hash, and whose; SignatureRefused where it is not.

    With `root_key` the key must be vouched for by it; with `trust_list` (as `GET /v1/trust_list` gave it) it must
    stand in there, or be vouched for by the root that signed the list. Without either the origin is as the file says.
    """
    try:
        found = json.loads(signature)
        signed, key = found["signed"], found["key"]
        own_root = _decoded(found["root_key"])
        _check(own_root, found["key_signature"], key_message({name: key[name] for name in _KEY_FIELDS}))
        _check(_decoded(key["public_key"]), found["signature"], statement_message(signed))
        origin = Origin(
            str(signed["region"]),
            int(signed["kid"]),
            datetime.fromisoformat(signed["signed_at"]),
            own_root,
            pinned=root_key is not None or trust_list is not None,
        )
        facts = signed["sha256"], (key["kid"], key["region"]), int(key["not_before"]), int(key["not_after"])
    except SignatureRefused:
        raise
    except (ValueError, KeyError, TypeError, RecursionError, rfc8785.CanonicalizationError):
        raise SignatureRefused("签名文件格式不对", "the signature has another form than it should") from None
    hashed, named, not_before, not_after = facts
    if hashed != sha256:
        raise SignatureRefused(
            "签名属于另一个文件，本文件被改动过", "the signature is of another file, or this one was changed"
        )
    if named != (origin.kid, origin.region):
        raise SignatureRefused("签名与密钥不是同一地区", "the signature and its key name different regions")
    if not not_before <= origin.signed_at.timestamp() < not_after:
        raise SignatureRefused("签名时密钥不在有效期内", "the key was not in date when it signed")
    _check_root(origin, root_key, trust_list)
    return origin


def _check_root(origin: Origin, root_key: bytes | None, trust_list: bytes | None) -> None:
    if root_key is not None and origin.root_key != root_key:
        raise SignatureRefused("密钥不是由指定的根密钥签发", "another root key than the given one answers for this key")
    if trust_list is None:
        return
    try:
        listed = json.loads(trust_list)
        message = TRUST_LIST_PREFIX + rfc8785.dumps({"keys": listed["keys"], "version": listed["version"]})
        signature = encode(_decoded(listed["signature"]))
    except (ValueError, KeyError, TypeError, RecursionError, rfc8785.CanonicalizationError):
        raise SignatureRefused("信任列表格式不对", "the trust list has another form than it should") from None
    _check(
        origin.root_key, signature, message, "信任列表不是由同一根密钥签发", "another root key signed the trust list"
    )


def _check(
    public_key: bytes,
    signature: str,
    message: bytes,
    zh: str = "签名不正确",
    en: str = "the signature is not good",
) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(_decoded(signature), message)
    except InvalidSignature:
        raise SignatureRefused(zh, en) from None


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def read_root_key(text: str) -> bytes:
    """A root key as somebody hands it over: its base64, or a file that holds it; ValueError for anything else."""
    path = Path(text)
    content = path.read_text(encoding="utf-8") if path.is_file() else text
    try:
        raw = _decoded(content.strip())
    except ValueError as error:
        raise ValueError("a root key is 32 bytes in base64, or a file that holds them") from error
    if len(raw) != 32:
        raise ValueError("a root key is 32 bytes in base64, or a file that holds them")
    return raw


def shown(at: datetime) -> str:
    """An instant for a person, the same on every machine."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
