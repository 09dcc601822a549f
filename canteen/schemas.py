"""The wire format of the canteens. Every text has a bound and no control characters; every number has a range."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from canteen.meals import AfterLast, DayType, LimitWindow, Meal, OrderState
from identity.api import PersonClass
from kernel.clock import rfc3339
from kernel.money import AMOUNT_FEN_MAX

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=_PRINTABLE)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_PRINTABLE)]
# A canteen's id is its site's id; both prefixes name it.
CanteenId = Annotated[str, StringConstraints(pattern=r"^(can|sit)_[0-9a-f]{32}$", max_length=36)]
DishId = Annotated[str, StringConstraints(pattern=r"^dsh_[0-9a-f]{32}$", max_length=36)]
MenuId = Annotated[str, StringConstraints(pattern=r"^men_[0-9a-f]{32}$", max_length=36)]
UnitId = Annotated[str, StringConstraints(pattern=r"^org_[0-9a-f]{32}$", max_length=36)]
SiteId = Annotated[str, StringConstraints(pattern=r"^(sit|can)_[0-9a-f]{32}$", max_length=36)]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["11:00"])]
Instant = Annotated[
    datetime, PlainSerializer(rfc3339), WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization")
]
AmountFen = Annotated[int, Field(ge=1, le=AMOUNT_FEN_MAX)]
DishPriceFen = Annotated[int, Field(ge=0, le=AMOUNT_FEN_MAX)]
Category = Literal["staple", "meat", "fish", "vegetable", "soup", "snack", "fruit", "drink"]
Allergen = Literal["gluten", "crustaceans", "fish", "eggs", "peanuts", "soy", "milk", "nuts", "sesame", "molluscs"]


def _within_reason(day: date) -> date:
    if not 2000 <= day.year <= 2200:
        raise ValueError("a day between 2000 and 2200")
    return day


Day = Annotated[date, AfterValidator(_within_reason)]


class Wire(BaseModel):
    """What is sent to us: unknown fields are a mistake that is told, not dropped."""

    model_config = ConfigDict(extra="forbid")


# ---- canteens


class NewCanteen(Wire):
    """A canteen at a site of kind `canteen`. `units` are those whose people may eat here, unless it is open to all."""

    site: SiteId
    open_to_all: bool = False
    units: list[UnitId] = Field(default_factory=list, max_length=500)
    seats: Annotated[int, Field(ge=1, le=100_000)] | None = None


class CanteenChange(Wire):
    """Only what is given is changed."""

    is_open: bool | None = None
    open_to_all: bool | None = None
    units: list[UnitId] | None = Field(default=None, max_length=500)
    seats: Annotated[int, Field(ge=1, le=100_000)] | None = None
    returns_need_shift: bool | None = Field(
        default=None, description="Whether tills give money back within a shift only, signed by PIN"
    )


class MealNow(BaseModel):
    """What is served at this moment, or when the next meal begins."""

    meal: Meal | None
    until_at: Instant | None
    next_meal: Meal | None
    next_opening_at: Instant | None


class CanteenView(BaseModel):
    id: str
    site: str
    name_zh: str
    name_en: str
    region: str
    operator: str
    operator_name_zh: str
    operator_name_en: str
    timezone: str
    is_open: bool
    open_to_all: bool
    units: list[str]
    seats: int | None
    returns_need_shift: bool
    serves_me: bool
    now: MealNow


# ---- when


class PeriodLine(Wire):
    """A window. Where `ends` is not after `starts`, it ends on the next day."""

    meal: Meal
    day_type: DayType = DayType.ANY
    starts: ClockTime
    ends: ClockTime


class Timetable(Wire):
    """All windows of a canteen from a business date on."""

    effective_from: Day | None = Field(default=None, description="Today's business date where it is not given.")
    periods: list[PeriodLine] = Field(max_length=16)


class PeriodView(BaseModel):
    meal: Meal
    day_type: DayType
    starts: str
    ends: str
    effective_from: date
    effective_to: date | None


# ---- at what price


class ServingPrice(Wire):
    price_fen: AmountFen
    unit_share_fen: Annotated[int, Field(ge=0, le=AMOUNT_FEN_MAX)] = 0


class NewLadder(Wire):
    """What a class pays for the first, second, ... serving of a meal, from a business date on."""

    person_class: PersonClass
    meal: Meal
    order_state: OrderState = OrderState.WALK_IN
    servings: list[ServingPrice] = Field(max_length=20, description="Empty: this class is not served any more.")
    after_last: AfterLast = AfterLast.GUEST
    effective_from: Day | None = Field(default=None, description="Today's business date where it is not given.")


class ServingPriceView(BaseModel):
    id: str
    serving: int
    price_fen: int
    unit_share_fen: int


class LadderView(BaseModel):
    """`canteen` null: for every canteen without a ladder of its own."""

    canteen: str | None
    person_class: PersonClass
    meal: Meal
    order_state: OrderState
    servings: list[ServingPriceView]
    after_last: AfterLast
    effective_from: date
    effective_to: date | None


class NewLimit(Wire):
    """A limit from a business date on. Neither maximum: no limit here, whatever counts elsewhere."""

    counted_over: LimitWindow
    person_class: PersonClass | None = None
    meal: Meal | None = None
    amount_max_fen: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    count_max: Annotated[int, Field(ge=1, le=1000)] | None = None
    effective_from: Day | None = None


class PriceChange(Wire):
    """Prices and limits of one canteen, or (null) of every canteen without its own, to be changed together."""

    canteen: CanteenId | None = None
    ladders: list[NewLadder] = Field(default_factory=list, max_length=60)
    limits: list[NewLimit] = Field(default_factory=list, max_length=20)

    @model_validator(mode="after")
    def _changes_something(self) -> "PriceChange":
        if not self.ladders and not self.limits:
            raise ValueError("ladders or limits: at least one of them")
        return self


class PriceProposal(PriceChange):
    reason: Sentence = ""


class LadderPrices(BaseModel):
    servings: list[ServingPrice]
    after_last: AfterLast


class LadderChange(BaseModel):
    """One cell of the matrix before and after, on the day on which it changes; null: not served. `people` may eat by it
    today, in `canteens`. `is_inherited`: before, the general ladder counted here."""

    person_class: PersonClass
    meal: Meal
    order_state: OrderState
    effective_from: date | None
    people: int
    canteens: int
    before: LadderPrices | None
    is_inherited: bool
    after: LadderPrices | None


class LimitAmounts(BaseModel):
    """Neither maximum: no limit here, whatever counts elsewhere."""

    amount_max_fen: int | None
    count_max: int | None


class LimitChange(BaseModel):
    """One limit before and after; `before` null: there was none of this kind here."""

    counted_over: LimitWindow
    person_class: PersonClass | None
    meal: Meal | None
    effective_from: date | None
    people: int
    before: LimitAmounts | None
    after: LimitAmounts


class PriceChangePreview(BaseModel):
    """What would change for whom. `effective_from` null: on the day on which it is approved."""

    canteen: str | None
    canteen_name_zh: str | None
    canteen_name_en: str | None
    ladders: list[LadderChange]
    limits: list[LimitChange]


class PriceChangeAnswer(BaseModel):
    """Nothing has changed yet: `approval` waits for a second person."""

    status: Literal["pending"]
    approval: str


class LimitView(BaseModel):
    id: str
    canteen: str | None
    counted_over: LimitWindow
    person_class: PersonClass | None
    meal: Meal | None
    amount_max_fen: int | None
    count_max: int | None
    effective_from: date
    effective_to: date | None


# ---- what


class Nutrition(Wire):
    """In one portion."""

    energy_kcal: Annotated[int, Field(ge=0, le=10_000)] | None = None
    protein_g: Annotated[int, Field(ge=0, le=1000)] | None = None
    fat_g: Annotated[int, Field(ge=0, le=1000)] | None = None
    carbohydrate_g: Annotated[int, Field(ge=0, le=1000)] | None = None
    sodium_mg: Annotated[int, Field(ge=0, le=100_000)] | None = None


class NewDish(Wire):
    name_zh: Name
    name_en: Name
    category: Category
    price_fen: DishPriceFen
    nutrition: Nutrition = Nutrition()
    allergens: list[Allergen] = Field(default_factory=list, max_length=10)


class DishChange(Wire):
    """Only what is given is changed. A price changes menus that are made afterwards."""

    name_zh: Name | None = None
    name_en: Name | None = None
    category: Category | None = None
    price_fen: DishPriceFen | None = None
    nutrition: Nutrition | None = None
    allergens: list[Allergen] | None = Field(default=None, max_length=10)
    is_active: bool | None = None


class DishView(BaseModel):
    id: str
    canteen: str
    name_zh: str
    name_en: str
    category: Category
    price_fen: int
    nutrition: Nutrition
    allergens: list[Allergen]
    is_active: bool


class NewMenuItem(Wire):
    """A dish on a menu; without a price of its own it has the dish's."""

    dish_id: DishId
    price_fen: DishPriceFen | None = None
    sold_out: bool = False


class NewMenu(Wire):
    business_date: Day
    meal: Meal
    items: list[NewMenuItem] = Field(default_factory=list, max_length=100)


class MenuItems(Wire):
    items: list[NewMenuItem] = Field(max_length=100)


class SoldOut(Wire):
    sold_out: bool


class MenuItemView(BaseModel):
    dish_id: str
    name_zh: str
    name_en: str
    category: Category
    price_fen: int
    sold_out: bool
    nutrition: Nutrition
    allergens: list[Allergen]


class MenuView(BaseModel):
    id: str
    canteen: str
    business_date: date
    meal: Meal
    state: Literal["draft", "published", "withdrawn"]
    allowed: list[str]
    items: list[MenuItemView]


# ---- how it goes


class MinuteView(BaseModel):
    minute: Instant
    count: int
    amount_fen: int


class LastPayment(BaseModel):
    payment: str
    payer_label: str
    terminal: str | None
    amount_fen: int
    status: str
    happened_at: str
    credential: str = "pay_code"
    far_m: int | None = None


class BoardTerminal(BaseModel):
    id: str
    name: str
    status: str
    online: bool
    last_seen_at: Instant | None


class BoardView(BaseModel):
    """A canteen as its live board first shows it; events after `position` on `canteen:<id>` carry it on."""

    canteen: str
    name_zh: str
    name_en: str
    position: int
    business_date: date
    now: MealNow
    takings_fen: int
    count: int
    per_minute: list[MinuteView]
    last_payments: list[LastPayment]
    terminals: list[BoardTerminal]


class SetupStepView(BaseModel):
    """One step of setting a canteen up."""

    name: Literal["place", "hours", "prices", "menu", "staff", "tills", "first_meal"]
    state: Literal["done", "partial", "todo"]
    found: int = Field(description="How much of it there is.")
    missing: list[str] = Field(description="What is missing: codes, or meal.class for a price.")


class SetupView(BaseModel):
    """What a canteen still needs before the first guest."""

    canteen: str
    done: int
    steps: list[SetupStepView]
