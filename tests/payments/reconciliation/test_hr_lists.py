"""A personnel list with something wrong in it: every such cell is named, and the list before stays the one that counts."""

from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import text

from kernel.db import Database
from payments.reconciliation.errors import HrListHasBadCells
from payments.reconciliation.hr_lists import take_hr_list

MONTH = date(2026, 11, 1)
GOOD = "工号,姓名,应发补贴\nA1,张三,352.00\n"
BAD = GOOD + "A1,张三,1\nA2,,12.345\nA 3,王五,-1\nA4,赵六,-2.00\n"


async def test_a_bad_list_changes_nothing_and_names_its_cells(db: Database) -> None:
    unit = uuid4()
    kept = await take_hr_list(db, GOOD.encode(), unit, MONTH, actor="test")
    with pytest.raises(HrListHasBadCells) as refused:
        await take_hr_list(db, BAD.encode(), unit, MONTH, actor="test")
    assert {cell["cell"] for cell in refused.value.data["cells"]} == {"A3", "B4", "C4", "A5", "C6"}
    assert all(cell["reason_zh"] and cell["reason_en"] for cell in refused.value.data["cells"])
    async with db.session() as session:
        lists = (await session.execute(text("SELECT id, replaced_at FROM hr_lists"))).all()
        rows = (await session.execute(text("SELECT staff_number, subsidy_fen FROM hr_list_rows"))).all()
    assert (lists, rows) == ([(kept, None)], [("A1", 35_200)])
    assert await take_hr_list(db, GOOD.encode(), unit, MONTH, actor="test") == kept, (
        "the same file again is the same list"
    )
