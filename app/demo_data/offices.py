"""What lies on the desks of the demo province: who works in the other canteens, changes asked for and
decided, a menu that is not out yet, somebody who has left. Each by the service that an office would use."""

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from app.demo_data.kitchens import MENU_DAYS, Kitchens
from app.demo_data.people import TILL_PINS, Population, Resident, demo_people
from app.demo_data.places import ACTOR, USUAL_CANTEEN, Places
from canteen import queries
from canteen.api import Meal, NewItem, change_menu_state, mark_sold_out, open_menu, set_pin
from canteen.price_changes import ask_for as ask_for_prices
from canteen.schemas import PriceChange
from identity.api import (
    Place,
    Principal,
    Role,
    approve,
    ask_to_grant,
    change_person_status,
    principal_of,
    reject,
    today,
)
from kernel.db import Database
from kernel.ids import public_id

# The last one is left to whoever wants to see the checklist of a canteen at work.
STAFFED: Final = ("C2", "C3", "C4", "C5")
_NEW_PRICE_FEN: Final = 1600
_LEFT_DAYS_AGO: Final = 9


async def staff_canteens(db: Database, places: Places, population: Population) -> None:
    """A manager and a cashier for each, asked for by one administrator and approved by another; PINs for the tills."""
    security, system = await _administrators(db, population)
    for code in STAFFED:
        for resident, role in zip(_at_home_in(population, code), (Role.CANTEEN_MANAGER, Role.CASHIER), strict=False):
            place = Place(site_id=places.canteens[code])
            async with db.session() as session:
                asked = await ask_to_grant(session, security, resident.id, role, place, reason="新食堂开张")
                await approve(session, system, asked)
            if role is Role.CASHIER:
                await set_pin(db, resident.id, TILL_PINS[Role.CASHIER], actor=ACTOR)


async def fill_the_desks(
    db: Database, places: Places, population: Population, kitchens: Kitchens, today_there: date
) -> None:
    """As a visitor finds them today: some things decided, some waiting, one refused."""
    await _decide_on_prices(db, places, population, today_there)
    await _ask_for_a_role(db, places, population)
    await _prepare_menus(db, places, kitchens, today_there)
    await _let_somebody_go(db, population, today_there)


async def _administrators(db: Database, population: Population) -> tuple[Principal, Principal]:
    async with db.session() as session:
        return (
            await principal_of(session, population.staff_id(Role.SECURITY_ADMIN), today()),
            await principal_of(session, population.staff_id(Role.SYSTEM_ADMIN), today()),
        )


def _at_home_in(population: Population, canteen: str) -> list[Resident]:
    """Staff who usually eat there and are not on the demo's list of logins."""
    known = demo_people(population)
    units = {unit for unit, usual in USUAL_CANTEEN.items() if usual == canteen}
    # C4 feeds one unit; the guest house's people eat in C6, which stays without.
    return [r for r in population.residents if r.unit in units and r.person_class == "staff" and r.id not in known][2:4]


async def _decide_on_prices(db: Database, places: Places, population: Population, on: date) -> None:
    """From next month on the university's lunch costs more: approved. Elsewhere one is waiting and one was refused."""
    async with db.session() as session:
        finance = await principal_of(session, population.staff_id(Role.FINANCE), today())
        system = await principal_of(session, population.staff_id(Role.SYSTEM_ADMIN), today())
    next_month = (on.replace(day=1) + timedelta(days=32)).replace(day=1)
    planned = (("C2", "食材成本上涨", "approve"), ("C3", "夜班补助", ""), ("C5", "试行一个月", "reject"))
    for code, reason, decision in planned:
        async with db.session() as session:
            change = _dearer_lunch(places.canteens[code], next_month)
            asked = await ask_for_prices(session, finance, change, reason=reason)
            if decision == "approve":
                await approve(session, system, asked, "同意，下月起执行")
            elif decision == "reject":
                await reject(session, system, asked, "请先征求职工意见")


def _dearer_lunch(canteen_id: UUID, on: date) -> PriceChange:
    serving = {"price_fen": _NEW_PRICE_FEN, "unit_share_fen": 1300}
    ladder = {"person_class": "staff", "meal": "lunch", "servings": [serving], "effective_from": on.isoformat()}
    return PriceChange.model_validate({"canteen": public_id("can", canteen_id), "ladders": [ladder]})


async def _ask_for_a_role(db: Database, places: Places, population: Population) -> None:
    """It waits for a second person, who may be whoever tries the demo out."""
    security, _ = await _administrators(db, population)
    newcomer = _at_home_in(population, "C3")[-1]
    async with db.session() as session:
        place = Place(region_id=places.regions["DP-NB"])
        await ask_to_grant(session, security, newcomer.id, Role.DUTY_STAFF, place, reason="值班室人手不足")


async def _prepare_menus(db: Database, places: Places, kitchens: Kitchens, on: date) -> None:
    """A draft for the day after the last menu, one that was taken back, and a dish that is gone today."""
    site_id, cooked = places.canteens["C4"], kitchens.dishes["C4"]
    dishes = [NewItem(dish_id) for dish_id in list(cooked.values())[8:14]]
    async with db.session() as session:
        await open_menu(session, site_id, on + timedelta(days=MENU_DAYS), Meal.LUNCH, dishes, actor=ACTOR)
        back = await open_menu(session, site_id, on + timedelta(days=MENU_DAYS), Meal.DINNER, dishes, actor=ACTOR)
        await change_menu_state(session, back, "publish", actor=ACTOR)
        await change_menu_state(session, back, "withdraw", actor=ACTOR)
        menu = await queries.find_menu(session, site_id, on, Meal.LUNCH)
        assert menu is not None, "there are menus for two weeks"
        sold = (await queries.items_of(session, [menu.id]))[menu.id][0][1]
        await mark_sold_out(session, menu.id, sold.id, sold_out=True, actor=ACTOR)


async def _let_somebody_go(db: Database, population: Population, on: date) -> None:
    """What was in the purse is still there; the unit pays no more."""
    known = demo_people(population)
    leaver = [r for r in population.residents if r.unit == "U2" and r.id not in known][-1]
    async with db.session() as session:
        await change_person_status(
            session, leaver.id, "leave", actor=ACTOR, last_day=on - timedelta(days=_LEFT_DAYS_AGO)
        )
