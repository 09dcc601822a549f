"""What canteens refuse.

Malformed                   422
    ItemsNotOnMenu          422     a dish that is unknown, not on today's menu, or sold out
    NothingToPay            422     dishes that cost nothing together
    PricesHaveGaps          422     servings must be numbered from one, and only the first has a unit share
AlreadyThere                409     a canteen for a site that has one, a menu for a meal that has one
PeriodsOverlap              409     two meals would be served at once
DateIsPast                  409     what was in force yesterday stays as it was
MenuIsEmpty                 409     a menu without dishes cannot be published
StateConflict               409     the menu's state does not allow the trigger
"""

from kernel.errors import GuanjiaError, Malformed


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
