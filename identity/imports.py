"""Importing organisations and people from a table: CSV or XLSX.

First the whole file is looked at, then all of it is written or nothing. A row is known by its code or staff number, so
the same file twice changes nothing the second time. `dry_run` says what would happen and writes nothing.

Who leaves is in the table too: a row says so, or its last day is over, or a complete list does not name them any more.
They are signed out everywhere in the same transaction; a last day that is still to come waits as a durable timer.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from graphlib import TopologicalSorter
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from identity import queries
from identity.access import today
from identity.csv_table import (
    CellError,
    Column,
    ParsedRow,
    ParsedTable,
    day,
    matching,
    one_of,
    parse_table,
    words,
)
from identity.errors import ImportHasBadCells
from identity.kinds import ADMINISTRATORS, OrganisationKind, PersonClass
from identity.models import Membership, Organisation, Person, Region, RoleGrantRow
from identity.people import (
    NewPerson,
    change_membership,
    change_person_status,
    edit_person,
    leave_after,
    open_people,
)
from identity.places import edit_place, move_organisation, open_organisation
from identity.principal import Cover
from identity.schemas import BadCell, ImportedRow, ImportReport
from identity.workbook import TemplateColumn, build_template
from kernel.db import Database

BAD_CELLS_SHOWN_MAX: Final = 200
CHANGES_SHOWN_MAX: Final = 1000
_ONE_AT_A_TIME: Final = 4_204_231
# Between so many rows others get their turn: the same process takes payments.
_AT_ONCE: Final = 500

CODE = matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", "只能用字母、数字和 . _ -，至多 40 位", "letters, digits and . _ - up to 40"
)
_STAFF_NUMBER = matching(
    r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", "只能用字母、数字和 -，至多 32 位", "letters, digits and - up to 32"
)
_PHONE = matching(r"\+?[0-9][0-9 -]{4,19}", "不是有效的电话号码", "not a telephone number")
_KINDS: Final = {
    "unit": OrganisationKind.UNIT,
    "单位": OrganisationKind.UNIT,
    "department": OrganisationKind.DEPARTMENT,
    "部门": OrganisationKind.DEPARTMENT,
    "operator": OrganisationKind.OPERATOR,
    "运营方": OrganisationKind.OPERATOR,
}
_CLASSES: Final = {
    "staff": PersonClass.STAFF,
    "在编": PersonClass.STAFF,
    "contract": PersonClass.CONTRACT,
    "编外": PersonClass.CONTRACT,
    "retired": PersonClass.RETIRED,
    "退休": PersonClass.RETIRED,
    "family": PersonClass.FAMILY,
    "家属": PersonClass.FAMILY,
    "visitor": PersonClass.VISITOR,
    "访客": PersonClass.VISITOR,
}

_STATUSES: Final = {"active": "active", "在职": "active", "left": "left", "离职": "left"}

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
PEOPLE_COLUMNS: Final = (
    Column("staff_number", ("工号",), _STAFF_NUMBER, hint="字母、数字和 -，至多 32 位，每人唯一", example="A00123"),
    Column("name", ("姓名",), words(80), hint="至多 80 个字", example="张三"),
    Column("phone", ("手机", "电话"), _PHONE, required=False, hint="可不填", example="13800000001"),
    Column("organisation_code", ("单位编码", "部门编码"), CODE, hint="已有单位或部门的编码", example="HZ-001"),
    Column(
        "person_class",
        ("人员类别", "类别"),
        one_of({word: str(kind) for word, kind in _CLASSES.items()}),
        hint="在编、编外、退休、家属或访客；价格由它决定",
        example="在编",
        choices=("在编", "编外", "退休", "家属", "访客"),
    ),
    Column("valid_from", ("生效日期",), day, hint="归属从这天起，如 2026-01-31", example="2026-01-31"),
    Column("last_day", ("截止日期",), day, required=False, hint="可不填；这天过后此人离职", example="2026-12-31"),
    Column(
        "status",
        ("状态", "在职状态"),
        one_of(_STATUSES),
        required=False,
        hint="可不填；填离职则立即退出所有登录，余额保留",
        example="在职",
        choices=("在职", "离职"),
    ),
)
_SHEETS: Final = {"people": ("人员", PEOPLE_COLUMNS), "organisations": ("机构", ORGANISATION_COLUMNS)}


def template_of(what: str) -> bytes:
    """The empty workbook for `people` or `organisations`."""
    sheet, columns = _SHEETS[what]
    return build_template(
        sheet, [TemplateColumn(column.titles[0], column.hint, column.example, column.choices) for column in columns]
    )


@dataclass(slots=True)
class Plan:
    """What a table would do: which rows are new, and which fields of known ones change."""

    table: ParsedTable
    new: list[ParsedRow] = field(default_factory=list)
    changed: list[tuple[ParsedRow, list[str]]] = field(default_factory=list)
    leaving: list[ParsedRow] = field(default_factory=list)
    # Staff number and id of those whom a complete list does not name any more.
    absent: list[tuple[str, UUID]] = field(default_factory=list)
    unchanged: int = 0

    def complain(self, row: ParsedRow, column: str, zh: str, en: str) -> None:
        self.table.complain(row.number, column, row.cells.get(column) or "", CellError(zh, en))

    def sort_in(self, row: ParsedRow, fields: list[str] | None) -> None:
        """None: new; no fields: as it is."""
        if fields is None:
            self.new.append(row)
        elif fields:
            self.changed.append((row, fields))
        else:
            self.unchanged += 1

    def report(self, key: str, *, dry_run: bool) -> ImportReport:
        return ImportReport(
            dry_run=dry_run,
            rows=len(self.table.rows),
            created=len(self.new),
            updated=len(self.changed),
            left=len(self.leaving) + len(self.absent),
            unchanged=self.unchanged,
            bad_cells_total=len(self.table.bad_cells),
            bad_cells=_shown(self.table.bad_cells),
            changes=self._changes(key)[:CHANGES_SHOWN_MAX],
        )

    def _changes(self, key: str) -> list[ImportedRow]:
        """Who leaves first: that is what somebody must not overlook."""
        gone = [ImportedRow(row=None, key=number, action="leave", fields=["status"]) for number, _ in self.absent]
        rows = [(row, "create", list[str]()) for row in self.new]
        rows += [(row, "update", fields) for row, fields in self.changed]
        rows += [(row, "leave", ["status"]) for row in self.leaving]
        rows.sort(key=lambda planned: planned[0].number)
        listed = [
            ImportedRow(row=r.number, key=r.cells[key], action=action, fields=fields) for r, action, fields in rows
        ]
        return gone + sorted(listed, key=lambda change: change.action != "leave")


def _shown(bad_cells: list[BadCell]) -> list[BadCell]:
    return sorted(bad_cells, key=lambda cell: cell.row)[:BAD_CELLS_SHOWN_MAX]


def refuse_bad_cells(plan: Plan) -> None:
    bad_cells = plan.table.bad_cells
    if bad_cells:
        shown = [cell.model_dump() for cell in _shown(bad_cells)]
        raise ImportHasBadCells(bad_cells=shown, bad_cells_total=len(bad_cells))


async def one_import_at_a_time(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})


# ---- organisations


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


def parents_first(rows: list[ParsedRow]) -> list[ParsedRow]:
    by_code = {row.cells["code"]: row for row in rows}
    above = {code: [row.cells["parent_code"]] if row.cells.get("parent_code") else [] for code, row in by_code.items()}
    return [by_code[code] for code in TopologicalSorter(above).static_order() if code in by_code]


def rings_of(parents: dict[str, str | None]) -> set[str]:
    """Those who would stand below themselves. Each step up is taken once, however long the chains are."""
    seen: set[str] = set()
    in_rings: set[str] = set()
    for start in parents:
        path: list[str] = []
        code: str | None = start
        while code is not None and code not in seen:
            seen.add(code)
            path.append(code)
            code = parents.get(code)
        if code in path:
            in_rings.update(path[path.index(code) :])
    return in_rings


# ---- people


async def import_people(
    db: Database, content: bytes, *, dry_run: bool, cover: Cover | None, actor: str, complete: bool = False
) -> ImportReport:
    """Import people with what they are to their organisation, and from when.

    `complete`: the table is the whole list of each unit that it names, so whoever of a unit is missing has left.
    """
    table = await asyncio.to_thread(parse_table, content, PEOPLE_COLUMNS, "staff_number")
    async with db.session() as session:
        await one_import_at_a_time(session)
        plan, known, organisations = await _plan_people(session, table, cover)
        if complete:
            plan.absent = await _find_absent(session, table, set(organisations.values()), cover)
        if not dry_run:
            refuse_bad_cells(plan)
            await _write_people(session, plan, known, organisations, actor)
        return plan.report("staff_number", dry_run=dry_run)


class _Belonging(NamedTuple):
    """A membership, as far as an import asks for it."""

    person_id: UUID
    organisation_id: UUID
    person_class: str
    valid_from: date
    valid_until: date | None

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)


@dataclass(slots=True)
class _Known:
    """Somebody who is there already, with all their memberships. Plain values: twenty thousand come at once."""

    id: UUID
    name: str
    phone: str | None
    status: str
    memberships: list[_Belonging] = field(default_factory=list)

    def in_force(self, on: date) -> _Belonging | None:
        return next((row for row in self.memberships if row.holds_on(on)), None)

    def begins_later(self, on: date) -> date | None:
        return min((row.valid_from for row in self.memberships if row.valid_from > on), default=None)


async def _plan_people(
    session: AsyncSession, table: ParsedTable, cover: Cover | None
) -> tuple[Plan, dict[str, _Known], dict[str, UUID]]:
    plan = Plan(table)
    codes = {row.cells["organisation_code"] for row in table.rows}
    found = await session.execute(select(Organisation.code, Organisation.id).where(Organisation.code.in_(codes)))
    organisations: dict[str, UUID] = {row.code: row.id for row in found}
    known = await _find_known(session, [row.cells["staff_number"] for row in table.rows])
    for position, row in enumerate(table.rows):
        if position % _AT_ONCE == 0:
            await asyncio.sleep(0)
        before = len(table.bad_cells)
        _check_organisation(plan, row, organisations, cover)
        _check_days(plan, row)
        someone = known.get(row.cells["staff_number"])
        changes = None
        if someone is not None and len(table.bad_cells) == before:
            changes = _changes_of_person(row, someone, organisations)
            _check_known_person(plan, row, someone, changes, cover)
        if len(table.bad_cells) == before:
            _sort_in_person(plan, row, someone, changes)
    return plan, known, organisations


def _sort_in_person(plan: Plan, row: ParsedRow, someone: _Known | None, changes: list[str] | None) -> None:
    """Somebody who leaves is nothing else; whoever was never here, or is gone already, has nothing left to leave."""
    if not _is_leaver(row):
        plan.sort_in(row, changes)
    elif someone is None or someone.status == "left":
        plan.unchanged += 1
    else:
        plan.leaving.append(row)


def _is_leaver(row: ParsedRow) -> bool:
    """A row that says so, on the day or after; or one whose last day is over and that does not say the opposite."""
    last_day: date | None = row.cells.get("last_day")
    is_over = last_day is not None and last_day < today()
    if row.cells.get("status") == "left":
        return last_day is None or is_over
    return is_over


async def _find_absent(
    session: AsyncSession, table: ParsedTable, organisation_ids: set[UUID], cover: Cover | None
) -> list[tuple[str, UUID]]:
    """The people of these units, within reach, with a staff number that the table does not hold.

    Administrators are not among them: no list that one administrator brings may end the others.
    """
    units = {payer.unit_id for payer in (await queries.payers_of(session, organisation_ids)).values() if payer.unit_id}
    below = Cover()
    for unit_id in units:
        below |= await queries.find_cover(session, organisation_id=unit_id)
    within = below.organisations if cover is None else below.organisations & cover.organisations
    administers = exists().where(
        RoleGrantRow.person_id == Person.id, RoleGrantRow.revoked_at.is_(None), RoleGrantRow.role.in_(ADMINISTRATORS)
    )
    found = await session.execute(
        select(Person.staff_number, Person.id)
        .join(Membership, Membership.person_id == Person.id)
        .where(
            Membership.valid.contains(today()),
            Membership.organisation_id.in_(within),
            Person.status != "left",
            Person.staff_number.is_not(None),
            ~administers,
        )
        .order_by(Person.staff_number)
    )
    named = {row.cells["staff_number"] for row in table.rows} | {cell.value for cell in table.bad_cells}
    return [(row.staff_number or "", row.id) for row in found if row.staff_number not in named]


async def _find_known(session: AsyncSession, staff_numbers: Sequence[str]) -> dict[str, _Known]:
    known: dict[str, _Known] = {}
    for first in range(0, len(staff_numbers), _AT_ONCE):
        known |= await _find_some(session, staff_numbers[first : first + _AT_ONCE])
    return known


async def _find_some(session: AsyncSession, staff_numbers: Sequence[str]) -> dict[str, _Known]:
    people = await session.execute(
        select(Person.staff_number, Person.id, Person.name, Person.phone, Person.status).where(
            Person.staff_number.in_(staff_numbers)
        )
    )
    known = {row.staff_number: _Known(row.id, row.name, row.phone, row.status) for row in people if row.staff_number}
    by_id = {someone.id: someone for someone in known.values()}
    memberships = await session.execute(
        select(
            Membership.person_id,
            Membership.organisation_id,
            Membership.person_class,
            func.lower(Membership.valid),
            func.upper(Membership.valid),
        ).where(Membership.person_id.in_(by_id))
    )
    for row in memberships:
        by_id[row.person_id].memberships.append(_Belonging(*row))
    return known


def _check_organisation(plan: Plan, row: ParsedRow, organisations: dict[str, UUID], cover: Cover | None) -> None:
    organisation_id = organisations.get(row.cells["organisation_code"])
    if organisation_id is None:
        plan.complain(row, "organisation_code", "没有这个编码的单位", "no organisation has this code")
    elif cover is not None and organisation_id not in cover.organisations:
        plan.complain(row, "organisation_code", "不在您的管理范围内", "outside of what you administer")


def _check_days(plan: Plan, row: ParsedRow) -> None:
    last_day = row.cells.get("last_day")
    if last_day is not None and last_day < row.cells["valid_from"]:
        plan.complain(row, "last_day", "早于生效日期", "before the first day")


def _check_known_person(plan: Plan, row: ParsedRow, someone: _Known, changes: list[str], cover: Cover | None) -> None:
    present = someone.in_force(row.cells["valid_from"])
    if cover is not None and present is not None and present.organisation_id not in cover.organisations:
        plan.complain(row, "staff_number", "此人不在您的管理范围内", "this person is outside of what you administer")
    later = someone.begins_later(row.cells["valid_from"])
    if later is not None and "organisation_code" in changes:
        plan.complain(
            row, "valid_from", f"此人自 {later} 起已另有所属", f"this person already belongs elsewhere from {later} on"
        )


def _until(row: ParsedRow) -> date | None:
    last_day: date | None = row.cells.get("last_day")
    return None if last_day is None else last_day + timedelta(days=1)


def _changes_of_person(row: ParsedRow, someone: _Known, organisations: dict[str, UUID]) -> list[str]:
    """`organisation_code` stands for the whole membership. An empty telephone cell takes nothing away."""
    wanted = {"name": row.cells["name"], "phone": row.cells.get("phone") or someone.phone}
    fields = [name for name, value in wanted.items() if getattr(someone, name) != value]
    present = someone.in_force(row.cells["valid_from"])
    as_wanted = present is not None and (
        present.organisation_id == organisations[row.cells["organisation_code"]]
        and present.person_class == row.cells["person_class"]
        and present.valid_until == _until(row)
    )
    if not as_wanted:
        fields.append("organisation_code")
    if row.cells.get("status") == "active" and someone.status == "left":
        fields.append("status")
    return fields


async def _write_people(
    session: AsyncSession, plan: Plan, known: dict[str, _Known], organisations: dict[str, UUID], actor: str
) -> None:
    for first in range(0, len(plan.new), _AT_ONCE):
        some = plan.new[first : first + _AT_ONCE]
        ids = await open_people(session, [_new_person(row, organisations) for row in some], actor=actor)
        for row, person_id in zip(some, ids, strict=True):
            await _await_last_day(session, row, person_id)
    for row, fields in plan.changed:
        await _change_person(session, row, fields, known[row.cells["staff_number"]].id, organisations, actor)
    for row in plan.leaving:
        person_id, last_day = known[row.cells["staff_number"]].id, row.cells.get("last_day")
        await change_person_status(session, person_id, "leave", actor=actor, last_day=last_day)
    for _, person_id in plan.absent:
        await change_person_status(session, person_id, "leave", actor=actor)


async def _change_person(
    session: AsyncSession,
    row: ParsedRow,
    fields: list[str],
    person_id: UUID,
    organisations: dict[str, UUID],
    actor: str,
) -> None:
    changes: dict[str, Any] = {name: row.cells[name] for name in fields if name in ("name", "phone")}
    await edit_person(session, person_id, changes, actor=actor)
    if "status" in fields:
        await change_person_status(session, person_id, "return", actor=actor)
    if "organisation_code" in fields:
        await change_membership(
            session,
            person_id,
            organisation_id=organisations[row.cells["organisation_code"]],
            person_class=row.cells["person_class"],
            valid_from=row.cells["valid_from"],
            valid_until=_until(row),
            actor=actor,
        )
    await _await_last_day(session, row, person_id)


async def _await_last_day(session: AsyncSession, row: ParsedRow, person_id: UUID) -> None:
    last_day = row.cells.get("last_day")
    if last_day is not None:
        await leave_after(session, person_id, last_day)


def _new_person(row: ParsedRow, organisations: dict[str, UUID]) -> NewPerson:
    return NewPerson(
        name=row.cells["name"],
        organisation_id=organisations[row.cells["organisation_code"]],
        person_class=row.cells["person_class"],
        valid_from=row.cells["valid_from"],
        valid_until=_until(row),
        staff_number=row.cells["staff_number"],
        phone=row.cells.get("phone"),
    )
