"""Importing people from a table: who they are, what they are to their organisation, and from when (imports.py).

Who leaves is in the table too: a row says so, or its last day is over, or a complete list does not name them any more.
They are signed out everywhere in the same transaction; a last day that is still to come waits as a durable timer.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from identity import queries
from identity.access import today
from identity.csv_table import Column, ParsedRow, ParsedTable, day, matching, one_of, parse_table, words
from identity.imports import CODE, Plan, one_import_at_a_time, refuse_bad_cells, template_of
from identity.kinds import ADMINISTRATORS, PersonClass
from identity.models import Membership, Organisation, Person, RoleGrantRow
from identity.people import (
    NewPerson,
    change_membership,
    change_person_status,
    edit_person,
    leave_after,
    open_people,
)
from identity.principal import Cover
from identity.schemas import EMAIL_LENGTH_MAX, EMAIL_SHAPE, ImportReport
from kernel.db import Database

# Between so many rows others get their turn: the same process takes payments.
_AT_ONCE: Final = 500

_STAFF_NUMBER = matching(
    r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", "只能用字母、数字和 -，至多 32 位", "letters, digits and - up to 32"
)
_PHONE = matching(r"\+?[0-9][0-9 -]{4,19}", "不是有效的电话号码", "not a telephone number")
_EMAIL: Final = matching(
    rf"(?=.{{3,{EMAIL_LENGTH_MAX}}}$){EMAIL_SHAPE}", "不是有效的邮箱地址", "not a plain mail address"
)
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
    Column(
        "email",
        ("邮箱", "电子邮箱"),
        _EMAIL,
        required=False,
        hint="可不填；忘记密码时往这里发信",
        example="zhang.san@example.cn",
    ),
)


def people_template() -> bytes:
    """The empty workbook."""
    return template_of("人员", PEOPLE_COLUMNS)


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
    email: str | None
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
        select(Person.staff_number, Person.id, Person.name, Person.phone, Person.email, Person.status).where(
            Person.staff_number.in_(staff_numbers)
        )
    )
    known = {
        row.staff_number: _Known(row.id, row.name, row.phone, row.email, row.status)
        for row in people
        if row.staff_number
    }
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
    """`organisation_code` stands for the whole membership. An empty cell takes no telephone and no mail address away."""
    wanted = {"name": row.cells["name"]} | {
        name: row.cells.get(name) or getattr(someone, name) for name in ("phone", "email")
    }
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
    changes: dict[str, Any] = {name: row.cells[name] for name in fields if name in ("name", "phone", "email")}
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
        email=row.cells.get("email"),
    )
