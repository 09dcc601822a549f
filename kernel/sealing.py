"""Keys that never leave the server: derived from the secret key, one for each use, and a seal for what is secret at rest."""

from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel.settings import get_settings

# Only ever used outside production: `Settings` refuses to start production without a secret key of its own.
DEMO_SECRET_KEY: Final = "demo-only-secret-key-never-in-production"  # noqa: S105  public on purpose


class WrongSecretKey(RuntimeError):
    """What was sealed with another secret key cannot be opened: GUANJIA_SECRET_KEY has changed."""


def secret_key() -> str:
    """The installation's secret; the demo's own one outside production."""
    settings = get_settings()
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    if settings.production:
        raise RuntimeError("GUANJIA_SECRET_KEY must be set in production mode")
    return DEMO_SECRET_KEY


@lru_cache(maxsize=32)
def _derive(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"guanjia/{purpose}".encode()).derive(secret.encode())


def derived_key(purpose: str) -> bytes:
    """32 bytes for one use; different uses get keys that tell nothing of each other."""
    return _derive(secret_key(), purpose)


def seal(private: bytes, nonce: bytes) -> bytes:
    """Encrypt a private key for the database (AES-256-GCM; the nonce of 12 random bytes stands in front)."""
    return nonce + AESGCM(derived_key("seal")).encrypt(nonce, private, None)


def unseal(sealed: bytes) -> bytes:
    """The inverse of `seal`."""
    try:
        return AESGCM(derived_key("seal")).decrypt(sealed[:12], sealed[12:], None)
    except InvalidTag as error:
        raise WrongSecretKey("stored keys were sealed with another GUANJIA_SECRET_KEY") from error
