"""What a withdrawal may answer besides a withdrawal.

NameDiffers          409    the name given is not the name of the person whose money it is
StillHere            409    the office sends money only to those who have left; others do it themselves
NothingToWithdraw    409    no cash is free in this account
WithdrawalUnderWay   409    one is being sent already
"""

from kernel.errors import GuanjiaError


class NameDiffers(GuanjiaError):
    code = "NAME_DIFFERS"
    status = 409
    message_zh = "收款人姓名与本人姓名不一致"
    message_en = "The payee's name is not the name of the person whose money it is"


class StillHere(GuanjiaError):
    code = "STILL_HERE"
    status = 409
    message_zh = "此人仍在职，请由本人在手机上办理"
    message_en = "This person has not left; they can do it on their own phone"


class NothingToWithdraw(GuanjiaError):
    """`data.cash_fen`, `data.held_fen`."""

    code = "NOTHING_TO_WITHDRAW"
    status = 409
    message_zh = "没有可提现的现金余额"
    message_en = "There is no cash in this account that could be sent"


class WithdrawalUnderWay(GuanjiaError):
    """`data.withdrawal` names it."""

    code = "WITHDRAWAL_UNDER_WAY"
    status = 409
    message_zh = "已有一笔提现正在办理"
    message_en = "A withdrawal is under way already"
