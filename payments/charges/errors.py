"""What can go wrong with a charge.

NothingServes    409    the organisation that is to be paid runs no site whose account could be credited
ChargeDiffers    409    the same act was charged before, with another sum or for somebody else
"""

from kernel.errors import GuanjiaError


class NothingServes(GuanjiaError):
    """`data.organisation`."""

    code = "NOTHING_SERVES"
    status = 409
    message_zh = "该单位没有可以收款的场所"
    message_en = "That organisation runs no site that could be paid"


class ChargeDiffers(GuanjiaError):
    """`data.charge`, `data.amount_fen`: what stands."""

    code = "CHARGE_DIFFERS"
    status = 409
    message_zh = "同一事项已按其他金额或对象计费"
    message_en = "The same act was charged before, with another sum or for somebody else"
