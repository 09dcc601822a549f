"""Who is served, if not whoever raises it: found by name among one's own people, and not leafed through."""

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import AttemptPolicy, Cover, Principal, count_attempt, find_people_to_name, today
from kernel.errors import TooManyRequests
from kernel.ids import public_id
from repairs.orders import queries
from repairs.orders.schemas import ServedPersonView

# One looks after each letter typed; a list of a house takes many more.
LOOKS: Final = AttemptPolicy(60, timedelta(minutes=1), timedelta(minutes=1), timedelta(minutes=10))


async def find_served(session: AsyncSession, person: Principal, words: str) -> list[ServedPersonView]:
    """Of one's own unit by a part of the name, of any other by the whole of it; who leads a workshop finds all whom it serves."""
    wait_s = await count_attempt(session, f"repair people {person.actor}", LOOKS)
    if wait_s:
        raise TooManyRequests(retry_after_s=wait_s)
    reach = person.cover_of(*queries.LEAD_ROLES) if person.holds(*queries.LEAD_ROLES) else Cover()
    found = await find_people_to_name(session, words, person.unit_id, today(), reach=reach)
    return [
        ServedPersonView(
            id=public_id("per", row.id),
            name=row.name,
            organisation_name_zh=row.organisation_zh,
            organisation_name_en=row.organisation_en,
        )
        for row in found
        if row.id != person.person_id
    ]
