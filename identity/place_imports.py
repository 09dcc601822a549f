"""Importing the tree of places from a table: CSV or XLSX. A row is known by its code; the same file twice changes nothing.

The file is looked at as a whole first; then all of it is written, or nothing (identity/imports.py, which this follows).
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.csv_table import CellError, Column, ParsedRow, ParsedTable, one_of, parse_table, words
from identity.imports import CODE, Plan, one_import_at_a_time, parents_first, refuse_bad_cells, rings_of
from identity.kinds import PlaceKind
from identity.models import PlaceRow, Site
from identity.place_tree import NewPlace, edit_tree_place, fits_below, open_place
from identity.principal import Cover
from identity.schemas import ImportReport
from identity.workbook import TemplateColumn, build_template
from kernel.db import Database

_KINDS: Final = {
    "campus": PlaceKind.CAMPUS,
    "院区": PlaceKind.CAMPUS,
    "building": PlaceKind.BUILDING,
    "楼": PlaceKind.BUILDING,
    "storey": PlaceKind.STOREY,
    "楼层": PlaceKind.STOREY,
    "room": PlaceKind.ROOM,
    "房间": PlaceKind.ROOM,
    "area": PlaceKind.AREA,
    "区域": PlaceKind.AREA,
}
_YES_OR_NO: Final = {"yes": "yes", "是": "yes", "no": "no", "否": "no"}


def whole_number(value: str) -> int:
    """`-2`, `3`."""
    try:
        number = int(value)
    except ValueError as error:
        raise CellError("须为整数，如 3 或 -1", "a whole number such as 3 or -1") from error
    if not -1000 <= number <= 100_000:
        raise CellError("须在 -1000 到 100000 之间", "from -1000 to 100000")
    return number


PLACE_COLUMNS: Final = (
    Column("code", ("编码", "位置编码"), CODE, hint="字母、数字和 . _ -，至多 40 位，建好后不变", example="A-3-301"),
    Column("name_zh", ("名称", "中文名称"), words(80), hint="至多 80 个字，只写这一级", example="301 会议室"),
    Column("name_en", ("英文名称",), words(80), required=False, hint="可不填，不填时用中文名称", example="Room 301"),
    Column(
        "kind",
        ("类型",),
        one_of({word: str(kind) for word, kind in _KINDS.items()}),
        hint="院区、楼、楼层、房间或区域",
        example="房间",
        choices=("院区", "楼", "楼层", "房间", "区域"),
    ),
    Column("parent_code", ("上级编码",), CODE, required=False, hint="可以写本表里的编码", example="A-3"),
    Column("site_code", ("场所编码",), CODE, required=False, hint="没有上级的位置必填：已有场所的编码", example="S1"),
    Column("ordinal", ("序号", "楼层号"), whole_number, required=False, hint="可不填；同级按它排序", example="3"),
    Column(
        "open_to_strangers",
        ("免登录报修",),
        one_of(_YES_OR_NO),
        required=False,
        hint="可不填；是：未登录的人扫位置码也能报",
        example="否",
        choices=("是", "否"),
    ),
)


def place_template() -> bytes:
    """The empty workbook."""
    return build_template(
        "位置",
        [TemplateColumn(column.titles[0], column.hint, column.example, column.choices) for column in PLACE_COLUMNS],
    )


@dataclass(slots=True)
class _Known:
    """What is there already, by code: places, everybody's parent, and sites."""

    places: dict[str, PlaceRow]
    codes: dict[UUID, str]
    sites: dict[str, Site]


async def import_places(
    db: Database, content: bytes, *, dry_run: bool, cover: Cover | None, actor: str
) -> ImportReport:
    """Import places; a parent may stand further down in the same file."""
    table = await asyncio.to_thread(parse_table, content, PLACE_COLUMNS, "code")
    async with db.session() as session:
        await one_import_at_a_time(session)
        known = await _find_known(session)
        plan = _plan(table, known, cover)
        if not dry_run:
            refuse_bad_cells(plan)
            await _write(session, plan, known, actor)
        return plan.report("code", dry_run=dry_run)


async def _find_known(session: AsyncSession) -> _Known:
    places = {row.code: row for row in await session.scalars(select(PlaceRow))}
    sites = {row.code: row for row in await session.scalars(select(Site))}
    return _Known(places, {row.id: code for code, row in places.items()}, sites)


def _plan(table: ParsedTable, known: _Known, cover: Cover | None) -> Plan:
    plan = Plan(table)
    rows = {row.cells["code"]: row for row in table.rows}
    before = {code: known.codes[row.parent_id] if row.parent_id else None for code, row in known.places.items()}
    after: dict[str, str | None] = before | {
        code: row.cells.get("parent_code") or before.get(code) for code, row in rows.items()
    }
    rings = rings_of(after)
    for row in table.rows:
        complaints = len(table.bad_cells)
        if row.cells["code"] in rings:
            plan.complain(row, "parent_code", "上下级成环", "it would stand below itself")
        else:
            _check_parent(plan, row, rows, after, known)
            _check_site(plan, row, after, known, cover)
        _check_known(plan, row, known)
        if len(table.bad_cells) == complaints:
            plan.sort_in(row, _changes(row, known))
    return plan


def _check_parent(
    plan: Plan, row: ParsedRow, rows: dict[str, ParsedRow], after: dict[str, str | None], known: _Known
) -> None:
    parent = after[row.cells["code"]]
    if parent is None:
        return
    if parent not in after:
        plan.complain(row, "parent_code", "没有这个编码的位置", "no place has this code")
        return
    kind = rows[parent].cells["kind"] if parent in rows else known.places[parent].kind
    if not fits_below(kind, row.cells["kind"]):
        plan.complain(row, "kind", "不能放在这样的上级之下", "it does not stand below a place of that kind")
    if parent in known.places and known.places[parent].retired_at is not None:
        plan.complain(row, "parent_code", "上级已停用", "the place above is out of use")


def _check_site(plan: Plan, row: ParsedRow, after: dict[str, str | None], known: _Known, cover: Cover | None) -> None:
    """A root names its site; what stands below has its root's."""
    code = row.cells["code"]
    if after[code] is not None:
        if row.cells.get("site_code"):
            plan.complain(row, "site_code", "有上级的位置不填场所", "a place below another has that one's site")
        root = _root_of(code, after)
        if cover is not None and root in known.places and known.places[root].site_id not in cover.sites:
            plan.complain(row, "parent_code", "不在您的管理范围内", "outside of what you administer")
        return
    if code in known.places and not row.cells.get("site_code"):
        site_id: UUID | None = known.places[code].site_id
    else:
        site = known.sites.get(row.cells.get("site_code") or "")
        site_id = site.id if site is not None else None
    if site_id is None:
        plan.complain(row, "site_code", "没有这个编码的场所", "no site has this code")
    elif cover is not None and site_id not in cover.sites:
        plan.complain(row, "site_code", "不在您的管理范围内", "outside of what you administer")


def _root_of(code: str, after: dict[str, str | None]) -> str:
    """The way up ends, also below a ring, whose own rows are named elsewhere."""
    seen: set[str] = set()
    above = after.get(code)
    while above is not None and above not in seen:
        seen.add(above)
        code, above = above, after.get(above)
    return code


def _check_known(plan: Plan, row: ParsedRow, known: _Known) -> None:
    place = known.places.get(row.cells["code"])
    if place is None:
        return
    if place.kind != row.cells["kind"]:
        plan.complain(row, "kind", "已有位置的类型不能更改", "the kind of a known place stays")
    parent = row.cells.get("parent_code")
    if parent is not None and (place.parent_id is None or known.codes[place.parent_id] != parent):
        plan.complain(
            row, "parent_code", "位置不能移动，请停用后另建", "a place does not move; retire it and open another"
        )
    site = row.cells.get("site_code")
    named = known.sites.get(site or "")
    if place.parent_id is None and named is not None and named.id != place.site_id:
        plan.complain(row, "site_code", "已有位置的场所不能更改", "the site of a known place stays")


def _wanted(row: ParsedRow) -> dict[str, Any]:
    """An empty cell takes nothing away."""
    fields: dict[str, Any] = {"name_zh": row.cells["name_zh"]}
    if row.cells.get("name_en"):
        fields["name_en"] = row.cells["name_en"]
    if row.cells.get("ordinal") is not None:
        fields["ordinal"] = row.cells["ordinal"]
    if row.cells.get("open_to_strangers") is not None:
        fields["open_to_strangers"] = row.cells["open_to_strangers"] == "yes"
    return fields


def _changes(row: ParsedRow, known: _Known) -> list[str] | None:
    place = known.places.get(row.cells["code"])
    if place is None:
        return None
    return [name for name, value in _wanted(row).items() if getattr(place, name) != value]


async def _write(session: AsyncSession, plan: Plan, known: _Known, actor: str) -> None:
    ids = {code: place.id for code, place in known.places.items()}
    for row in parents_first(plan.new):
        parent = row.cells.get("parent_code")
        new = NewPlace(code=row.cells["code"], kind=row.cells["kind"], **_wanted(row))
        site_id = None if parent else known.sites[row.cells["site_code"]].id
        place = await open_place(session, new, site_id=site_id, parent_id=ids[parent] if parent else None, actor=actor)
        ids[place.code] = place.id
    for row, fields in plan.changed:
        changes = {name: value for name, value in _wanted(row).items() if name in fields}
        await edit_tree_place(session, ids[row.cells["code"]], changes, actor=actor)
