"""Who may hear `desk:repairs-<reg_...>`: technicians, dispatchers and duty staff of the region."""

from typing import Final
from uuid import UUID

from kernel.errors import NotFound
from kernel.ids import parse_public_id
from realtime.api import DeskService, region_desk
from repairs.orders import queries
from repairs.orders.events import SERVICE, desk_id

DESK_OF_REPAIRS: Final[DeskService] = region_desk(SERVICE, *queries.BOARD_ROLES)
_DESK: Final = desk_id("")


def region_of_desk(identifier: str) -> UUID:
    """The region of `repairs-reg_...`; NotFound for anything else."""
    if not identifier.startswith(_DESK):
        raise NotFound(what="desk", id=identifier)
    return parse_public_id("reg", identifier.removeprefix(_DESK))
