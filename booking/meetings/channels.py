"""Who may hear `meeting:<mtg_...>`: the organiser, those who help at the doors, and the office."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import queries, service
from booking.meetings.queries import PREFIX
from identity.api import Principal
from kernel.errors import NotFound
from kernel.ids import parse_public_id
from realtime.api import Caller, ChannelPolicy


async def may_hear(session: AsyncSession, caller: Caller, identifier: str) -> bool:
    """Asked at subscribing, on replay and again all the time."""
    if not isinstance(caller, Principal):
        return False
    try:
        meeting = await queries.get_meeting(session, parse_public_id(PREFIX, identifier))
    except NotFound:
        return False
    return bool(service.sides_of(meeting, caller))


MEETING_CHANNEL: Final = ChannelPolicy("meeting", may_hear)
