"""Which meal people of a unit can eat now, or next: for those who must be ready for it beforehand."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries
from canteen.canteens import served_now
from canteen.opening import Serving
from payments.api import MealSpan


async def next_meal_of_unit(session: AsyncSession, unit_id: UUID, at: datetime) -> MealSpan | None:
    """Of all canteens that serve a unit: the serving that lasts longest, else the one that opens first."""
    canteens = await queries.list_canteens_of_unit(session, unit_id)
    openings = (await served_now(session, canteens, at)).values()
    servings = [opening for opening in openings if isinstance(opening, Serving)]
    if not servings:
        opens_at = min((o.until_at for o in openings if o.until_at > at), default=None)
        if opens_at is None:
            return None
        later = (await served_now(session, canteens, opens_at)).values()
        servings = [opening for opening in later if isinstance(opening, Serving)]
    if not servings:
        return None
    serving = max(servings, key=lambda each: each.until_at)
    return MealSpan(serving.meal.value, serving.from_at, serving.until_at)
