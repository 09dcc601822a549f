"""The SELECTs of the canteens. A canteen's names, region and operator are read with its site."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from canteen.meals import DayType, Meal
from canteen.models import Canteen, Dish, Limit, MealPeriod, Menu, MenuItem, Price
from canteen.opening import Window
from kernel import clock
from kernel.errors import NotFound
from kernel.ids import public_id
from kernel.settings import get_settings


@dataclass(frozen=True, slots=True)
class CanteenSite:
    """A canteen with what identity knows of its site."""

    id: UUID
    name_zh: str
    name_en: str
    region_id: UUID
    operator_id: UUID
    operator_name_zh: str
    operator_name_en: str
    timezone: str
    is_open: bool
    open_to_all: bool
    seats: int | None
    returns_need_shift: bool
    unit_ids: tuple[UUID, ...]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def today(self) -> date:
        """The business date there."""
        return clock.business_date(clock.now(), self.zone)

    def serves_unit(self, unit_id: UUID | None) -> bool:
        """Whether people of a unit may eat here."""
        return self.open_to_all or unit_id in self.unit_ids


_SITES = """
    SELECT c.id, s.name_zh, s.name_en, s.region_id, s.operator_id, o.name_zh AS operator_name_zh,
           o.name_en AS operator_name_en, r.timezone, c.is_open, c.open_to_all, c.seats,
           c.returns_need_shift,
           ARRAY(SELECT u.unit_id FROM canteen_units u WHERE u.canteen_id = c.id ORDER BY u.unit_id) AS unit_ids
    FROM canteens c
    JOIN sites s ON s.id = c.id JOIN regions r ON r.id = s.region_id JOIN organisations o ON o.id = s.operator_id
"""
_ONE_SITE = text(f"{_SITES} WHERE c.id = :canteen")
_SITES_PAGE = text(f"""
    {_SITES}
    WHERE (CAST(:after AS uuid) IS NULL OR c.id < :after) AND (CAST(:region AS uuid) IS NULL OR s.region_id = :region)
    ORDER BY c.id DESC LIMIT :limit
""")


_SITES_OF_UNIT = text(f"""
    {_SITES}
    WHERE c.is_open
      AND (c.open_to_all OR EXISTS (SELECT FROM canteen_units u WHERE u.canteen_id = c.id AND u.unit_id = :unit))
    ORDER BY c.id
""")


def _site_of(row: Row[tuple[object, ...]]) -> CanteenSite:
    fields = dict(row._mapping)  # noqa: SLF001  the documented way to a row's names
    fields["unit_ids"] = tuple(fields["unit_ids"])
    return CanteenSite(**fields)


async def get_canteen(session: AsyncSession, canteen_id: UUID) -> CanteenSite:
    """One canteen, or NotFound."""
    row = (await session.execute(_ONE_SITE, {"canteen": canteen_id})).one_or_none()
    if row is None:
        raise NotFound(what="can", id=public_id("can", canteen_id))
    return _site_of(row)


async def list_canteens(
    session: AsyncSession, *, limit: int, after: UUID | None = None, region_id: UUID | None = None
) -> list[CanteenSite]:
    """Canteens, newest first, one more than the limit."""
    rows = await session.execute(_SITES_PAGE, {"after": after, "region": region_id, "limit": limit + 1})
    return [_site_of(row) for row in rows]


async def list_canteens_of_unit(session: AsyncSession, unit_id: UUID) -> list[CanteenSite]:
    """The open canteens where people of a unit may eat."""
    return [_site_of(row) for row in await session.execute(_SITES_OF_UNIT, {"unit": unit_id})]


async def get_row(session: AsyncSession, canteen_id: UUID) -> Canteen:
    """The row itself, to change it; NotFound where there is none."""
    row = await session.get(Canteen, canteen_id)
    if row is None:
        raise NotFound(what="can", id=public_id("can", canteen_id))
    return row


async def today_of(session: AsyncSession, canteen_id: UUID | None) -> date:
    """The business date at a canteen; for what counts everywhere, that of the default zone."""
    if canteen_id is not None:
        return (await get_canteen(session, canteen_id)).today()
    return clock.business_date(clock.now(), get_settings().zone)


# ---- when


async def periods_of(session: AsyncSession, canteen_id: UUID, from_day: date) -> Sequence[MealPeriod]:
    """The windows that are in force on a day or later."""
    return (
        await session.scalars(
            select(MealPeriod)
            .where(
                MealPeriod.canteen_id == canteen_id,
                or_(MealPeriod.effective_to.is_(None), MealPeriod.effective_to > from_day),
                or_(MealPeriod.effective_to.is_(None), MealPeriod.effective_to > MealPeriod.effective_from),
            )
            .order_by(MealPeriod.effective_from, MealPeriod.day_type, MealPeriod.starts_minute)
        )
    ).all()


async def windows_of(session: AsyncSession, canteens: Sequence[UUID]) -> dict[UUID, list[Window]]:
    """Every window of some canteens, as the pure functions take them."""
    found: dict[UUID, list[Window]] = {canteen_id: [] for canteen_id in canteens}
    rows = await session.scalars(select(MealPeriod).where(MealPeriod.canteen_id.in_(canteens)))
    for row in rows:
        found[row.canteen_id].append(window_of(row))
    return found


def window_of(row: MealPeriod) -> Window:
    """A row as the pure functions take it."""
    return Window(
        Meal(row.meal),
        DayType(row.day_type),
        row.starts_minute,
        row.ends_minute,
        row.effective_from,
        row.effective_to,
    )


# ---- at what price


async def prices_of(
    session: AsyncSession, canteen_id: UUID | None, on: date, *, also_later: bool = False
) -> Sequence[Price]:
    """The price rows in force on a day, general or of one canteen; `also_later` adds what is planned."""
    query = select(Price).where(
        Price.canteen_id.is_(None) if canteen_id is None else Price.canteen_id == canteen_id,
        or_(Price.effective_to.is_(None), Price.effective_to > on),
        or_(Price.effective_to.is_(None), Price.effective_to > Price.effective_from),
    )
    if not also_later:
        query = query.where(Price.effective_from <= on)
    return (
        await session.scalars(
            query.order_by(Price.meal, Price.person_class, Price.order_state, Price.effective_from, Price.serving)
        )
    ).all()


async def limits_of(
    session: AsyncSession, canteen_id: UUID | None, on: date, *, also_later: bool = False
) -> Sequence[Limit]:
    """The limits in force on a day, general or of one canteen."""
    query = select(Limit).where(
        Limit.canteen_id.is_(None) if canteen_id is None else Limit.canteen_id == canteen_id,
        or_(Limit.effective_to.is_(None), Limit.effective_to > on),
        or_(Limit.effective_to.is_(None), Limit.effective_to > Limit.effective_from),
    )
    if not also_later:
        query = query.where(Limit.effective_from <= on)
    return (await session.scalars(query.order_by(Limit.counted_over, Limit.effective_from, Limit.id))).all()


# ---- what


async def list_dishes(
    session: AsyncSession, canteen_id: UUID, *, limit: int, after: UUID | None = None, only_active: bool = False
) -> Sequence[Dish]:
    """The dishes of a kitchen, newest first, one more than the limit."""
    query = select(Dish).where(Dish.canteen_id == canteen_id)
    if after is not None:
        query = query.where(Dish.id < after)
    if only_active:
        query = query.where(Dish.is_active)
    return (await session.scalars(query.order_by(Dish.id.desc()).limit(limit + 1))).all()


async def get_dish(session: AsyncSession, dish_id: UUID) -> Dish:
    """One dish, or NotFound."""
    dish = await session.get(Dish, dish_id)
    if dish is None:
        raise NotFound(what="dsh", id=public_id("dsh", dish_id))
    return dish


async def get_menu(session: AsyncSession, menu_id: UUID) -> Menu:
    """One menu, or NotFound."""
    menu = await session.get(Menu, menu_id)
    if menu is None:
        raise NotFound(what="men", id=public_id("men", menu_id))
    return menu


async def find_menu(session: AsyncSession, canteen_id: UUID, on: date, meal: str) -> Menu | None:
    """The menu of one meal, in whatever state."""
    return await session.scalar(
        select(Menu).where(Menu.canteen_id == canteen_id, Menu.business_date == on, Menu.meal == meal)
    )


async def menus_of(session: AsyncSession, canteen_id: UUID, on: date, *, only_published: bool) -> Sequence[Menu]:
    """The menus of one business date, in the order of the day."""
    query = select(Menu).where(Menu.canteen_id == canteen_id, Menu.business_date == on)
    if only_published:
        query = query.where(Menu.state == "published")
    order = list(Meal)
    return sorted(await session.scalars(query), key=lambda menu: order.index(Meal(menu.meal)))


async def items_of(session: AsyncSession, menus: Sequence[UUID]) -> dict[UUID, list[tuple[MenuItem, Dish]]]:
    """The dishes of some menus, in the order of the menu."""
    found: dict[UUID, list[tuple[MenuItem, Dish]]] = {menu_id: [] for menu_id in menus}
    rows = await session.execute(
        select(MenuItem, Dish)
        .join(Dish, Dish.id == MenuItem.dish_id)
        .where(MenuItem.menu_id.in_(menus))
        .order_by(MenuItem.menu_id, MenuItem.position)
    )
    for item, dish in rows:
        found[item.menu_id].append((item, dish))
    return found
