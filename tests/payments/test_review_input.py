"""What a till may send at the edges: it is told, and nobody else's payment waits for it."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from kernel.errors import IdempotencyKeyRequired, Malformed
from payments import api
from payments.service import decode_payment_request
from tests.payments.world import World


def item_at(world: World, code: str, happened_at: str) -> api.Item:
    """A request as the route reads it, with the instant as text."""
    raw = {"seq": world.next_seq(world.till), "code": code, "amount_fen": 100, "happened_at": happened_at}
    body = decode_payment_request(msgspec.json.encode(raw))
    return api.queue_item(world.till, uuid4().hex, body, request_id="req_1", language="zh")


class TestHappenedAt:
    @pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
    async def test_an_offset_that_leads_out_of_the_calendar_is_malformed(self, world: World, text: str) -> None:
        code = (await world.code(await world.person(cash_fen=1000))).code
        with pytest.raises(Malformed):
            item_at(world, code, text)

    async def test_the_first_instant_of_all_is_one(self, world: World) -> None:
        code = (await world.code(await world.person(cash_fen=1000))).code
        item = item_at(world, code, "0001-01-01T14:00:00+14:00")
        assert item.request.happened_at == datetime(1, 1, 1, tzinfo=UTC)
        assert (await world.posting.submit(item)).status == 201


class TestKey:
    async def test_a_key_that_the_database_cannot_keep_is_none(self, world: World) -> None:
        code = (await world.code(await world.person(cash_fen=1000))).code
        assert isinstance(await world.refused(code, amount_fen=100, key="a\0b"), IdempotencyKeyRequired)
        assert (await world.pay(code, amount_fen=100, key="é\t€")).status == 201
