"""The servers that help two browsers find each other."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from realtime.audio.ice import IceServer, IceWays, ice_servers

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
STUN, TURN = ("stun:turn.example:3478",), ("turn:turn.example:3478?transport=udp",)


def ways(stun: tuple[str, ...] = (), turn: tuple[str, ...] = (), secret: str | None = None) -> IceWays:
    return IceWays(stun, turn, secret, turn_only=False)


class TestIceServers:
    def test_an_installation_without_any_has_none(self) -> None:
        assert ice_servers(ways(), "per_1", NOON) == []

    def test_a_stun_server_needs_no_credential(self) -> None:
        assert ice_servers(ways(stun=STUN), "per_1", NOON) == [IceServer(STUN)]

    def test_a_turn_credential_is_of_one_hour_and_signed(self) -> None:
        (server,) = ice_servers(ways(turn=TURN, secret="celadon"), "per_1", NOON)

        username = f"{int(NOON.timestamp()) + 3600}:per_1"
        signed = hmac.new(b"celadon", username.encode(), hashlib.sha1).digest()
        assert server == IceServer(TURN, username, base64.b64encode(signed).decode())

    def test_without_the_secret_no_turn_server_is_named(self) -> None:
        assert ice_servers(ways(turn=TURN), "per_1", NOON) == []
