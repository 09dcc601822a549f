"""What reconciliation may answer.

BillNotReady        409     the gateway has not made the bill of that day yet
BillUnavailable     503     the gateway gave no bill; it is asked again by itself
BillUnreadable      422     `data.reason`: zip, encoding, header, day, columns, row, totals, cut_off; nothing was taken
BillPaid            409     its payout is booked; another bill of that day is a person's business
OwnerCloses         409     who owns a difference cannot close it
HrListHasBadCells   422     `data.cells`; nothing was taken
"""

from kernel.errors import GuanjiaError, Malformed, TryAgain


class BillNotReady(GuanjiaError):
    """`data`: channel, day."""

    code = "BILL_NOT_READY"
    status = 409
    message_zh = "支付机构还没有出这一天的账单"
    message_en = "The gateway has not made the bill of that day yet"


class BillUnavailable(TryAgain):
    """`data`: channel, day."""

    code = "BILL_UNAVAILABLE"
    message_zh = "暂时取不到账单，系统会自动重试"
    message_en = "The gateway gave no bill; it is asked again by itself"


class BillUnreadable(Malformed):
    """`data`: reason, line (of the file, from 1) and what stood there."""

    code = "BILL_UNREADABLE"
    message_zh = "账单文件有误（{reason}，第 {line} 行），未入库"
    message_en = "The bill cannot be read ({reason}, line {line}); nothing was taken"


class BillPaid(GuanjiaError):
    """`data`: channel, day."""

    code = "BILL_PAID"
    status = 409
    message_zh = "这一天的账单已经到账入账，不能替换"
    message_en = "The payout of that bill is booked; it cannot be replaced"


class OwnerCloses(GuanjiaError):
    code = "OWNER_CLOSES"
    status = 409
    message_zh = "差错须由责任人以外的人关闭"
    message_en = "A difference is closed by somebody other than its owner"


class HrListHasBadCells(Malformed):
    """`data.cells`: row, column, cell, value, reason_zh, reason_en."""

    code = "HR_LIST_HAS_BAD_CELLS"
    message_zh = "名单里有 {count} 处错误，未导入"
    message_en = "{count} cells of the list are wrong; nothing was taken"
