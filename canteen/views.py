"""Rows as the wire shows them, and wire forms as the use cases take them."""

from collections.abc import Sequence
from uuid import UUID

from canteen import schemas
from canteen.board import meal_now
from canteen.canteens import NewWindow
from canteen.meals import AfterLast, DayType, LimitWindow, Meal, OrderState, clock_face
from canteen.menus import NewItem
from canteen.models import Dish, Limit, MealPeriod, Menu, MenuItem, Price
from canteen.opening import Closed, Serving
from canteen.prices import NewLadder, NewLimit
from canteen.prices import Serving as ServingPrice
from canteen.queries import CanteenSite
from canteen.setup import DONE, SetupStep
from canteen.states import MENU, allowed
from canteen.tariff import PriceRow
from identity.api import PersonClass
from kernel.ids import parse_public_id, public_id


def parse_canteen(text: str) -> UUID:
    """A canteen's id is its site's id: both prefixes name it."""
    return parse_public_id("sit" if text.startswith("sit_") else "can", text)


def canteen_view(canteen: CanteenSite, now: Serving | Closed, *, serves_me: bool) -> schemas.CanteenView:
    """A canteen with what it serves at this moment."""
    return schemas.CanteenView(
        id=public_id("can", canteen.id),
        site=public_id("sit", canteen.id),
        name_zh=canteen.name_zh,
        name_en=canteen.name_en,
        region=public_id("reg", canteen.region_id),
        operator=public_id("org", canteen.operator_id),
        operator_name_zh=canteen.operator_name_zh,
        operator_name_en=canteen.operator_name_en,
        timezone=canteen.timezone,
        is_open=canteen.is_open,
        open_to_all=canteen.open_to_all,
        units=[public_id("org", unit_id) for unit_id in canteen.unit_ids],
        seats=canteen.seats,
        returns_need_shift=canteen.returns_need_shift,
        serves_me=serves_me,
        now=schemas.MealNow(**meal_now(now)),
    )


def setup_view(canteen: CanteenSite, steps: Sequence[SetupStep]) -> schemas.SetupView:
    """The steps of setting it up, and how many are done."""
    return schemas.SetupView(
        canteen=public_id("can", canteen.id),
        done=sum(step.state == DONE for step in steps),
        steps=[
            schemas.SetupStepView.model_validate(
                {"name": step.name, "state": step.state, "found": step.found, "missing": list(step.missing)}
            )
            for step in steps
        ],
    )


# ---- when


def _minute(clock_time: str) -> int:
    hours, minutes = clock_time.split(":")
    return int(hours) * 60 + int(minutes)


def new_window(line: schemas.PeriodLine) -> NewWindow:
    """Where a window does not end after it starts, it ends on the next day."""
    starts, ends = _minute(line.starts), _minute(line.ends)
    return NewWindow(line.meal, line.day_type, starts, ends if ends > starts else ends + 1440)


def period_view(row: MealPeriod) -> schemas.PeriodView:
    return schemas.PeriodView(
        meal=Meal(row.meal),
        day_type=DayType(row.day_type),
        starts=clock_face(row.starts_minute),
        ends=clock_face(row.ends_minute),
        effective_from=row.effective_from,
        effective_to=row.effective_to,
    )


# ---- at what price


def new_ladder(ladder: schemas.NewLadder) -> NewLadder:
    return NewLadder(
        person_class=ladder.person_class.value,
        meal=ladder.meal,
        servings=[ServingPrice(serving.price_fen, serving.unit_share_fen) for serving in ladder.servings],
        after_last=ladder.after_last,
        order_state=ladder.order_state,
        effective_from=ladder.effective_from,
    )


def ladder_view(rows: Sequence[Price]) -> schemas.LadderView:
    last = rows[-1]
    return schemas.LadderView(
        canteen=public_id("can", last.canteen_id) if last.canteen_id else None,
        person_class=PersonClass(last.person_class),
        meal=Meal(last.meal),
        order_state=OrderState(last.order_state),
        servings=[
            schemas.ServingPriceView(
                id=public_id("prr", row.id),
                serving=row.serving,
                price_fen=row.price_fen,
                unit_share_fen=row.unit_share_fen,
            )
            for row in rows
        ],
        after_last=AfterLast(last.after_last),
        effective_from=last.effective_from,
        effective_to=last.effective_to,
    )


def price_row(row: Price) -> PriceRow:
    """A row as the pure functions take it."""
    return PriceRow(
        id=row.id,
        canteen_id=row.canteen_id,
        person_class=row.person_class,
        meal=Meal(row.meal),
        serving=row.serving,
        order_state=OrderState(row.order_state),
        price_fen=row.price_fen,
        unit_share_fen=row.unit_share_fen,
        after_last=AfterLast(row.after_last),
        effective_from=row.effective_from,
        effective_to=row.effective_to,
    )


def new_limit(limit: schemas.NewLimit) -> NewLimit:
    return NewLimit(
        counted_over=limit.counted_over,
        amount_max_fen=limit.amount_max_fen,
        count_max=limit.count_max,
        person_class=limit.person_class.value if limit.person_class else None,
        meal=limit.meal,
        effective_from=limit.effective_from,
    )


def limit_view(row: Limit) -> schemas.LimitView:
    return schemas.LimitView(
        id=public_id("lim", row.id),
        canteen=public_id("can", row.canteen_id) if row.canteen_id else None,
        counted_over=LimitWindow(row.counted_over),
        person_class=PersonClass(row.person_class) if row.person_class else None,
        meal=Meal(row.meal) if row.meal else None,
        amount_max_fen=row.amount_max_fen,
        count_max=row.count_max,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
    )


# ---- what


def dish_view(row: Dish) -> schemas.DishView:
    return schemas.DishView.model_validate(
        {
            "id": public_id("dsh", row.id),
            "canteen": public_id("can", row.canteen_id),
            "name_zh": row.name_zh,
            "name_en": row.name_en,
            "category": row.category,
            "price_fen": row.price_fen,
            "nutrition": row.nutrition,
            "allergens": row.allergens,
            "is_active": row.is_active,
        }
    )


def new_item(item: schemas.NewMenuItem) -> NewItem:
    return NewItem(parse_public_id("dsh", item.dish_id), item.price_fen, item.sold_out)


def menu_view(menu: Menu, items: Sequence[tuple[MenuItem, Dish]]) -> schemas.MenuView:
    return schemas.MenuView.model_validate(
        {
            "id": public_id("men", menu.id),
            "canteen": public_id("can", menu.canteen_id),
            "business_date": menu.business_date,
            "meal": menu.meal,
            "state": menu.state,
            "allowed": allowed(MENU, menu.state),
            "items": [
                {
                    "dish_id": public_id("dsh", dish.id),
                    "name_zh": dish.name_zh,
                    "name_en": dish.name_en,
                    "category": dish.category,
                    "price_fen": item.price_fen,
                    "sold_out": item.sold_out,
                    "nutrition": dish.nutrition,
                    "allergens": dish.allergens,
                }
                for item, dish in items
            ],
        }
    )
