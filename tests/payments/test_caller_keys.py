"""One key of one caller is one request, whatever address it was used on first (contract rule 2)."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from kernel.errors import IdempotencyKeyReused
from kernel.ids import public_id
from payments.gateways import top_ups
from tests.payments.doors import Somebody, doors, employee
from tests.payments.test_invariants import SaidGateway
from tests.payments.test_scan_payments import hang, scan
from tests.payments.world import World

KEY = "the till's own key"


async def sell(world: World, http: httpx.AsyncClient, key: str = KEY, **how: Any) -> httpx.Response:
    person = await world.person(cash_fen=5000)
    body = {"code": (await world.code(person)).code, "amount_fen": 700, "seq": world.next_seq(world.till), **how}
    return await http.post("/v1/payments", json=body, headers=as_till(world, key))


async def void(world: World, http: httpx.AsyncClient, payment: str, key: str = KEY) -> httpx.Response:
    return await http.post(f"/v1/payments/{payment}/void", headers=as_till(world, key))


def as_till(world: World, key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.tokens[world.till.id]}", "Idempotency-Key": key}


def is_reused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


class TestAtATill:
    async def test_the_key_of_a_payment_voids_nothing(self, world: World) -> None:
        async with doors(world) as http:
            paid = (await sell(world, http)).json()
            assert is_reused(await void(world, http, paid["id"]))
            assert await world.status_of(paid["id"]) == "succeeded"
            assert (await void(world, http, paid["id"], "another")).status_code == 201

    async def test_the_key_of_a_void_pays_nothing(self, world: World) -> None:
        async with doors(world) as http:
            paid = (await sell(world, http, "another")).json()
            voided = await void(world, http, paid["id"])
            assert is_reused(await sell(world, http))
            # And it stays the void's: the same bytes again.
            again = await void(world, http, paid["id"])
            assert (again.content, again.headers["Idempotent-Replayed"]) == (voided.content, "true")

    async def test_before_the_payments_own_state_is_looked_at(self, world: World) -> None:
        async with doors(world) as http:
            paid = (await sell(world, http)).json()
            await world.void(paid["id"])
            assert is_reused(await void(world, http, paid["id"]))

    async def test_a_void_that_was_refused_leaves_the_key_free(self, world: World) -> None:
        async with doors(world) as http:
            assert (await void(world, http, f"pay_{uuid4().hex}")).status_code == 404
            assert (await sell(world, http)).status_code == 201

    @pytest.mark.parametrize("times", range(3))
    async def test_of_both_at_the_same_moment_one_is_done(self, world: World, times: int) -> None:
        async with doors(world) as http:
            paid = (await sell(world, http, "another")).json()
            answers = await asyncio.gather(void(world, http, paid["id"]), sell(world, http))
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    async def test_a_refund_takes_its_key_too(self, world: World) -> None:
        async with doors(world) as http:
            paid = (await sell(world, http)).json()
            body = {"amount_fen": 100, "reason": "cold"}
            path = f"/v1/payments/{paid['id']}/refunds"
            assert is_reused(await http.post(path, json=body, headers=as_till(world, KEY)))
            assert (await http.post(path, json=body, headers=as_till(world, "another"))).status_code == 201
            assert is_reused(await sell(world, http, "another"))


async def test_another_tills_key_is_another_key(world: World) -> None:
    async with doors(world) as http:
        paid = (await sell(world, http)).json()
        other = {"Authorization": f"Bearer {world.tokens[world.tills[1]]}", "Idempotency-Key": KEY}
        assert (await http.post(f"/v1/payments/{paid['id']}/void", headers=other)).status_code == 201


class TestOnThePhone:
    async def top_up(self, world: World, diner: Somebody) -> Any:
        gateway: Any = SaidGateway()
        return await top_ups.open_top_up(
            world.db, gateway, diner.id, 5000, KEY, actor=public_id("per", diner.id), tell_refusal=lambda _error: {}
        )

    async def test_the_key_of_a_top_up_pays_nothing_at_a_wall_code(self, world: World) -> None:
        diner = await employee(world, cash_fen=5000)
        assert (await self.top_up(world, diner)).status == 201
        async with doors(world) as http:
            assert is_reused(await scan(http, diner, await hang(world), key=KEY))
        assert (await self.top_up(world, diner)).replayed

    async def test_the_key_of_a_payment_at_a_wall_code_tops_nothing_up(self, world: World) -> None:
        diner = await employee(world, cash_fen=5000)
        async with doors(world) as http:
            assert (await scan(http, diner, await hang(world), key=KEY)).status_code == 201
        with pytest.raises(IdempotencyKeyReused):
            await self.top_up(world, diner)
        # Nothing was begun, at the gateway or here.
        async with world.db.session() as session:
            assert await session.scalar(text("SELECT count(*) FROM channel_orders")) == 0
