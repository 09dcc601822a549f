"""Plans of the demo province: the grounds of the administration and the storeys of its conference centre, with their ways."""

import io
from collections.abc import AsyncIterator, Mapping
from typing import Final
from uuid import UUID

from PIL import Image, ImageDraw
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.plans import service
from identity.plans.models import Plan
from identity.plans.schemas import NewEdge, NewGraph, NewLink, NewPlan, NewPoint
from kernel.db import Database
from kernel.files import take_file
from kernel.ids import public_id

_ACTOR: Final = "system"
_PAPER, _WALL, _FLOOR, _GREEN = "#FAF8F3", "#5B6766", "#FFFFFF", "#E3EFEA"
_SIZE: Final = (1200, 700)
_STOREY_METRES, _GROUNDS_METRES = 60.0, 240.0
# The centre's rooms, from the west; what lies across the corridor has no name.
_DOORS: Final = (0.25, 0.5, 0.75)
_PLACES: Final = text("SELECT code, id FROM places WHERE code LIKE 'U1%' OR code = 'U1'")


async def draw_plans(db: Database) -> None:
    """The way from the gate to a room of the conference centre, and up to the next storey."""
    async with db.session() as session:
        places = {row.code: row.id for row in await session.execute(_PLACES)}
    grounds = await _open(db, places["U1"], _grounds_picture(), _GROUNDS_METRES)
    first = await _open(db, places["U1-3-1"], _storey_picture(), _STOREY_METRES)
    second = await _open(db, places["U1-3-2"], _storey_picture(), _STOREY_METRES)
    async with db.session() as session:
        await service.draw(session, grounds, _grounds(places), actor=_ACTOR)
        door = NewLink(start="entrance", plan=public_id("plan", grounds), end="b3", metres=6)
        await service.draw(session, first, _storey(places, 1, door), actor=_ACTOR)
        plan = public_id("plan", first)
        up = [
            NewLink(start="lift", plan=plan, end="lift", metres=25),
            NewLink(start="stairs", plan=plan, end="stairs", metres=14, step_free=False),
        ]
        await service.draw(session, second, _storey(places, 2, *up), actor=_ACTOR)


async def _open(db: Database, place: UUID, picture: bytes, metres_wide: float) -> UUID:
    async def pieces() -> AsyncIterator[bytes]:
        yield picture

    file = await take_file(db, pieces(), owner=_ACTOR)
    async with db.session() as session:
        return (await _hang(session, place, public_id("file", file.id), metres_wide)).id


async def _hang(session: AsyncSession, place: UUID, file: str, metres_wide: float) -> Plan:
    new = NewPlan(place=public_id("pla", place), file=file, metres_wide=metres_wide)
    return await service.open_plan(session, new, actor=_ACTOR)


def _grounds(places: Mapping[str, UUID]) -> NewGraph:
    """The gate in the south, the yard, and a door of each of the three buildings."""
    doors = {"b1": (0.2, 0.35), "b2": (0.5, 0.35), "b3": (0.8, 0.35)}
    points = [
        NewPoint(key="gate", x=0.5, y=0.95, kind="door", place=public_id("pla", places["U1"]), label="南门"),
        *(NewPoint(key=f"yard{n}", x=x, y=0.6) for n, x in enumerate((0.2, 0.5, 0.8), start=1)),
        *(
            NewPoint(
                key=key, x=x, y=y, kind="door", place=public_id("pla", places[f"U1-{key[1]}"]), label=f"{key[1]} 号楼"
            )
            for key, (x, y) in doors.items()
        ),
    ]
    pairs = [("gate", "yard2"), ("yard1", "yard2"), ("yard2", "yard3"), *((f"b{n}", f"yard{n}") for n in (1, 2, 3))]
    return NewGraph(version=1, points=points, edges=[NewEdge(start=a, end=b) for a, b in pairs])


def _storey(places: Mapping[str, UUID], level: int, *links: NewLink) -> NewGraph:
    """A corridor from the stairs in the west to the lift in the east, with three rooms to its north."""
    rooms = [public_id("pla", places[f"U1-3-{level}-{number}"]) for number in (1, 2, 3)]
    points = [
        NewPoint(key="stairs", x=0.08, y=0.55, kind="stairs", label="楼梯"),
        NewPoint(key="lift", x=0.92, y=0.55, kind="lift", label="电梯"),
        *(NewPoint(key=f"hall{n}", x=x, y=0.55) for n, x in enumerate(_DOORS, start=1)),
        *(
            NewPoint(key=f"door{n}", x=x, y=0.42, kind="door", place=room)
            for n, (x, room) in enumerate(zip(_DOORS, rooms, strict=True), start=1)
        ),
    ]
    pairs = [("stairs", "hall1"), ("hall1", "hall2"), ("hall2", "hall3"), ("hall3", "lift")]
    pairs += [(f"hall{n}", f"door{n}") for n in (1, 2, 3)]
    if level == 1:
        points.append(NewPoint(key="entrance", x=0.5, y=0.92, kind="door", label="大门"))
        pairs.append(("entrance", "hall2"))
    return NewGraph(version=1, points=points, edges=[NewEdge(start=a, end=b) for a, b in pairs], links=list(links))


def _storey_picture() -> bytes:
    image = Image.new("RGB", _SIZE, _PAPER)
    pen = ImageDraw.Draw(image)
    wide, high = _SIZE
    pen.rectangle((30, 40, wide - 30, high - 40), fill=_FLOOR, outline=_WALL, width=8)
    for west, east in ((150, 450), (450, 750), (750, 1050)):
        pen.rectangle((west, 40, east, 295), fill=_GREEN, outline=_WALL, width=5)
        door = (west + east) // 2
        pen.line((door - 25, 295, door + 25, 295), fill=_FLOOR, width=7)
    pen.rectangle((30, 300, 120, 480), outline=_WALL, width=4)
    for step in range(310, 480, 20):
        pen.line((36, step, 114, step), fill=_WALL, width=2)
    pen.rectangle((wide - 120, 320, wide - 30, 450), outline=_WALL, width=4)
    pen.line((wide - 120, 320, wide - 30, 450), fill=_WALL, width=2)
    pen.line((wide - 120, 450, wide - 30, 320), fill=_WALL, width=2)
    return _written(image)


def _grounds_picture() -> bytes:
    image = Image.new("RGB", _SIZE, _GREEN)
    pen = ImageDraw.Draw(image)
    wide, high = _SIZE
    pen.rectangle((150, 390, wide - 150, 450), fill=_PAPER)
    pen.rectangle((570, 390, 630, high), fill=_PAPER)
    for middle in (240, 600, 960):
        pen.rectangle((middle - 110, 90, middle + 110, 245), fill=_FLOOR, outline=_WALL, width=6)
        pen.rectangle((middle - 18, 245, middle + 18, 400), fill=_PAPER)
    return _written(image)


def _written(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
