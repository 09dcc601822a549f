"""What a till of a canteen is told beyond identity's part: hours, prices and today's menu."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries
from canteen.board import meal_now
from canteen.canteens import served_now
from canteen.meals import OrderState, clock_face
from canteen.models import Canteen
from canteen.opening import Closed, Serving, windows_on
from canteen.printers import find_printer
from canteen.shift_views import till_shift
from canteen.tariff import PriceRow, in_force
from canteen.views import menu_view, price_row
from canteen.work_days import DayTypes
from identity.api import Terminal
from kernel import clock
from kernel.clock import rfc3339
from kernel.ids import public_id


async def configuration_for_till(session: AsyncSession, terminal: Terminal) -> dict[str, Any]:
    """`canteen`, `periods`, `prices` and `menus` of the business date, the open `shift`, and whether there is a printer;
    nothing for a till outside of canteens."""
    if await session.get(Canteen, terminal.site_id) is None:
        return {}
    canteen = await queries.get_canteen(session, terminal.site_id)
    today = canteen.today()
    day_types = await DayTypes.load(session, clock.now())
    windows = (await queries.windows_of(session, [canteen.id]))[canteen.id]
    now = (await served_now(session, [canteen]))[canteen.id]
    return {
        "canteen": {
            "id": public_id("can", canteen.id),
            "name_zh": canteen.name_zh,
            "name_en": canteen.name_en,
            "is_open": canteen.is_open,
            "timezone": canteen.timezone,
            "business_date": today.isoformat(),
            "now": _meal_now(now),
        },
        "periods": [
            {"meal": w.meal, "starts": clock_face(w.starts_minute), "ends": clock_face(w.ends_minute)}
            for w in sorted(windows_on(windows, today, day_types.of(today)), key=lambda w: w.starts_minute)
        ],
        "prices": [_price(row) for row in await _prices(session, canteen)],
        "menus": await _menus(session, canteen),
        "shift": (await till_shift(session, terminal.id)).model_dump(mode="json")["shift"],
        "printer": await find_printer(session, terminal.id) is not None,
    }


def _meal_now(now: Serving | Closed) -> dict[str, Any]:
    told = meal_now(now)
    return {name: rfc3339(value) if name.endswith("_at") and value else value for name, value in told.items()}


async def _prices(session: AsyncSession, canteen: queries.CanteenSite) -> list[PriceRow]:
    """The canteen's own ladders, and the general ones of classes and meals without an own one."""
    today = canteen.today()
    own = [price_row(row) for row in await queries.prices_of(session, canteen.id, today)]
    general = [price_row(row) for row in await queries.prices_of(session, None, today)]
    replaced = {(row.person_class, row.meal) for row in own}
    rows = own + [row for row in general if (row.person_class, row.meal) not in replaced]
    return [row for row in rows if in_force(row, today) and row.order_state == OrderState.WALK_IN]


def _price(row: PriceRow) -> dict[str, Any]:
    return {
        "rule": public_id("prr", row.id),
        "person_class": row.person_class,
        "meal": row.meal,
        "serving": row.serving,
        "price_fen": row.price_fen,
        "unit_share_fen": row.unit_share_fen,
        "after_last": row.after_last,
    }


async def _menus(session: AsyncSession, canteen: queries.CanteenSite) -> list[dict[str, Any]]:
    menus = await queries.menus_of(session, canteen.id, canteen.today(), only_published=True)
    items = await queries.items_of(session, [menu.id for menu in menus])
    return [menu_view(menu, items[menu.id]).model_dump(mode="json") for menu in menus]
