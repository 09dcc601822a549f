"""Who is invited: put down one by one or out of a sheet, changed, taken off the list; and what their diets come to."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import letters, queries, service
from booking.meetings.errors import GuestHasArrived, GuestsHaveBadCells
from booking.meetings.models import Meeting, MeetingGuest
from booking.meetings.queries import GUEST
from booking.meetings.schemas import DIETS, GuestChange, NewGuest
from booking.meetings.states import FIRM, OPEN
from identity.api import (
    BadCell,
    CellError,
    Column,
    ParsedTable,
    Principal,
    TemplateColumn,
    build_template,
    matching,
    parse_table,
    words,
)
from kernel import audit_log, clock
from kernel.errors import Forbidden, GuanjiaError, NotFound, StateConflict
from kernel.ids import public_id, uuid7

_GUESTS_MAX: Final = 5000
_FIELDS: Final = ("unit_name", "phone", "email", "language", "diet", "diet_words")


async def meeting_to_fill(session: AsyncSession, actor: Principal, meeting_id: UUID) -> Meeting:
    """The meeting, locked, whose list this person keeps; its state must not be over."""
    meeting = await queries.lock_meeting(session, meeting_id)
    sides = service.sides_of(meeting, actor)
    if not sides:
        raise NotFound(what="meeting")
    if not sides & {"organiser", "office"}:
        raise Forbidden
    if meeting.state not in OPEN:
        raise StateConflict(state=meeting.state, trigger="change", allowed=[])
    return meeting


async def add_guest(session: AsyncSession, actor: Principal, meeting_id: UUID, new: NewGuest) -> MeetingGuest:
    """One more; somebody of that name who is on the list already is changed instead."""
    meeting = await meeting_to_fill(session, actor, meeting_id)
    guest = (await _take(session, meeting, [new]))[0]
    await _tell(session, meeting, actor, "add", 1)
    return guest


async def change_guest(
    session: AsyncSession, actor: Principal, meeting_id: UUID, guest_id: UUID, change: GuestChange
) -> MeetingGuest:
    """Only what is named changes; the code stays good."""
    meeting = await meeting_to_fill(session, actor, meeting_id)
    guest = await queries.get_guest(session, meeting.id, guest_id)
    for name, value in change.model_dump(exclude_none=True).items():
        setattr(guest, name, value)
    await session.flush()
    await _tell(session, meeting, actor, "change", 1)
    return guest


async def remove_guest(session: AsyncSession, actor: Principal, meeting_id: UUID, guest_id: UUID) -> None:
    """Off the list; the code says nothing any more. Who has arrived stays."""
    meeting = await meeting_to_fill(session, actor, meeting_id)
    guest = await queries.get_guest(session, meeting.id, guest_id)
    if (await queries.scans_of(session, meeting.id)).get(guest.id):
        raise GuestHasArrived(guest=public_id(GUEST, guest.id))
    guest.removed_at = clock.now()
    await session.flush()
    await _tell(session, meeting, actor, "remove", 1)


async def reissue_code(session: AsyncSession, actor: Principal, meeting_id: UUID, guest_id: UUID) -> MeetingGuest:
    """A new code; the one that was lost or passed on is refused from now on."""
    meeting = await meeting_to_fill(session, actor, meeting_id)
    guest = await queries.get_guest(session, meeting.id, guest_id)
    guest.code_issue += 1
    await session.flush()
    await _tell(session, meeting, actor, "reissue", 1)
    return guest


async def _take(session: AsyncSession, meeting: Meeting, wanted: Sequence[NewGuest]) -> list[MeetingGuest]:
    known = {guest.name: guest for guest in await queries.guests_of(session, meeting.id)}
    last = await session.scalar(select(func.max(MeetingGuest.ordinal)).where(MeetingGuest.meeting_id == meeting.id))
    taken = []
    for new in wanted:
        guest = known.get(new.name)
        if guest is None:
            last = (last or 0) + 1
            guest = known[new.name] = _row(meeting, new, last)
            session.add(guest)
        else:
            for name in _FIELDS:
                setattr(guest, name, getattr(new, name))
        taken.append(guest)
    await session.flush()
    return taken


def _row(meeting: Meeting, new: NewGuest, ordinal: int) -> MeetingGuest:
    return MeetingGuest(
        id=uuid7(),
        meeting_id=meeting.id,
        ordinal=ordinal,
        code_issue=1,
        told_at=None,
        created_at=clock.now(),
        removed_at=None,
        **new.model_dump(),
    )


async def _tell(session: AsyncSession, meeting: Meeting, actor: Principal, verb: str, count: int) -> None:
    """The kitchens hear of diets, new guests get their letter, the log says who kept the list."""
    await service.note_needs(session, meeting)
    if meeting.state in FIRM and verb in ("add", "import", "reissue"):
        await letters.expect(session, meeting)
    await audit_log.record(
        session,
        actor=actor.actor,
        action=f"meeting_guest.{verb}",
        subject=public_id(queries.PREFIX, meeting.id),
        data={"count": count},
    )


# ---- out of a sheet


DIET_NAMES: Final = {
    "halal": "清真",
    "vegetarian": "素食",
    "vegan": "纯素",
    "low_salt": "少盐",
    "mild": "不辣",
    "gluten_free": "无麸质",
    "no_peanuts": "花生过敏",
    "no_seafood": "海鲜过敏",
}
_DIET_OF: Final = {**{name: code for code, name in DIET_NAMES.items()}, **{code: code for code in DIETS}}
_LANGUAGES: Final = {"中文": "zh", "zh": "zh", "chinese": "zh", "英文": "en", "en": "en", "english": "en"}
Change = Literal["new", "changed", "same"]


def _diet(value: str) -> list[str]:
    parts = [
        part.strip().casefold() for part in value.replace("、", ",").replace("，", ",").replace(";", ",").split(",")
    ]
    unknown = next((part for part in parts if part and part not in _DIET_OF), None)
    if unknown is not None:
        allowed = "、".join(DIET_NAMES.values())
        raise CellError(f"不认识“{unknown}”，可填：{allowed}", f"unknown: {unknown}; known are {', '.join(DIETS)}")
    return list(dict.fromkeys(_DIET_OF[part] for part in parts if part))


def _language(value: str) -> str:
    known = _LANGUAGES.get(value.casefold())
    if known is None:
        raise CellError("只能是：中文、英文", "must be zh or en")
    return known


_PHONE: Callable[[str], str] = matching(r"[0-9+() -]{1,32}", "不是电话号码", "not a telephone number")
_EMAIL: Callable[[str], str] = matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", "不是邮箱地址", "not a mail address")
COLUMNS: Final = (
    Column("name", ("姓名",), words(80), hint="同名来宾请加注，如“张伟（财政局）”", example="张伟"),
    Column("unit_name", ("单位", "unit"), words(120), required=False, hint="印在胸牌上", example="财政局"),
    Column("phone", ("手机", "电话"), _PHONE, required=False, hint="会务联系用", example="13800000000"),
    Column(
        "email", ("邮箱", "电子邮箱"), _EMAIL, required=False, hint="邀请与变更发到这里", example="zhang@example.cn"
    ),
    Column("diet", ("饮食", "饮食要求"), _diet, required=False, hint="可填几项，用顿号分开", example="清真、少盐"),
    Column("diet_words", ("饮食说明",), words(120), required=False, hint="别的饮食要求", example="对芒果过敏"),
    Column(
        "language", ("语言",), _language, required=False, hint="中文或英文", example="中文", choices=("中文", "英文")
    ),
)


def template() -> bytes:
    """An empty list to fill in. It takes a moment; call it in a thread."""
    return build_template(
        "来宾", [TemplateColumn(each.titles[0], each.hint, each.example, each.choices) for each in COLUMNS]
    )


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row that could be read, and what taking it would do."""

    row: int
    change: Change
    guest: NewGuest


async def import_guests(
    session: AsyncSession, actor: Principal, meeting_id: UUID, content: bytes, *, dry_run: bool
) -> tuple[list[SheetRow], list[BadCell]]:
    """A sheet, or what was pasted out of one. Everything or nothing: bad cells are all named; a dry run changes nothing."""
    table = await asyncio.to_thread(parse_table, content, COLUMNS, "name")
    meeting = await meeting_to_fill(session, actor, meeting_id)
    known = {guest.name: guest for guest in await queries.guests_of(session, meeting.id)}
    rows = [_sheet_row(number, guest, known.get(guest.name)) for number, guest in _guests_of(table)]
    if dry_run:
        return rows, table.bad_cells
    if table.bad_cells:
        raise GuestsHaveBadCells(bad_cells=[cell.model_dump() for cell in table.bad_cells])
    if len(known) + len(rows) > _GUESTS_MAX:
        raise _too_many()
    await _take(session, meeting, [row.guest for row in rows])
    await _tell(session, meeting, actor, "import", len(rows))
    return rows, []


def _too_many() -> GuanjiaError:
    return GuestsHaveBadCells(reason=f"more than {_GUESTS_MAX} guests")


def _guests_of(table: ParsedTable) -> list[tuple[int, NewGuest]]:
    found = []
    for row in table.rows:
        cells: dict[str, Any] = {name: value for name, value in row.cells.items() if value is not None}
        found.append((row.number, NewGuest.model_validate(cells)))
    return found


def _sheet_row(number: int, guest: NewGuest, known: MeetingGuest | None) -> SheetRow:
    change: Change = "new"
    if known is not None:
        is_same = all(getattr(known, name) == getattr(guest, name) for name in _FIELDS)
        change = "same" if is_same else "changed"
    return SheetRow(number, change, guest)
