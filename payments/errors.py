"""What payments may answer besides a payment.

PaymentRefused      402     one of the `DENY_*` codes; an answer like any other, stored and replayed
ConfirmRepeat       409     same person, terminal and amount within seconds: ask; nothing is consumed
SeqReused           409     the terminal has used this number for another request
RefundExceeds       409     more than what is left of the payment
PeriodLocked        409     the books of that period are closed; only an adjustment can follow
PrefundTooLow       402     a unit's prefund does not cover the grant
BillingLimit        402     a billed unit would owe more than it may
CannotReceive       409     accounts that are closed take no subsidy
OtherBook           409     a unit's money and a person's account stand in two regions' books: no grant between them
OwnAccount          403     nobody puts counter money into their own account: a colleague does
NoVoucher           409     today's vouchers are given out, or no meal is near
BalanceLeft         409     an account with money or open holds cannot be closed
CardNumberTaken     409     that number is a card already, this person's or somebody else's
PlaceCodeUnknown    404     a scanned code that is none of ours
PlaceCodeEnded      410     a scanned code of ours that was revoked, or replaced by a newer one
ModeNotAllowed      422     this till does not take amounts in this way
PinTooWeak          422     a PIN that would be tried first
ChannelUnavailable  409     that way to pay is not set up here
ChannelRefused      402     the payer's own provider refused; an answer like any other, stored and replayed
ChannelSilent       503     the payer's provider has not answered; send the same request again
QueueFull           503     more payments are waiting than may wait; send the same request again
"""

from kernel.errors import Forbidden, GuanjiaError, Malformed, NotFound
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

# Where something other than a pay code was presented (`data.credential`), the sentence speaks of that.
_CREDENTIAL_SENTENCES: dict[tuple[DenyCode, str], tuple[str, str]] = {
    (DenyCode.CODE_UNKNOWN, "card"): ("无法识别的卡", "This is not a card that we know"),
    (DenyCode.CODE_UNKNOWN, "staff_pin"): ("工号或支付密码不正确", "Staff number and PIN do not belong together"),
    (DenyCode.CODE_UNKNOWN, "wall_code"): (
        "这不是本系统的收款码，请勿付款",
        "This code is none of ours; do not pay here",
    ),
    (DenyCode.CODE_EXPIRED, "wall_code"): (
        "这张收款码已停用，请告诉食堂",
        "This code is out of use; please tell the canteen",
    ),
    (DenyCode.FROZEN, "staff_pin"): (
        "支付密码输错次数过多，已暂停使用，请改用付款码",
        "Too many wrong PINs: it is stopped for a while; use a pay code",
    ),
    (DenyCode.AMOUNT_LIMIT, "card"): (
        "超过实体卡每餐限额，请改用付款码",
        "More than a card may pay in one meal; use a pay code",
    ),
    (DenyCode.LOST, "card"): ("该卡已挂失或已换新卡", "This card was reported lost, or replaced by a new one"),
}


def sentences_of(refusal: Refusal) -> tuple[str, str]:
    """What a refusal says, in Chinese and in English."""
    presented = refusal.data.get("credential")
    return _CREDENTIAL_SENTENCES.get((refusal.code, presented or ""), DENY_SENTENCES[refusal.code])


class PaymentRefused(GuanjiaError):
    """A refusal as an error, for the paths outside of the posting queue."""

    code = "PAYMENT_REFUSED"
    status = 402
    message_zh = "付款未成功"
    message_en = "The payment was refused"

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(**refusal.data)
        self.code = refusal.code.value  # type: ignore[misc]  # one class tells the closed list of codes
        self.message_zh, self.message_en = sentences_of(refusal)  # type: ignore[misc]  # as above


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


class BillingLimit(GuanjiaError):
    """`data.limit_fen`, `data.owed_fen`, `data.needed_fen`."""

    code = "BILLING_LIMIT"
    status = 402
    message_zh = "超过单位记账限额"
    message_en = "The unit would owe more than it may"


class CannotReceive(GuanjiaError):
    """`data.people`: whose accounts are closed."""

    code = "CANNOT_RECEIVE"
    status = 409
    message_zh = "有人的账户已销户，不能发放补贴"
    message_en = "Some of these accounts are closed and take no subsidy"


class OtherBook(GuanjiaError):
    """`data.people`: whose accounts stand in another region's book than the unit's prefund."""

    code = "OTHER_BOOK"
    status = 409
    message_zh = "人员账户与单位预存款不在同一地区的账本"
    message_en = "The unit's money and this account stand in two regions' books"


class OwnAccount(Forbidden):
    code = "OWN_ACCOUNT"
    message_zh = "不能给自己的账户现金充值，请由另一位财务人员办理"
    message_en = "Nobody puts counter money into their own account; another finance officer has to do it"


class NoVoucher(GuanjiaError):
    """`data.reason`: `given_out` or `no_meal`."""

    code = "NO_VOUCHER"
    status = 409
    message_zh = "今天的离线付款码已领完，或近期没有供餐"
    message_en = "Today's codes without network are given out, or no meal is near"


class BalanceLeft(GuanjiaError):
    """`data`: cash_fen, official_fen, held_fen."""

    code = "BALANCE_LEFT"
    status = 409
    message_zh = "账户还有余额或未结的预授权"
    message_en = "There is still money or an open hold in this account"


class CardNumberTaken(GuanjiaError):
    code = "CARD_NUMBER_TAKEN"
    status = 409
    message_zh = "这个卡号已经登记过"
    message_en = "This number is a card already"


class PlaceCodeUnknown(NotFound):
    code = "PLACE_CODE_UNKNOWN"
    message_zh = "这不是本系统的收款码，请勿付款"
    message_en = "This code is none of ours; do not pay here"


class PlaceCodeEnded(GuanjiaError):
    """`data.state`: revoked or replaced."""

    code = "PLACE_CODE_ENDED"
    status = 410
    message_zh = "这张收款码已停用，请告诉食堂"
    message_en = "This code is out of use; please tell the canteen"


class PinTooWeak(Malformed):
    code = "PIN_TOO_WEAK"
    message_zh = "支付密码须为 6 位数字，不能是重复或连续的数字，也不能包含在工号里"
    message_en = "A PIN has 6 digits: no repetition, no run, and no part of the staff number"


class ChannelUnavailable(GuanjiaError):
    """`data.channel`."""

    code = "CHANNEL_UNAVAILABLE"
    status = 409
    message_zh = "这里没有开通这种支付方式"
    message_en = "This way to pay is not set up here"


class ChannelRefused(GuanjiaError):
    """`data.reason` is the provider's own code."""

    code = "CHANNEL_REFUSED"
    status = 402
    message_zh = "支付机构拒绝了这笔付款"
    message_en = "The payment provider has refused this"


class ChannelSilent(GuanjiaError):
    code = "CHANNEL_SILENT"
    status = 503
    message_zh = "支付机构暂时没有答复，请重试"
    message_en = "The payment provider does not answer; send the same request again"


class ModeNotAllowed(Malformed):
    """`data`: needed, modes (of the till). Nothing is consumed."""

    code = "MODE_NOT_ALLOWED"
    message_zh = "本机未开通这种收款方式"
    message_en = "This till does not take payments in this way"


class QueueFull(GuanjiaError):
    code = "QUEUE_FULL"
    status = 503
    message_zh = "付款排队已满，请重试"
    message_en = "Too many payments are waiting; send the same request again"


def refusal_sentence(refusal: Refusal, language: str) -> str:
    """The sentence of a DENY code in `zh` or `en`."""
    zh, en = sentences_of(refusal)
    return en if language == "en" else zh
