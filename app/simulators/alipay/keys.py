"""Two key pairs, made once in the data folder: our app's, and the simulated Alipay's own."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

APP_ID: Final = "2021000000000001"
SELLER_ID: Final = "2088000000000001"
_BITS: Final = 2048


@dataclass(frozen=True)
class Keys:
    """The app's private key is what the product signs with; Alipay's is what the simulator signs with."""

    app: RSAPrivateKey
    alipay: RSAPrivateKey

    @property
    def app_private_pem(self) -> str:
        return private_pem(self.app)

    @property
    def alipay_public_pem(self) -> str:
        return public_pem(self.alipay)


def ensure_keys(data_dir: Path) -> Keys:
    """Those of this data folder, made the first time."""
    folder = data_dir / "simulators" / "alipay"
    folder.mkdir(parents=True, exist_ok=True)
    return Keys(_ensure(folder / "app.pem"), _ensure(folder / "alipay.pem"))


def new_keys() -> Keys:
    """Fresh ones, kept nowhere."""
    return Keys(_new(), _new())


def _ensure(file: Path) -> RSAPrivateKey:
    if not file.exists():
        unfinished = file.with_suffix(".unfinished")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as text:
            text.write(private_pem(_new()))
        unfinished.replace(file)
    key = load_pem_private_key(file.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey), "it was made here"
    return key


def _new() -> RSAPrivateKey:
    return generate_private_key(65537, _BITS)


def private_pem(key: RSAPrivateKey) -> str:
    """PKCS #1, which every client of Alipay reads."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def public_pem(key: RSAPrivateKey) -> str:
    """The other half."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
