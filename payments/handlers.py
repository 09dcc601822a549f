"""What payments does when identity tells something: a person who joins gets an account, who moves is priced anew.

A move counts from its day on: one that is told of ahead waits for that day as a durable timer. What is noted then is
what identity knows on that day, so an older word never undoes a newer one.

Handlers run in the worker, exactly once in effect (kernel/handlers.py), and open to repetition all the same.
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import mask_name, membership_of, person_summary, today
from identity.events import MembershipChanged, PersonJoined
from kernel import timers
from kernel.events import StoredEvent
from kernel.ids import parse_public_id
from kernel.settings import get_settings
from payments import holders, queries

TIMER_KIND: Final = "payments.membership_begins"


async def follow_people(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Open accounts for those who joined; note where those who moved belong now."""
    for stored in events:
        event = stored.event
        if isinstance(event, PersonJoined) and event.unit is not None:
            await _open_account(session, event.person, event.unit, event.region, event.person_class)
        elif isinstance(event, MembershipChanged) and event.unit and event.region and event.person_class:
            await _open_account(session, event.person, event.unit, event.region, event.person_class)
            await _follow_move(session, event.person, date.fromisoformat(event.valid_from))


async def _open_account(session: AsyncSession, person: str, unit: str, region: str, person_class: str) -> None:
    person_id = parse_public_id("per", person)
    if await queries.holder_keys(session, [person_id]):
        return
    summary = (await person_summary(session, [person_id])).get(person_id)
    label = summary.masked_name if summary else mask_name("")
    unit_id, region_id = parse_public_id("org", unit), parse_public_id("reg", region)
    await holders.open_holders(session, [holders.NewHolder(person_id, unit_id, region_id, person_class, label)])


async def _follow_move(session: AsyncSession, person: str, valid_from: date) -> None:
    if valid_from > today():
        begins_at = datetime.combine(valid_from, time(), get_settings().zone)
        await timers.schedule(session, TIMER_KIND, f"{person} {valid_from}", begins_at)
    else:
        await _note_membership(session, parse_public_id("per", person))


async def begin_membership(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work: the day of a move has come."""
    person, _, _ = timer.ref.partition(" ")
    await _note_membership(session, parse_public_id("per", person))


async def _note_membership(session: AsyncSession, person_id: UUID) -> None:
    membership = await membership_of(session, person_id, today())
    if membership is not None and membership.unit_id is not None:
        await holders.change_membership(
            session,
            person_id,
            unit_id=membership.unit_id,
            region_id=membership.region_id,
            person_class=membership.person_class,
        )
