"""Web Push: a notice to a browser of which no page of ours is open. Encrypted for that browser alone (RFC 8291), and signed
by our own key (VAPID, RFC 8292): pywebpush knows both; the request goes out under our own guard, since the address is the browser's word.
"""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from py_vapid import Vapid02
from pywebpush import WebPusher

from kernel.outgoing import Tried
from realtime.reaching.wire import USER_AGENT, Came, Message, Outcome, Request, by_status

_SIGNED_FOR_S: Final = 3600
# What every push service takes, padding and header included, is 4096 bytes.
_BODY_CHARACTERS_MAX: Final = 600


def push_request(subscription: dict[str, Any], key: Vapid02, contact: str, message: Message, now: int) -> Request:
    """One notice. A later one about the same thing takes the place of an earlier one that still waits."""
    notice = {
        "title": message.title,
        "body": message.body[:_BODY_CHARACTERS_MAX],
        "link": message.link,
        "delivery": message.id,
        "urgent": message.is_urgent,
    }
    encoded = WebPusher(subscription).encode(msgspec.json.encode(notice), content_encoding="aes128gcm")
    endpoint = str(subscription["endpoint"])
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": now + _SIGNED_FOR_S, "sub": contact}
    headers = {
        "content-type": "application/octet-stream",
        "content-encoding": "aes128gcm",
        "user-agent": USER_AGENT,
        "ttl": str(max(0, message.expires_at - now)),
        "urgency": "high" if message.is_urgent else "normal",
        "topic": _topic(message.ref),
        "authorization": str(key.sign(claims)["Authorization"]),
    }
    return Request(endpoint, bytes(encoded["body"]), headers)


def _topic(ref: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(ref.encode()).digest())[:32].decode()


def read_push(tried: Tried) -> Outcome:
    """404 and 410: the browser took its permission back, and nobody is there any more."""
    if tried.status in (404, 410):
        return Outcome(Came.GONE, error=f"HTTP {tried.status}")
    return by_status(tried)
