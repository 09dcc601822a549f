"""Who goes: by skill, area, load and shift. The rule picks the best, a technician claims, or the lead assigns.

On duty is who stands in a technicians' rota and has signed in; who stands in none works in office hours. Who has said no to an
order is not asked again for some hours. Of those who fit, the one with the least to do goes, and of those the one who has
waited longest.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Role, people_with_roles_in, place_summary
from kernel import clock, timers
from kernel.calendar import OFFICE_HOURS, load_calendar
from kernel.ids import public_id, uuid7
from kernel.settings import get_settings
from realtime.duty.api import who_is_on_duty
from repairs.orders import queries
from repairs.orders.errors import SkillMissing
from repairs.orders.models import RepairCategory, Technician, WorkOrder, WorkOrderOffer
from repairs.orders.parties import SYSTEM
from repairs.orders.steps import DISPATCH_AGAIN, DISPATCH_TIMER, move, ref_of

DECLINED_FOR: Final = timedelta(hours=4)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody to whom an order could go, and what speaks against it."""

    person_id: UUID
    reasons: tuple[str, ...]
    load: int
    load_max: int
    on_duty: bool
    declined: bool
    last_offer_at: datetime

    @property
    def fits(self) -> bool:
        return not self.reasons

    @property
    def rank(self) -> tuple[bool, bool, int, datetime, UUID]:
        """The best first."""
        return (not self.fits, not self.on_duty, self.load, self.last_offer_at, self.person_id)


async def candidates_for(session: AsyncSession, order: WorkOrder, category: RepairCategory) -> list[Candidate]:
    """Everybody with a profile and the role, the best first."""
    now = clock.now()
    able = set(await people_with_roles_in(session, [order.region_id], (Role.TECHNICIAN,)))
    profiles = [profile for profile in await queries.technicians_in(session, None) if profile.person_id in able]
    people = [profile.person_id for profile in profiles]
    if not people:
        return []
    loads = await queries.loads_of(session, people)
    declined = await queries.declined_since(session, order.id, now - DECLINED_FOR)
    last = await queries.last_offers_of(session, people)
    on_duty = await on_duty_for(session, order.region_id, order.place_id, now)
    open_now = await _is_office_hour(session, order, now)
    served = {party.person_id for party in (await queries.parties_of(session, [order.id])).get(order.id, [])}
    found = [
        Candidate(
            person_id=profile.person_id,
            reasons=_against(
                profile,
                order,
                category,
                load=loads.get(profile.person_id, 0),
                is_working=open_now or profile.person_id in on_duty,
                has_declined=profile.person_id in declined,
                is_party=profile.person_id in served,
            ),
            load=loads.get(profile.person_id, 0),
            load_max=profile.load_max,
            on_duty=profile.person_id in on_duty,
            declined=profile.person_id in declined,
            last_offer_at=last.get(profile.person_id, _NEVER),
        )
        for profile in profiles
    ]
    return sorted(found, key=lambda candidate: candidate.rank)


def _against(
    profile: Technician,
    order: WorkOrder,
    category: RepairCategory,
    *,
    load: int,
    is_working: bool,
    has_declined: bool,
    is_party: bool,
) -> tuple[str, ...]:
    found = {
        "inactive": not profile.is_active,
        "skill": not is_skilled(profile, category),
        "area": not serves(profile, order),
        "load": load >= profile.load_max,
        "shift": not is_working,
        "declined": has_declined,
        "served": is_party,
    }
    return tuple(reason for reason, is_so in found.items() if is_so)


def is_skilled(profile: Technician, category: RepairCategory) -> bool:
    """Whether somebody can do it."""
    return category.skill is None or category.skill in profile.skills


def serves(profile: Technician, order: WorkOrder) -> bool:
    """Whether somebody goes there."""
    return not profile.place_ids or bool(set(profile.place_ids) & set(order.place_path))


async def on_duty_for(session: AsyncSession, region_id: UUID, place_id: UUID | None, at: datetime) -> Collection[UUID]:
    """Technicians who stand in the rota of a place and have signed in."""
    found = await who_is_on_duty(
        session, role=Role.TECHNICIAN, team_id=None, place_id=place_id, region_id=region_id, at=at
    )
    return {one.person_id for one in found}


async def _is_office_hour(session: AsyncSession, order: WorkOrder, at: datetime) -> bool:
    calendar = await load_calendar(session, await zone_of(session, order), OFFICE_HOURS)
    return calendar.elapsed(at, at + timedelta(seconds=1)) > 0


async def zone_of(session: AsyncSession, order: WorkOrder) -> ZoneInfo:
    """The time of the place."""
    if order.place_id is None:
        return get_settings().zone
    place = (await place_summary(session, [order.place_id])).get(order.place_id)
    return ZoneInfo(place.timezone) if place is not None else get_settings().zone


async def dispatch(session: AsyncSession, order: WorkOrder, category: RepairCategory) -> bool:
    """The rule: to the best of those who fit. Where there is nobody, it looks again in a while, and the order stays for
    whoever claims it."""
    best = await best_for(session, order, category)
    if best is None:
        await timers.schedule(session, DISPATCH_TIMER, ref_of(order), clock.now() + DISPATCH_AGAIN)
        return False
    await give(session, order, best, "automatic")
    await move(session, order, "assign", SYSTEM, data={"assignee": public_id("per", best)})
    return True


async def best_for(session: AsyncSession, order: WorkOrder, category: RepairCategory) -> UUID | None:
    """Whom the rule picks."""
    return next((one.person_id for one in await candidates_for(session, order, category) if one.fits), None)


async def give(session: AsyncSession, order: WorkOrder, person_id: UUID, way: str) -> None:
    """It is somebody's from now on; whose it was is told by how that ended."""
    await take_away(session, order, "reassigned")
    order.assignee_id = person_id
    offer = WorkOrderOffer(
        id=uuid7(), order_id=order.id, person_id=person_id, way=way, offered_at=clock.now(), words=""
    )
    session.add(offer)


async def take_away(session: AsyncSession, order: WorkOrder, outcome: str, words: str = "") -> None:
    """It is nobody's."""
    offer = await queries.open_offer(session, order.id)
    if offer is not None:
        offer.outcome, offer.ended_at, offer.words = outcome, clock.now(), words
        await session.flush()
    order.assignee_id = None


async def require_fit(
    session: AsyncSession, order: WorkOrder, category: RepairCategory, person_id: UUID, *, is_claim: bool
) -> None:
    """Whoever claims has the skill and the area; whom the lead sends has at least the role."""
    reasons = []
    able = await people_with_roles_in(session, [order.region_id], (Role.TECHNICIAN,))
    if person_id not in able:
        reasons.append("role")
    if is_claim:
        profile = await session.get(Technician, person_id)
        if profile is None or not profile.is_active:
            reasons.append("inactive")
        else:
            reasons += [] if is_skilled(profile, category) else ["skill"]
            reasons += [] if serves(profile, order) else ["area"]
    if reasons:
        raise SkillMissing(reasons=reasons)
