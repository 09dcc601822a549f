"""What canteens refuse.

Malformed                   422
    ItemsNotOnMenu          422     a dish that is unknown, not on today's menu, or sold out
    NothingToPay            422     dishes that cost nothing together
    PricesHaveGaps          422     servings must be numbered from one, and only the first has a unit share
AlreadyThere                409     a canteen for a site that has one, a menu for a meal that has one
PeriodsOverlap              409     two meals would be served at once
DateIsPast                  409     what was in force yesterday stays as it was
PricesHaveChanged           409     what was approved is not what it was compared with any more
MenuIsEmpty                 409     a menu without dishes cannot be published
StateConflict               409     the menu's or the shift's state does not allow the trigger
ShiftIsOpen                 409     one cashier at a till at a time
ShiftNeeded                 409     this canteen gives money back within a shift only
TillPinMissing              409     somebody who has no PIN yet
NoPrinter                   409     no printer is set for this till
Forbidden                   403
    TillPinNeeded           403     in a shift somebody signs for what is given back
    TillPinWrong            403     not this person's PIN
    SupervisorNeeded        403     the second return of a shift is signed by somebody else, a supervisor
TillPinLocked               429     too many wrong PINs; it unlocks by itself
TillPinTooWeak              422     a PIN that would be tried first
PrinterSilent               503     the printer does not take the slip
"""

from kernel.errors import Forbidden, GuanjiaError, Malformed, TooManyRequests


class ItemsNotOnMenu(Malformed):
    """`data.dishes`: list of `{dish, reason}`; reason is `unknown` or `sold_out`."""

    code = "ITEMS_NOT_ON_MENU"
    message_zh = "所选菜品不在本餐菜单上或已售完"
    message_en = "A dish is not on the menu of this meal, or is sold out"


class NothingToPay(Malformed):
    code = "NOTHING_TO_PAY"
    message_zh = "所选菜品合计为零，无需付款"
    message_en = "These dishes cost nothing together; there is nothing to pay"


class PricesHaveGaps(Malformed):
    code = "PRICES_HAVE_GAPS"
    message_zh = "价格须从第 1 份起连续填写，且只有第 1 份可由单位承担"
    message_en = "Servings are numbered from one without a gap, and only the first has a unit share"


class PeriodsOverlap(GuanjiaError):
    """`data`: meals, the two that would be served at once."""

    code = "PERIODS_OVERLAP"
    status = 409
    message_zh = "供餐时段相互重叠"
    message_en = "Two meals would be served at the same time"


class DateIsPast(GuanjiaError):
    """`data.earliest`: the first date that may be given."""

    code = "DATE_IS_PAST"
    status = 409
    message_zh = "生效日期不能早于 {earliest}"
    message_en = "This cannot take effect before {earliest}"


class PricesHaveChanged(GuanjiaError):
    code = "PRICES_HAVE_CHANGED"
    status = 409
    message_zh = "申请之后价格已被另行调整，请驳回并重新申请"
    message_en = "The prices were changed since this was asked for; reject it and ask anew"


class MenuIsEmpty(GuanjiaError):
    code = "MENU_IS_EMPTY"
    status = 409
    message_zh = "菜单上还没有菜品"
    message_en = "There is no dish on this menu yet"


class AlreadyThere(GuanjiaError):
    """`data.id`: the one that is there."""

    code = "ALREADY_THERE"
    status = 409
    message_zh = "已经存在"
    message_en = "There is one already"


# ---- the counter


class ShiftIsOpen(GuanjiaError):
    """`data`: shift, cashier."""

    code = "SHIFT_IS_OPEN"
    status = 409
    message_zh = "{cashier} 的班次还没有交接"
    message_en = "The shift of {cashier} has not been handed over"


class ShiftNeeded(GuanjiaError):
    code = "SHIFT_NEEDED"
    status = 409
    message_zh = "请先开班：本食堂只能在班次内撤销和退款"
    message_en = "Open a shift first: here money is given back within a shift only"


class TillPinNeeded(Forbidden):
    """`data.who`: cashier or supervisor."""

    code = "TILL_PIN_NEEDED"
    message_zh = "班次内撤销和退款须输入收银密码"
    message_en = "In a shift, whoever gives money back signs with a PIN"


class SupervisorNeeded(Forbidden):
    code = "SUPERVISOR_NEEDED"
    message_zh = "本班已有撤销或退款，这一笔须由当班收银员以外的主管输入密码"
    message_en = "This shift has given money back before: a supervisor, not its cashier, signs for this one"


class TillPinWrong(Forbidden):
    code = "TILL_PIN_WRONG"
    message_zh = "收银密码不正确"
    message_en = "This PIN is wrong"


class TillPinLocked(TooManyRequests):
    """`data.retry_after_s` says for how long."""

    code = "TILL_PIN_LOCKED"
    message_zh = "密码输错次数过多，请 {retry_after_s} 秒后再试"
    message_en = "Too many wrong PINs; try again in {retry_after_s} seconds"


class TillPinMissing(GuanjiaError):
    """`data.person`: whose."""

    code = "TILL_PIN_MISSING"
    status = 409
    message_zh = "还没有收银密码：请本人或食堂经理在“班次”页设置"
    message_en = "There is no PIN yet: they, or the canteen's manager, set one on the page of shifts"


class TillPinTooWeak(Malformed):
    code = "TILL_PIN_TOO_WEAK"
    message_zh = "收银密码为 6 至 8 位数字，不能全部相同，也不能是连续的数字"
    message_en = "A PIN has 6 to 8 digits, not all the same and not counted up or down"


class NoPrinter(GuanjiaError):
    code = "NO_PRINTER"
    status = 409
    message_zh = "这台消费机没有设置打印机"
    message_en = "No printer is set for this till"


class PrinterSilent(GuanjiaError):
    """`data.address`."""

    code = "PRINTER_SILENT"
    status = 503
    message_zh = "打印机没有响应，请检查电源与网络"
    message_en = "The printer does not answer; check its power and its network"
