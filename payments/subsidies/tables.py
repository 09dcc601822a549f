"""Tables that people make in a spreadsheet: subsidies for many, and a month's attendance.

First the whole file is looked at, then all of it is taken or nothing; what is wrong is named cell by cell. The same file
twice prepares two batches, of which a second person approves one; the same list twice changes nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import (
    BadCell,
    CellError,
    Column,
    ParsedRow,
    ParsedTable,
    TemplateColumn,
    UnitMember,
    build_template,
    matching,
    members_of_unit,
    parse_table,
    words,
)
from identity.api import today as identity_today
from kernel import clock
from kernel.audit_log import record
from kernel.db import Database
from kernel.ids import public_id
from kernel.money import AMOUNT_FEN_MAX
from payments.models import Holder
from payments.subsidies import queries, schemas
from payments.subsidies.batches import NewRow, Wanted, prepare_batch
from payments.subsidies.carry_over import CarryOver
from payments.subsidies.entitlement import first_day, last_day
from payments.subsidies.errors import TableHasBadCells
from payments.subsidies.models import AttendanceMonth

BAD_CELLS_SHOWN_MAX: Final = 200
_DAY: Final = timedelta(days=1)
_STAFF_NUMBER = matching(
    r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", "只能用字母、数字和 -，至多 32 位", "letters, digits and - up to 32"
)
_yuan = matching(r"[0-9]{1,5}(\.[0-9]{1,2})?", "不是金额，应如 352.00", "not an amount such as 352.00")
_days = matching(r"[0-9]{1,2}(\.[05])?", "不是天数，应如 21 或 21.5", "not a number of days such as 21 or 21.5")


def read_fen(value: str) -> int:
    """`352`, `352.5`, `352.00`: whole fen, without a fraction on the way."""
    whole, _, rest = _yuan(value).partition(".")
    fen = int(whole) * 100 + int(rest.ljust(2, "0"))
    if not 1 <= fen <= AMOUNT_FEN_MAX:
        raise CellError("金额应在 0.01 至 10000.00 元之间", "an amount from 0.01 to 10,000.00")
    return fen


def read_halves(value: str) -> int:
    """`21.5` days are 43 halves."""
    whole, _, rest = _days(value).partition(".")
    halves = int(whole) * 2 + (1 if rest == "5" else 0)
    if halves > 62:
        raise CellError("一个月没有这么多天", "more days than a month has")
    return halves


_WHO: Final = (
    Column("staff_number", ("工号",), _STAFF_NUMBER, hint="本单位人员的工号，每人一行", example="A00123"),
    Column("name", ("姓名",), words(80), required=False, hint="可不填；填了就与工号核对", example="张三"),
)
BATCH_COLUMNS: Final = (
    *_WHO,
    Column("amount", ("金额", "金额（元）", "补贴金额"), read_fen, hint="元，至多两位小数", example="352.00"),
    Column("note", ("备注", "说明"), words(200), required=False, hint="可不填", example="十一月补贴"),
)
ATTENDANCE_COLUMNS: Final = (
    *_WHO,
    Column("attended_days", ("出勤天数", "出勤"), read_halves, required=False, hint="天，可填半天", example="21.5"),
    Column("leave_days", ("请假天数", "请假"), read_halves, required=False, hint="天，可填半天", example="0.5"),
    Column("field_days", ("外勤天数", "外勤"), read_halves, required=False, hint="天，可填半天", example="2"),
)
_SHEETS: Final = {"batches": ("补贴", BATCH_COLUMNS), "attendance": ("考勤", ATTENDANCE_COLUMNS)}


def template_of(what: str) -> bytes:
    """The empty workbook for `batches` or `attendance`."""
    sheet, columns = _SHEETS[what]
    return build_template(sheet, [TemplateColumn(c.titles[0], c.hint, c.example, c.choices) for c in columns])


# ---- a batch


async def import_batch(
    db: Database, content: bytes, wanted: schemas.NewBatch, unit_id: UUID, *, actor: str
) -> schemas.BatchReport:
    """Look at a file of subsidies; prepare the batch where every cell is good and this is no dry run."""
    table = await asyncio.to_thread(parse_table, content, BATCH_COLUMNS, "staff_number")
    async with db.session() as session:
        on = identity_today()
        members = _by_number(await members_of_unit(session, unit_id, on, on))
        rows = await _batch_rows(session, table, members, unit_id)
        _refuse_bad_cells(table, dry_run=wanted.dry_run)
        batch = None
        if not wanted.dry_run:
            carry_over = wanted.carry_over()
            batch = await prepare_batch(
                session,
                Wanted(
                    unit_id,
                    wanted.name,
                    rows,
                    wanted.expires_on,
                    wanted.scope(),
                    CarryOver(**carry_over.model_dump()) if carry_over else None,
                ),
                actor=actor,
            )
        return schemas.BatchReport(
            dry_run=wanted.dry_run,
            rows=len(rows),
            amount_fen=sum(row.amount_fen for row in rows),
            bad_cells_total=len(table.bad_cells),
            bad_cells=_shown(table),
            batch=public_id("sbt", batch.id) if batch else None,
        )


async def _batch_rows(
    session: AsyncSession, table: ParsedTable, members: dict[str, UnitMember], unit_id: UUID
) -> list[NewRow]:
    known = _people(table, members)
    accounts = await queries.accounts_of(session, [member.person_id for _, member in known])
    region_id = await queries.region_of_unit(session, unit_id)
    rows = []
    for row, member in known:
        reason = why_not(accounts.get(member.person_id), region_id)
        if reason is not None:
            table.complain(row.number, "staff_number", member.staff_number, CellError(*reason))
            continue
        rows.append(NewRow(member.person_id, row.cells["amount"], row.cells.get("note") or ""))
    return rows


def why_not(account: Holder | None, region_id: UUID) -> tuple[str, str] | None:
    """Why somebody cannot receive a lot, in both languages; None where nothing is in the way."""
    if account is None:
        return "此人没有账户", "has no account"
    if account.state == "closed":
        return "账户已销户", "the account is closed"
    if account.region_id != region_id:
        return "账户在另一地区的账本", "the account stands in another region's book"
    return None


# ---- attendance


async def import_attendance(
    db: Database, content: bytes, unit_id: UUID, month: str, *, dry_run: bool, actor: str
) -> schemas.AttendanceReport:
    """Look at a month's list; write it down where every cell is good and this is no dry run."""
    table = await asyncio.to_thread(parse_table, content, ATTENDANCE_COLUMNS, "staff_number")
    async with db.session() as session:
        spans = await members_of_unit(session, unit_id, first_day(month), last_day(month))
        rows = _attendance_rows(table, spans, unit_id, month, actor)
        _refuse_bad_cells(table, dry_run=dry_run)
        before = await queries.attendance_of(session, unit_id, month)
        created = [row for row in rows if row["person_id"] not in before]
        updated = [row for row in rows if row["person_id"] in before and _differs(row, before)]
        if not dry_run and (created or updated):
            await _write_attendance(session, [*created, *updated])
            await record(
                session,
                actor=actor,
                action="attendance.import",
                subject=public_id("org", unit_id),
                data={"month": month, "created": len(created), "updated": len(updated)},
            )
        return schemas.AttendanceReport(
            dry_run=dry_run,
            rows=len(rows),
            created=len(created),
            updated=len(updated),
            unchanged=len(rows) - len(created) - len(updated),
            bad_cells_total=len(table.bad_cells),
            bad_cells=_shown(table),
        )


_HALVES: Final = ("attended_halves", "leave_halves", "field_halves")


def _attendance_rows(
    table: ParsedTable, spans: Sequence[UnitMember], unit_id: UUID, month: str, actor: str
) -> list[dict[str, object]]:
    belonged: dict[UUID, int] = {}
    for span in spans:
        belonged[span.person_id] = belonged.get(span.person_id, 0) + _days_within(span, month)
    rows: list[dict[str, object]] = []
    for row, member in _people(table, _by_number(spans)):
        halves = [row.cells.get(f"{kind}_days") or 0 for kind in ("attended", "leave", "field")]
        if sum(halves) > 2 * belonged[member.person_id]:
            error = CellError(
                f"三项合计超过此人当月在本单位的 {belonged[member.person_id]} 天",
                f"together more than the {belonged[member.person_id]} days that this person belonged to the unit",
            )
            table.complain(row.number, "staff_number", member.staff_number, error)
            continue
        who = {"unit_id": unit_id, "month": month, "person_id": member.person_id}
        rows.append(who | dict(zip(_HALVES, halves, strict=True)) | {"recorded_by": actor, "recorded_at": clock.now()})
    return rows


def _days_within(span: UnitMember, month: str) -> int:
    since = max(span.since, first_day(month))
    until = min(span.until or date.max, last_day(month) + _DAY)
    return (until - since).days


def _differs(row: dict[str, object], before: dict[UUID, AttendanceMonth]) -> bool:
    known = before[row["person_id"]]  # type: ignore[index]  # every row names its person
    return any(getattr(known, name) != row[name] for name in _HALVES)


async def _write_attendance(session: AsyncSession, rows: Sequence[dict[str, object]]) -> None:
    fresh = upsert(AttendanceMonth)
    changed = {name: fresh.excluded[name] for name in (*_HALVES, "recorded_by", "recorded_at")}
    keys = [AttendanceMonth.unit_id, AttendanceMonth.month, AttendanceMonth.person_id]
    await session.execute(fresh.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


# ---- what both have in common


def _by_number(members: Sequence[UnitMember]) -> dict[str, UnitMember]:
    return {member.staff_number: member for member in members}


def _people(table: ParsedTable, members: dict[str, UnitMember]) -> list[tuple[ParsedRow, UnitMember]]:
    """The rows with their people; who is not of this unit, or is called otherwise, is complained about."""
    found = []
    for row in table.rows:
        member = members.get(row.cells["staff_number"])
        if member is None:
            error = CellError("本单位没有这个工号", "nobody of this unit has this number")
            table.complain(row.number, "staff_number", row.cells["staff_number"], error)
        elif row.cells.get("name") and row.cells["name"] != member.name:
            error = CellError(f"与工号不符，应为{member.name}", f"this number is {member.name}'s")
            table.complain(row.number, "name", row.cells["name"], error)
        else:
            found.append((row, member))
    return found


def _refuse_bad_cells(table: ParsedTable, *, dry_run: bool) -> None:
    if table.bad_cells and not dry_run:
        shown = [cell.model_dump() for cell in _shown(table)]
        raise TableHasBadCells(reason="bad cells", bad_cells=shown, bad_cells_total=len(table.bad_cells))


def _shown(table: ParsedTable) -> list[BadCell]:
    return sorted(table.bad_cells, key=lambda cell: cell.row)[:BAD_CELLS_SHOWN_MAX]
