"""The words of the trade: meals, kinds of day, order states, and how they are called in both languages."""

from enum import StrEnum
from typing import Final


class Meal(StrEnum):
    """What is served in one window of a day."""

    BREAKFAST = "breakfast"
    LUNCH = "lunch"
    DINNER = "dinner"
    NIGHT = "night"


class DayType(StrEnum):
    """The kind of day that a window is for. A row for a day's own kind replaces the one for any day."""

    WORKDAY = "workday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    ANY = "any"


class OrderState(StrEnum):
    """Whether the meal was signed up for. A till without sign-ups sells to walk-ins only."""

    ORDERED_AND_ATE = "ordered_and_ate"
    ORDERED_NO_SHOW = "ordered_no_show"
    WALK_IN = "walk_in"


class AfterLast(StrEnum):
    """What comes after the last serving that the price matrix names."""

    REFUSE = "refuse"
    GUEST = "guest"


class LimitWindow(StrEnum):
    """What a limit is counted over."""

    TRANSACTION = "transaction"
    PERIOD = "period"
    DAY = "day"


# Who pays the guest price: the class whose row is looked up where a ladder ends with `guest`.
GUEST_CLASS: Final = "visitor"

MEAL_NAMES: Final = {
    Meal.BREAKFAST: ("早餐", "breakfast"),
    Meal.LUNCH: ("午餐", "lunch"),
    Meal.DINNER: ("晚餐", "dinner"),
    Meal.NIGHT: ("夜宵", "night meal"),
}

CLASS_NAMES: Final = {
    "staff": ("在职人员", "staff"),
    "contract": ("编外人员", "contract staff"),
    "retired": ("退休人员", "retired staff"),
    "family": ("家属", "family members"),
    "visitor": ("访客", "visitors"),
}

_ENGLISH_ORDINALS: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}


def ordinal(number: int) -> str:
    """`2` is `second`; from six on, figures will do."""
    return _ENGLISH_ORDINALS.get(number, f"{number}th")


def clock_face(minute: int) -> str:
    """`810` is `13:30`; minutes past midnight of the next day read as that day's time."""
    hours, minutes = divmod(minute % 1440, 60)
    return f"{hours:02d}:{minutes:02d}"
