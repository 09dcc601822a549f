"""Who may hear `bookable:<bkb_...>` (anybody who is signed in: it says when, not who) and the desk of bookings of a region."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from booking.catalogue import OFFICE_ROLES
from booking.events import DESK
from identity.api import Principal
from kernel.errors import NotFound
from kernel.ids import parse_public_id
from realtime.api import Caller, ChannelPolicy, DeskService, region_desk


async def _may_hear(_session: AsyncSession, caller: Caller, identifier: str) -> bool:
    try:
        parse_public_id("bkb", identifier)
    except NotFound:
        return False
    return isinstance(caller, Principal)


BOOKABLE_CHANNEL: Final = ChannelPolicy("bookable", _may_hear)
# `desk:bookings-<reg_...>`
DESK_OF_BOOKINGS: Final[DeskService] = region_desk(DESK, *OFFICE_ROLES)
