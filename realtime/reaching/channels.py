"""Channels, as administrators set them up: robots for a region or a team of it, gateways for a region and all below it."""

from secrets import token_bytes
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role
from kernel import audit_log, clock
from kernel.errors import Malformed
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.sealing import seal, unseal
from realtime.reaching import queries
from realtime.reaching.addresses import check_address
from realtime.reaching.kinds import GATEWAYS, Kind
from realtime.reaching.models import ReachChannel
from realtime.reaching.schemas import ChannelChange, ChannelRequest
from realtime.reaching.states import CHANNEL, next_state

CHANNEL_PREFIX = "rch"
TEAM_PREFIX = "dty"


async def open_channel(session: AsyncSession, actor: Principal, wanted: ChannelRequest) -> ReachChannel:
    """A new way out. Its address and secret are sealed here and shown to nobody again."""
    region_id = parse_public_id("reg", wanted.region)
    actor.require(Role.SYSTEM_ADMIN, region_id=region_id)
    kind = Kind(wanted.kind)
    team_id = parse_public_id(TEAM_PREFIX, wanted.team) if wanted.team else None
    if team_id is not None and kind in GATEWAYS:
        raise Malformed(reason="a gateway serves a region, not a team", field="team")
    _require_secret(kind, wanted.secret)
    address = check_address(wanted.address)
    channel = ReachChannel(
        id=uuid7(),
        region_id=region_id,
        team_id=team_id,
        kind=kind.value,
        name=wanted.name,
        address_hint=_hint(address),
        sealed_address=_sealed(address),
        sealed_secret=_sealed(wanted.secret) if wanted.secret else None,
        state="enabled",
        version=1,
        created_at=clock.now(),
    )
    session.add(channel)
    await session.flush()
    await _record(session, actor, channel, "open")
    return channel


def _require_secret(kind: Kind, secret: str | None) -> None:
    if kind is Kind.WECOM and secret is not None:
        raise Malformed(reason="a WeCom robot has no secret but its address", field="secret")
    if kind is not Kind.WECOM and secret is None:
        raise Malformed(reason="messages of this kind are signed: a secret is needed", field="secret")


async def change_channel(
    session: AsyncSession, actor: Principal, channel_id: UUID, change: ChannelChange
) -> ReachChannel:
    """Name, address, secret, in use or not."""
    channel = await queries.lock_channel(session, channel_id)
    actor.require(Role.SYSTEM_ADMIN, region_id=channel.region_id)
    if change.name is not None:
        channel.name = change.name
    if change.address is not None:
        channel.sealed_address, channel.address_hint = _sealed(check_address(change.address)), _hint(change.address)
    if change.secret is not None:
        _require_secret(Kind(channel.kind), change.secret)
        channel.sealed_secret = _sealed(change.secret)
    if change.address is not None or change.secret is not None:
        channel.version += 1
    if change.is_enabled is not None and change.is_enabled != (channel.state == "enabled"):
        channel.state = next_state(CHANNEL, channel.state, "enable" if change.is_enabled else "disable")
    await session.flush()
    await _record(session, actor, channel, "change")
    return channel


def address_of(channel: ReachChannel) -> str:
    """For the courier alone."""
    return unseal(channel.sealed_address).decode()


def secret_of(channel: ReachChannel) -> str:
    """For the courier and for receipts alone; empty where a kind has none."""
    return unseal(channel.sealed_secret).decode() if channel.sealed_secret is not None else ""


def _sealed(words: str) -> bytes:
    return seal(words.encode(), token_bytes(12))


def _hint(address: str) -> str:
    return urlsplit(address).hostname or "?"


async def _record(session: AsyncSession, actor: Principal, channel: ReachChannel, verb: str) -> None:
    await audit_log.record(
        session,
        actor=actor.actor,
        action=f"reach_channel.{verb}",
        subject=public_id(CHANNEL_PREFIX, channel.id),
        data={"kind": channel.kind, "name": channel.name, "host": channel.address_hint, "state": channel.state},
    )
