"""One step rings: who it is for, which devices, who else is told, and when the clock strikes next.

Everything here is rows in the caller's transaction. Whose page is open hears the ring on it; who has none is reached outside
(realtime/reaching), at once; from the second time round, and where it is loud, everybody is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import contacts_of, people_with_roles_in, today
from kernel import clock, timers
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id
from kernel.outbox import publish
from realtime.calls import queries
from realtime.calls.events import CallRinging
from realtime.calls.models import Call, CallReceipt, CallRing
from realtime.calls.schemas import PolicyStep, PolicyTarget
from realtime.duty.api import Near, OnDuty, read_near, who_is_in_the_rota, who_is_on_duty
from realtime.reaching.api import Kind, Target, Words, reach

TIMER_KIND: Final = "calls.clock"
# Who has said "I come" must speak, write or be on their way within this.
ACT_WITHIN_S: Final = 60
ASK_EVERY_S: Final = 600
REVIEW_EVERY_S: Final = 24 * 3600
TEAM_RINGS_S: Final = 60
_LEADS_TOLD_MAX: Final = 20

KIND_NAMES: Final = {
    "lift": ("电梯困人", "Lift"),
    "medical": ("医疗急救", "Medical"),
    "security": ("安保", "Security"),
    "lost_property": ("失物招领", "Lost property"),
    "other": ("其他求助", "Other help"),
}


@dataclass(slots=True)
class Rung:
    """Whom a step rings at a moment."""

    people: list[UUID] = field(default_factory=list)
    # The team through whose rota each is rung; whoever is named as a person stands in none.
    team_of: dict[UUID, UUID] = field(default_factory=dict)
    teams: list[UUID] = field(default_factory=list)
    is_public: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.people


async def find_rung(
    session: AsyncSession,
    step: PolicyStep,
    *,
    region_id: UUID,
    place_id: UUID | None,
    at: datetime,
    also_off_duty: bool = False,
    near: Near | None = None,
) -> Rung:
    """Resolve the targets of a step. `also_off_duty`: those of the rota who have not signed in are rung as well."""
    rung = Rung()
    if near is None and any(target.type == "role" for target in step.targets):
        near = await read_near(session, place_id=place_id, region_id=region_id)
    named: list[UUID] = []
    found: list[OnDuty] = []
    for target in step.targets:
        if target.type == "screen":
            rung.is_public = True
        elif target.type == "person":
            named.append(parse_public_id("per", target.id or ""))
        else:
            found += await _of_rota(session, target, region_id, place_id, at, near, also_off_duty=also_off_duty)
            if target.type == "team":
                rung.teams.append(parse_public_id(queries.TEAM, target.id or ""))
    people = list(dict.fromkeys([*named, *(one.person_id for one in found)]))
    here = await contacts_of(session, set(people), today()) if people else {}
    rung.people = [person for person in people if person in here]
    rung.team_of = {one.person_id: one.team_id for one in reversed(found) if one.person_id not in named}
    return rung


async def _of_rota(
    session: AsyncSession,
    target: PolicyTarget,
    region_id: UUID,
    place_id: UUID | None,
    at: datetime,
    near: Near | None,
    *,
    also_off_duty: bool,
) -> list[OnDuty]:
    team_id = parse_public_id(queries.TEAM, target.id or "") if target.type == "team" else None
    where = {
        "role": target.role,
        "team_id": team_id,
        "place_id": place_id,
        "region_id": region_id,
        "at": at,
        "near": near,
    }
    try:
        found = await who_is_on_duty(session, **where)  # type: ignore[arg-type]  # one dictionary for both questions
        if not found and also_off_duty:
            found = await who_is_in_the_rota(session, **where)  # type: ignore[arg-type]  # as above
    except NotFound:
        # A team that was there when the policy was frozen.
        return []
    return found


async def ring(
    session: AsyncSession, call: Call, step: PolicyStep, rung: Rung, caller_name: str, *, is_loud: bool = False
) -> None:
    """A new round of the call rings for these; the clock is the caller's business."""
    now = clock.now()
    call.ring_round += 1
    people = [person for person in rung.people if person != call.caller_id]
    devices = await queries.live_devices(session, people, now) if people else []
    open_pages = {presence.person_id for presence in devices}
    kinds = frozenset(Kind(kind) for kind in step.channels) if step.channels is not None and not is_loud else None
    words, ref = words_of(call), f"{public_id(queries.PREFIX, call.id)}:{call.ring_round}"
    for person in people:
        ways = 0
        if is_loud or call.loop > 0 or person not in open_pages:
            target = Target(person_id=person, kinds=kinds)
            ways = len(await reach(session, target=target, text=words, ref=ref, urgent=True))
        session.add(
            CallRing(
                call_id=call.id,
                ring_round=call.ring_round,
                person_id=person,
                team_id=rung.team_of.get(person),
                step=call.step,
                rung_at=now,
                ways=ways,
            )
        )
    session.add_all(
        CallReceipt(
            call_id=call.id,
            ring_round=call.ring_round,
            person_id=presence.person_id,
            device=presence.device,
            sent_at=now,
        )
        for presence in devices
    )
    for team in rung.teams:
        await reach(session, target=Target(team_id=team, kinds=kinds), text=words, ref=ref, urgent=True)
    if rung.is_public or is_loud:
        await reach(session, target=Target(region_id=call.region_id, kinds=kinds), text=words, ref=ref, urgent=True)
    _tell(session, call, step, rung, people, caller_name)


def _tell(
    session: AsyncSession, call: Call, step: PolicyStep, rung: Rung, people: Sequence[UUID], caller_name: str
) -> None:
    publish(
        session,
        CallRinging(
            happened_at=clock.rfc3339(clock.now()),
            call=public_id(queries.PREFIX, call.id),
            region=public_id("reg", call.region_id),
            kind=call.kind,
            place_text=call.place_text,
            words=call.words,
            urgency=call.urgency,
            step=call.step,
            loop=call.loop,
            ring_round=call.ring_round,
            seconds=step.seconds,
            acks_needed=step.acks_needed,
            caller_name=caller_name,
            is_public=rung.is_public,
            people=[public_id("per", person) for person in people],
        ),
    )


def words_of(call: Call) -> Words:
    """What somebody without a page of ours reads. No names: it may lie open on a table."""
    zh, en = KIND_NAMES[call.kind]
    at = call.place_text or "-"
    said = f"：{call.words}" if call.words else ""
    return Words(
        title_zh=f"一键呼叫 · {zh}",
        title_en=f"Call for help · {en}",
        body_zh=f"{at}{said}",
        body_en=f"{at}{': ' + call.words if call.words else ''}",
        link="/desk",
    )


async def tell_leads(session: AsyncSession, call: Call, *, title_zh: str, title_en: str) -> None:
    """Those who answer for the desk hear of a call, wherever they are."""
    words = words_of(call)
    told = Words(title_zh, title_en, words.body_zh, words.body_en, link="/desk")
    ref = f"{public_id(queries.PREFIX, call.id)}:lead:{call.version}"
    leads = await people_with_roles_in(session, [call.region_id], queries.LEAD_ROLES)
    for person in leads[:_LEADS_TOLD_MAX]:
        await reach(session, target=Target(person_id=person), text=told, ref=ref, urgent=True)


async def set_clock(session: AsyncSession, call: Call, wait_s: int | None, *, is_striking: bool = False) -> None:
    """When the clock strikes next; None: never again. A timer that is being fired goes away by itself. The call's row is locked
    already, or nobody knows of it yet: firing locks in the same order."""
    ref = public_id(queries.PREFIX, call.id)
    if wait_s is None:
        call.due_at, call.wait_s = None, 0
        if not is_striking:
            await timers.cancel(session, TIMER_KIND, ref)
        return
    call.wait_s, call.due_at = wait_s, clock.now() + timedelta(seconds=wait_s)
    await timers.schedule(session, TIMER_KIND, ref, call.due_at)
