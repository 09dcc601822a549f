"""Calls of the demo province: helped, rated, missed, cancelled, one under way, and the policies by which they ring."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.demo_data.people import Population, demo_people
from app.demo_data.places import Places
from identity.api import Principal, Role, principal_of, today
from kernel import clock, timers
from kernel.db import Database
from kernel.ids import public_id
from realtime.calls import administration, jobs, messages, schemas, service

_ON_DUTY: Final = {"type": "role", "role": "duty_staff"}
_LEAD: Final = {"type": "role", "role": "dispatcher"}
_SCREEN: Final = {"type": "screen"}
# What rings at step two of everything that may cost a life.
_ALL: Final = [_ON_DUTY, _LEAD, _SCREEN]
_LIFTS: Final = text("SELECT id FROM places WHERE name_zh = '东侧电梯' ORDER BY code LIMIT :count")


@dataclass(frozen=True)
class _Story:
    """One call: how long ago, what for, and what came of it, as (seconds later, who, trigger, body)."""

    minutes_ago: int
    kind: str
    words: str
    then: tuple[tuple[int, str, str, dict[str, Any]], ...] = ()
    # Seconds that nobody answers.
    unanswered_s: int = 0


_STORIES: Final = (
    _Story(
        26 * 60,
        "lift",
        "电梯停在二层和三层之间",
        (
            (6, "duty", "acknowledge", {"eta_minutes": 3}),
            (20, "duty", "connect", {"way": "on_the_way"}),
            (200, "duty", "arrive", {}),
            (900, "duty", "resolve", {"words": "平层放人，无人受伤，已通知维保"}),
            (1200, "caller", "rate", {"rating": 5, "words": "三分钟就到了"}),
        ),
    ),
    _Story(
        9 * 60,
        "medical",
        "同事低血糖头晕",
        (
            (4, "duty", "acknowledge", {"eta_minutes": 2}),
            (10, "duty", "connect", {"way": "text"}),
            (420, "duty", "resolve", {"words": "已休息恢复"}),
        ),
    ),
    _Story(7 * 60, "other", "按错了", ((5, "caller", "cancel", {}),)),
    _Story(5 * 60, "security", "大厅有人争吵", unanswered_s=300),
    _Story(
        4,
        "lost_property",
        "一把黑色雨伞落在会议室",
        ((8, "duty", "acknowledge", {"eta_minutes": 5}), (15, "duty", "connect", {"way": "text"})),
    ),
)


async def place_calls(db: Database, places: Places, population: Population) -> None:
    """By people without a login, so that whoever tries the demo out has their own first press before them."""
    await _keep_policies(db, places, population)
    known = demo_people(population)
    callers = [
        resident.id
        for resident in population.residents
        if resident.unit == "U1" and resident.person_class == "staff" and resident.id not in known
    ][-len(_STORIES) :]
    async with db.session() as session:
        lifts = list(await session.scalars(_LIFTS, {"count": len(_STORIES)}))
    now = clock.now()
    for number, (story, caller) in enumerate(zip(_STORIES, callers, strict=False)):
        with clock.frozen(now - timedelta(minutes=story.minutes_ago)):
            await _tell(db, population, story, caller, lifts[number % len(lifts)] if lifts else None)


async def _keep_policies(db: Database, places: Places, population: Population) -> None:
    region = public_id("reg", places.regions["DP"])
    written = (
        {"name": "人身安全：同时响铃", "kind": "medical", "steps": [{"targets": _ALL, "seconds": 15}]},
        {
            "name": "日常求助",
            "steps": [{"targets": [_ON_DUTY], "seconds": 15}, {"targets": _ALL, "seconds": 30}],
        },
        {
            "name": "失物招领：不急",
            "kind": "lost_property",
            "steps": [{"targets": [_ON_DUTY], "seconds": 120}, {"targets": [_ON_DUTY, _LEAD], "seconds": 120}],
        },
    )
    fallback = {"targets": _ALL, "seconds": 30}
    async with db.session() as session:
        keeper = await principal_of(session, population.staff_id(Role.DISPATCHER), today())
        for policy in written:
            body = schemas.PolicyBody.model_validate({"region": region, "fallback": fallback, "loops": 2, **policy})
            await administration.open_policy(session, keeper, body)
        button = schemas.ButtonBody(region=region, name="一号楼一层大厅按钮", kind="security")
        await administration.open_button(session, keeper, button)


async def _tell(db: Database, population: Population, story: _Story, caller: UUID, place: UUID | None) -> None:
    begun = clock.now()
    async with db.session() as session:
        presser = service.presser_of(await principal_of(session, caller, today()))
        wanted = schemas.CallRequest.model_validate(
            {"kind": story.kind, "words": story.words, "place": public_id("pla", place) if place else None}
        )
        call_id = (await service.place_call(session, presser, wanted, is_hasty=False)).call.id
    await _let_ring(db, story.unanswered_s)
    speakers = {"duty": population.staff_id(Role.DUTY_STAFF), "caller": caller}
    for after_s, who, trigger, body in story.then:
        with clock.frozen(begun + timedelta(seconds=after_s)):
            async with db.session() as session:
                speaker = await principal_of(session, speakers[who], today())
                await service.pull(session, speaker, call_id, trigger, schemas.TriggerBody.model_validate(body))
                if trigger == "connect":
                    await _talk(session, call_id, speaker, caller)


async def _talk(session: AsyncSession, call_id: UUID, speaker: Principal, caller: UUID) -> None:
    await messages.write_message(session, speaker, call_id, schemas.MessageBody(words="收到，我马上过来。"))
    person = await principal_of(session, caller, today())
    await messages.write_message(session, person, call_id, schemas.MessageBody(words="好的，我在原地等。"))


async def _let_ring(db: Database, seconds: int) -> None:
    """Nobody answers: the clock strikes as it would in the worker."""
    for _ in range(0, seconds, 15):
        clock.advance(timedelta(seconds=15))
        while await timers.fire_due(db, jobs.TIMERS):
            pass
