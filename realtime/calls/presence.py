"""Who is at the desk: a lease of thirty seconds for each page, renewed every ten; never a sign-off that somebody forgets."""

from typing import Final
from uuid import UUID

from sqlalchemy import delete, not_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, person_summary
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id
from kernel.outbox import publish
from realtime.calls import queries
from realtime.calls.events import DeskPresenceChanged
from realtime.calls.models import DeskPresence

LEASE: Final = queries.LEASE
HEARTBEAT_EVERY_S: Final = 10
# Pages of one person at once; more are somebody's loop.
_DEVICES_MAX: Final = 20
_SWEPT_AT_ONCE: Final = 200


async def hold(session: AsyncSession, actor: Principal, region_id: UUID, device: str) -> None:
    """This page is open at this desk, for thirty seconds from now."""
    now = clock.now()
    devices = await _devices_of(session, actor.person_id, region_id)
    if device not in devices and len(devices) >= _DEVICES_MAX:
        return
    row = insert(DeskPresence).values(
        person_id=actor.person_id, device=device, region_id=region_id, since=now, until=now + LEASE
    )
    await session.execute(
        row.on_conflict_do_update(
            index_elements=["person_id", "device"], set_={"region_id": region_id, "until": now + LEASE}
        )
    )
    if not devices:
        _tell(session, actor.person_id, actor.name, region_id, is_present=True)


async def leave(session: AsyncSession, actor: Principal, region_id: UUID, device: str) -> None:
    """This page is closing, and says so."""
    gone = await session.scalar(
        delete(DeskPresence)
        .where(DeskPresence.person_id == actor.person_id, DeskPresence.device == device)
        .returning(DeskPresence.device)
    )
    if gone is not None and not await _devices_of(session, actor.person_id, region_id):
        _tell(session, actor.person_id, actor.name, region_id, is_present=False)


async def _devices_of(session: AsyncSession, person_id: UUID, region_id: UUID) -> set[str]:
    """Live ones at this desk."""
    rows = await session.scalars(
        select(DeskPresence.device).where(
            DeskPresence.person_id == person_id,
            DeskPresence.region_id == region_id,
            queries.is_live(clock.now()),
        )
    )
    return set(rows)


async def sweep(db: Database) -> int:
    """Take away leases that nobody renewed, and tell of whom there is no page left. Run by the worker."""
    async with db.session() as session:
        gone = await session.execute(
            select(DeskPresence)
            .where(not_(queries.is_live(clock.now())))
            .order_by(DeskPresence.person_id, DeskPresence.device)
            .limit(_SWEPT_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        leases = gone.scalars().all()
        for lease in leases:
            await session.delete(lease)
        await session.flush()
        people = {(lease.person_id, lease.region_id) for lease in leases}
        names = await person_summary(session, [person for person, _ in people]) if people else {}
        for person, region in sorted(people):
            if not await _devices_of(session, person, region):
                _tell(session, person, names[person].name, region, is_present=False)
    return len(leases)


def _tell(session: AsyncSession, person_id: UUID, name: str, region_id: UUID, *, is_present: bool) -> None:
    publish(
        session,
        DeskPresenceChanged(
            happened_at=clock.rfc3339(clock.now()),
            region=public_id("reg", region_id),
            person=public_id("per", person_id),
            name=name,
            is_present=is_present,
        ),
    )
