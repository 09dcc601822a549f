"""What administrators keep: escalation policies, checked for effect before they count, and buttons on walls."""

import secrets
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role, hash_token, place_summary
from kernel import audit_log, clock
from kernel.errors import Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from realtime.calls import queries
from realtime.calls.errors import PolicyUnsound
from realtime.calls.models import CallButton, CallPolicy
from realtime.calls.policies import problems_of
from realtime.calls.schemas import ButtonBody, PolicyBody

KEEPER_ROLES: Final = (Role.SYSTEM_ADMIN, Role.DISPATCHER)
BUTTON_PREFIX: Final = "gjb_"


# ---- policies


async def open_policy(session: AsyncSession, actor: Principal, body: PolicyBody) -> CallPolicy:
    """A new policy; PolicyUnsound where calls would go unanswered under it."""
    region_id = await _checked(session, actor, body)
    policy = CallPolicy(id=uuid7(), region_id=region_id, version=1, created_at=clock.now(), retired_at=None)
    _fill(policy, body)
    session.add(policy)
    await session.flush()
    await _audit(session, actor, "open", queries.POLICY, policy.id)
    return policy


async def change_policy(session: AsyncSession, actor: Principal, policy_id: UUID, body: PolicyBody) -> CallPolicy:
    """For calls from now on; those under way keep the one that they carry."""
    policy = await queries.get_policy(session, policy_id, locked=True)
    actor.require(*KEEPER_ROLES, region_id=policy.region_id)
    if policy.retired_at is not None or body.version not in (None, policy.version):
        raise StateConflict(state="retired" if policy.retired_at else "in_force", trigger="change", allowed=[])
    policy.region_id = await _checked(session, actor, body)
    policy.version += 1
    _fill(policy, body)
    await session.flush()
    await _audit(session, actor, "change", queries.POLICY, policy.id)
    return policy


async def retire_policy(session: AsyncSession, actor: Principal, policy_id: UUID) -> CallPolicy:
    """It counts no more; the next narrowest does."""
    policy = await queries.get_policy(session, policy_id, locked=True)
    actor.require(*KEEPER_ROLES, region_id=policy.region_id)
    if policy.retired_at is None:
        policy.retired_at = policy.changed_at = clock.now()
        await session.flush()
        await _audit(session, actor, "retire", queries.POLICY, policy.id)
    return policy


async def _checked(session: AsyncSession, actor: Principal, body: PolicyBody) -> UUID:
    region_id = parse_public_id("reg", body.region)
    actor.require(*KEEPER_ROLES, region_id=region_id)
    if body.place is not None:
        await _place_text(session, body.place, region_id)
    problems = await problems_of(session, body, clock.now())
    if problems:
        raise PolicyUnsound(problems=problems)
    return region_id


def _fill(policy: CallPolicy, body: PolicyBody) -> None:
    policy.place_id = parse_public_id("pla", body.place) if body.place is not None else None
    policy.kind, policy.name = body.kind, body.name
    policy.weekdays = sorted(set(body.weekdays))
    policy.from_minute, policy.until_minute = body.from_minute, body.until_minute
    policy.steps = [step.model_dump(mode="json") for step in body.steps]
    policy.fallback = body.fallback.model_dump(mode="json")
    policy.loops, policy.changed_at = body.loops, clock.now()


async def _place_text(session: AsyncSession, place: str, region_id: UUID) -> str:
    place_id = parse_public_id("pla", place)
    found = (await place_summary(session, [place_id])).get(place_id)
    if found is None or not found.active:
        raise NotFound(what="pla", id=place)
    if found.region_id != region_id:
        raise Malformed(reason="this place is in another region", field="place")
    return found.full_name_zh


# ---- buttons


async def open_button(session: AsyncSession, actor: Principal, body: ButtonBody) -> tuple[CallButton, str]:
    """A button and its token, which nobody is told again."""
    region_id = parse_public_id("reg", body.region)
    actor.require(*KEEPER_ROLES, region_id=region_id)
    token = BUTTON_PREFIX + secrets.token_urlsafe(32)
    button = CallButton(
        id=uuid7(),
        region_id=region_id,
        place_id=parse_public_id("pla", body.place) if body.place is not None else None,
        place_text=await _place_text(session, body.place, region_id) if body.place is not None else body.name,
        kind=body.kind,
        name=body.name,
        token_hash=hash_token(token),
        created_at=clock.now(),
        last_pressed_at=None,
        revoked_at=None,
    )
    session.add(button)
    await session.flush()
    await _audit(session, actor, "open", queries.BUTTON, button.id)
    return button, token


async def revoke_button(session: AsyncSession, actor: Principal, button_id: UUID) -> CallButton:
    """Its token is worth nothing from now on; calls that it has placed go on."""
    button = await session.get(CallButton, button_id, with_for_update=True, populate_existing=True)
    if button is None:
        raise NotFound(what=queries.BUTTON, id=public_id(queries.BUTTON, button_id))
    actor.require(*KEEPER_ROLES, region_id=button.region_id)
    if button.revoked_at is None:
        button.revoked_at = clock.now()
        await session.flush()
        await _audit(session, actor, "revoke", queries.BUTTON, button.id)
    return button


async def _audit(session: AsyncSession, actor: Principal, verb: str, prefix: str, identifier: UUID) -> None:
    noun = "call_policy" if prefix == queries.POLICY else "call_button"
    await audit_log.record(
        session, actor=actor.actor, action=f"{noun}.{verb}", subject=public_id(prefix, identifier), data={}
    )
