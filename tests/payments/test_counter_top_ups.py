"""Cash at the service counter: whoever takes it is somebody else than the one who pays it in."""

import httpx

from identity.api import Place, Role
from kernel.ids import public_id
from payments import api
from tests.payments.doors import Somebody, doors, officer
from tests.payments.world import World


async def with_account(world: World, somebody: Somebody) -> Somebody:
    async with world.db.session() as session:
        await api.open_holders(session, [api.NewHolder(somebody.id, world.unit, world.home, "staff", "钱*")])
    return somebody


async def pay_in(http: httpx.AsyncClient, clerk: Somebody, to: Somebody) -> httpx.Response:
    path = f"/v1/people/{public_id('per', to.id)}/account/top_ups"
    return await http.post(path, json={"amount_fen": 5000}, headers={**clerk.headers, "Idempotency-Key": "k"})


async def test_a_finance_officer_does_it_for_a_colleague_and_never_alone_for_themselves(world: World) -> None:
    one, other = [
        await with_account(world, await officer(world, Role.FINANCE, Place(organisation_id=world.unit)))
        for _ in range(2)
    ]
    async with doors(world) as http:
        alone = await pay_in(http, one, one)
        assert (alone.status_code, alone.json()["code"]) == (403, "OWN_ACCOUNT")
        assert (await world.purses(one.id))["cash_fen"] == 0

        # A refusal takes no key: the colleague, or they themselves for somebody else, may go on with it.
        assert (await pay_in(http, other, one)).status_code == 201
        assert (await pay_in(http, one, other)).status_code == 201
    assert (await world.purses(one.id))["cash_fen"] == 5000
