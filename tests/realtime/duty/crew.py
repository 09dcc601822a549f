"""What the stories of the rota are told with: a team in the house, people in it, and a rotation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from kernel import clock
from kernel.ids import uuid7
from realtime.duty.models import DutyMember, DutyRotation, DutyTeam
from realtime.duty.rotations import EVERY_DAY, Rotation, Slot
from tests.identity.conftest import House

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY_AND_NIGHT = (Slot(time(8), "白班"), Slot(time(20), "夜班"))
# A Monday, in China's morning.
MONDAY = datetime(2026, 11, 23, 1, 0, tzinfo=ZoneInfo("UTC"))


def rotation(people: Sequence[UUID], **changes: Any) -> Rotation:
    """Day and night in Hangzhou, one after the other, from a Monday on."""
    asked: dict[str, Any] = {
        "id": UUID(int=1),
        "team_id": UUID(int=2),
        "zone": SHANGHAI,
        "starts_on": date(2026, 11, 2),
        "slots": DAY_AND_NIGHT,
        "people": tuple(people),
    }
    return Rotation(**asked | changes)


@dataclass
class Crew:
    """A team with a rota."""

    house: House
    team_id: UUID
    people: list[UUID] = field(default_factory=list)


async def crew(house: House, *names: str, region: UUID | None = None, **changes: Any) -> Crew:
    """A team of these people, who take day and night in turn."""
    people = [await house.person(name) for name in names]
    team = DutyTeam(
        id=uuid7(),
        region_id=region or house.city,
        name_zh="值班室",
        name_en="Duty room",
        role="duty_staff",
        place_ids=[],
        zone="Asia/Shanghai",
        needed_weekdays=sorted(EVERY_DAY),
        needed_from=time(0),
        needed_until=time(0),
        created_at=clock.now(),
        closed_at=None,
    )
    for name in list(changes):
        if hasattr(team, name):
            setattr(team, name, changes.pop(name))
    async with house.db.session() as session:
        session.add(team)
        await session.flush()
        session.add_all(
            DutyMember(team_id=team.id, person_id=person, is_lead=person == people[0], joined_at=clock.now())
            for person in people
        )
        session.add(_row(team.id, people, **{"zone": team.zone} | changes))
    return Crew(house, team.id, people)


def _row(team_id: UUID, people: Sequence[UUID], **changes: Any) -> DutyRotation:
    asked: dict[str, Any] = {
        "id": uuid7(),
        "team_id": team_id,
        "name": "轮值",
        "zone": "Asia/Shanghai",
        "starts_on": date(2026, 11, 2),
        "slots": [
            {"starts": f"{slot.starts:%H:%M}", "name": slot.name, "weekdays": sorted(slot.weekdays), "is_staffed": True}
            for slot in DAY_AND_NIGHT
        ],
        "people": list(people),
        "turn_days": 1,
        "advance": 2,
        "seats": 1,
        "created_at": clock.now(),
    }
    return DutyRotation(**asked | changes)
