"""What a new canteen still needs before the first guest: seven steps, each with its state, told from what is there.

Nothing is ticked off by hand and nothing is stored: a step that was done and is undone again shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries
from canteen.meals import Meal
from canteen.models import Dish, Menu, MinuteTotal
from canteen.pins import TillWorker, till_workers
from canteen.queries import CanteenSite
from identity.api import PersonClass, terminal_health

DONE: Final = "done"
PARTIAL: Final = "partial"
TODO: Final = "todo"


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One step: how much of it there is, and what is missing, as codes that the page has words for."""

    name: str
    found: int
    missing: tuple[str, ...]

    @property
    def state(self) -> str:
        """Done when nothing is missing; else begun, or not even that."""
        if not self.missing:
            return DONE
        return PARTIAL if self.found else TODO


async def setup_of(session: AsyncSession, canteen: CanteenSite) -> list[SetupStep]:
    """The seven, in the order in which they are best taken."""
    meals = await _meals_served(session, canteen)
    return [
        _place(canteen),
        await _hours(session, canteen, meals),
        await _prices(session, canteen, meals),
        await _menu(session, canteen),
        _staff(await till_workers(session, canteen.id)),
        await _tills(session, canteen),
        await _first_meal(session, canteen),
    ]


def _place(canteen: CanteenSite) -> SetupStep:
    missing = [] if canteen.is_open else ["closed"]
    if not canteen.open_to_all and not canteen.unit_ids:
        missing.append("no_diners")
    return SetupStep("place", 1, tuple(missing))


async def _meals_served(session: AsyncSession, canteen: CanteenSite) -> list[Meal]:
    """By windows in force or planned, in the order of the day."""
    named = {period.meal for period in await queries.periods_of(session, canteen.id, canteen.today())}
    return [meal for meal in Meal if meal in named]


async def _hours(session: AsyncSession, canteen: CanteenSite, meals: Sequence[Meal]) -> SetupStep:
    periods = await queries.periods_of(session, canteen.id, canteen.today())
    if not periods:
        return SetupStep("hours", 0, ("no_hours",))
    begun = any(period.effective_from <= canteen.today() for period in periods)
    return SetupStep("hours", len(meals), () if begun else ("begin_later",))


async def _prices(session: AsyncSession, canteen: CanteenSite, meals: Sequence[Meal]) -> SetupStep:
    """Each class at each meal, by an own price or a general one. Without hours it is asked of lunch."""
    today = canteen.today()
    rows = [*await queries.prices_of(session, None, today), *await queries.prices_of(session, canteen.id, today)]
    priced = {(row.meal, row.person_class) for row in rows if row.serving == 1}
    wanted = [(meal, person_class) for meal in meals or (Meal.LUNCH,) for person_class in PersonClass]
    missing = [f"{meal}.{person_class}" for meal, person_class in wanted if (meal, person_class) not in priced]
    return SetupStep("prices", len(wanted) - len(missing), tuple(missing))


async def _menu(session: AsyncSession, canteen: CanteenSite) -> SetupStep:
    dishes = await session.scalar(
        select(func.count()).select_from(Dish).where(Dish.canteen_id == canteen.id, Dish.is_active)
    )
    menus = await session.scalar(
        select(func.count())
        .select_from(Menu)
        .where(Menu.canteen_id == canteen.id, Menu.state == "published", Menu.business_date >= canteen.today())
    )
    missing = ([] if dishes else ["no_dishes"]) + ([] if menus else ["no_menu"])
    return SetupStep("menu", (dishes or 0) + (menus or 0), tuple(missing))


def _staff(workers: Sequence[TillWorker]) -> SetupStep:
    """Somebody who manages, somebody who takes the money, and a PIN to open a shift with."""
    missing = []
    if not any(worker.is_supervisor for worker in workers):
        missing.append("no_manager")
    if all(worker.is_supervisor for worker in workers):
        missing.append("no_cashier")
    if not any(worker.has_pin for worker in workers):
        missing.append("no_pin")
    return SetupStep("staff", len(workers), tuple(missing))


async def _tills(session: AsyncSession, canteen: CanteenSite) -> SetupStep:
    tills = [till for till in await terminal_health(session, canteen.id) if till.status != "revoked"]
    paired = [till for till in tills if till.status == "active"]
    if not tills:
        return SetupStep("tills", 0, ("no_till",))
    return SetupStep("tills", len(tills), () if paired else ("not_paired",))


async def _first_meal(session: AsyncSession, canteen: CanteenSite) -> SetupStep:
    count = await session.scalar(select(func.sum(MinuteTotal.count)).where(MinuteTotal.canteen_id == canteen.id))
    return SetupStep("first_meal", count or 0, () if count else ("no_payment",))
