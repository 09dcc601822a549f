"""Escalation policies: which one speaks of a call, what is frozen into it, and what makes one unsound.

The narrowest policy counts: the nearest place before the region, the nearest region before those above it, one kind of help
before all kinds, some hours before always. Where none is written, the house's own rings: whoever is on duty, then the same
with everybody who should be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import contacts_of, place_names, today
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id
from kernel.settings import get_settings
from realtime.calls import queries
from realtime.calls.models import CallPolicy
from realtime.calls.schemas import PolicyBody, PolicyStep, PolicyTarget
from realtime.calls.states import WAITING
from realtime.duty.api import Near, read_near, who_is_in_the_rota

# A call that rings longer than this before anybody outside of the rota hears of it is a policy's mistake.
_LONGEST_S: Final = 15 * 60
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A policy as a call carries it."""

    policy_id: UUID | None
    version: int
    name: str
    steps: tuple[PolicyStep, ...]
    fallback: PolicyStep
    loops: int

    def step(self, number: int) -> PolicyStep:
        """Counted from 1."""
        return self.steps[number - 1]

    def ringing_step(self, state: str, number: int) -> PolicyStep:
        """Which step a call rings by: the fallback where nobody was on duty."""
        return self.fallback if state in ("queued", "missed") or not number else self.step(number)

    def as_json(self) -> dict[str, Any]:
        return {
            "policy": public_id(queries.POLICY, self.policy_id) if self.policy_id else None,
            "version": self.version,
            "name": self.name,
            "steps": [step.model_dump(mode="json") for step in self.steps],
            "fallback": self.fallback.model_dump(mode="json"),
            "loops": self.loops,
        }

    @classmethod
    def from_json(cls, frozen: dict[str, Any]) -> "Frozen":
        named = frozen["policy"]
        return cls(
            parse_public_id(queries.POLICY, named) if named else None,
            frozen["version"],
            frozen["name"],
            tuple(PolicyStep.model_validate(step) for step in frozen["steps"]),
            PolicyStep.model_validate(frozen["fallback"]),
            frozen["loops"],
        )


_ON_DUTY: Final = PolicyTarget(type="role", role="duty_staff")
_LEADS: Final = PolicyTarget(type="role", role="dispatcher")
_SCREEN: Final = PolicyTarget(type="screen")
HOUSE_POLICY: Final = Frozen(
    policy_id=None,
    version=1,
    name="默认策略",
    steps=(
        PolicyStep(targets=[_ON_DUTY]),
        PolicyStep(targets=[_ON_DUTY, _LEADS, _SCREEN]),
    ),
    fallback=PolicyStep(targets=[_ON_DUTY, _LEADS, _SCREEN], seconds=30),
    loops=2,
)


async def choose_policy(
    session: AsyncSession,
    *,
    region_id: UUID,
    place_id: UUID | None,
    kind: str,
    at: datetime,
    near: Near | None = None,
) -> Frozen:
    """The one that speaks of this call, to be frozen into it."""
    near = near or await read_near(session, place_id=place_id, region_id=region_id)
    regions, places = near.regions, near.places
    found = await queries.policies_for(session, regions, places, kind)
    if not found:
        return HOUSE_POLICY
    names = await place_names(session, [region_id])
    zone = ZoneInfo(names[region_id].timezone) if region_id in names else get_settings().zone
    fitting = [policy for policy in found if counts_at(policy, at.astimezone(zone))]
    return freeze(min(fitting, key=lambda policy: _narrowness(policy, regions, places))) if fitting else HOUSE_POLICY


def _narrowness(
    policy: CallPolicy, regions: Sequence[UUID], places: Sequence[UUID]
) -> tuple[int, int, bool, bool, int]:
    height = places.index(policy.place_id) if policy.place_id is not None else len(places)
    # Of two that say the same, the newer.
    return (height, regions.index(policy.region_id), policy.kind is None, _is_always(policy), -policy.id.int)


def _is_always(policy: CallPolicy) -> bool:
    return policy.from_minute == policy.until_minute and len(policy.weekdays) == 7


def counts_at(policy: CallPolicy, local: datetime) -> bool:
    """Whether its hours hold an instant of local time; hours past midnight belong to the day on which they began."""
    minute, today_, yesterday = local.hour * 60 + local.minute, local.isoweekday(), (local - _DAY).isoweekday()
    begins, ends = policy.from_minute, policy.until_minute
    if begins < ends:
        return today_ in policy.weekdays and begins <= minute < ends
    if begins == ends:
        return today_ in policy.weekdays
    return (today_ in policy.weekdays and minute >= begins) or (yesterday in policy.weekdays and minute < ends)


def freeze(policy: CallPolicy) -> Frozen:
    """A row's steps, as a call carries them."""
    return Frozen(
        policy.id,
        policy.version,
        policy.name,
        tuple(PolicyStep.model_validate(step) for step in policy.steps),
        PolicyStep.model_validate(policy.fallback),
        policy.loops,
    )


def acks_needed(frozen: Frozen, state: str, step: int) -> int:
    """How many have to come. A team that a call was handed over to sends one."""
    if state == "handed_over" or state not in WAITING:
        return 1
    return frozen.ringing_step(state, step).acks_needed


# ---- what makes one unsound


async def problems_of(session: AsyncSession, body: PolicyBody, at: datetime) -> list[dict[str, str]]:
    """Why calls would go unanswered under this policy; empty for a sound one."""
    problems = _problems_of_time(body)
    for number, step in enumerate(body.steps, 1):
        problems += await _problems_of_step(session, body, f"steps.{number}", step, at)
    problems += await _problems_of_step(session, body, "fallback", body.fallback, at)
    if not any(target.type in ("person", "team", "screen") or target.role for target in body.fallback.targets):
        problems.append({"where": "fallback", "what": "rings nobody"})
    return problems


def _problems_of_time(body: PolicyBody) -> list[dict[str, str]]:
    once_s = sum(step.seconds for step in body.steps)
    if once_s * (body.loops + 1) > _LONGEST_S:
        return [{"where": "steps", "what": f"a call would ring for more than {_LONGEST_S} s before it is missed"}]
    return []


async def _problems_of_step(
    session: AsyncSession, body: PolicyBody, where: str, step: PolicyStep, at: datetime
) -> list[dict[str, str]]:
    problems: list[dict[str, str]] = []
    for target in step.targets:
        what = await _problem_of_target(session, body, target, at)
        if what is not None:
            problems.append({"where": where, "what": what})
    only_people = all(target.type == "person" for target in step.targets)
    if only_people and step.acks_needed > len({target.id for target in step.targets}):
        problems.append({"where": where, "what": "needs more people than it rings"})
    return problems


async def _problem_of_target(session: AsyncSession, body: PolicyBody, target: PolicyTarget, at: datetime) -> str | None:
    if target.type == "screen":
        return None
    if target.type == "role":
        return None if target.role is not None else "a role is not named"
    if target.id is None:
        return f"a {target.type} is not named"
    try:
        if target.type == "person":
            person_id = parse_public_id("per", target.id)
            return None if await contacts_of(session, [person_id], today()) else "this person is not here any more"
        team_id = parse_public_id(queries.TEAM, target.id)
        region_id = parse_public_id("reg", body.region)
        await who_is_in_the_rota(session, role=None, team_id=team_id, place_id=None, region_id=region_id, at=at)
    except NotFound:
        return f"no such {target.type}"
    return None
