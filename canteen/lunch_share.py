"""What a unit bears of a lunch: for a forecast of how many lunches use up a subsidy."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries
from canteen.meals import Meal, OrderState


async def unit_share_of_lunch(session: AsyncSession, unit_id: UUID, person_class: str) -> int | None:
    """The unit's share of the first lunch of a class in the canteens that serve the unit: the general price's, else the
    first own price; None where the class is served no lunch."""
    canteens = await queries.list_canteens_of_unit(session, unit_id)
    for canteen_id in (None, *(canteen.id for canteen in canteens)):
        day = await queries.today_of(session, canteen_id)
        for row in await queries.prices_of(session, canteen_id, day):
            wanted = (row.person_class, row.meal, row.order_state, row.serving)
            if wanted == (person_class, Meal.LUNCH, OrderState.WALK_IN, 1):
                return row.unit_share_fen
    return None
