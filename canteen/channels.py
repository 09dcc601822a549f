"""Who may hear a canteen's channel, `canteen:<can_...>`: the same people and tills that may see its board."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries
from identity.api import Role, Terminal
from kernel.errors import NotFound
from kernel.ids import parse_public_id
from realtime.api import Caller, ChannelPolicy

BOARD_ROLES: Final = (Role.CASHIER, Role.CANTEEN_MANAGER, Role.FINANCE, Role.SYSTEM_ADMIN)


async def may_see_board(session: AsyncSession, caller: Caller, identifier: str) -> bool:
    """The canteen's own tills, and those whose role counts at it or in its region."""
    try:
        canteen = await queries.get_canteen(session, parse_public_id("can", identifier))
    except NotFound:
        return False
    return sees_board(caller, canteen)


def sees_board(caller: Caller, canteen: queries.CanteenSite) -> bool:
    """The rule itself, for a canteen that was read already."""
    if isinstance(caller, Terminal):
        return caller.site_id == canteen.id
    return caller.may(*BOARD_ROLES, site_id=canteen.id, region_id=canteen.region_id)


CANTEEN_CHANNEL: Final = ChannelPolicy("canteen", may_see_board)
