"""Who may hear what: one policy for each kind of channel, asked at subscribing, on replay, and again all the time.

A channel is `<prefix>:<public id>`. `me` is every person's own and needs no policy; all others are registered in
app/wiring.py. A prefix that nobody registered may be heard by nobody.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role, Terminal
from kernel.errors import NotFound
from kernel.ids import parse_public_id

Caller = Principal | Terminal
MayHear = Callable[[AsyncSession, Caller, str], Awaitable[bool]]

REGION_ID: Final = "reg"


@dataclass(frozen=True, slots=True)
class ChannelPolicy:
    """`may_hear(session, caller, id)` decides; `is_latest_value` channels carry boards only, and no events."""

    prefix: str
    may_hear: MayHear
    is_latest_value: bool = False


def by_prefix(policies: Sequence[ChannelPolicy]) -> Mapping[str, ChannelPolicy]:
    """The registry; a prefix has one policy."""
    registry = {policy.prefix: policy for policy in policies}
    if len(registry) != len(policies):
        raise ValueError("two policies for one kind of channel")
    return registry


def region_policy(prefix: str, *roles: Role) -> ChannelPolicy:
    """The board of a region: people with one of these roles there."""

    async def may_hear(_session: AsyncSession, caller: Caller, identifier: str) -> bool:
        try:
            region_id = parse_public_id(REGION_ID, identifier)
        except NotFound:
            return False
        return isinstance(caller, Principal) and caller.may(*roles, region_id=region_id)

    return ChannelPolicy(prefix, may_hear, is_latest_value=True)
