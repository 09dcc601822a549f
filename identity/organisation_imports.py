"""Importing units, departments and operators from a table; a parent may stand further down in the same file (imports.py)."""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from identity.csv_table import Column, ParsedRow, ParsedTable, one_of, parse_table, words
from identity.imports import CODE, Plan, one_import_at_a_time, parents_first, refuse_bad_cells, rings_of, template_of
from identity.kinds import OrganisationKind
from identity.models import Organisation, Region
from identity.places import edit_place, move_organisation, open_organisation
from identity.principal import Cover
from identity.schemas import ImportReport
from kernel.db import Database

_KINDS: Final = {
    "unit": OrganisationKind.UNIT,
    "单位": OrganisationKind.UNIT,
    "department": OrganisationKind.DEPARTMENT,
    "部门": OrganisationKind.DEPARTMENT,
    "operator": OrganisationKind.OPERATOR,
    "运营方": OrganisationKind.OPERATOR,
}
ORGANISATION_COLUMNS: Final = (
    Column("code", ("编码", "单位编码"), CODE, hint="字母、数字和 . _ -，至多 40 位，建好后不变", example="HZ-001"),
    Column("name_zh", ("名称", "中文名称"), words(80), hint="至多 80 个字", example="第一医院"),
    Column(
        "name_en", ("英文名称",), words(80), required=False, hint="可不填，不填时用中文名称", example="First Hospital"
    ),
    Column(
        "kind",
        ("类型",),
        one_of({word: str(kind) for word, kind in _KINDS.items()}),
        hint="单位、部门或运营方",
        example="单位",
        choices=("单位", "部门", "运营方"),
    ),
    Column("parent_code", ("上级编码",), CODE, required=False, hint="部门必填；可以写本表里的编码", example="HZ-001"),
    Column("home_region_code", ("地区编码", "所在地区"), CODE, hint="已有地区的编码", example="3301"),
)


def organisation_template() -> bytes:
    """The empty workbook."""
    return template_of("机构", ORGANISATION_COLUMNS)


async def import_organisations(
    db: Database, content: bytes, *, dry_run: bool, cover: Cover | None, actor: str
) -> ImportReport:
    """Import units, departments and operators; a parent may stand further down in the same file."""
    table = await asyncio.to_thread(parse_table, content, ORGANISATION_COLUMNS, "code")
    async with db.session() as session:
        await one_import_at_a_time(session)
        plan, places = await _plan_organisations(session, table, cover)
        if not dry_run:
            refuse_bad_cells(plan)
            await _write_organisations(session, plan, places, actor)
        return plan.report("code", dry_run=dry_run)


@dataclass(slots=True)
class _Places:
    """What is there already: organisations by code, everybody's parent by code, regions by code."""

    organisations: dict[str, Organisation]
    parents: dict[str, str | None]
    regions: dict[str, UUID]


async def _find_places(session: AsyncSession, table: ParsedTable) -> _Places:
    codes = {row.cells[name] for row in table.rows for name in ("code", "parent_code") if row.cells.get(name)}
    organisations = await session.scalars(select(Organisation).where(Organisation.code.in_(codes)))
    parent = aliased(Organisation)
    links = await session.execute(
        select(Organisation.code, parent.code.label("parent")).outerjoin(parent, parent.id == Organisation.parent_id)
    )
    regions = await session.execute(select(Region.code, Region.id))
    return _Places(
        {row.code: row for row in organisations},
        {row.code: row.parent for row in links},
        {row.code: row.id for row in regions},
    )


async def _plan_organisations(session: AsyncSession, table: ParsedTable, cover: Cover | None) -> tuple[Plan, _Places]:
    plan, places = Plan(table), await _find_places(session, table)
    wanted = {row.cells["code"]: row.cells.get("parent_code") for row in table.rows}
    after = places.parents | {code: above or places.parents.get(code) for code, above in wanted.items()}
    rings = rings_of(after)
    for row in table.rows:
        before = len(table.bad_cells)
        _check_parent(plan, row, after, rings)
        _check_home_region(plan, row, places.regions, cover)
        _check_known_organisation(plan, row, places)
        if len(table.bad_cells) == before:
            plan.sort_in(row, _changes_of_organisation(row, places))
    return plan, places


def _check_parent(plan: Plan, row: ParsedRow, after: dict[str, str | None], rings: set[str]) -> None:
    parent = row.cells.get("parent_code")
    if after[row.cells["code"]] is None and row.cells["kind"] == OrganisationKind.DEPARTMENT:
        plan.complain(row, "parent_code", "部门必须有上级", "a department is part of something")
    if parent is not None and parent not in after:
        plan.complain(row, "parent_code", "没有这个编码的单位", "no organisation has this code")
    if row.cells["code"] in rings:
        plan.complain(row, "parent_code", "上下级成环", "it would stand below itself")


def _check_home_region(plan: Plan, row: ParsedRow, regions: dict[str, UUID], cover: Cover | None) -> None:
    region_id = regions.get(row.cells["home_region_code"])
    if region_id is None:
        plan.complain(row, "home_region_code", "没有这个编码的地区", "no region has this code")
    elif cover is not None and region_id not in cover.regions:
        plan.complain(row, "home_region_code", "不在您的管理范围内", "outside of what you administer")


def _check_known_organisation(plan: Plan, row: ParsedRow, places: _Places) -> None:
    organisation = places.organisations.get(row.cells["code"])
    if organisation is None:
        return
    if organisation.kind != row.cells["kind"]:
        plan.complain(row, "kind", "已有单位的类型不能更改", "the kind of a known organisation stays")
    if organisation.home_region_id != places.regions.get(row.cells["home_region_code"]):
        plan.complain(row, "home_region_code", "已有单位的地区不能更改", "the home of a known organisation stays")


def _wanted_names(row: ParsedRow) -> dict[str, str]:
    return {"name_zh": row.cells["name_zh"], "name_en": row.cells.get("name_en") or row.cells["name_zh"]}


def _changes_of_organisation(row: ParsedRow, places: _Places) -> list[str] | None:
    """An empty cell takes nothing away."""
    organisation = places.organisations.get(row.cells["code"])
    if organisation is None:
        return None
    names = ("name_zh", "name_en") if row.cells.get("name_en") else ("name_zh",)
    fields = [name for name in names if getattr(organisation, name) != row.cells[name]]
    parent = row.cells.get("parent_code")
    if parent is not None and parent != places.parents[organisation.code]:
        fields.append("parent_code")
    return fields


async def _write_organisations(session: AsyncSession, plan: Plan, places: _Places, actor: str) -> None:
    ids = {code: organisation.id for code, organisation in places.organisations.items()}
    for row in parents_first(plan.new):
        ids[row.cells["code"]] = await open_organisation(
            session,
            code=row.cells["code"],
            kind=row.cells["kind"],
            home_region_id=places.regions[row.cells["home_region_code"]],
            parent_id=ids[row.cells["parent_code"]] if row.cells.get("parent_code") else None,
            actor=actor,
            **_wanted_names(row),
        )
    for row, fields in plan.changed:
        organisation_id = ids[row.cells["code"]]
        names = {name: value for name, value in _wanted_names(row).items() if name in fields}
        await edit_place(session, Organisation, organisation_id, names, actor=actor)
        if "parent_code" in fields:
            parent_id = ids[row.cells["parent_code"]]
            await move_organisation(session, organisation_id, parent_id=parent_id, actor=actor)
