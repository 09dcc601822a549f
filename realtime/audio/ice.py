"""Which servers help two browsers to find a way to each other.

A TURN server that shares a secret with us takes a name that says until when it is good, and as password the HMAC of
that name (draft-uberti-behave-turn-rest-00; coturn's `use-auth-secret`). So a browser holds a credential of an hour,
and the secret stays here.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha1
from typing import Final

CREDENTIAL_LIFE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class IceServer:
    """One entry of a browser's `RTCConfiguration.iceServers`."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class IceWays:
    """What the operator has set up: `turn_only` sends all sound through the TURN server, so that neither side learns
    the other's address."""

    stun_urls: tuple[str, ...]
    turn_urls: tuple[str, ...]
    turn_secret: str | None
    turn_only: bool


def ice_servers(ways: IceWays, who: str, now: datetime) -> list[IceServer]:
    """The servers for one person, `who` by public id; TURN only where there is a secret to sign with."""
    servers = [IceServer(ways.stun_urls)] if ways.stun_urls else []
    if ways.turn_urls and ways.turn_secret is not None:
        username = f"{int((now + CREDENTIAL_LIFE).timestamp())}:{who}"
        servers.append(IceServer(ways.turn_urls, username, _credential(ways.turn_secret, username)))
    return servers


def _credential(secret: str, username: str) -> str:
    """SHA-1 is what the protocol names; as an HMAC it is still sound."""
    return base64.b64encode(hmac.new(secret.encode(), username.encode(), sha1).digest()).decode()
