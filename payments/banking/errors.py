"""What the bank's files may be refused with. Nothing of a refused file is kept.

StatementUnreadable     422     `data.reason`: xml, schema, currency, account, several, sums, days, amount
StatementHasBadCells    422     `data.cells`; of a CSV or XLSX table
StatementTaken          409     the same statement is there already
StatementNotNext        409     its opening balance is not the closing one of the statement before
AccountElsewhere        409     that account belongs to another region's book
BankAccountMissing      409     a file for the bank needs an account that nobody has entered yet
NothingToPay            409     there is nothing left to tell the bank
"""

from kernel.errors import GuanjiaError, Malformed


class StatementUnreadable(Malformed):
    """`data`: reason, and what the reader says."""

    code = "STATEMENT_UNREADABLE"
    message_zh = "银行对账单有误（{reason}）：{said}"
    message_en = "The bank statement cannot be taken ({reason}): {said}"


class StatementHasBadCells(Malformed):
    """`data.cells`: row, column, cell, value, reason_zh, reason_en."""

    code = "STATEMENT_HAS_BAD_CELLS"
    message_zh = "对账单里有 {count} 处错误，未导入"
    message_en = "{count} cells of the statement are wrong; nothing was taken"


class StatementTaken(GuanjiaError):
    """`data.statement`: the one that is there."""

    code = "STATEMENT_TAKEN"
    status = 409
    message_zh = "这份对账单已经导入过"
    message_en = "This statement is there already"


class StatementNotNext(GuanjiaError):
    """`data`: opening_fen of this one, closing_fen and last_day of the one before."""

    code = "STATEMENT_NOT_NEXT"
    status = 409
    message_zh = "期初余额与上一份的期末余额不衔接，可能缺了中间的对账单"
    message_en = "Its opening balance is not the closing balance of the statement before; one may be missing"


class AccountElsewhere(GuanjiaError):
    code = "ACCOUNT_ELSEWHERE"
    status = 409
    message_zh = "这个账号属于另一个地区的账本"
    message_en = "That account belongs to another region's book"


class BankAccountMissing(GuanjiaError):
    """`data.parties`: id, name_zh, name_en of those without an account."""

    code = "BANK_ACCOUNT_MISSING"
    status = 409
    message_zh = "有收款方或付款方还没有登记银行账户，不能生成付款文件"
    message_en = "A payer or payee has no bank account yet; the file for the bank cannot be made"


class NothingToPay(GuanjiaError):
    code = "BANK_NOTHING_TO_PAY"
    status = 409
    message_zh = "没有待付的指令"
    message_en = "There is nothing left to pay"
