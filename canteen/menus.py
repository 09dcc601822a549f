"""Dishes and menus: what the kitchen makes, what is offered at a meal, and what is sold out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from pypinyin import lazy_pinyin
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries
from canteen.canteens import refuse_past
from canteen.errors import AlreadyThere, MenuIsEmpty
from canteen.events import MenuItemChanged
from canteen.meals import Meal
from canteen.models import Dish, Menu, MenuItem
from canteen.states import MENU, next_state
from kernel import audit_log, clock
from kernel.configuration import bump_configuration
from kernel.errors import Malformed, NotFound
from kernel.ids import public_id, uuid7
from kernel.outbox import publish


def _pinyin_of(name: str) -> str:
    return " ".join(lazy_pinyin(name)).lower()


# ---- dishes


async def open_dish(
    session: AsyncSession,
    canteen_id: UUID,
    *,
    name_zh: str,
    name_en: str,
    category: str,
    price_fen: int,
    nutrition: dict[str, int | None],
    allergens: Sequence[str],
    actor: str,
) -> UUID:
    """A new dish of a kitchen."""
    await queries.get_row(session, canteen_id)
    dish = Dish(
        id=uuid7(),
        canteen_id=canteen_id,
        name_zh=name_zh,
        name_en=name_en,
        pinyin=_pinyin_of(name_zh),
        category=category,
        price_fen=price_fen,
        nutrition={key: value for key, value in nutrition.items() if value is not None},
        allergens=sorted(set(allergens)),
        is_active=True,
        created_at=clock.now(),
    )
    async with _name_taken_once(session, canteen_id, name_zh):
        session.add(dish)
        await session.flush()
    await audit_log.record(
        session,
        actor=actor,
        action="dish.open",
        subject=public_id("dsh", dish.id),
        data={"name": name_zh, "price_fen": price_fen},
    )
    return dish.id


async def edit_dish(session: AsyncSession, dish_id: UUID, changes: dict[str, Any], *, actor: str) -> None:
    """Change a dish; menus that are already made keep their price."""
    dish = await queries.get_dish(session, dish_id)
    if "name_zh" in changes or "name_en" in changes:
        await _tell_posting_of_dish(session, dish)
    async with _name_taken_once(session, dish.canteen_id, changes.get("name_zh", dish.name_zh)):
        for name, value in changes.items():
            setattr(dish, name, sorted(set(value)) if name == "allergens" else value)
        dish.pinyin = _pinyin_of(dish.name_zh)
        await session.flush()
    await audit_log.record(session, actor=actor, action="dish.edit", subject=public_id("dsh", dish_id), data=changes)


async def _tell_posting_of_dish(session: AsyncSession, dish: Dish) -> None:
    """Posting tells a dish's name in the reasons of a sale: let it read the menus that hold the dish anew."""
    version = await bump_configuration(session)
    holding = select(MenuItem.menu_id).where(MenuItem.dish_id == dish.id)
    await session.execute(
        update(Menu)
        .where(Menu.id.in_(holding), Menu.business_date >= await queries.today_of(session, dish.canteen_id))
        .values(configuration_version=version)
    )


@asynccontextmanager
async def _name_taken_once(session: AsyncSession, canteen_id: UUID, name_zh: str) -> AsyncIterator[None]:
    """AlreadyThere, where the kitchen has another dish of that name."""
    try:
        async with session.begin_nested():
            yield
    except IntegrityError:
        taken = await session.scalar(select(Dish.id).where(Dish.canteen_id == canteen_id, Dish.name_zh == name_zh))
        raise AlreadyThere(id=public_id("dsh", taken) if taken else name_zh) from None


# ---- menus


@dataclass(frozen=True, slots=True)
class NewItem:
    """A dish for a menu; without a price it has the dish's."""

    dish_id: UUID
    price_fen: int | None = None
    sold_out: bool = False


async def open_menu(
    session: AsyncSession, canteen_id: UUID, business_date: date, meal: Meal, items: Sequence[NewItem], *, actor: str
) -> UUID:
    """A draft for one meal of one day."""
    version = await bump_configuration(session)
    refuse_past(business_date, await queries.today_of(session, canteen_id))
    existing = await queries.find_menu(session, canteen_id, business_date, meal.value)
    if existing is not None:
        raise AlreadyThere(id=public_id("men", existing.id))
    menu = Menu(
        id=uuid7(),
        canteen_id=canteen_id,
        business_date=business_date,
        meal=meal.value,
        state="draft",
        brought_in=False,
        configuration_version=version,
        changed_at=clock.now(),
    )
    session.add(menu)
    await session.flush()
    await _write_items(session, menu, items)
    await _audit(session, menu, "open", {"date": business_date.isoformat(), "meal": meal, "dishes": len(items)}, actor)
    return menu.id


async def set_items(session: AsyncSession, menu_id: UUID, items: Sequence[NewItem], *, actor: str) -> None:
    """Replace the dishes of a menu. One that is published sells the new ones from the next payment on."""
    menu = await _change(session, menu_id)
    if menu.state == "published" and not items:
        raise MenuIsEmpty
    await session.execute(delete(MenuItem).where(MenuItem.menu_id == menu_id))
    await _write_items(session, menu, items)
    await _audit(session, menu, "set_items", {"dishes": len(items)}, actor)


async def _write_items(session: AsyncSession, menu: Menu, items: Sequence[NewItem]) -> None:
    if len({item.dish_id for item in items}) < len(items):
        raise Malformed(reason="items: a dish stands twice", field="items")
    dishes = await session.scalars(
        select(Dish).where(Dish.id.in_([item.dish_id for item in items]), Dish.canteen_id == menu.canteen_id)
    )
    prices = {dish.id: dish.price_fen for dish in dishes}
    missing = next((item.dish_id for item in items if item.dish_id not in prices), None)
    if missing is not None:
        raise NotFound(what="dsh", id=public_id("dsh", missing))
    if items:
        await session.execute(
            insert(MenuItem),
            [
                {
                    "menu_id": menu.id,
                    "dish_id": item.dish_id,
                    "position": position,
                    "price_fen": prices[item.dish_id] if item.price_fen is None else item.price_fen,
                    "sold_out": item.sold_out,
                }
                for position, item in enumerate(items)
            ],
        )


async def mark_sold_out(session: AsyncSession, menu_id: UUID, dish_id: UUID, *, sold_out: bool, actor: str) -> None:
    """A dish has run out, or there is more of it after all."""
    menu = await _change(session, menu_id)
    item = await session.get(MenuItem, (menu_id, dish_id))
    if item is None:
        raise NotFound(what="dsh", id=public_id("dsh", dish_id))
    item.sold_out = sold_out
    await session.flush()
    data = {"dish": public_id("dsh", dish_id), "sold_out": sold_out}
    publish(
        session,
        MenuItemChanged(
            happened_at=clock.rfc3339(clock.now()),
            canteen=public_id("can", menu.canteen_id),
            menu=public_id("men", menu.id),
            dish=public_id("dsh", dish_id),
            sold_out=sold_out,
        ),
    )
    await _audit(session, menu, "mark_sold_out", data, actor)


async def change_menu_state(session: AsyncSession, menu_id: UUID, trigger: str, *, actor: str) -> None:
    """Publish a menu, or withdraw it."""
    menu = await _change(session, menu_id)
    after = next_state(MENU, menu.state, trigger)
    if after == "published" and not (await queries.items_of(session, [menu_id]))[menu_id]:
        raise MenuIsEmpty
    menu.state = after
    await session.flush()
    await _audit(session, menu, trigger, {"state": menu.state}, actor)


async def _change(session: AsyncSession, menu_id: UUID) -> Menu:
    version = await bump_configuration(session)
    menu = await queries.get_menu(session, menu_id)
    menu.configuration_version = version
    menu.changed_at = clock.now()
    return menu


async def bring_menus_in(session: AsyncSession, first: date, last: date) -> int:
    """Let posting read the menus of days that have come near: it keeps only those of the next days in memory.

    A menu that posting may have read at its last change is left alone, and so is one that was brought in before.
    """
    due = select(Menu.id).where(
        Menu.state == "published", Menu.business_date.between(first, last), Menu.brought_in.is_(False)
    )
    if await session.scalar(due.limit(1)) is None:
        return 0
    version = await bump_configuration(session)
    brought = await session.execute(
        update(Menu).where(Menu.id.in_(due)).values(configuration_version=version, brought_in=True)
    )
    return int(brought.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it; the stub's base class not


async def _audit(session: AsyncSession, menu: Menu, verb: str, data: dict[str, Any], actor: str) -> None:
    await audit_log.record(session, actor=actor, action=f"menu.{verb}", subject=public_id("men", menu.id), data=data)
