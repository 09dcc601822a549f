"""docs/charge-the-card.md: its samples run, in their order, and its tables say what the code says."""

import asyncio
import re
from pathlib import Path
from typing import Any

from payments.stripe_door.courier import Courier
from payments.stripe_door.errors import DECLINES
from payments.stripe_door.schemas import EVENT_TYPES
from payments.stripe_door.webhooks import AddressGuard, Sender
from tests.payments.stripe_door.conftest import Shop
from tests.payments.stripe_door.test_webhooks import receiving, run

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "charge-the-card.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


async def test_the_samples_run(shop: Shop) -> None:
    person = await shop.person()
    async with receiving() as receiver:
        known: dict[str, Any] = {
            "KEY": shop.key,
            "ADDRESS": shop.url,
            "CODE": await shop.code(person),
            "SECOND_CODE": (await shop.world.code(person)).text,
            "RECEIVER": receiver.url,
        }
        # The endpoint first, so that it hears of what the other samples do; then the page from its beginning.
        order = sorted(range(len(SAMPLES)), key=lambda n: (n != 0, "webhook_endpoints" not in SAMPLES[n], n))

        def follow() -> None:
            for number in order:
                exec(compile(SAMPLES[number], f"sample {number + 1}", "exec"), known)
            known["client"]._requestor._client.close()

        await asyncio.to_thread(follow)
        sender = Sender(AddressGuard(None))
        await run(Courier(shop.db, sender))
        await sender.close()
        heard = [known["hear"](*got) for got in receiver.got]

    assert len(SAMPLES) == 8
    assert [line.partition(":")[0] for line in heard] == [
        *("payment_intent.succeeded", "payment_intent.succeeded", "charge.refunded", "charge.refunded")
    ]
    assert await shop.cash(person) == 100_00 - 350


def test_the_table_of_declines_is_the_codes() -> None:
    rows = re.findall(r"^\| `(DENY_\w+)` \| `(\w+)` \| `(\w+)` \|$", PAGE, re.MULTILINE)

    assert {deny: (code, decline) for deny, code, decline in rows} == {
        deny.value: words for deny, words in DECLINES.items()
    }


def test_every_event_is_named() -> None:
    told = PAGE[PAGE.index("Told are:") : PAGE.index("They can also be read")]

    assert set(re.findall(r"`([a-z_.]+)`", told)) == set(EVENT_TYPES)
