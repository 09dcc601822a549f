"""Who may hear `call:<call_...>` and `desk:calls-<reg_...>`: the same people who may see the call, or sit at the desk."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel.errors import NotFound
from kernel.ids import parse_public_id
from realtime.calls import queries, service
from realtime.calls.events import SERVICE, desk_id
from realtime.channels import Caller, ChannelPolicy, DeskService, region_desk

_DESK: Final = desk_id("")


async def may_hear_call(session: AsyncSession, caller: Caller, identifier: str) -> bool:
    """Asked at subscribing, on replay and again all the time: who is taken off the desk hears no more."""
    if not isinstance(caller, Principal):
        return False
    try:
        call = await queries.get_call(session, parse_public_id(queries.PREFIX, identifier))
    except NotFound:
        return False
    return service.may_see(call, caller, is_rung=await queries.is_rung(session, call.id, caller.person_id))


def region_of_desk(identifier: str) -> UUID:
    """The region of `calls-reg_...`; NotFound for anything else."""
    if not identifier.startswith(_DESK):
        raise NotFound(what="desk", id=identifier)
    return parse_public_id("reg", identifier.removeprefix(_DESK))


CALL_CHANNEL: Final = ChannelPolicy("call", may_hear_call)
# `desk:calls-<reg_...>`: staff of the region.
DESK_OF_CALLS: Final[DeskService] = region_desk(SERVICE, *queries.STAFF_ROLES)
