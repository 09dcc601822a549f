"""From rows to wire forms: addresses stay behind."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import place_names
from kernel import clock
from kernel.ids import public_id
from realtime.reaching.channels import CHANNEL_PREFIX, TEAM_PREFIX
from realtime.reaching.courier import DELIVERY_PREFIX
from realtime.reaching.kinds import ROBOTS, Kind
from realtime.reaching.models import Delivery, PushDevice, ReachChannel
from realtime.reaching.paths import KnownPath, Path, know, robot_path
from realtime.reaching.schemas import ChannelView, DeviceView, PathState, ReachDeliveryView

DEVICE_PREFIX = "psh"


def path_state(known: KnownPath) -> PathState:
    """Whether it is proved now."""
    return PathState(
        is_proved=known.is_proved(clock.now()),
        proved_at=clock.rfc3339(known.proved_at) if known.proved_at else None,
        failed_at=clock.rfc3339(known.failed_at) if known.failed_at else None,
        error=known.error if known.error and not known.is_proved(clock.now()) else None,
    )


async def channel_views(session: AsyncSession, channels: Sequence[ReachChannel]) -> list[ChannelView]:
    """In the given order."""
    names = await place_names(session, {channel.region_id for channel in channels})
    paths = [robot_path(channel) for channel in channels if Kind(channel.kind) in ROBOTS]
    proofs = {known.path.channel_id: path_state(known) for known in await know(session, paths)}
    return [
        ChannelView(
            id=public_id(CHANNEL_PREFIX, channel.id),
            kind=_kind(channel),
            name=channel.name,
            region=public_id("reg", channel.region_id),
            region_name=names[channel.region_id].name_zh if channel.region_id in names else "",
            team=public_id(TEAM_PREFIX, channel.team_id) if channel.team_id else None,
            address_hint=channel.address_hint,
            state="enabled" if channel.state == "enabled" else "disabled",
            proof=proofs.get(channel.id),
            created_at=clock.rfc3339(channel.created_at),
        )
        for channel in channels
    ]


def _kind(channel: ReachChannel) -> Any:
    return channel.kind


async def device_views(session: AsyncSession, devices: Sequence[PushDevice]) -> list[DeviceView]:
    """In the given order."""
    paths = [Path(f"device:{d.id.hex}", Kind.WEB_PUSH, d.label, "zh", device_id=d.id) for d in devices]
    known = {one.path.device_id: path_state(one) for one in await know(session, paths)}
    return [
        DeviceView(
            id=public_id(DEVICE_PREFIX, device.id),
            label=device.label,
            created_at=clock.rfc3339(device.created_at),
            proof=known[device.id],
        )
        for device in devices
    ]


def delivery_view(delivery: Delivery) -> ReachDeliveryView:
    """Without the words: what was said may be somebody's illness."""
    return ReachDeliveryView.model_validate(
        {
            "id": public_id(DELIVERY_PREFIX, delivery.id),
            "ref": delivery.ref,
            "kind": delivery.kind,
            "title": delivery.title,
            "is_urgent": delivery.is_urgent,
            "state": delivery.state,
            "attempts": delivery.attempts,
            "created_at": clock.rfc3339(delivery.created_at),
            "sent_at": clock.rfc3339(delivery.sent_at) if delivery.sent_at else None,
            "shown_at": clock.rfc3339(delivery.shown_at) if delivery.shown_at else None,
            "receipt": delivery.receipt,
            "last_error": delivery.last_error,
        }
    )
