"""What settlement may answer besides a period.

PeriodNotOver       409     the month is not over in its region; a cut-off now has to be meant (`early`)
EarlierPeriodOpen   409     an earlier month of this book is not cut off yet
ClearingWaits       409     regions that this one is netted with have not confirmed yet
BooksDiffer         409     what two regions say of each other differs: a person looks before anything is netted
InstructionsOpen    409     sums are still to be paid
DisputeExceeds      409     more than what is left of the line to dispute
NotYourStatement    403     somebody else answers for this party
"""

from kernel.errors import Forbidden, GuanjiaError


class PeriodNotOver(GuanjiaError):
    """`data.period`, `data.ends_on`: the last business date of it."""

    code = "PERIOD_NOT_OVER"
    status = 409
    message_zh = "本期间尚未结束，如确需提前截止请明确选择提前截止"
    message_en = "The month is not over; say `early` if it is to be cut off now all the same"


class EarlierPeriodOpen(GuanjiaError):
    """`data.period`: the earliest that is still open."""

    code = "EARLIER_PERIOD_OPEN"
    status = 409
    message_zh = "更早的期间尚未截止，请先处理 {period}"
    message_en = "An earlier month is not cut off yet: {period} comes first"


class ClearingWaits(GuanjiaError):
    """`data.regions`: those that have not confirmed the same month."""

    code = "CLEARING_WAITS"
    status = 409
    message_zh = "有往来的地区尚未确认同一期间，暂不能轧差"
    message_en = "Regions that this one is netted with have not confirmed this month yet"


class BooksDiffer(GuanjiaError):
    """`data`: region, other, ours_fen, theirs_fen."""

    code = "BOOKS_DIFFER"
    status = 409
    message_zh = "两地账本的往来不一致，请先核对"
    message_en = "What two regions' books say of each other differs; look into it before anything is netted"


class InstructionsOpen(GuanjiaError):
    """`data.open_count`: bank instructions that are not paid."""

    code = "INSTRUCTIONS_OPEN"
    status = 409
    message_zh = "还有 {open_count} 笔划款未完成"
    message_en = "{open_count} bank instructions are not paid yet"


class DisputeExceeds(GuanjiaError):
    """`data.left_fen`: what can still be disputed of that line."""

    code = "DISPUTE_EXCEEDS"
    status = 409
    message_zh = "争议金额超过该行余额"
    message_en = "More than what is left of this line to dispute"


class NotYourStatement(Forbidden):
    code = "NOT_YOUR_STATEMENT"
    message_zh = "这份对账单不由您确认"
    message_en = "Somebody else answers for this statement"
