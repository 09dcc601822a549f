"""Which ways lead to whom, and whether each was lately proved."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, or_
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Contact, contacts_of, regions_up, today
from kernel import clock, mail
from realtime.reaching import queries
from realtime.reaching.kinds import GATEWAYS, ROBOTS, Kind
from realtime.reaching.models import PushDevice, ReachChannel
from realtime.reaching.targets import Target

PROVED_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Path:
    """One way to somebody. `key` changes with the address: what proved an old number proves nothing of a new one."""

    key: str
    kind: Kind
    # For an administrator's eyes: masked.
    label: str
    language: str
    person_id: UUID | None = None
    channel_id: UUID | None = None
    device_id: UUID | None = None
    # The mail address or the telephone number.
    address: str | None = None


@dataclass(frozen=True, slots=True)
class KnownPath:
    """A way, and what it was last proved by."""

    path: Path
    proved_at: datetime | None
    failed_at: datetime | None
    error: str | None

    def is_proved(self, at: datetime) -> bool:
        """Something arrived within a day before, and nothing has failed since."""
        if self.proved_at is None or at - self.proved_at > PROVED_FOR:
            return False
        return self.failed_at is None or self.failed_at < self.proved_at


async def paths_to(session: AsyncSession, target: Target) -> list[Path]:
    """Every way to a target, of the kinds that it asks for."""
    if target.person_id is not None:
        found = (await paths_of_people(session, [target.person_id])).get(target.person_id, [])
    else:
        found = [robot_path(channel) for channel in await _robots_of(session, target)]
    return [path for path in found if target.kinds is None or path.kind in target.kinds]


async def _robots_of(session: AsyncSession, target: Target) -> list[ReachChannel]:
    if target.channel_id is not None:
        where = ReachChannel.id == target.channel_id
    elif target.team_id is not None:
        where = ReachChannel.team_id == target.team_id
    else:
        assert target.region_id is not None, "a target names one of four"
        where = and_(ReachChannel.region_id == target.region_id, ReachChannel.team_id.is_(None))
    return await queries.enabled_channels(session, ROBOTS, where)


async def paths_of_people(session: AsyncSession, people: Collection[UUID]) -> dict[UUID, list[Path]]:
    """Each active person's own ways: devices first, then telephone, then mail."""
    contacts = await contacts_of(session, people, today())
    devices = await queries.devices_of(session, contacts)
    gateways = await _gateways_by_region(session, {c.region_id for c in contacts.values() if c.region_id and c.phone})
    return {
        contact.id: [
            *(_device_path(device, contact) for device in devices if device.person_id == contact.id),
            *(_number_path(channel, contact) for channel in _gateways_of(gateways, contact)),
            *_mail_paths(contact),
        ]
        for contact in contacts.values()
    }


async def _gateways_by_region(session: AsyncSession, regions: Collection[UUID]) -> dict[UUID, list[ReachChannel]]:
    """For each region its gateways, or those of the nearest region above that has one; each kind by itself."""
    found: dict[UUID, list[ReachChannel]] = {}
    for region_id in regions:
        above = await regions_up(session, region_id)
        channels = await queries.enabled_channels(session, GATEWAYS, or_(ReachChannel.region_id.in_(above)))
        channels.sort(key=lambda channel: above.index(channel.region_id))
        nearest = {channel.kind: channel for channel in reversed(channels)}
        found[region_id] = list(nearest.values())
    return found


def _gateways_of(gateways: dict[UUID, list[ReachChannel]], contact: Contact) -> Sequence[ReachChannel]:
    return gateways.get(contact.region_id, []) if contact.region_id and contact.phone else []


def robot_path(channel: ReachChannel) -> Path:
    """The one way that a robot is."""
    return Path(
        f"robot:{channel.id.hex}:{channel.version}", Kind(channel.kind), channel.name, "zh", channel_id=channel.id
    )


def _device_path(device: PushDevice, contact: Contact) -> Path:
    return Path(
        f"device:{device.id.hex}",
        Kind.WEB_PUSH,
        device.label,
        contact.language,
        person_id=contact.id,
        device_id=device.id,
    )


def _number_path(channel: ReachChannel, contact: Contact) -> Path:
    number = contact.phone or ""
    return Path(
        f"number:{channel.id.hex}:{channel.version}:{contact.id.hex}:{_short_hash(number)}",
        Kind(channel.kind),
        f"{number[:3]}****{number[-4:]}" if len(number) > 7 else "****",
        contact.language,
        person_id=contact.id,
        channel_id=channel.id,
        address=number,
    )


def _mail_paths(contact: Contact) -> list[Path]:
    if not contact.email or not mail.is_set_up():
        return []
    name, _, host = contact.email.rpartition("@")
    key = f"mail:{contact.id.hex}:{_short_hash(contact.email)}"
    label = f"{name[:1]}***@{host}"
    return [Path(key, Kind.MAIL, label, contact.language, person_id=contact.id, address=contact.email)]


def _short_hash(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:12]


async def know(session: AsyncSession, paths: Sequence[Path]) -> list[KnownPath]:
    """The same ways, with what each was last proved by."""
    proofs = await queries.proofs_of(session, [path.key for path in paths])
    return [
        KnownPath(path, proof.proved_at, proof.failed_at, proof.error)
        if (proof := proofs.get(path.key)) is not None
        else KnownPath(path, None, None, None)
        for path in paths
    ]


def is_anyone_reached(known: Collection[KnownPath], at: datetime | None = None) -> bool:
    """Whether one way at least is proved."""
    moment = at or clock.now()
    return any(path.is_proved(moment) for path in known)
