"""While the database is away a till is told to try again, in the form in which everything is told."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import msgspec
import pytest

from kernel.db import Database
from kernel.errors import TryAgain
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


class TestQueue:
    async def test_of_many_that_wait_each_is_told_after_a_few_attempts_to_connect(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        people = [await world.person(cash_fen=500) for _ in range(20)]
        codes = [(await world.code(person)).code for person in people]
        attempts = 0

        async def refuse() -> Any:
            nonlocal attempts
            attempts += 1
            raise ConnectionRefusedError

        connection = await world.db.raw_connection()
        with monkeypatch.context() as patch:
            patch.setattr(world.db, "raw_connection", refuse)
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid() "
                # The server is every test's; its other databases have lanes of their own.
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            told = await asyncio.gather(*[world.pay(code, amount_fen=1) for code in codes], return_exceptions=True)
        await connection.close()
        assert [type(error) for error in told] == [TryAgain] * 20
        # A few for each of the two lanes, not one for each of the twenty.
        assert attempts <= 8
        assert (await world.pay(codes[0], amount_fen=1)).status == 201


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
