"""What the stock may answer besides parts.

StateConflict (kernel)   409   the order is not at work, so nothing is taken for it; or nothing can be charged now
GuanjiaError
    PartShort            409   there are not so many; whoever was faster has them
    MoreThanTaken        409   more comes back than was taken for this order
    SheetCharged         409   the order was charged; what it cost is not changed while the charge stands
    NobodyPays           409   whom the order serves belongs to no unit that could be charged
    PartCodeTaken        409   another part of the store has this code
    RateNotAhead         422   a rate begins today or later: what work has cost stays as it was
"""

from kernel.errors import GuanjiaError


class PartShort(GuanjiaError):
    """`data.left`: how many there are."""

    code = "PART_SHORT"
    status = 409
    message_zh = "库存不足，只剩 {left}"
    message_en = "There are not so many; {left} left"


class MoreThanTaken(GuanjiaError):
    """`data.taken`: how many this order still has."""

    code = "MORE_THAN_TAKEN"
    status = 409
    message_zh = "退回数量超过本工单领用的数量（{taken}）"
    message_en = "More than was taken for this order ({taken})"


class SheetCharged(GuanjiaError):
    """`data.charge`, `data.amount_fen`."""

    code = "SHEET_CHARGED"
    status = 409
    message_zh = "本工单费用已结算，不能再改"
    message_en = "This order was charged; what it cost cannot be changed now"


class NobodyPays(GuanjiaError):
    code = "NOBODY_PAYS"
    status = 409
    message_zh = "被服务人没有所属单位，或地点没有服务单位，无法计费"
    message_en = "There is no unit to charge, or no site to be paid"


class PartCodeTaken(GuanjiaError):
    code = "PART_CODE_TAKEN"
    status = 409
    message_zh = "该库已有此编码的配件"
    message_en = "Another part of this store has that code"


class RateNotAhead(GuanjiaError):
    """`data.today`: the first day that is possible."""

    code = "LABOUR_RATE_NOT_AHEAD"
    status = 422
    message_zh = "工时费率从今天或以后生效"
    message_en = "A rate begins today or later"
