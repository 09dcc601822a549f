"""The words of a statement, Chinese first; English is a switch."""

from collections.abc import Mapping
from typing import Final, Literal

Language = Literal["zh", "en"]
Pair = tuple[str, str]

TITLES: Final[Mapping[str, Pair]] = {
    "unit": ("单位对账单", "Statement of a unit"),
    "canteen": ("食堂对账单", "Statement of a canteen"),
    "region_pair": ("地区往来对账单", "Statement between regions"),
    "operator": ("经营方对账单", "Statement of an operator"),
    "person": ("个人对账单", "Personal statement"),
}

COLUMNS: Final[Mapping[str, Pair]] = {
    "number": ("序号", "No."),
    "business_date": ("营业日", "Business date"),
    "time": ("时间", "Time"),
    "kind": ("摘要", "What"),
    "place": ("地点 / 对方", "Where / with whom"),
    "transfer": ("单号", "Reference"),
    "takes_back": ("原单号", "Takes back"),
}

LINE_KINDS: Final[Mapping[str, Pair]] = {
    "payment": ("消费", "Payment"),
    "capture": ("消费", "Payment"),
    "guest_payment": ("访客消费", "Guest payment"),
    "void": ("撤销", "Void"),
    "refund": ("退款", "Refund"),
    "top_up": ("充值", "Top-up"),
    "channel_refund": ("原路退回", "Paid back"),
    "withdrawal": ("提现", "Withdrawal"),
    "prefund": ("单位预存", "Prefund"),
    "bill_payment": ("单位付款", "Bill paid"),
    "grant": ("补贴发放", "Grant"),
    "expiry": ("补贴到期收回", "Expiry"),
    "carry_over": ("补贴结转", "Carried over"),
    "grant_reversal": ("补贴冲回", "Grant reversed"),
    "subsidy_correction": ("补贴更正", "Subsidy corrected"),
    "away_meal": ("异地就餐", "Meal elsewhere"),
    "unclaimed": ("无主款", "Unclaimed"),
    "adjustment": ("调整", "Adjustment"),
    "suspend": ("挂账", "Into suspense"),
    "release": ("销账", "Out of suspense"),
    "dispute": ("争议挂账", "Disputed"),
    "charge": ("服务计费", "Service charged"),
    "charge_refund": ("计费退回", "Service charge given back"),
    "move": ("账户迁移", "Moved"),
    "netting": ("轧差", "Netting"),
    "commission": ("分成", "Commission"),
    "bank_payment": ("银行划款", "Paid by bank"),
}

ACCOUNT_KINDS: Final[Mapping[str, Pair]] = {
    "bank": ("银行存款", "Bank"),
    "cash": ("现金钱包", "Cash"),
    "subsidy": ("补贴", "Subsidy"),
    "official": ("公务餐", "Official"),
    "receivable": ("个人应收", "Owed by the person"),
    "unit_prefund": ("单位预存", "Prefund"),
    "unit_receivable": ("单位应付", "Owed by the unit"),
    "payable": ("应付食堂", "Canteen"),
    "due_to": ("应付他区", "Due to"),
    "due_from": ("应收他区", "Due from"),
    "psp_clearing": ("支付渠道", "Payment channel"),
    "psp_fee": ("渠道手续费", "Channel fee"),
    "psp_refunds": ("渠道待退款", "Channel refunds"),
    "psp_unclaimed": ("渠道无主款", "Channel, unclaimed"),
    "operator_payable": ("应付经营方", "Operator"),
    "suspense": ("挂账", "Suspense"),
    "clearing": ("清算中心", "Clearing centre"),
    "away": ("异地就餐垫付", "Meals elsewhere"),
}

# As their owner reads it: what a canteen is owed is simply its amount.
COLUMN_OF_ACCOUNT: Final[Mapping[str, Pair]] = {**ACCOUNT_KINDS, "payable": ("金额", "Amount")}

FACTS: Final[Mapping[str, Pair]] = {
    "subject": ("对象", "For"),
    "region": ("账本", "Book"),
    "period": ("期间", "Period"),
    "state": ("状态", "State"),
    "final": ("已截止", "final"),
    "draft": ("未截止，仅供参考", "draft: the period is open"),
    "zone": ("时区", "Time zone"),
    "opening": ("期初", "Opening"),
    "change": ("本期变动", "Change"),
    "closing": ("期末", "Closing"),
    "count": ("明细行数", "Lines"),
    "total": ("合计", "Total"),
    "part": ("应得分成", "Its part"),
    "unit_of_money": ("金额单位：人民币元", "Amounts in Chinese yuan"),
    "page": ("第 {} 页", "Page {}"),
    "left_out": ("另有 {} 行未列出，全部明细见明细文件（.lines）", "{} more lines are in the line file (.lines)"),
    "journal": ("日记账位置", "Journal"),
}


def say(pair: Pair, language: Language) -> str:
    """One of the two."""
    return pair[1] if language == "en" else pair[0]


def line_kind(kind: str, language: Language) -> str:
    """What a line is; a kind that has no word yet is told by its name in the journal."""
    return say(LINE_KINDS.get(kind, (kind, kind)), language)


def account_kind(kind: str, language: Language) -> str:
    """What an account is."""
    return say(ACCOUNT_KINDS.get(kind, (kind, kind)), language)
