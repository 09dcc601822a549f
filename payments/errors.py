"""What payments may answer besides a payment.

PaymentRefused      402     one of the `DENY_*` codes; an answer like any other, stored and replayed
ConfirmRepeat       409     same person, terminal and amount within seconds: ask; nothing is consumed
SeqReused           409     the terminal has used this number for another request
RefundExceeds       409     more than what is left of the payment
PeriodLocked        409     the books of that period are closed; only an adjustment can follow
PrefundTooLow       402     a unit's prefund does not cover the grant
OtherBook           409     a unit's money and a person's account stand in two regions' books: no grant between them
BalanceLeft         409     an account with money or open holds cannot be closed
QueueFull           503     more payments are waiting than may wait; send the same request again
"""

from kernel.errors import GuanjiaError
from payments.posting_rule import DenyCode, Refusal

DENY_SENTENCES: dict[DenyCode, tuple[str, str]] = {
    DenyCode.CODE_EXPIRED: ("付款码已过期，请刷新后再出示", "This pay code has expired; refresh it and try again"),
    DenyCode.CODE_USED: ("付款码已使用过，请刷新后再出示", "This pay code was already used; refresh it and try again"),
    DenyCode.CODE_UNKNOWN: ("无法识别的付款码", "This is not a pay code that we know"),
    DenyCode.LOST: ("该卡已挂失", "This card was reported lost"),
    DenyCode.FROZEN: ("账户已冻结，请联系管理员", "This account is frozen; please ask the office"),
    DenyCode.NO_FUNDS: ("余额不足", "Not enough money in the purses"),
    DenyCode.AMOUNT_LIMIT: ("超过消费限额", "Over the spending limit"),
    DenyCode.COUNT_LIMIT: ("超过消费次数", "Over the number of meals"),
    DenyCode.OUT_OF_PERIOD: ("现在不是供餐时间", "No meal is being served now"),
    DenyCode.TERMINAL: ("本机已停用", "This till is switched off"),
    DenyCode.CLASS: ("本食堂不对该类人员供餐", "This canteen does not serve this class of person"),
}


class PaymentRefused(GuanjiaError):
    """A refusal as an error, for the paths outside of the posting queue."""

    code = "PAYMENT_REFUSED"
    status = 402
    message_zh = "付款未成功"
    message_en = "The payment was refused"

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(**refusal.data)
        self.code = refusal.code.value  # type: ignore[misc]  # one class tells the closed list of codes
        self.message_zh, self.message_en = DENY_SENTENCES[refusal.code]  # type: ignore[misc]  # as above


class ConfirmRepeat(GuanjiaError):
    """`data.payment` names the payment that this one would repeat."""

    code = "CONFIRM_REPEAT"
    status = 409
    message_zh = "刚刚已收过同样一笔，确认要再收一次吗？"
    message_en = "The same amount was just taken from this person; take it again?"


class SeqReused(GuanjiaError):
    """`data.payment` names the first payment with this number; null where that was refused."""

    code = "SEQ_REUSED"
    status = 409
    message_zh = "流水号已用过"
    message_en = "This terminal has used this sequence number before"


class RefundExceeds(GuanjiaError):
    """`data.left_fen` is what can still be refunded."""

    code = "REFUND_EXCEEDS"
    status = 409
    message_zh = "退款超过可退金额"
    message_en = "More than what is left of this payment"


class PeriodLocked(GuanjiaError):
    code = "PERIOD_LOCKED"
    status = 409
    message_zh = "该会计期间已锁定，只能走调整凭证"
    message_en = "That accounting period is locked; only an adjustment voucher can follow"


class PrefundTooLow(GuanjiaError):
    """`data.available_fen`, `data.needed_fen`."""

    code = "PREFUND_TOO_LOW"
    status = 402
    message_zh = "单位预存款不足"
    message_en = "The unit's prefund does not cover this"


class OtherBook(GuanjiaError):
    """`data.people`: whose accounts stand in another region's book than the unit's prefund."""

    code = "OTHER_BOOK"
    status = 409
    message_zh = "人员账户与单位预存款不在同一地区的账本"
    message_en = "The unit's money and this account stand in two regions' books"


class BalanceLeft(GuanjiaError):
    """`data`: cash_fen, official_fen, held_fen."""

    code = "BALANCE_LEFT"
    status = 409
    message_zh = "账户还有余额或未结的预授权"
    message_en = "There is still money or an open hold in this account"


class QueueFull(GuanjiaError):
    code = "QUEUE_FULL"
    status = 503
    message_zh = "付款排队已满，请重试"
    message_en = "Too many payments are waiting; send the same request again"


def refusal_sentence(refusal: Refusal, language: str) -> str:
    """The sentence of a DENY code in `zh` or `en`."""
    zh, en = DENY_SENTENCES[refusal.code]
    return en if language == "en" else zh
