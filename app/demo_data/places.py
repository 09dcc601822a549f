"""Regions, units, operators and canteens of the demo province."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.demo_data.campuses import open_campuses
from identity.api import open_organisation, open_region, open_site
from kernel import clock
from kernel.db import Database

ACTOR: Final = "system"


@dataclass(frozen=True, slots=True)
class CanteenPlan:
    """A canteen before it is opened. `serves`: unit codes; empty for one that is shared with everybody."""

    code: str
    name_zh: str
    name_en: str
    region: str
    operator: str
    serves: tuple[str, ...]
    seats: int
    tills: int
    round_the_clock: bool = False


# code, parent, Chinese, English
REGIONS: Final = (
    ("DP", None, "示范省", "Model Province"),
    ("DP-HZ", "DP", "杭州市", "Hangzhou"),
    ("DP-NB", "DP", "宁波市", "Ningbo"),
    ("DP-LS", "DP", "丽水市", "Lishui"),
    ("DP-XS", "DP-NB", "象山县", "Xiangshan County"),
    ("DP-LQ", "DP-LS", "龙泉市", "Longquan County"),
)

# code, region, Chinese, English, people, departments
UNITS: Final = (
    ("U1", "DP-HZ", "省行政中心", "Provincial Administration", 62, (("办公室", "Office"), ("财务处", "Finance"))),
    ("U2", "DP-HZ", "杭州市民服务中心", "Hangzhou Citizens' Centre", 40, (("窗口一部", "Counter One"),)),
    ("U3", "DP-HZ", "钱江大学", "Qianjiang University", 52, (("文学院", "Letters"), ("工学院", "Engineering"))),
    ("U4", "DP-NB", "东海医院", "Donghai Hospital", 54, (("内科", "Medicine"), ("护理部", "Nursing"))),
    ("U5", "DP-NB", "宁波政务服务中心", "Ningbo Service Centre", 32, (("审批处", "Permits"),)),
    ("U6", "DP-LS", "丽水市机关", "Lishui City Offices", 28, (("秘书处", "Secretariat"),)),
    ("U7", "DP-LQ", "龙泉青瓷研究院", "Longquan Celadon Institute", 18, (("窑务室", "Kilns"),)),
    ("U8", "DP-XS", "象山海景招待所", "Xiangshan Guest House", 14, (("客房部", "Rooms"),)),
)

OPERATORS: Final = (
    ("OP1", "DP-HZ", "知味餐饮", "Zhiwei Catering"),
    ("OP2", "DP-NB", "甬江膳食", "Yongjiang Meals"),
    ("OP3", "DP-LS", "瓯江后勤", "Oujiang Services"),
)

CANTEENS: Final = (
    CanteenPlan("C1", "行政中心一食堂", "Administration Canteen One", "DP-HZ", "OP1", (), 420, 4, round_the_clock=True),
    CanteenPlan("C2", "钱江大学教工食堂", "Qianjiang Faculty Canteen", "DP-HZ", "OP1", ("U3",), 260, 2),
    CanteenPlan("C3", "东海医院食堂", "Donghai Hospital Canteen", "DP-NB", "OP2", ("U4",), 300, 2),
    CanteenPlan("C4", "宁波中心食堂", "Ningbo Central Canteen", "DP-NB", "OP2", (), 240, 2),
    CanteenPlan("C5", "丽水机关食堂", "Lishui Offices Canteen", "DP-LS", "OP3", ("U6", "U7"), 160, 2),
    CanteenPlan("C6", "海景餐厅", "Sea View Restaurant", "DP-XS", "OP2", ("U5", "U8"), 90, 2),
)

# Where the people of a unit usually eat; and where the shared canteens are.
USUAL_CANTEEN: Final = {
    "U1": "C1",
    "U2": "C1",
    "U3": "C2",
    "U4": "C3",
    "U5": "C4",
    "U6": "C5",
    "U7": "C5",
    "U8": "C6",
}
SHARED: Final = ("C1", "C4")


@dataclass(slots=True)
class Places:
    """What was opened, by its code."""

    regions: dict[str, UUID] = field(default_factory=dict)
    organisations: dict[str, UUID] = field(default_factory=dict)
    departments: dict[str, list[UUID]] = field(default_factory=dict)
    canteens: dict[str, UUID] = field(default_factory=dict)


async def open_places(db: Database) -> Places:
    """Regions, units with their departments, operators, and the sites of the canteens."""
    places = Places()
    async with db.session() as session:
        for code, parent, name_zh, name_en in REGIONS:
            places.regions[code] = await open_region(
                session,
                code=code,
                name_zh=name_zh,
                name_en=name_en,
                timezone="Asia/Shanghai",
                parent_id=places.regions[parent] if parent else None,
                actor=ACTOR,
            )

        async def organisation(code: str, zh: str, en: str, kind: str, region: str, parent: str | None = None) -> UUID:
            return await open_organisation(
                session,
                code=code,
                name_zh=zh,
                name_en=en,
                kind=kind,
                home_region_id=places.regions[region],
                parent_id=places.organisations[parent] if parent else None,
                actor=ACTOR,
            )

        for code, region, name_zh, name_en, _, departments in UNITS:
            clock.advance(timedelta(seconds=1))
            places.organisations[code] = await organisation(code, name_zh, name_en, "unit", region)
            places.departments[code] = [
                await organisation(f"{code}-{number}", zh, en, "department", region, code)
                for number, (zh, en) in enumerate(departments, start=1)
            ]
        for code, region, name_zh, name_en in OPERATORS:
            places.organisations[code] = await organisation(code, name_zh, name_en, "operator", region)
        await open_campuses(session, places.regions, places.organisations)
        # Lists show the newest first: the first canteen is opened last.
        for plan in reversed(CANTEENS):
            clock.advance(timedelta(seconds=1))
            places.canteens[plan.code] = await open_site(
                session,
                code=plan.code,
                name_zh=plan.name_zh,
                name_en=plan.name_en,
                kind="canteen",
                region_id=places.regions[plan.region],
                operator_id=places.organisations[plan.operator],
                actor=ACTOR,
            )
    return places
