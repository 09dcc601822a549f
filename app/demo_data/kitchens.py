"""Canteens with their hours, prices, limits, dishes, menus and tills."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from app.demo_data import dishes
from app.demo_data.dishes import DishPlan
from app.demo_data.places import ACTOR, CANTEENS, CanteenPlan, Places
from canteen.api import (
    DayType,
    LimitWindow,
    Meal,
    NewItem,
    NewLadder,
    NewLimit,
    NewWindow,
    Serving,
    change_menu_state,
    open_canteen,
    open_dish,
    open_menu,
    set_limit,
    set_prices,
    set_timetable,
)
from identity.api import enrol_terminal, open_terminal
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id

ALL_MODES: Final = ("keyed", "fixed", "menu", "count")
MENU_DAYS: Final = 14

# For each class: breakfast, lunch, dinner, night as (price, of which the unit bears). The staff lunch is the house's
# own example: 2.00 from one's pocket and 16.00 from the unit. A second serving is at the visitors' price.
PRICES: Final = {
    "staff": ((600, 400), (1800, 1600), (1500, 1300), (1200, 1000)),
    "contract": ((600, 0), (1800, 0), (1500, 0), (1200, 0)),
    "retired": ((600, 300), (1800, 1000), (1500, 800), (1200, 0)),
    "family": ((800, 0), (1800, 0), (1500, 0), (1200, 0)),
    "visitor": ((800, 0), (1800, 0), (1500, 0), (1200, 0)),
}
UNIVERSITY_LUNCH: Final = (1500, 1300)

_ROUND_THE_CLOCK: Final = (
    (Meal.BREAKFAST, 300, 600),
    (Meal.LUNCH, 600, 900),
    (Meal.DINNER, 900, 1260),
    (Meal.NIGHT, 1260, 1740),
)
_OFFICE_HOURS: Final = ((Meal.BREAKFAST, 420, 540), (Meal.LUNCH, 660, 810), (Meal.DINNER, 1020, 1140))


@dataclass(slots=True)
class Till:
    """An enrolled till, with its token."""

    id: UUID
    token: str
    name: str
    canteen: str
    modes: tuple[str, ...]


@dataclass(slots=True)
class Kitchens:
    """Tills and dishes by the code of their canteen."""

    tills: dict[str, list[Till]] = field(default_factory=dict)
    dishes: dict[str, dict[str, UUID]] = field(default_factory=dict)

    def wire(self, places: Places) -> list[dict[str, Any]]:
        """`terminals` as `guanjia demo --json` prints them."""
        return [
            {
                "id": public_id("ter", till.id),
                "token": till.token,
                "name": till.name,
                "canteen": public_id("can", places.canteens[till.canteen]),
                "modes": list(till.modes),
            }
            for tills in self.tills.values()
            for till in tills
        ]


async def open_kitchens(db: Database, places: Places) -> Kitchens:
    """Open the canteens; each with hours, dishes and tills, all with the house's prices and limits."""
    kitchens = Kitchens()
    for plan in CANTEENS:
        async with db.session() as session:
            await _open_one(session, places, plan)
            kitchens.dishes[plan.code] = await _open_dishes(session, places.canteens[plan.code], plan)
        kitchens.tills[plan.code] = await _enrol_tills(db, places, plan)
    await _set_prices(db, places)
    return kitchens


async def _open_one(session: Any, places: Places, plan: CanteenPlan) -> None:
    canteen_id = places.canteens[plan.code]
    units = [places.organisations[unit] for unit in plan.serves]
    await open_canteen(session, canteen_id, open_to_all=not plan.serves, unit_ids=units, seats=plan.seats, actor=ACTOR)
    if plan.round_the_clock:
        await set_round_the_clock(session, canteen_id)
        return
    windows = [NewWindow(meal, DayType.WORKDAY, starts, ends) for meal, starts, ends in _OFFICE_HOURS]
    if plan.code in ("C3", "C4", "C6"):
        windows += [
            NewWindow(meal, day_type, starts, ends)
            for meal, starts, ends in _OFFICE_HOURS[1:]
            for day_type in (DayType.WEEKEND, DayType.HOLIDAY)
        ]
    await set_timetable(session, canteen_id, windows, actor=ACTOR)


async def _open_dishes(session: Any, canteen_id: UUID, plan: CanteenPlan) -> dict[str, UUID]:
    cooked = dishes.ALL if plan.round_the_clock else [d for d in dishes.ALL if d not in dishes.NIGHT]
    return {
        dish.name_zh: await open_dish(
            session,
            canteen_id,
            name_zh=dish.name_zh,
            name_en=dish.name_en,
            category=dish.category,
            price_fen=dish.price_fen,
            nutrition=dish.nutrition,
            allergens=dish.allergens,
            actor=ACTOR,
        )
        for dish in cooked
    }


async def _enrol_tills(db: Database, places: Places, plan: CanteenPlan) -> list[Till]:
    tills = []
    for number in range(1, plan.tills + 1):
        modes = ALL_MODES if plan.round_the_clock or number == 1 else ("fixed",)
        name = f"{number}号机"
        clock.advance(timedelta(seconds=1))
        async with db.session() as session:
            till_id, pairing = await open_terminal(
                session,
                site_id=places.canteens[plan.code],
                name=name,
                modes=modes,
                serial=f"GJ-{plan.code}-{number:03d}",
                actor=ACTOR,
            )
        enrolled = await enrol_terminal(db, pairing.code, "127.0.0.1")
        tills.append(Till(till_id, enrolled["token"], name, plan.code, modes))
    return tills


async def set_general_prices(session: Any) -> None:
    """The house's prices for every canteen without own ones."""
    general = [
        NewLadder(person_class, meal, [Serving(price_fen, share_fen)])
        for person_class, prices in PRICES.items()
        for meal, (price_fen, share_fen) in zip(Meal, prices, strict=True)
    ]
    await set_prices(session, None, general, actor=ACTOR)


async def set_round_the_clock(session: Any, canteen_id: UUID) -> None:
    """Some meal at every hour of every day."""
    windows = [NewWindow(meal, DayType.ANY, starts, ends) for meal, starts, ends in _ROUND_THE_CLOCK]
    await set_timetable(session, canteen_id, windows, actor=ACTOR)


async def _set_prices(db: Database, places: Places) -> None:
    university = [NewLadder("staff", Meal.LUNCH, [Serving(*UNIVERSITY_LUNCH)])]
    async with db.session() as session:
        await set_general_prices(session)
        await set_prices(session, places.canteens["C2"], university, actor=ACTOR)
        await set_limit(session, None, NewLimit(LimitWindow.TRANSACTION, 20_000), actor=ACTOR)
        await set_limit(session, None, NewLimit(LimitWindow.PERIOD, 30_000, 3), actor=ACTOR)
        await set_limit(session, None, NewLimit(LimitWindow.DAY, 50_000, 8), actor=ACTOR)
        # The first canteen is for trying things out: no limits there.
        for window in LimitWindow:
            await set_limit(session, places.canteens["C1"], NewLimit(window), actor=ACTOR)


# ---- menus


async def publish_menus(db: Database, places: Places, kitchens: Kitchens, first: date, dice: random.Random) -> None:
    """Two weeks of menus, from a business date on."""
    for plan in CANTEENS:
        hours = _ROUND_THE_CLOCK if plan.round_the_clock else _OFFICE_HOURS
        async with db.session() as session:
            for day in range(MENU_DAYS):
                for meal, _, _ in hours:
                    items = _compose(kitchens.dishes[plan.code], meal, dice)
                    menu_id = await open_menu(
                        session, places.canteens[plan.code], first + timedelta(days=day), meal, items, actor=ACTOR
                    )
                    await change_menu_state(session, menu_id, "publish", actor=ACTOR)


def _compose(cooked: dict[str, UUID], meal: Meal, dice: random.Random) -> list[NewItem]:
    if meal is Meal.BREAKFAST:
        chosen: Sequence[DishPlan] = dishes.BREAKFAST
    elif meal is Meal.NIGHT:
        chosen = (*dishes.NIGHT, dishes.BASICS[3])
    else:
        chosen = (
            *dice.sample(dishes.MEATS, 3),
            *dice.sample(dishes.FISH, 1),
            *dice.sample(dishes.VEGETABLES, 3),
            *dice.sample(dishes.SOUPS, 1),
            *dishes.BASICS,
        )
    return [NewItem(cooked[dish.name_zh]) for dish in chosen]
