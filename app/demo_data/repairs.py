"""Repairs of the demo province: kinds, technicians, machines with labels, orders in every state, and a problem."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.demo_data.people import Population, demo_people
from app.demo_data.places import Places
from app.demo_data.repair_history import HIRED_DAYS_AGO, Workshop, fill_the_cupboard, remember_repairs
from identity.api import Place, Principal, Role, approve, ask_to_grant, principal_of, today
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id
from repairs.assets import schemas as asset_schemas
from repairs.assets.service import open_asset
from repairs.orders import categories, notes, problems, queries, schemas, service, technicians
from repairs.orders.models import WorkOrder
from repairs.orders.parties import Actor, actor_of
from repairs.orders.raising import raise_by_request

_NAMES: Final = UUID("6f0f7a52-5f1c-4c39-9c53-3f2f3c1c7d10")
_CHECK: Final = [
    {"zh": "断电挂牌", "en": "Power off, tag out"},
    {"zh": "试运行十分钟", "en": "Ten minutes of test run"},
    {"zh": "清理现场", "en": "Tidy up", "is_required": False},
]
# Code, parent, names, and what is different from the usual.
_KINDS: Final[tuple[tuple[str, str | None, str, str, Mapping[str, Any]], ...]] = (
    ("electrical", None, "强电照明", "Electrical", {"skill": "electrical"}),
    ("lamp", "electrical", "灯具", "Lamps", {"skill": "electrical", "urgency": "low"}),
    ("socket", "electrical", "插座跳闸", "Sockets and breakers", {"skill": "electrical", "urgency": "high"}),
    ("plumbing", None, "给排水", "Plumbing", {"skill": "plumbing"}),
    (
        "leak",
        "plumbing",
        "漏水",
        "Leaks",
        {"skill": "plumbing", "urgency": "urgent", "dispatch": "automatic", "problem_threshold": 3},
    ),
    ("drain", "plumbing", "堵塞", "Blocked drains", {"skill": "plumbing", "urgency": "high"}),
    ("hvac", None, "空调暖通", "Heating and cooling", {"skill": "hvac", "checklist": _CHECK}),
    ("lift", None, "电梯", "Lifts", {"skill": "lift", "urgency": "urgent", "checklist": _CHECK}),
    ("door", None, "门窗家具", "Doors and furniture", {"dispatch": "pool"}),
    ("network", None, "网络弱电", "Network", {"skill": "it"}),
    ("other", None, "其他", "Something else", {"urgency": "low"}),
)
# Code, place, names, kind.
_MACHINES: Final = (
    ("KT-1-101", "U1-1-1-1", "101 空调", "Air conditioner 101", "hvac"),
    ("KT-1-201", "U1-1-2-1", "201 空调", "Air conditioner 201", "hvac"),
    ("DT-1-E", "U1-1-E1", "一号楼东梯", "East lift, Building One", "lift"),
    ("DT-2-E", "U1-2-E1", "二号楼东梯", "East lift, Building Two", "lift"),
    ("ZM-1-L", "U1-1-E2", "大厅吊灯", "Chandelier in the lobby", "lamp"),
    ("YS-2-1", "U1-2-1-2", "102 饮水机", "Water dispenser 102", "other"),
)
_Steps = tuple[tuple[str, str, dict[str, Any]], ...]
_SENT: Final[_Steps] = (("lead", "accept", {}), ("lead", "assign", {}))
_BEGUN: Final[_Steps] = (*_SENT, ("tech", "set_out", {}), ("tech", "start", {}))
_DONE: Final[_Steps] = (*_BEGUN, ("tech", "finish", {"words": "已修复，试用正常"}))
_CONFIRMED: Final[_Steps] = (*_DONE, ("raiser", "confirm", {}))
_LOW: Final[_Steps] = (*_CONFIRMED, ("raiser", "rate", {"score": 2, "words": "等了一整天"}))


@dataclass(frozen=True)
class _Story:
    """One order: how long ago, what and where, and what came of it, a step each quarter of an hour."""

    hours_ago: int
    kind: str
    place: str
    words: str
    then: _Steps = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    # By the first demo login, so that whoever tries it out has something of their own.
    is_mine: bool = False
    note: str = ""


_STORIES: Final = (
    _Story(1, "lamp", "U1-1-3-1", "靠窗第二盏灯不亮", is_mine=True),
    _Story(2, "door", "U1-1-2-2", "门吸松了，门关不住"),
    _Story(3, "network", "U1-2-2-1", "网口没有信号", _SENT),
    _Story(4, "socket", "U1-3-1-1", "墙插冒火花，已停用", (*_SENT, ("tech", "set_out", {})), {"urgency": "urgent"}),
    _Story(6, "hvac", "U1-1-1-1", "空调不制热", _BEGUN, {"asset": "KT-1-101"}, note="滤网堵塞，正在清洗"),
    _Story(
        30,
        "lift",
        "U1-1-E1",
        "电梯到三层有异响",
        (*_BEGUN, ("tech", "hold", {"cause": "parts", "words": "等导靴到货"})),
        {"asset": "DT-1-E"},
    ),
    _Story(26, "drain", "U1-2-1-1", "洗手池下水慢", _DONE, is_mine=True),
    _Story(28, "lamp", "U1-1-2-1", "灯管闪烁", (*_DONE, ("raiser", "dispute", {"words": "今天又闪了"}))),
    _Story(50, "door", "U1-3-2-1", "门锁转不动", (("tech", "claim", {}), *_CONFIRMED[2:])),
    _Story(74, "lamp", "U1-1-4-1", "吸顶灯掉落", (*_CONFIRMED, ("raiser", "rate", {"score": 5, "words": "来得很快"}))),
    _Story(98, "network", "U1-2-3-1", "打印机连不上", _LOW),
    _Story(
        122,
        "socket",
        "U1-1-3-2",
        "插座没电",
        (*_LOW, ("lead", "answer", {"words": "已调整排班，上午报修当天到场"})),
    ),
    _Story(40, "other", "U1-1-E2", "想换一张办公桌", (("lead", "reject", {"words": "请走资产申领流程"}),)),
    _Story(20, "lamp", "U1-1-1-2", "灯不亮", (("raiser", "withdraw", {}),)),
    _Story(44, "drain", "U1-3-1-2", "地漏返味", (*_SENT, ("raiser", "cancel", {}))),
    _Story(9, "leak", "U1-2-1-1", "天花板滴水"),
    _Story(8, "leak", "U1-2-2-2", "卫生间水管渗水"),
    _Story(5, "leak", "U1-2-3-2", "暖气接头漏水"),
)


async def keep_repairs(db: Database, places: Places, population: Population) -> None:
    """The office with its kinds, people and machines, and what has come in of late."""
    now = clock.now()
    with clock.frozen(now - timedelta(days=HIRED_DAYS_AGO)):
        crew = await _hire(db, places, population)
        parts = await fill_the_cupboard(db, crew["lead"], places.regions["DP-HZ"])
    known = demo_people(population)
    raisers = [r.id for r in population.residents if r.unit == "U1" and r.id not in known][: len(_STORIES)]
    async with db.session() as session:
        kinds = await _open_kinds(session, population)
        spots = await _spots(session)
        machines = await _open_machines(session, population, spots, kinds)
    await remember_repairs(db, Workshop(crew, raisers, kinds, spots, parts))
    raised: list[WorkOrder] = []
    for number, story in enumerate(_STORIES):
        raiser = population.employees[0].id if story.is_mine else raisers[number]
        with clock.frozen(now - timedelta(hours=story.hours_ago)):
            raised.append(await _tell(db, story, number, raiser, crew, kinds, spots, machines))
    await _merge_and_link(db, population, raisers, raised, kinds, spots)


async def _hire(db: Database, places: Places, population: Population) -> dict[str, UUID]:
    """The technician who has a login can do everything; two colleagues can do some of it."""
    region = places.regions["DP-HZ"]
    known = demo_people(population)
    others = [r.id for r in population.residents if r.unit == "U1" and r.person_class == "staff" and r.id not in known]
    colleagues = others[-2:]
    async with db.session() as session:
        security = await principal_of(session, population.staff_id(Role.SECURITY_ADMIN), today())
        system = await principal_of(session, population.staff_id(Role.SYSTEM_ADMIN), today())
        for person in colleagues:
            place = Place(region_id=region)
            asked = await ask_to_grant(session, security, person, Role.TECHNICIAN, place, reason="维修班")
            await approve(session, system, asked)
    async with db.session() as session:
        lead = await principal_of(session, population.staff_id(Role.DISPATCHER), today())
        first = population.staff_id(Role.TECHNICIAN)
        skills = [list(categories.SKILLS), ["plumbing", "general"], ["hvac", "lift", "electrical"]]
        for person, able in zip((first, *colleagues), skills, strict=True):
            body = schemas.TechnicianBody.model_validate({"region": public_id("reg", region), "skills": able})
            await technicians.keep_technician(session, lead, person, body)
    return {
        "lead": population.staff_id(Role.DISPATCHER),
        "tech": first,
        "second": colleagues[0],
        "third": colleagues[1],
    }


async def _open_kinds(session: AsyncSession, population: Population) -> dict[str, str]:
    administrator = await principal_of(session, population.staff_id(Role.SYSTEM_ADMIN), today())
    kinds: dict[str, str] = {}
    for number, (code, parent, zh, en, more) in enumerate(_KINDS, start=1):
        body = {"code": code, "name_zh": zh, "name_en": en, "ordinal": number * 10, **more}
        wanted = schemas.CategoryRequest.model_validate({**body, "parent": kinds[parent] if parent else None})
        kinds[code] = public_id(queries.CATEGORY, (await categories.open_category(session, administrator, wanted)).id)
    return kinds


async def _spots(session: AsyncSession) -> dict[str, str]:
    rows = await session.execute(text("SELECT code, id FROM places WHERE code LIKE 'U1-%'"))
    return {row.code: public_id("pla", row.id) for row in rows}


async def _open_machines(
    session: AsyncSession, population: Population, spots: Mapping[str, str], kinds: Mapping[str, str]
) -> dict[str, str]:
    administrator = await principal_of(session, population.staff_id(Role.SYSTEM_ADMIN), today())
    found: dict[str, str] = {}
    for code, spot, zh, en, kind in _MACHINES:
        wanted = asset_schemas.AssetRequest(place=spots[spot], code=code, name_zh=zh, name_en=en, category=kinds[kind])
        found[code] = public_id(queries.ASSET, (await open_asset(session, administrator, wanted)).id)
    return found


async def _tell(
    db: Database,
    story: _Story,
    number: int,
    raiser: UUID,
    crew: Mapping[str, UUID],
    kinds: Mapping[str, str],
    spots: Mapping[str, str],
    machines: Mapping[str, str],
) -> WorkOrder:
    async with db.session() as session:
        people = {name: actor_of(await _who(session, person)) for name, person in {**crew, "raiser": raiser}.items()}
        more = {**story.more, "asset": machines[story.more["asset"]]} if "asset" in story.more else story.more
        wanted = schemas.WorkOrderRequest.model_validate(
            {
                "client_id": uuid5(_NAMES, str(number)),
                "category": kinds[story.kind],
                "place": spots[story.place],
                "words": story.words,
                **more,
            }
        )
        order = (await raise_by_request(session, people["raiser"], wanted)).order
        for who, trigger, body in story.then:
            clock.advance(timedelta(minutes=12))
            await _pull(session, people[who], order, trigger, {**body}, crew)
        if story.note:
            await notes.write_note(session, people["tech"], order, schemas.NoteBody(words=story.note))
        return order


async def _who(session: AsyncSession, person: UUID) -> Principal:
    return await principal_of(session, person, today())


async def _pull(
    session: AsyncSession, actor: Actor, order: WorkOrder, trigger: str, body: dict[str, Any], crew: Mapping[str, UUID]
) -> None:
    if trigger == "assign":
        body["assignee"] = public_id("per", crew["tech"])
    if trigger == "finish":
        for check in await queries.checks_of(session, order.id):
            await notes.tick(session, actor, order, check.ordinal, schemas.CheckBody())
        spent = schemas.LabourBody(started_at=clock.now() - timedelta(minutes=12), minutes=12)
        await notes.enter_labour(session, actor, order, spent)
    await service.pull(session, actor, order.id, trigger, schemas.OrderTriggerBody.model_validate(body))


async def _merge_and_link(
    db: Database,
    population: Population,
    raisers: list[UUID],
    raised: list[WorkOrder],
    kinds: Mapping[str, str],
    spots: Mapping[str, str],
) -> None:
    """A second report of the first lamp, merged; and the three leaks, which are one problem."""
    async with db.session() as session:
        twin = schemas.WorkOrderRequest(
            client_id=uuid5(_NAMES, "twin"), category=kinds["lamp"], place=spots["U1-1-3-1"], words="301 灯坏了一盏"
        )
        order = (await raise_by_request(session, actor_of(await _who(session, raisers[-1])), twin)).order
        lead = actor_of(await _who(session, population.staff_id(Role.DISPATCHER)))
        into = schemas.OrderTriggerBody(into=public_id(queries.PREFIX, raised[0].id))
        await service.pull(session, lead, order.id, "merge", into)
        for leak in raised[-3:]:
            await problems.look_for_problem(session, leak.id)
