"""Who may hear which channel, as one socket names it: at subscribing, on replay, and again and again."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel.errors import Forbidden, Unauthenticated
from kernel.ids import public_id
from realtime.channels import Caller, ChannelPolicy, by_prefix
from realtime.frames import ME, PERSON


class Rights:
    """The policies of app/wiring.py, asked."""

    def __init__(self, policies: Sequence[ChannelPolicy]) -> None:
        self._policies: Mapping[str, ChannelPolicy] = by_prefix(policies)

    def is_latest_value(self, name: str) -> bool:
        """Whether a channel carries boards only."""
        policy = self._policies.get(name.partition(":")[0])
        return policy is not None and policy.is_latest_value

    def is_in_question(self, name: str) -> bool:
        """Whether the database must be asked who hears it; a person's own channel is theirs by name."""
        return not name.startswith(f"{PERSON}:")

    async def require_may_hear(self, session: AsyncSession, caller: Caller | None, name: str) -> None:
        """Forbidden, unless the caller may hear the channel as things stand now."""
        prefix, _, identifier = name.partition(":")
        policy = self._policies.get(prefix)
        if policy is None or caller is None or not await policy.may_hear(session, caller, identifier):
            raise Forbidden


def absolute_name(caller: Caller | None, channel: str) -> str:
    """`me` becomes `person:<id>`; nobody may name a person's channel otherwise."""
    if caller is None:
        raise Unauthenticated
    if channel != ME:
        if channel.partition(":")[0] in (PERSON, ME):
            raise Forbidden
        return channel
    if not isinstance(caller, Principal):
        raise Forbidden
    return f"{PERSON}:{public_id('per', caller.person_id)}"
