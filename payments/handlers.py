"""What payments does when identity tells something: a person who joins gets an account, who moves is priced anew.

Handlers run in the worker, exactly once in effect (kernel/handlers.py), and open to repetition all the same.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import mask_name, person_summary
from identity.events import MembershipChanged, PersonJoined
from kernel.events import StoredEvent
from kernel.ids import parse_public_id
from payments import holders, queries


async def follow_people(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Open accounts for those who joined; note where those who moved belong now."""
    for stored in events:
        event = stored.event
        if isinstance(event, PersonJoined) and event.unit is not None:
            await _open_account(session, event.person, event.unit, event.region, event.person_class)
        elif isinstance(event, MembershipChanged) and event.unit and event.region and event.person_class:
            await _open_account(session, event.person, event.unit, event.region, event.person_class)
            await holders.change_membership(
                session,
                parse_public_id("per", event.person),
                unit_id=parse_public_id("org", event.unit),
                region_id=parse_public_id("reg", event.region),
                person_class=event.person_class,
            )


async def _open_account(session: AsyncSession, person: str, unit: str, region: str, person_class: str) -> None:
    person_id = parse_public_id("per", person)
    if await queries.holder_keys(session, [person_id]):
        return
    summary = (await person_summary(session, [person_id])).get(person_id)
    label = summary.masked_name if summary else mask_name("")
    unit_id, region_id = parse_public_id("org", unit), parse_public_id("reg", region)
    await holders.open_holders(session, [holders.NewHolder(person_id, unit_id, region_id, person_class, label)])
