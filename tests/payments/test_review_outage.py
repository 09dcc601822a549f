"""While the database is away a till is told to try again, in the form in which everything is told."""

from collections.abc import MutableMapping
from typing import Any

import msgspec
import pytest

from kernel.db import Database
from payments.hot_route import PaymentsEndpoint
from payments.terminals import TerminalCache
from tests.payments.world import World


async def post(endpoint: PaymentsEndpoint, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """One request through the bare ASGI function."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": msgspec.json.encode(body), "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode()), (b"idempotency-key", b"k1")]
    await endpoint({"type": "http", "method": "POST", "path": "/v1/payments", "headers": headers}, receive, send)
    return sent[0]["status"], msgspec.json.decode(sent[1]["body"])


@pytest.fixture
async def gone() -> Database:
    """A database at a port where nobody listens."""
    return Database("postgresql://guanjia@127.0.0.1:9/gone")


class TestDatabaseAway:
    async def test_a_till_that_this_process_does_not_know_yet_is_told_to_try_again(
        self, world: World, gone: Database
    ) -> None:
        endpoint = PaymentsEndpoint(gone, world.posting, TerminalCache())
        status, body = await post(endpoint, world.tokens[world.till.id], {"seq": 1, "code": "7" * 20})
        assert (status, body["code"]) == (503, "TRY_AGAIN")

    async def test_a_reload_that_fails_leaves_the_tills_known(self, world: World) -> None:
        connection = await world.db.raw_connection()
        await connection.close()
        with pytest.raises(Exception, match="closed"):
            await world.terminals.refresh(connection, 0)
        assert world.terminals.by_token(world.tokens[world.till.id]) is not None
