"""A canteen's live board: what it first shows, and what it is told afterwards, at most four times a second."""

from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from canteen import takings
from canteen.canteens import served_now
from canteen.models import MinuteTotal
from canteen.opening import Serving
from canteen.queries import CanteenSite
from identity.api import terminal_health
from kernel import clock
from kernel.clock import rfc3339
from kernel.ids import public_id

# A frame carries the minutes that may still have changed since the frame before.
FRAME_MINUTES: Final = timedelta(minutes=3)


def channel_of(canteen_id: UUID) -> str:
    """The channel on which a canteen's events and board frames are told."""
    return f"canteen:{public_id('can', canteen_id)}"


def minute_of(row: MinuteTotal) -> dict[str, Any]:
    """A minute's wire form."""
    return {"minute": rfc3339(row.minute), "count": row.count, "amount_fen": row.amount_fen}


async def board_of(session: AsyncSession, canteen: CanteenSite, position: int) -> dict[str, Any]:
    """The whole board. The channel's position was read before: what comes after it changes what stands here."""
    now = (await served_now(session, [canteen]))[canteen.id]
    day = now.business_date if isinstance(now, Serving) else canteen.today()
    sums = await takings.takings_of(session, canteen.id, day)
    return {
        "canteen": public_id("can", canteen.id),
        "name_zh": canteen.name_zh,
        "name_en": canteen.name_en,
        "position": position,
        "business_date": day,
        "now": meal_now(now),
        "takings_fen": sums.takings_fen,
        "count": sums.count,
        "per_minute": [minute_of(row) for row in await takings.minutes_of(session, canteen.id, day)],
        "last_payments": await takings.last_payments_of(session, canteen.id),
        "terminals": [
            {
                "id": public_id("ter", till.id),
                "name": till.name,
                "status": till.status,
                "online": till.online,
                "last_seen_at": till.last_seen_at,
            }
            for till in await terminal_health(session, canteen.id)
        ],
    }


def meal_now(now: Any) -> dict[str, Any]:
    """What is served at this moment, in wire form."""
    if isinstance(now, Serving):
        return {"meal": now.meal, "until_at": now.until_at, "next_meal": None, "next_opening_at": None}
    opens_at = now.until_at if now.next_meal else None
    return {"meal": None, "until_at": None, "next_meal": now.next_meal, "next_opening_at": opens_at}


async def frame_of(session: AsyncSession, canteen_id: UUID, day: date, at: datetime | None = None) -> dict[str, Any]:
    """What a board that is already open needs: the day's sums and its last minutes."""
    sums = await takings.takings_of(session, canteen_id, day)
    since = (at or clock.now()) - FRAME_MINUTES
    return {
        "canteen": public_id("can", canteen_id),
        "business_date": day.isoformat(),
        "takings_fen": sums.takings_fen,
        "count": sums.count,
        "per_minute": [minute_of(row) for row in await takings.minutes_of(session, canteen_id, day, since=since)],
    }
