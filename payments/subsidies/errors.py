"""What subsidies may answer besides what payments answers.

TableHasBadCells    422     a table that names cells which are wrong; nothing of it was taken
NothingToGrant      409     nobody is due anything: there is no batch to prepare
AlreadyPrepared     409     this rule's batch for this month is there already
AwaitsApproval      409     a second person has to decide first
BatchHasChanged     409     what is there is not what was shown when it was asked for
BatchIsOver         409     the last day of its lots is over
ListMissing         409     a rule that pays by attendance has no list of that month
"""

from kernel.errors import GuanjiaError, Malformed


class TableHasBadCells(Malformed):
    """`data.bad_cells`: row, column, cell, value, reasons; `data.bad_cells_total`."""

    code = "TABLE_HAS_BAD_CELLS"
    message_zh = "表格中有 {bad_cells_total} 个单元格有误，没有导入任何内容"
    message_en = "{bad_cells_total} cells of this table are wrong; nothing of it was taken"


class NothingToGrant(GuanjiaError):
    """`data.skipped`: who would have been in it, with the reason."""

    code = "NOTHING_TO_GRANT"
    status = 409
    message_zh = "没有人应得补贴，不需要发放"
    message_en = "Nobody is due anything; there is no batch to prepare"


class AlreadyPrepared(GuanjiaError):
    """`data`: batch, state."""

    code = "ALREADY_PREPARED"
    status = 409
    message_zh = "这条规则本月的批次已经生成"
    message_en = "The batch of this rule for this month is there already"


class AwaitsApproval(GuanjiaError):
    """`data.approval`."""

    code = "AWAITS_APPROVAL"
    status = 409
    message_zh = "正在等待另一个人审批"
    message_en = "A second person has to decide on it first"


class BatchHasChanged(GuanjiaError):
    code = "BATCH_HAS_CHANGED"
    status = 409
    message_zh = "批次内容与提请审批时不一致，请重新提请"
    message_en = "The batch is not what was shown when it was asked for; ask anew"


class BatchIsOver(GuanjiaError):
    """`data.expires_on`."""

    code = "BATCH_IS_OVER"
    status = 409
    message_zh = "这一批补贴的截止日期 {expires_on} 已过"
    message_en = "The last day of these lots, {expires_on}, is over"


class ListMissing(GuanjiaError):
    """`data.month`."""

    code = "LIST_MISSING"
    status = 409
    message_zh = "还没有导入 {month} 的考勤表"
    message_en = "There is no list of attendance for {month} yet"
