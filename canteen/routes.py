"""HTTP of the canteens: who may call, what comes in, what goes out. The work is done in the files named by topic."""

from datetime import date
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import canteens, menus, price_changes, prices, queries, schemas
from canteen.board import board_of, channel_of
from canteen.channels import sees_board
from canteen.errors import (
    AlreadyThere,
    DateIsPast,
    MenuIsEmpty,
    PeriodsOverlap,
    PricesHaveGaps,
)
from canteen.queries import CanteenSite
from canteen.setup import setup_of
from canteen.views import (
    canteen_view,
    dish_view,
    ladder_view,
    limit_view,
    menu_view,
    new_item,
    new_window,
    parse_canteen,
    period_view,
    setup_view,
)
from identity.api import SIGNED_IN, CallerDep, CurrentPerson, Principal, Role, Terminal, current_caller
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, TryAgain, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from realtime.api import channel_position

router = APIRouter(prefix="/v1", tags=["canteens"])

KITCHEN_ROLES = (Role.CANTEEN_MANAGER, Role.SYSTEM_ADMIN)
PRICE_ROLES = (Role.CANTEEN_MANAGER, Role.FINANCE, Role.SYSTEM_ADMIN)

_READ = raises(Unauthenticated, Forbidden, NotFound)
_WRITE = raises(Unauthenticated, Forbidden, NotFound, TryAgain)

# For a route that asks only that a person or a till calls, whichever it is.
_ANY_CALLER = [Depends(current_caller, scope="function")]

CanteenPath = Annotated[str, Path(pattern=r"^(can|sit)_[0-9a-f]{32}$", max_length=36)]
DishPath = Annotated[str, Path(pattern=r"^dsh_[0-9a-f]{32}$", max_length=36)]
MenuPath = Annotated[str, Path(pattern=r"^men_[0-9a-f]{32}$", max_length=36)]
RegionQuery = Annotated[str | None, Query(pattern=r"^reg_[0-9a-f]{32}$", max_length=36)]
T = TypeVar("T")
DateQuery = Annotated[schemas.Day | None, Query(description="A business date; today's where it is not given.")]


def _all(rows: list[T]) -> Page[T]:
    """A list that is short by nature, whole, in the wire form of lists."""
    return Page(data=rows, has_more=False)


async def _require_at(session: AsyncSession, person: Principal, text: str, *roles: Role) -> CanteenSite:
    """The canteen, where one of these roles counts for this person."""
    canteen = await queries.get_canteen(session, parse_canteen(text))
    person.require(*roles, site_id=canteen.id, region_id=canteen.region_id)
    return canteen


def _serves(caller: Principal | Terminal, canteen: CanteenSite) -> bool:
    return isinstance(caller, Principal) and canteen.serves_unit(caller.unit_id)


async def _view(session: AsyncSession, caller: Principal | Terminal, canteen_id: UUID) -> schemas.CanteenView:
    canteen = await queries.get_canteen(session, canteen_id)
    now = (await canteens.served_now(session, [canteen]))[canteen.id]
    return canteen_view(canteen, now, serves_me=_serves(caller, canteen))


# ---- canteens


@router.get("/canteens", responses=_READ)
async def list_canteens(
    caller: CallerDep,
    session: SessionDep,
    region: RegionQuery = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.CanteenView]:
    """All canteens with what they serve at this moment; `serves_me` says whether the caller may eat there."""
    after = parse_canteen(starting_after) if starting_after else None
    region_id = parse_public_id("reg", region) if region else None
    rows = await queries.list_canteens(session, limit=limit, after=after, region_id=region_id)
    served = await canteens.served_now(session, rows)
    return page_of([canteen_view(row, served[row.id], serves_me=_serves(caller, row)) for row in rows], limit)


@router.post("/canteens", status_code=201, responses=_WRITE | raises(AlreadyThere))
async def open_canteen(body: schemas.NewCanteen, person: CurrentPerson, session: SessionDep) -> schemas.CanteenView:
    """Begin to serve meals at a site."""
    site_id = parse_canteen(body.site)
    person.require(Role.SYSTEM_ADMIN, site_id=site_id)
    units = [parse_public_id("org", unit) for unit in body.units]
    await canteens.open_canteen(
        session, site_id, open_to_all=body.open_to_all, unit_ids=units, seats=body.seats, actor=person.actor
    )
    return await _view(session, person, site_id)


@router.get("/canteens/{canteen}", responses=_READ)
async def show_canteen(canteen: CanteenPath, caller: CallerDep, session: SessionDep) -> schemas.CanteenView:
    """One canteen."""
    return await _view(session, caller, parse_canteen(canteen))


@router.patch("/canteens/{canteen}", responses=_WRITE)
async def edit_canteen(
    canteen: CanteenPath, body: schemas.CanteenChange, person: CurrentPerson, session: SessionDep
) -> schemas.CanteenView:
    """Close or open it, share it, change its seats."""
    found = await _require_at(session, person, canteen, *KITCHEN_ROLES)
    changes = body.model_dump(exclude_unset=True, exclude={"units"})
    # `seats: null` means unknown; the two switches have no null.
    changes = {name: value for name, value in changes.items() if value is not None or name == "seats"}
    units = None if body.units is None else [parse_public_id("org", unit) for unit in body.units]
    await canteens.edit_canteen(session, found.id, changes, unit_ids=units, actor=person.actor)
    return await _view(session, person, found.id)


@router.get("/canteens/{canteen}/setup", responses=_READ)
async def show_setup(canteen: CanteenPath, person: CurrentPerson, session: SessionDep) -> schemas.SetupView:
    """What is still missing before the first guest: seven steps, told from what is there."""
    found = await _require_at(session, person, canteen, *PRICE_ROLES, Role.SECURITY_ADMIN)
    return setup_view(found, await setup_of(session, found))


@router.get("/canteens/{canteen}/board", responses=_READ)
async def show_board(canteen: CanteenPath, caller: CallerDep, session: SessionDep) -> schemas.BoardView:
    """The live board as it stands; events after `position` on the channel `canteen:<id>` carry it on."""
    found = await queries.get_canteen(session, parse_canteen(canteen))
    if not sees_board(caller, found):
        raise Forbidden
    # The position first: what happens while the rest is read is told again rather than missed.
    position = await channel_position(session, channel_of(found.id))
    return schemas.BoardView.model_validate(await board_of(session, found, position))


# ---- when


@router.get("/canteens/{canteen}/periods", responses=_READ, dependencies=_ANY_CALLER)
async def list_periods(canteen: CanteenPath, session: SessionDep) -> Page[schemas.PeriodView]:
    """The windows in force today, and those that are planned."""
    found = await queries.get_canteen(session, parse_canteen(canteen))
    return _all([period_view(row) for row in await queries.periods_of(session, found.id, found.today())])


@router.put("/canteens/{canteen}/periods", responses=_WRITE | raises(PeriodsOverlap, DateIsPast))
async def set_periods(
    canteen: CanteenPath, body: schemas.Timetable, person: CurrentPerson, session: SessionDep
) -> Page[schemas.PeriodView]:
    """All windows from a business date on."""
    found = await _require_at(session, person, canteen, *KITCHEN_ROLES)
    windows = [new_window(line) for line in body.periods]
    await canteens.set_timetable(session, found.id, windows, effective_from=body.effective_from, actor=person.actor)
    return _all([period_view(row) for row in await queries.periods_of(session, found.id, found.today())])


# ---- at what price


async def _ladders(session: AsyncSession, canteen_id: UUID | None, on: date | None) -> Page[schemas.LadderView]:
    day = on or await queries.today_of(session, canteen_id)
    rows = await queries.prices_of(session, canteen_id, day, also_later=on is None)
    return _all([ladder_view(ladder) for ladder in prices.ladders_of(rows)])


@router.get("/prices", responses=_READ, dependencies=SIGNED_IN)
async def list_general_prices(session: SessionDep, on: DateQuery = None) -> Page[schemas.LadderView]:
    """The price matrix of every canteen without prices of its own: in force and planned, or as of a day."""
    return await _ladders(session, None, on)


@router.get("/canteens/{canteen}/prices", responses=_READ, dependencies=_ANY_CALLER)
async def list_canteen_prices(
    canteen: CanteenPath, session: SessionDep, on: DateQuery = None
) -> Page[schemas.LadderView]:
    """A canteen's own prices; where it has none for a class and meal, the general ones count."""
    found = await queries.get_canteen(session, parse_canteen(canteen))
    return await _ladders(session, found.id, on)


async def _limits(session: AsyncSession, canteen_id: UUID | None) -> Page[schemas.LimitView]:
    today = await queries.today_of(session, canteen_id)
    return _all([limit_view(row) for row in await queries.limits_of(session, canteen_id, today, also_later=True)])


@router.get("/limits", responses=_READ, dependencies=SIGNED_IN)
async def list_general_limits(session: SessionDep) -> Page[schemas.LimitView]:
    """The limits of every canteen without own ones: in force and planned."""
    return await _limits(session, None)


@router.get("/canteens/{canteen}/limits", responses=_READ, dependencies=SIGNED_IN)
async def list_canteen_limits(canteen: CanteenPath, session: SessionDep) -> Page[schemas.LimitView]:
    """A canteen's own limits; they replace the general ones of the same window."""
    found = await queries.get_canteen(session, parse_canteen(canteen))
    return await _limits(session, found.id)


@router.post("/price_changes/preview", responses=_WRITE | raises(PricesHaveGaps, DateIsPast))
async def preview_price_change(
    body: schemas.PriceChange, person: CurrentPerson, session: SessionDep
) -> schemas.PriceChangePreview:
    """What a change of prices and limits would change, and for how many people; nothing is asked for yet."""
    await _require_prices(session, person, body.canteen)
    return await price_changes.preview(session, body)


@router.post("/price_changes", status_code=201, responses=_WRITE | raises(PricesHaveGaps, DateIsPast))
async def ask_for_price_change(
    body: schemas.PriceProposal, person: CurrentPerson, session: SessionDep
) -> schemas.PriceChangeAnswer:
    """Ask for a change of prices and limits. A second person decides (`/v1/approvals`); it counts from its day on."""
    await _require_prices(session, person, body.canteen)
    wanted = schemas.PriceChange(**body.model_dump(exclude={"reason"}))
    approval_id = await price_changes.ask_for(session, person, wanted, reason=body.reason)
    return schemas.PriceChangeAnswer(status="pending", approval=public_id("apr", approval_id))


async def _require_prices(session: AsyncSession, person: Principal, canteen: str | None) -> None:
    """General prices belong to those who stand above all canteens; a canteen's own also to its manager."""
    if canteen is None:
        person.require(Role.FINANCE, Role.SYSTEM_ADMIN)
    else:
        await _require_at(session, person, canteen, *PRICE_ROLES)


# ---- what


@router.get("/canteens/{canteen}/dishes", responses=_READ, dependencies=SIGNED_IN)
async def list_dishes(
    canteen: CanteenPath,
    session: SessionDep,
    *,
    only_active: bool = True,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.DishView]:
    """The dishes of a kitchen."""
    found = await queries.get_canteen(session, parse_canteen(canteen))
    after = parse_public_id("dsh", starting_after) if starting_after else None
    rows = await queries.list_dishes(session, found.id, limit=limit, after=after, only_active=only_active)
    return page_of([dish_view(row) for row in rows], limit)


@router.post("/canteens/{canteen}/dishes", status_code=201, responses=_WRITE | raises(AlreadyThere))
async def open_dish(
    canteen: CanteenPath, body: schemas.NewDish, person: CurrentPerson, session: SessionDep
) -> schemas.DishView:
    """A new dish."""
    found = await _require_at(session, person, canteen, *KITCHEN_ROLES)
    fields = body.model_dump(exclude={"nutrition"})
    dish_id = await menus.open_dish(
        session, found.id, **fields, nutrition=body.nutrition.model_dump(), actor=person.actor
    )
    return dish_view(await queries.get_dish(session, dish_id))


@router.patch("/dishes/{dish}", responses=_WRITE | raises(AlreadyThere))
async def edit_dish(
    dish: DishPath, body: schemas.DishChange, person: CurrentPerson, session: SessionDep
) -> schemas.DishView:
    """Change a dish; menus that are made already keep their price."""
    row = await queries.get_dish(session, parse_public_id("dsh", dish))
    person.require(*KITCHEN_ROLES, site_id=row.canteen_id)
    changes = body.model_dump(exclude_unset=True, exclude_none=True)
    await menus.edit_dish(session, row.id, changes, actor=person.actor)
    return dish_view(row)


@router.get("/canteens/{canteen}/menus", responses=_READ)
async def list_menus(
    canteen: CanteenPath,
    caller: CallerDep,
    session: SessionDep,
    on: Annotated[schemas.Day | None, Query(alias="date", description="A business date; today's if absent.")] = None,
) -> Page[schemas.MenuView]:
    """What is offered on a day, with nutrition and allergens. Drafts are shown to the kitchen only."""
    found = await queries.get_canteen(session, parse_canteen(canteen))
    is_kitchen = isinstance(caller, Principal) and caller.may(
        *KITCHEN_ROLES, site_id=found.id, region_id=found.region_id
    )
    rows = await queries.menus_of(session, found.id, on or found.today(), only_published=not is_kitchen)
    items = await queries.items_of(session, [row.id for row in rows])
    return _all([menu_view(row, items[row.id]) for row in rows])


async def _menu_view(session: AsyncSession, menu_id: UUID) -> schemas.MenuView:
    items = await queries.items_of(session, [menu_id])
    return menu_view(await queries.get_menu(session, menu_id), items[menu_id])


@router.post("/canteens/{canteen}/menus", status_code=201, responses=_WRITE | raises(AlreadyThere, DateIsPast))
async def open_menu(
    canteen: CanteenPath, body: schemas.NewMenu, person: CurrentPerson, session: SessionDep
) -> schemas.MenuView:
    """A draft for one meal of one day."""
    found = await _require_at(session, person, canteen, *KITCHEN_ROLES)
    items = [new_item(item) for item in body.items]
    menu_id = await menus.open_menu(session, found.id, body.business_date, body.meal, items, actor=person.actor)
    return await _menu_view(session, menu_id)


async def _require_at_menu(session: AsyncSession, person: Principal, text: str, *roles: Role) -> UUID:
    menu = await queries.get_menu(session, parse_public_id("men", text))
    person.require(*roles, site_id=menu.canteen_id)
    return menu.id


@router.put("/menus/{menu}/items", responses=_WRITE | raises(MenuIsEmpty))
async def set_menu_items(
    menu: MenuPath, body: schemas.MenuItems, person: CurrentPerson, session: SessionDep
) -> schemas.MenuView:
    """Replace the dishes of a menu."""
    menu_id = await _require_at_menu(session, person, menu, *KITCHEN_ROLES)
    await menus.set_items(session, menu_id, [new_item(item) for item in body.items], actor=person.actor)
    return await _menu_view(session, menu_id)


@router.put("/menus/{menu}/items/{dish}/sold_out", responses=_WRITE)
async def mark_sold_out(
    menu: MenuPath, dish: DishPath, body: schemas.SoldOut, caller: CallerDep, session: SessionDep
) -> schemas.MenuView:
    """A dish has run out, or there is more of it after all: one key at a till of the canteen, or the kitchen."""
    menu_id = await _require_selling(session, caller, menu)
    dish_id = parse_public_id("dsh", dish)
    await menus.mark_sold_out(session, menu_id, dish_id, sold_out=body.sold_out, actor=caller.actor)
    return await _menu_view(session, menu_id)


async def _require_selling(session: AsyncSession, caller: Principal | Terminal, text: str) -> UUID:
    if isinstance(caller, Principal):
        return await _require_at_menu(session, caller, text, Role.CASHIER, *KITCHEN_ROLES)
    menu = await queries.get_menu(session, parse_public_id("men", text))
    if menu.canteen_id != caller.site_id:
        raise Forbidden
    return menu.id


@router.post("/menus/{menu}/publish", responses=_WRITE | raises(StateConflict, MenuIsEmpty))
async def publish_menu(menu: MenuPath, person: CurrentPerson, session: SessionDep) -> schemas.MenuView:
    """Let a menu sell."""
    menu_id = await _require_at_menu(session, person, menu, *KITCHEN_ROLES)
    await menus.change_menu_state(session, menu_id, "publish", actor=person.actor)
    return await _menu_view(session, menu_id)


@router.post("/menus/{menu}/withdraw", responses=_WRITE | raises(StateConflict))
async def withdraw_menu(menu: MenuPath, person: CurrentPerson, session: SessionDep) -> schemas.MenuView:
    """Take a menu back."""
    menu_id = await _require_at_menu(session, person, menu, *KITCHEN_ROLES)
    await menus.change_menu_state(session, menu_id, "withdraw", actor=person.actor)
    return await _menu_view(session, menu_id)
