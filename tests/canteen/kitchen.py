"""A small kitchen in memory for the tests of the rule: one canteen, the price matrix of the house, a menu."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from canteen.meals import AfterLast, DayType, LimitWindow, Meal, OrderState
from canteen.opening import Window
from canteen.pricing import CanteenPricing
from canteen.snapshot import CanteenRow, MenuRow, Snapshot
from canteen.tariff import LimitRow, PriceRow
from payments.api import Payer, Sale, SaleItem

SHANGHAI = ZoneInfo("Asia/Shanghai")
REGION, CANTEEN, UNIT, OTHER_UNIT = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
RICE, PORK, TEA, FISH = UUID(int=21), UUID(int=22), UUID(int=23), UUID(int=24)
MONDAY = date(2026, 11, 23)
SINCE = date(2026, 1, 1)
CLASSES = ("staff", "contract", "retired", "family", "visitor")


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A wall-clock time in Hangzhou as an instant."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=SHANGHAI).astimezone(UTC)


NOON = at(MONDAY, 12, 5)


def window(meal: Meal, starts: int, ends: int, day_type: DayType = DayType.ANY) -> Window:
    return Window(meal, day_type, starts, ends, SINCE, None)


def price(person_class: str, price_fen: int, unit_share_fen: int = 0, **changes: Any) -> PriceRow:
    fields: dict[str, Any] = {
        "id": UUID(int=1000 + CLASSES.index(person_class)),
        "canteen_id": None,
        "person_class": person_class,
        "meal": Meal.LUNCH,
        "serving": 1,
        "order_state": OrderState.WALK_IN,
        "price_fen": price_fen,
        "unit_share_fen": unit_share_fen,
        "after_last": AfterLast.GUEST,
        "effective_from": SINCE,
        "effective_to": None,
    }
    return PriceRow(**{**fields, **changes})


def limit(
    window: LimitWindow, amount_max_fen: int | None = None, count_max: int | None = None, **changes: Any
) -> LimitRow:
    fields: dict[str, Any] = {
        "id": UUID(int=2000 + list(LimitWindow).index(window)),
        "canteen_id": None,
        "person_class": None,
        "meal": None,
        "window": window,
        "amount_max_fen": amount_max_fen,
        "count_max": count_max,
        "effective_from": SINCE,
        "effective_to": None,
    }
    return LimitRow(**{**fields, **changes})


WINDOWS = (window(Meal.BREAKFAST, 420, 540), window(Meal.LUNCH, 660, 810), window(Meal.NIGHT, 1320, 1560))
# Staff pay 2.00 and their unit 16.00; who pays alone pays 18.00, and so does everybody for a second lunch.
PRICES = (price("staff", 1800, 1600), price("contract", 1800), price("visitor", 1800))
TODAYS_MENU = MenuRow(
    id=UUID(int=31),
    canteen_id=CANTEEN,
    business_date=MONDAY,
    meal=Meal.LUNCH,
    is_published=True,
    prices_fen={RICE: 100, PORK: 1500, TEA: 0, FISH: None},
    names={
        RICE: ("米饭", "Rice"),
        PORK: ("东坡肉", "Dongpo pork"),
        TEA: ("大麦茶", "Barley tea"),
        FISH: ("西湖醋鱼", "West Lake fish"),
    },
)


def canteen_row(**changes: Any) -> CanteenRow:
    fields: dict[str, Any] = {
        "id": CANTEEN,
        "name_zh": "西湖食堂",
        "name_en": "West Lake Canteen",
        "region_id": REGION,
        "timezone": "Asia/Shanghai",
        "is_open": True,
        "open_to_all": False,
        "unit_ids": frozenset({UNIT}),
    }
    return CanteenRow(**{**fields, **changes})


def kitchen(**changes: Any) -> CanteenPricing:
    """The rule with one canteen; `changes` replace what `Snapshot.apply` is given."""
    snapshot = Snapshot()
    given: dict[str, Any] = {
        "canteens": [canteen_row()],
        "windows": [(CANTEEN, UUID(int=100 + n), w) for n, w in enumerate(WINDOWS)],
        "prices": PRICES,
        "menus": [TODAYS_MENU],
    }
    snapshot.apply(**{**given, **changes})
    return CanteenPricing(snapshot)


def payer(person_class: str = "staff", unit_id: UUID = UNIT) -> Payer:
    return Payer(UUID(int=9), person_class, unit_id, REGION)


def sale(
    moment: datetime = NOON, *, amount_fen: int | None = None, items: tuple[SaleItem, ...] = (), site_id: UUID = CANTEEN
) -> Sale:
    return Sale(site_id, UUID(int=8), moment, amount_fen, items)
