"""What the routes that give money back have in common: who may, and who signs for it at a till."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request

from identity.api import Principal, Role, Terminal
from kernel.db import Database
from kernel.errors import Forbidden
from kernel.ids import parse_public_id
from payments import schemas
from payments.counter_rule import CounterRule, SignOff, UnguardedCounter

REFUND_ROLES: Final = (Role.CANTEEN_MANAGER, Role.FINANCE)


def _counter(request: Request) -> CounterRule:
    rule: CounterRule = getattr(request.app.state, "counter_rule", None) or UnguardedCounter()
    return rule


CounterDep = Annotated[CounterRule, Depends(_counter)]


async def who_signs(
    db: Database, counter: CounterRule, terminal: Terminal, body: schemas.SignedRequest | None
) -> UUID | None:
    """Verified in transactions of its own and before the others: a wrong PIN stays counted whatever comes after it."""
    if body is None or body.pin is None:
        return None
    person_id = parse_public_id("per", body.person) if body.person else None
    return await counter.verify(db, terminal, SignOff(body.pin, person_id))


def refuse_refund_by_strangers(caller: Principal | Terminal, site_id: UUID, region_id: UUID) -> None:
    """Tills of the canteen, and staff who manage it."""
    if isinstance(caller, Terminal):
        if caller.site_id != site_id:
            raise Forbidden
    else:
        caller.require(*REFUND_ROLES, site_id=site_id, region_id=region_id)
