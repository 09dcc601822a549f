"""Where the demo's people work: grounds with buildings, storeys, rooms and lifts, for the button on the phone to choose from."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import NewPlace, open_place, open_site

_ACTOR: Final = "system"

# Unit, code, site and grounds in Chinese and English, and the buildings with their storeys.
_GROUNDS: Final = (
    (
        "U1",
        "DP-HZ",
        ("省行政中心大院", "Administration Grounds"),
        (("一号楼", "Building One", 4), ("二号楼", "Building Two", 3), ("会议中心", "Conference Centre", 2)),
    ),
    ("U4", "DP-NB", ("东海医院院区", "Donghai Hospital Grounds"), (("门诊楼", "Clinic", 3), ("住院楼", "Wards", 4))),
    ("U6", "DP-LS", ("丽水市机关大院", "Lishui City Offices"), (("主楼", "Main Building", 3),)),
)
_STOREYS: Final = (("一层", "1st Floor"), ("二层", "2nd Floor"), ("三层", "3rd Floor"), ("四层", "4th Floor"))
_ROOMS: Final = (("01 办公室", "01 Office"), ("02 办公室", "02 Office"), ("08 会议室", "08 Meeting Room"))
_AREAS: Final = (("东侧电梯", "East Lift"), ("大厅", "Lobby"))


async def open_campuses(session: AsyncSession, regions: dict[str, UUID], organisations: dict[str, UUID]) -> None:
    """A site for each of the grounds, and its tree. In lifts and lobbies a stranger may call out, too."""
    for unit, region, (zh, en), buildings in _GROUNDS:
        site_id = await open_site(
            session,
            code=f"{unit}-SITE",
            name_zh=zh,
            name_en=en,
            kind="office",
            region_id=regions[region],
            operator_id=organisations[unit],
            actor=_ACTOR,
        )
        campus = NewPlace(code=unit, kind="campus", name_zh=zh, name_en=en)
        root = await open_place(session, campus, site_id=site_id, actor=_ACTOR)
        for number, (name_zh, name_en, storeys) in enumerate(buildings, start=1):
            building = NewPlace(
                code=f"{unit}-{number}", kind="building", name_zh=name_zh, name_en=name_en, ordinal=number
            )
            house = await open_place(session, building, parent_id=root.id, actor=_ACTOR)
            await _open_inside(session, house.id, house.code, storeys)


async def _open_inside(session: AsyncSession, building_id: UUID, code: str, storeys: int) -> None:
    for number, (zh, en) in enumerate(_AREAS, start=1):
        area = NewPlace(code=f"{code}-E{number}", kind="area", name_zh=zh, name_en=en, open_to_strangers=True)
        await open_place(session, area, parent_id=building_id, actor=_ACTOR)
    for level, (zh, en) in enumerate(_STOREYS[:storeys], start=1):
        storey = NewPlace(code=f"{code}-{level}", kind="storey", name_zh=zh, name_en=en, ordinal=level)
        floor = await open_place(session, storey, parent_id=building_id, actor=_ACTOR)
        for place, (room_zh, room_en) in enumerate(_ROOMS, start=1):
            room = NewPlace(
                code=f"{code}-{level}-{place}",
                kind="room",
                name_zh=f"{level}{room_zh}",
                name_en=f"{level}{room_en}",
                ordinal=place,
            )
            await open_place(session, room, parent_id=floor.id, actor=_ACTOR)
