"""Who can repair what, where, and how much at a time."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, person_summary, place_summary
from kernel import audit_log, clock
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id
from repairs.orders import queries
from repairs.orders.dispatching import on_duty_for
from repairs.orders.models import Technician
from repairs.orders.schemas import PlaceBrief, SomebodyView, TechnicianBody, TechnicianView

_DECLINES_OF: Final = timedelta(days=30)


async def keep_technician(session: AsyncSession, actor: Principal, person_id: UUID, body: TechnicianBody) -> Technician:
    """Write down what somebody is sent, by who leads their region; the role itself is granted elsewhere."""
    region_id = parse_public_id("reg", body.region)
    actor.require(*queries.LEAD_ROLES, region_id=region_id)
    if person_id not in await person_summary(session, [person_id]):
        raise NotFound(what="per", id=public_id("per", person_id))
    place_ids = [parse_public_id("pla", place) for place in body.places]
    known = await place_summary(session, place_ids)
    for identifier in place_ids:
        if identifier not in known:
            raise NotFound(what="pla", id=public_id("pla", identifier))
    row = await session.get(Technician, person_id, with_for_update=True)
    if row is None:
        row = Technician(person_id=person_id)
        session.add(row)
    else:
        actor.require(*queries.LEAD_ROLES, region_id=row.region_id)
    row.region_id, row.place_ids, row.skills = region_id, place_ids, list(body.skills)
    row.load_max, row.is_active, row.changed_at = body.load_max, body.is_active, clock.now()
    await session.flush()
    subject = public_id("per", person_id)
    data = body.model_dump(mode="json")
    await audit_log.record(session, actor=actor.actor, action="technician.keep", subject=subject, data=data)
    return row


async def technician_views(session: AsyncSession, rows: Sequence[Technician]) -> list[TechnicianView]:
    """With what they have under way, and whether they are on duty."""
    people = [row.person_id for row in rows]
    names = await person_summary(session, people)
    places = await place_summary(session, {place for row in rows for place in row.place_ids})
    loads = await queries.loads_of(session, people)
    declines = await queries.declines_of(session, people, clock.now() - _DECLINES_OF)
    on_duty: set[UUID] = set()
    for region_id in {row.region_id for row in rows}:
        on_duty |= set(await on_duty_for(session, region_id, None, clock.now()))
    return [
        TechnicianView.model_validate(
            {
                "person": SomebodyView(id=public_id("per", row.person_id), name=names[row.person_id].name),
                "region": public_id("reg", row.region_id),
                "skills": row.skills,
                "places": [
                    PlaceBrief(
                        id=public_id("pla", place),
                        name_zh=places[place].name_zh,
                        name_en=places[place].name_en,
                        full_name_zh=places[place].full_name_zh,
                        full_name_en=places[place].full_name_en,
                    )
                    for place in row.place_ids
                    if place in places
                ],
                "load": loads.get(row.person_id, 0),
                "load_max": row.load_max,
                "is_active": row.is_active,
                "on_duty": row.person_id in on_duty,
                "declines_30d": declines.get(row.person_id, 0),
            }
        )
        for row in rows
    ]
