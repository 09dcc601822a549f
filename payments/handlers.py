"""What payments does when identity tells something: a person who joins gets an account, who moves is priced anew.

A move counts from its day on, and so does an end: each day ahead on which somebody begins to belong somewhere, or
belongs there no more, waits as a durable timer. What is noted then is what identity knows on that day, so an older word
never undoes a newer one.

Handlers run in the worker, exactly once in effect (kernel/handlers.py), and open to repetition all the same.
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import mask_name, membership_of, membership_turns, person_summary, today
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
            await _wait_for_turns(session, event.person)
        elif isinstance(event, MembershipChanged):
            if event.unit and event.region and event.person_class:
                await _open_account(session, event.person, event.unit, event.region, event.person_class)
            await _wait_for_turns(session, event.person)
            if date.fromisoformat(event.valid_from) <= today():
                await _note_membership(session, parse_public_id("per", event.person))


async def _open_account(session: AsyncSession, person: str, unit: str, region: str, person_class: str) -> None:
    person_id = parse_public_id("per", person)
    if await queries.holder_keys(session, [person_id]):
        return
    summary = (await person_summary(session, [person_id])).get(person_id)
    label = summary.masked_name if summary else mask_name("")
    unit_id, region_id = parse_public_id("org", unit), parse_public_id("reg", region)
    await holders.open_holders(session, [holders.NewHolder(person_id, unit_id, region_id, person_class, label)])


async def _wait_for_turns(session: AsyncSession, person: str) -> None:
    for turn in await membership_turns(session, parse_public_id("per", person), today()):
        begins_at = datetime.combine(turn, time(), get_settings().zone)
        await timers.schedule(session, TIMER_KIND, f"{person} {turn}", begins_at)


async def begin_membership(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work: the day has come on which somebody begins or ceases to belong somewhere."""
    person, _, _ = timer.ref.partition(" ")
    await _note_membership(session, parse_public_id("per", person))


async def _note_membership(session: AsyncSession, person_id: UUID) -> None:
    if not await queries.holder_keys(session, [person_id]):
        return
    membership = await membership_of(session, person_id, today())
    if membership is None or membership.unit_id is None:
        await holders.end_membership(session, person_id)
        return
    await holders.change_membership(
        session,
        person_id,
        unit_id=membership.unit_id,
        region_id=membership.region_id,
        person_class=membership.person_class,
    )
