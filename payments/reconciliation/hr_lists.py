"""A unit's list of its people for a month, from its personnel office: CSV or XLSX, taken whole or not at all."""

import asyncio
import hashlib
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CellError, Column, ParsedTable, TemplateColumn, build_template, matching, parse_table, words
from kernel import clock
from kernel.audit_log import record
from kernel.db import Database
from kernel.ids import public_id, uuid7
from payments.banking.table import CELLS_SHOWN_MAX, money_cell
from payments.reconciliation.errors import HrListHasBadCells
from payments.reconciliation.models import HrList, HrListRow

_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(4204262)")
_STAFF_NUMBER: Final = matching(
    r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", "只能用字母、数字和 -，至多 32 位", "letters, digits and - up to 32"
)


COLUMNS: Final = (
    Column("staff_number", ("工号",), _STAFF_NUMBER, hint="本月在册人员的工号，每人一行", example="A00123"),
    Column("name", ("姓名",), words(80), hint="至多 80 个字", example="张三"),
    Column("subsidy", ("应发补贴", "应发补贴（元）", "补贴"), money_cell, required=False, hint="元；可不填，不填时只核对有没有发", example="352.00"),
)  # fmt: skip  # one column a line


def build_hr_template() -> bytes:
    """An empty workbook to fill in."""
    return build_template("人事名单", [TemplateColumn(each.titles[0], each.hint, each.example) for each in COLUMNS])


def read_hr_list(content: bytes) -> ParsedTable:
    """The rows; HrListHasBadCells with every cell that is wrong."""
    table = parse_table(content, COLUMNS, "staff_number")
    for row in table.rows:
        if (row.cells.get("subsidy") or 0) < 0:
            table.complain(row.number, "subsidy", row.cells["subsidy"], CellError("不能为负数", "must not be below 0"))
    if table.bad_cells:
        shown = [cell.model_dump() for cell in table.bad_cells[:CELLS_SHOWN_MAX]]
        raise HrListHasBadCells(count=len(table.bad_cells), cells=shown)
    return table


async def take_hr_list(db: Database, content: bytes, unit_id: UUID, month: date, *, actor: str) -> UUID:
    """Read a file and keep it in place of the month's list before; the same file again changes nothing."""
    table = await asyncio.to_thread(read_hr_list, content)
    digest = hashlib.sha256(content).digest()
    async with db.session() as session:
        await session.execute(_ONE_AT_A_TIME)
        before = await find_hr_list(session, unit_id, month)
        if before is not None and before.sha256 == digest:
            return before.id
        if before is not None:
            before.replaced_at = clock.now()
            await session.flush()
        row = HrList(
            id=uuid7(),
            unit_id=unit_id,
            month=month,
            sha256=digest,
            row_count=len(table.rows),
            taken_by=actor,
            taken_at=clock.now(),
        )
        session.add(row)
        await session.flush()
        if table.rows:
            await session.execute(
                insert(HrListRow),
                [
                    {
                        "list_id": row.id,
                        "staff_number": each.cells["staff_number"],
                        "name": each.cells["name"],
                        "subsidy_fen": each.cells.get("subsidy"),
                    }
                    for each in table.rows
                ],
            )
        told = {"unit": public_id("org", unit_id), "month": f"{month:%Y-%m}", "rows": len(table.rows)}
        await record(session, actor=actor, action="hr_list.take", subject=public_id("hrl", row.id), data=told)
        return row.id


async def find_hr_list(session: AsyncSession, unit_id: UUID, month: date) -> HrList | None:
    """The list that counts."""
    return await session.scalar(
        select(HrList).where(HrList.unit_id == unit_id, HrList.month == month, HrList.replaced_at.is_(None))
    )
