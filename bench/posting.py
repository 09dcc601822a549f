"""Posting alone, without HTTP: the queue of the product fed from memory, everything written and durable.

Two rows: the queue with its batches, and one transaction for each payment through the same code.
"""

import asyncio
import gc
import time
from collections.abc import Iterator
from uuid import uuid4

from app.memory import settle_memory
from bench.rig import Rig, amount_of
from bench.rows import Row, at_least, told
from canteen.api import CanteenPricing
from kernel.idempotency import Answer
from payments import api

PAYMENTS = 60_000
SINGLE_PAYMENTS = 3_000
WAITING = 2_000


async def measure_codes(rig: Rig) -> list[Row]:
    """How many pay codes are issued and signed a second, in bulk."""
    _, rate = await rig.issue_codes(20_000)
    return [told("codes issued, in bulk", rate, "codes/s")]


async def measure(rig: Rig) -> list[Row]:
    """Payments a second through the queue, and one by one."""
    batched = await rate_of_queue(rig, PAYMENTS, batch_max=400, waiting=WAITING)
    single = await rate_of_queue(rig, SINGLE_PAYMENTS, batch_max=1, waiting=64)
    return [
        at_least("posting alone", batched, "payments/s", 12_000),
        told("posting alone, one transaction each", single, "payments/s"),
    ]


async def rate_of_queue(rig: Rig, count: int, *, batch_max: int, waiting: int) -> float:
    """Payments a second, so many waiting at a time."""
    terminals = api.TerminalCache()
    posting = api.Posting(rig.database, CanteenPricing(), terminals, batch_max=batch_max)
    await posting.start()
    codes, _ = await rig.issue_codes(count)
    items = _items(rig, terminals, codes)
    settle_memory()  # As a web process does.
    answers: list[Answer] = []

    async def worker() -> None:
        answers.extend([await posting.submit(item) for item in items])

    started = time.perf_counter()
    await asyncio.gather(*[worker() for _ in range(waiting)])
    seconds = time.perf_counter() - started
    await posting.stop()
    gc.unfreeze()
    refused = [answer.body for answer in answers if answer.status != 201]
    if refused or len(answers) != count:
        raise RuntimeError(f"{len(refused)} of {count} were refused, the first: {refused[:1]}")
    return count / seconds


def _items(rig: Rig, terminals: api.TerminalCache, codes: list[api.IssuedCode]) -> Iterator[api.Item]:
    tills = [terminals.by_id(terminal) for terminal in rig.terminals]
    return iter(
        [
            api.queue_item(
                till,
                uuid4().hex,
                api.PaymentRequest(seq=(seq := rig.next_seq()), code=code.code, amount_fen=amount_of(seq)),
                request_id="req_bench",
                language="zh",
            )
            for number, code in enumerate(codes)
            if (till := tills[number % len(tills)]) is not None
        ]
    )
