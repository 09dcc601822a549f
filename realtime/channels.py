"""Who may hear what: one policy for each kind of channel, asked at subscribing, on replay, and again all the time.

A channel is `<prefix>:<public id>`. `me` is every person's own and needs no policy; all others are registered in
app/wiring.py. A prefix that nobody registered may be heard by nobody.

Desks share one prefix: `desk:<service>-<public id>`, such as `desk:calls-reg_...`. Each service of a desk is a `DeskService`
of the domain whose desk it is, and `desk_policy` in app/wiring.py asks the one that is named.
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
DESK: Final = "desk"


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


@dataclass(frozen=True, slots=True)
class DeskService:
    """Whose desk it is: `may_hear(session, caller, id)` is asked with what follows `desk:<name>-`, or "" for `desk:<name>`."""

    name: str
    may_hear: MayHear


def desk_policy(*services: DeskService) -> ChannelPolicy:
    """All desks of the house; a desk of a service that nobody registered may be heard by nobody."""
    registry = {service.name: service for service in services}
    if len(registry) != len(services) or any("-" in name for name in registry):
        raise ValueError("a desk's service has one plain name and one policy")

    async def may_hear(session: AsyncSession, caller: Caller, identifier: str) -> bool:
        name, _, rest = identifier.partition("-")
        service = registry.get(name)
        return service is not None and await service.may_hear(session, caller, rest)

    return ChannelPolicy(DESK, may_hear)


def region_desk(name: str, *roles: Role) -> DeskService:
    """The usual desk: `desk:<name>-<reg_...>` for people with one of these roles in that region."""
    return DeskService(name, _people_of_region(*roles))


def region_policy(prefix: str, *roles: Role) -> ChannelPolicy:
    """The board of a region: people with one of these roles there."""
    return ChannelPolicy(prefix, _people_of_region(*roles), is_latest_value=True)


def _people_of_region(*roles: Role) -> MayHear:
    async def may_hear(_session: AsyncSession, caller: Caller, identifier: str) -> bool:
        try:
            region_id = parse_public_id(REGION_ID, identifier)
        except NotFound:
            return False
        return isinstance(caller, Principal) and caller.may(*roles, region_id=region_id)

    return may_hear
