"""Gateways to telephones, in one signed form that each provider's own adapter is written for (docs/reaching.md).

Both ways the signature is over `<unix seconds>.<body>`, so that what was overheard is worth nothing five minutes later.
"""

import hmac
from typing import Any, Final

import msgspec

from kernel.outgoing import Tried
from realtime.reaching.wire import USER_AGENT, Came, Message, Outcome, Request, by_status

SIGNED_WITHIN_S: Final = 300
TIMESTAMP_HEADER: Final = "Guanjia-Timestamp"
SIGNATURE_HEADER: Final = "Guanjia-Signature"


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256, in hexadecimal digits."""
    return "v1=" + hmac.new(secret.encode(), b"%d." % timestamp + body, "sha256").hexdigest()


def is_signed(secret: str, timestamp: str, given: str, body: bytes, now: int) -> bool:
    """Whether somebody who has the secret said this, lately."""
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(int(timestamp) - now) > SIGNED_WITHIN_S:
        return False
    return hmac.compare_digest(signature(secret, int(timestamp), body).encode(), given.encode())


def gateway_request(
    address: str, secret: str, kind: str, number: str, message: Message, text: str, timestamp: int
) -> Request:
    """One message to one telephone: a text to send, or words to say."""
    wanted: dict[str, Any] = {
        "version": 1,
        "id": message.id,
        "kind": kind,
        "to": number,
        "text": text,
        "language": message.language,
        "urgent": message.is_urgent,
        "expires_at": message.expires_at,
    }
    body = msgspec.json.encode(wanted)
    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": USER_AGENT,
        # A gateway that has seen it does not ring twice.
        "idempotency-key": message.id,
        TIMESTAMP_HEADER.lower(): str(timestamp),
        SIGNATURE_HEADER.lower(): signature(secret, timestamp, body),
    }
    return Request(address, body, headers)


def read_gateway(tried: Tried) -> Outcome:
    """Any 2xx has taken it; `id` in its JSON is its own name for it."""
    if not tried.arrived:
        return by_status(tried)
    try:
        answer = msgspec.json.decode(tried.answer or "{}")
        receipt = answer.get("id")
    except (msgspec.DecodeError, AttributeError):
        receipt = None
    return Outcome(Came.SENT, receipt=str(receipt)[:200] if receipt is not None else None)
