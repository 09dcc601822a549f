"""Webhooks out: the signature, and one POST under the guard of kernel/outgoing.py: a receiver is an address that somebody typed in."""

import hmac
from collections.abc import Sequence
from typing import Final

from kernel.outgoing import AddressGuard, AddressRefused, GuardedSender, Tried

USER_AGENT: Final = "Guanjia/1.0 (+webhooks)"

__all__ = ["USER_AGENT", "AddressGuard", "AddressRefused", "Sender", "Tried", "signature_header"]


def signature_header(payload: bytes, secrets: Sequence[str], timestamp: int) -> str:
    """`t=...,v1=...`: one v1 for each secret that counts, so that a rotation loses nothing."""
    signed = b"%d." % timestamp + payload
    marks = [f"v1={hmac.new(secret.encode(), signed, 'sha256').hexdigest()}" for secret in secrets]
    return ",".join([f"t={timestamp}", *marks])


class Sender(GuardedSender):
    """Sends webhooks over a pool of guarded connections."""

    async def post(self, url: str, payload: bytes, signature: str) -> Tried:
        """One try; never raises for what the receiver does."""
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": USER_AGENT,
            "stripe-signature": signature,
        }
        return await self.send(url, payload, headers)
