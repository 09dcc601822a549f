"""PaymentIntents confirmed a second, beside `POST /v1/payments` of the same run: one key, 64 connections, every answer checked.

The intents are made beforehand; a code pays each. A confirmation is acknowledged when the payment, the intent, the kept answer
and its events are durable.
"""

import asyncio
import json
from urllib.parse import urlencode
from uuid import UUID, uuid4

from bench.http_payments import CONNECTIONS, check, requests_for
from bench.load import LoadResult, drive, post
from bench.rig import Rig, amount_of, free_port, running
from bench.rows import Row, compared, told
from kernel.ids import public_id
from payments.stripe_door import queries, service
from payments.stripe_door.api import make_key
from payments.stripe_door.schemas import IntentParams

CONFIRMATIONS = 15_000
WARM_UP = 1_000
GOAL = 0.5
_MADE_AT_ONCE = 1000


async def measure(rig: Rig) -> list[Row]:
    """Both rates, from one process of the product."""
    async with rig.database.session() as session:
        key = (await make_key(session, rig.canteen, "bench", actor="bench")).secret
    port = free_port()
    async with running(["-m", "app.cli", "web"], rig.environment(port), port):
        await _pay(rig, port, WARM_UP)
        await _confirm(rig, port, key, WARM_UP)
        payments = await _pay(rig, port, CONFIRMATIONS)
        confirmations = await _confirm(rig, port, key, CONFIRMATIONS)
    return [
        compared("stripe confirmations", confirmations.rate, "confirms/s", "http payments", payments.rate, GOAL),
        told("stripe confirmations, p50", confirmations.latency_ms(0.5), "ms"),
        told("stripe confirmations, p99", confirmations.latency_ms(0.99), "ms"),
    ]


async def _pay(rig: Rig, port: int, count: int) -> LoadResult:
    requests, amounts = await requests_for(rig, count)
    result = await asyncio.to_thread(drive, port, requests, connections=CONNECTIONS)
    check(result, amounts)
    return result


async def _confirm(rig: Rig, port: int, key: str, count: int) -> LoadResult:
    intents = await _make_intents(rig, count)
    codes, _ = await rig.issue_codes(count)
    requests = [
        post(
            f"/v1/payment_intents/{public_id('pi', intent)}/confirm",
            urlencode(
                {"payment_method_data[type]": "one_card", "payment_method_data[one_card][code]": code.code}
            ).encode(),
            {"Authorization": f"Bearer {key}", "Idempotency-Key": uuid4().hex},
            content_type="application/x-www-form-urlencoded",
        )
        for intent, code in zip(intents, codes, strict=True)
    ]
    result = await asyncio.to_thread(drive, port, requests, connections=CONNECTIONS)
    _check(result, intents)
    return result


async def _make_intents(rig: Rig, count: int) -> list[UUID]:
    made = [
        service.new_intent(
            rig.canteen,
            IntentParams(amount_of(rig.next_seq()), None, None, None, confirm=False, expand_charge=False),
            keep_code=False,
        )
        for _ in range(count)
    ]
    for at in range(0, count, _MADE_AT_ONCE):
        async with rig.database.session() as session:
            await queries.write_intents(session, made[at : at + _MADE_AT_ONCE])
    return [intent.id for intent in made]


def _check(result: LoadResult, intents: list[UUID]) -> None:
    """Every answer is the intent that was asked for, paid by a charge of its own."""
    charges = set()
    for number, (status, body) in result.answers.items():
        answer = json.loads(body)
        if status != 200 or answer["status"] != "succeeded" or answer["id"] != public_id("pi", intents[number]):
            raise RuntimeError(f"confirmation {number} was answered {status}: {body[:300]!r}")
        charges.add(answer["latest_charge"])
    if len(charges) != len(intents):
        raise RuntimeError(f"{len(intents)} confirmations made {len(charges)} charges")
