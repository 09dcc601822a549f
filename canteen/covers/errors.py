"""What covers refuse.

CoversFull                  409     the kitchen makes fewer for that meal; `data.left` says how many are left
MealNotServed               409     that canteen serves no such meal on that day, or not to this unit
"""

from kernel.errors import GuanjiaError


class CoversFull(GuanjiaError):
    """`data.left`."""

    code = "COVERS_FULL"
    status = 409
    message_zh = "这一餐只剩 {left} 份"
    message_en = "Only {left} covers are left at that meal"


class MealNotServed(GuanjiaError):
    code = "MEAL_NOT_SERVED"
    status = 409
    message_zh = "这个食堂当天不供应这一餐，或不接待本单位"
    message_en = "That canteen does not serve this meal on that day, or not to this unit"
