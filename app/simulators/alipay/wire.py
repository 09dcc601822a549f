"""The signed text, both ways: RSA2 is SHA-256 with RSA over `k=v&...`, sorted, without `sign`.

A request is signed with its sign_type, a notice without it, and of an answer the raw text of the inner object is.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256


def is_signed(parameters: Mapping[str, str], key: RSAPublicKey) -> bool:
    """Whether a request carries its app's signature."""
    text = _joined({name: value for name, value in parameters.items() if name != "sign" and value})
    try:
        signature = base64.b64decode(parameters.get("sign", ""), validate=True)
        key.verify(signature, text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def signed_notice(parameters: Mapping[str, str], key: RSAPrivateKey) -> dict[str, str]:
    """A notice with its signature."""
    return {**parameters, "sign_type": "RSA2", "sign": _signature(_joined(parameters), key)}


def signed_answer(method: str, inner: Mapping[str, Any], key: RSAPrivateKey) -> str:
    """`{"alipay_trade_query_response":{...},"sign":"..."}`, as text: what is signed is the text itself."""
    text = json.dumps(inner, ensure_ascii=False, separators=(",", ":"))
    name = method.replace(".", "_") + "_response"
    return f'{{"{name}":{text},"sign":"{_signature(text, key)}"}}'


def _joined(parameters: Mapping[str, str]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))


def _signature(text: str, key: RSAPrivateKey) -> str:
    return base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()
