"""Who may book and act for somebody else."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import BookingDelegate
from identity.api import PersonSummary, Principal, person_summary
from kernel import audit_log, clock
from kernel.errors import Malformed, NotFound
from kernel.ids import public_id


async def acts_for(session: AsyncSession, person_id: UUID) -> frozenset[UUID]:
    """Those who have named somebody as their delegate."""
    rows = await session.scalars(select(BookingDelegate.person_id).where(BookingDelegate.delegate_id == person_id))
    return frozenset(rows)


async def principals_of(session: AsyncSession, person_id: UUID) -> Sequence[PersonSummary]:
    """The same with their names, by name."""
    people = await person_summary(session, list(await acts_for(session, person_id)))
    return sorted(people.values(), key=lambda person: (person.name, person.id))


async def delegates_of(session: AsyncSession, person_id: UUID) -> Sequence[PersonSummary]:
    """Whom somebody has named, in the order in which they were."""
    rows = await session.scalars(
        select(BookingDelegate.delegate_id)
        .where(BookingDelegate.person_id == person_id)
        .order_by(BookingDelegate.created_at)
    )
    ids = rows.all()
    people = await person_summary(session, ids)
    return [people[identifier] for identifier in ids if identifier in people]


async def name_delegate(session: AsyncSession, actor: Principal, delegate_id: UUID) -> None:
    """Named twice is named once."""
    if delegate_id == actor.person_id:
        raise Malformed(reason="a delegate is somebody else", field="person")
    if delegate_id not in await person_summary(session, [delegate_id]):
        raise NotFound(what="person")
    row = {"person_id": actor.person_id, "delegate_id": delegate_id, "created_at": clock.now()}
    await session.execute(insert(BookingDelegate).values(row).on_conflict_do_nothing())
    await _note(session, actor, "name_delegate", delegate_id)


async def end_delegate(session: AsyncSession, actor: Principal, delegate_id: UUID) -> None:
    """They act for this person no more."""
    gone = await session.scalar(
        delete(BookingDelegate)
        .where(BookingDelegate.person_id == actor.person_id, BookingDelegate.delegate_id == delegate_id)
        .returning(BookingDelegate.delegate_id)
    )
    if gone is None:
        raise NotFound(what="delegate")
    await _note(session, actor, "end_delegate", delegate_id)


async def _note(session: AsyncSession, actor: Principal, verb: str, delegate_id: UUID) -> None:
    await audit_log.record(
        session,
        actor=actor.actor,
        action=f"booking.{verb}",
        subject=public_id("per", actor.person_id),
        data={"delegate": public_id("per", delegate_id)},
    )
