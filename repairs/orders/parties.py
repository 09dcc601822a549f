"""Who stands where beside an order: those whose it is, whoever has it, those who lead; and who may see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role
from kernel.errors import Forbidden
from kernel.ids import public_id
from repairs.orders import queries
from repairs.orders.models import RepairGuest, WorkOrder, WorkOrderParty


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: somebody who is signed in, a guest with a ticket, or the system. `key` is how the audit log names them."""

    key: str
    name: str
    person: Principal | None = None
    guest_id: UUID | None = None

    @property
    def person_id(self) -> UUID | None:
        return self.person.person_id if self.person is not None else None


SYSTEM: Final = Actor("system", "")


def actor_of(person: Principal) -> Actor:
    """Somebody who is signed in."""
    return Actor(person.actor, person.name, person=person)


def actor_of_guest(guest: RepairGuest) -> Actor:
    """Somebody with a ticket."""
    return Actor(public_id(queries.GUEST, guest.id), guest.name, guest_id=guest.id)


def sides_of(order: WorkOrder, parties: Sequence[WorkOrderParty], actor: Actor, *, is_handler: bool) -> frozenset[str]:
    """On which sides somebody stands. Whoever worked on it does not say for those who were served that it is well, and neither
    they nor who leads them rate it."""
    own = next((party for party in parties if party.party_key == actor.key), None)
    sides = {"raiser"} if own is not None and own.is_raiser else set()
    is_lead = _may(actor, order, *queries.LEAD_ROLES)
    if own is not None and own.is_served and not is_handler:
        sides |= {"served"} if is_lead else {"served", "rater"}
    if is_lead:
        sides.add("lead")
    if _may(actor, order, Role.TECHNICIAN):
        sides.add("technician")
    if order.assignee_id is not None and order.assignee_id == actor.person_id:
        sides.add("assignee")
    return frozenset(sides)


def _may(actor: Actor, order: WorkOrder, *roles: str) -> bool:
    return actor.person is not None and actor.person.may(*roles, region_id=order.region_id, site_id=order.site_id)


def may_see(order: WorkOrder, parties: Sequence[WorkOrderParty], actor: Actor) -> bool:
    """Whose it is, who has it, and those at its region's desk."""
    return (
        any(party.party_key == actor.key for party in parties)
        or (order.assignee_id is not None and order.assignee_id == actor.person_id)
        or _may(actor, order, *queries.BOARD_ROLES)
    )


def is_staff(sides: frozenset[str]) -> bool:
    """Whether somebody sees what is said among those who work on it."""
    return bool(sides & {"technician", "assignee", "lead"})


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands beside an order that they may see."""

    parties: Sequence[WorkOrderParty]
    sides: frozenset[str]


async def standing_of(session: AsyncSession, order: WorkOrder, actor: Actor) -> Standing:
    """The sides somebody stands on; Forbidden for whom it is no business of."""
    parties = (await queries.parties_of(session, [order.id])).get(order.id, [])
    if not may_see(order, parties, actor):
        raise Forbidden
    person_id = actor.person_id
    handled = await queries.handled_by(session, [order.id], person_id) if person_id is not None else set()
    return Standing(parties, sides_of(order, parties, actor, is_handler=order.id in handled))
