"""What posting keeps of the canteens in memory, and how it learns of changes.

Rows carry the configuration version of their last change; `refresh` reads those that are newer. Everything that a
quote needs is derived from the rows when it is first asked for, and thrown away with the next change: a price is then
a look-up in a dictionary, and a change costs nothing for the 3,499 canteens where nobody is paying just now.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from canteen.meals import (
    GUEST_CLASS,
    MEAL_NAMES,
    AfterLast,
    DayType,
    LimitWindow,
    Meal,
    OrderState,
    clock_face,
)
from canteen.opening import Serving, Window, opening_at
from canteen.tariff import Ladder, LimitRow, Limits, PriceRow, ladder_of, limits_of
from canteen.work_days import DAYS_AHEAD, DAYS_BACK, day_type_by_week
from kernel import clock
from kernel.calendar import NATIONAL, WEEKDAYS
from kernel.ids import public_id

# Menus from yesterday to this far ahead are kept; the job that brings later ones in looks every hour.
MENU_DAYS_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class CanteenRow:
    """A canteen with what its site and region say of it."""

    id: UUID
    name_zh: str
    name_en: str
    region_id: UUID
    timezone: str
    is_open: bool
    open_to_all: bool
    unit_ids: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class MenuRow:
    """A menu that sells: a dish's price, or None where it is sold out."""

    id: UUID
    canteen_id: UUID
    business_date: date
    meal: Meal
    is_published: bool
    prices_fen: Mapping[UUID, int | None]
    names: Mapping[UUID, tuple[str, str]]


@dataclass(slots=True)
class Plan:
    """All that a quote needs for one class at one meal of one canteen on one business date."""

    ladder: Ladder
    limits: Limits
    counters: tuple[str, ...]


@dataclass(slots=True)
class Opening:
    """What is served at a canteen in a span of time, with the plans of the classes that have asked."""

    from_at: datetime
    until_at: datetime
    meal: Meal | None
    next_meal: Meal | None = None
    business_date: date = date.min
    accounting_period: str = ""
    meal_counter: str = ""
    day_counter: str = ""
    # What a quote may want to read, whoever pays.
    counters: tuple[str, ...] = ()
    lot_tags: frozenset[str] = frozenset()
    trace: tuple[dict[str, Any], ...] = ()
    menu: MenuRow | None = None
    plans: dict[str, Plan] = field(default_factory=dict)


_NEVER: Final = datetime.min.replace(tzinfo=ZoneInfo("UTC"))


class CanteenState:
    """One canteen in memory: its rows, and the opening that was last asked for."""

    __slots__ = ("limits", "menus", "opening", "prices", "row", "windows", "zone")

    def __init__(self) -> None:
        self.row: CanteenRow | None = None
        self.zone = ZoneInfo("UTC")
        self.windows: dict[UUID, Window] = {}
        self.prices: dict[UUID, PriceRow] = {}
        self.limits: dict[UUID, LimitRow] = {}
        self.menus: dict[UUID, MenuRow] = {}
        self.opening = Opening(_NEVER, _NEVER, None)


class Snapshot:
    """The canteens in memory."""

    def __init__(self) -> None:
        self._canteens: defaultdict[UUID, CanteenState] = defaultdict(CanteenState)
        # What counts for every canteen without rows of its own.
        self._general = CanteenState()
        self._day_types: dict[date, DayType] = {}

    def canteen(self, site_id: UUID) -> CanteenState | None:
        """A canteen by its site; None where the site is none."""
        return self._canteens.get(site_id)

    # ---- reading

    def opening_of(self, canteen: CanteenState, at: datetime) -> Opening:
        """What is served there and then. The last answer is kept: at noon everybody asks the same."""
        opening = canteen.opening
        if not opening.from_at <= at < opening.until_at:
            opening = canteen.opening = self._make_opening(canteen, at)
        return opening

    def plan_of(self, canteen: CanteenState, opening: Opening, person_class: str) -> Plan:
        """Prices and limits of a class in an opening."""
        plan = opening.plans.get(person_class)
        if plan is None:
            plan = opening.plans[person_class] = self._make_plan(canteen, opening, person_class)
        return plan

    def day_type_of(self, day: date) -> DayType:
        """The calendar's word for a day; where it has none, the week's."""
        return self._day_types.get(day) or day_type_by_week(day)

    def _make_opening(self, canteen: CanteenState, at: datetime) -> Opening:
        row = canteen.row
        assert row is not None
        found = opening_at(list(canteen.windows.values()), at, self.day_type_of, canteen.zone)
        if not isinstance(found, Serving):
            return Opening(found.from_at, found.until_at, None, found.next_meal)
        meal, day = found.meal, found.business_date
        counters = (f"meal:{day.isoformat()}:{meal}", f"day:{day.isoformat()}")
        return Opening(
            from_at=found.from_at,
            until_at=found.until_at,
            meal=meal,
            business_date=day,
            accounting_period=day.isoformat()[:7],
            meal_counter=counters[0],
            day_counter=counters[1],
            counters=counters if self._counts_over_days(canteen) else counters[:1],
            lot_tags=frozenset(
                {
                    meal.value,
                    str(row.id),
                    public_id("can", row.id),
                    self.day_type_of(day).value,
                    WEEKDAYS[day.weekday()],
                }
            ),
            trace=(_opening_sentence(row, found),),
            menu=next(
                (m for m in canteen.menus.values() if m.business_date == day and m.meal == meal and m.is_published),
                None,
            ),
        )

    def _counts_over_days(self, canteen: CanteenState) -> bool:
        rows = (*canteen.limits.values(), *self._general.limits.values())
        return any(row.window is LimitWindow.DAY for row in rows)

    def _make_plan(self, canteen: CanteenState, opening: Opening, person_class: str) -> Plan:
        row, meal, day = canteen.row, opening.meal, opening.business_date
        assert row is not None
        assert meal is not None
        own, general = list(canteen.prices.values()), list(self._general.prices.values())
        context = {"canteen": public_id("can", row.id), "meal": meal.value, "business_date": day.isoformat()}
        limits = limits_of([*canteen.limits.values(), *self._general.limits.values()], row.id, person_class, meal, day)
        counters = (opening.meal_counter, opening.day_counter) if limits.count_over_day else (opening.meal_counter,)
        return Plan(
            Ladder(
                ladder_of(own, general, person_class, meal, day),
                ladder_of(own, general, GUEST_CLASS, meal, day),
                person_class,
                context,
            ),
            limits,
            counters,
        )

    # ---- learning

    async def refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", since_version: int) -> None:
        """Read the rows that are newer than a configuration version."""
        today = clock.now().date()
        self.apply(
            canteens=[_canteen_row(r) for r in await connection.fetch(_CANTEENS, since_version)],
            windows=[(r["canteen_id"], r["id"], _window(r)) for r in await connection.fetch(_PERIODS, since_version)],
            prices=[_price_row(r) for r in await connection.fetch(_PRICES, since_version, today - timedelta(days=1))],
            limits=[_limit_row(r) for r in await connection.fetch(_LIMITS, since_version, today - timedelta(days=1))],
            menus=[
                _menu_row(r)
                for r in await connection.fetch(
                    _MENUS, since_version, today - timedelta(days=1), today + timedelta(days=MENU_DAYS_AHEAD)
                )
            ],
            # An edited day has no version; these few are read each time.
            day_types={
                r["day"]: DayType(r["day_type"])
                for r in await connection.fetch(_DAYS, NATIONAL, today - DAYS_BACK, today + DAYS_AHEAD)
            },
        )
        self._forget_menus_before(today - timedelta(days=1))

    def apply(
        self,
        *,
        canteens: Iterable[CanteenRow] = (),
        windows: Iterable[tuple[UUID, UUID, Window]] = (),
        prices: Iterable[PriceRow] = (),
        limits: Iterable[LimitRow] = (),
        menus: Iterable[MenuRow] = (),
        day_types: Mapping[date, DayType] | None = None,
    ) -> None:
        """Put rows in, by their ids, and throw away what was derived from what they replace."""
        changed: set[UUID | None] = set()
        for row in canteens:
            state = self._canteens[row.id]
            state.row, state.zone = row, ZoneInfo(row.timezone)
            changed.add(row.id)
        for canteen_id, window_id, window in windows:
            self._canteens[canteen_id].windows[window_id] = window
            changed.add(canteen_id)
        for price in prices:
            self._owner_of(price.canteen_id).prices[price.id] = price
            changed.add(price.canteen_id)
        for limit in limits:
            self._owner_of(limit.canteen_id).limits[limit.id] = limit
            changed.add(limit.canteen_id)
        for menu in menus:
            self._canteens[menu.canteen_id].menus[menu.id] = menu
            changed.add(menu.canteen_id)
        if day_types is not None and day_types != self._day_types:
            self._day_types = dict(day_types)
            changed.add(None)
        self._forget_openings(changed)

    def _owner_of(self, canteen_id: UUID | None) -> CanteenState:
        return self._general if canteen_id is None else self._canteens[canteen_id]

    def _forget_openings(self, changed: set[UUID | None]) -> None:
        everywhere = None in changed
        for canteen_id in self._canteens if everywhere else changed:
            assert canteen_id is not None
            self._canteens[canteen_id].opening = Opening(_NEVER, _NEVER, None)

    def _forget_menus_before(self, day: date) -> None:
        for canteen in self._canteens.values():
            for menu in [m for m in canteen.menus.values() if m.business_date < day]:
                del canteen.menus[menu.id]


def _opening_sentence(row: CanteenRow, serving: Serving) -> dict[str, Any]:
    meal_zh, meal_en = MEAL_NAMES[serving.meal]
    span = f"{clock_face(serving.window.starts_minute)}-{clock_face(serving.window.ends_minute)}"
    day = serving.business_date.isoformat()
    return {
        "code": "meal",
        "zh": f"{row.name_zh}，{meal_zh}时段 {span}，营业日 {day}",
        "en": f"{row.name_en}, {meal_en} {span}, business date {day}",
    }


# ---- the rows in the database

# Names and the zone belong to identity; the foreign key of canteens points there.
_CANTEENS: Final = """
    SELECT c.id, s.name_zh, s.name_en, s.region_id, r.timezone, c.is_open, c.open_to_all,
           ARRAY(SELECT u.unit_id FROM canteen_units u WHERE u.canteen_id = c.id) AS unit_ids
    FROM canteens c JOIN sites s ON s.id = c.id JOIN regions r ON r.id = s.region_id
    WHERE c.configuration_version > $1
"""
_PERIODS: Final = "SELECT * FROM meal_periods WHERE configuration_version > $1"
_PRICES: Final = """
    SELECT * FROM price_rows WHERE configuration_version > $1
       AND ($1 > 0 OR effective_to IS NULL OR effective_to > $2)
"""
_LIMITS: Final = """
    SELECT * FROM canteen_limits WHERE configuration_version > $1
       AND ($1 > 0 OR effective_to IS NULL OR effective_to > $2)
"""
_DAYS: Final = "SELECT day, day_type FROM calendar_days WHERE calendar = $1 AND day BETWEEN $2 AND $3"
_MENUS: Final = """
    SELECT m.id, m.canteen_id, m.business_date, m.meal, m.state,
           array_agg(i.dish_id) AS dish_ids, array_agg(i.price_fen) AS prices_fen, array_agg(i.sold_out) AS sold_out,
           array_agg(d.name_zh) AS names_zh, array_agg(d.name_en) AS names_en
    FROM menus m JOIN menu_items i ON i.menu_id = m.id JOIN dishes d ON d.id = i.dish_id
    WHERE m.configuration_version > $1 AND m.business_date BETWEEN $2 AND $3
      AND ($1 > 0 OR m.state = 'published')
    GROUP BY m.id
"""


def _canteen_row(record: asyncpg.Record) -> CanteenRow:
    return CanteenRow(
        id=record["id"],
        name_zh=record["name_zh"],
        name_en=record["name_en"],
        region_id=record["region_id"],
        timezone=record["timezone"],
        is_open=record["is_open"],
        open_to_all=record["open_to_all"],
        unit_ids=frozenset(record["unit_ids"]),
    )


def _window(record: asyncpg.Record) -> Window:
    return Window(
        Meal(record["meal"]),
        DayType(record["day_type"]),
        record["starts_minute"],
        record["ends_minute"],
        record["effective_from"],
        record["effective_to"],
    )


def _price_row(record: asyncpg.Record) -> PriceRow:
    return PriceRow(
        id=record["id"],
        canteen_id=record["canteen_id"],
        person_class=record["person_class"],
        meal=Meal(record["meal"]),
        serving=record["serving"],
        order_state=OrderState(record["order_state"]),
        price_fen=record["price_fen"],
        unit_share_fen=record["unit_share_fen"],
        after_last=AfterLast(record["after_last"]),
        effective_from=record["effective_from"],
        effective_to=record["effective_to"],
    )


def _limit_row(record: asyncpg.Record) -> LimitRow:
    return LimitRow(
        id=record["id"],
        canteen_id=record["canteen_id"],
        person_class=record["person_class"],
        meal=Meal(record["meal"]) if record["meal"] else None,
        window=LimitWindow(record["counted_over"]),
        amount_max_fen=record["amount_max_fen"],
        count_max=record["count_max"],
        effective_from=record["effective_from"],
        effective_to=record["effective_to"],
    )


def _menu_row(record: asyncpg.Record) -> MenuRow:
    prices = zip(record["dish_ids"], record["prices_fen"], record["sold_out"], strict=True)
    names = zip(record["dish_ids"], record["names_zh"], record["names_en"], strict=True)
    return MenuRow(
        id=record["id"],
        canteen_id=record["canteen_id"],
        business_date=record["business_date"],
        meal=Meal(record["meal"]),
        is_published=record["state"] == "published",
        prices_fen={dish_id: None if sold_out else price_fen for dish_id, price_fen, sold_out in prices},
        names={dish_id: (name_zh, name_en) for dish_id, name_zh, name_en in names},
    )
