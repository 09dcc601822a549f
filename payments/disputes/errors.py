"""What a dispute may answer besides a dispute.

DisputeTooLate      409     more than thirty days have gone by since the payment
DisputeExists       409     this payment is being disputed for this reason already
NothingToDispute    409     the payment was taken back whole: there is nothing left of it
NoSubsidyLeft       409     the person has no lot that could pay what the subsidy should have paid
SubsidyUsed         409     the unit has paid another of this person's payments of that meal
"""

from kernel.errors import GuanjiaError


class DisputeTooLate(GuanjiaError):
    """`data.until`: the last instant at which it could have been disputed."""

    code = "DISPUTE_TOO_LATE"
    status = 409
    message_zh = "付款已超过 30 天，不能再提出异议"
    message_en = "More than 30 days have gone by since this payment"


class DisputeExists(GuanjiaError):
    """`data.dispute` names it."""

    code = "DISPUTE_EXISTS"
    status = 409
    message_zh = "这笔付款已按同样的原因提出异议，正在处理"
    message_en = "This payment is being disputed for this reason already"


class NothingToDispute(GuanjiaError):
    code = "NOTHING_TO_DISPUTE"
    status = 409
    message_zh = "这笔付款已全部退回"
    message_en = "This payment was taken back whole"


class NoSubsidyLeft(GuanjiaError):
    """`data.available_fen` is what fitting lots hold."""

    code = "NO_SUBSIDY_LEFT"
    status = 409
    message_zh = "此人没有可用于该餐的足够补贴"
    message_en = "This person holds not enough subsidy that could pay for that meal"


class SubsidyUsed(GuanjiaError):
    """`data.payment` is the payment that the unit has borne."""

    code = "SUBSIDY_USED"
    status = 409
    message_zh = "该餐的补贴已用于另一笔付款"
    message_en = "The unit has borne another of this person's payments of that meal"
