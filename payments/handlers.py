"""What payments does when identity tells something: a person who joins gets an account, who moves is priced anew, who is
suspended pays with nothing until they are back.

Where an organisation is hung elsewhere, all its people have moved. Who now belongs to a unit of another region takes their
money along into that region's book (moving.py).

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

from identity.api import (
    mask_name,
    members_below,
    membership_of,
    membership_turns,
    person_summary,
    today,
    units_below,
)
from identity.events import MembershipChanged, PersonJoined, PersonStatusChanged, PlacesChanged
from kernel import clock, timers
from kernel.events import Event, StoredEvent
from kernel.ids import parse_public_id
from kernel.settings import get_settings
from payments import holders, queries
from payments.ledger import post_lines
from payments.lines import Line
from payments.moving import move_unit

TIMER_KIND: Final = "payments.membership_begins"
ORGANISATION_MOVED: Final = "payments.organisation_moved"
_MOVED_AT_ONCE: Final = 200
FOLLOWED: Final = (PersonJoined, MembershipChanged, PersonStatusChanged, PlacesChanged)


async def follow_people(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Open accounts for those who joined; note where those who moved belong now; freeze those who are suspended."""
    await _lock_accounts(session, [stored.event for stored in events])
    lines: list[Line] = []
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
                lines += await _note_membership(session, parse_public_id("per", event.person))
        elif isinstance(event, PersonStatusChanged):
            await _follow_status(session, parse_public_id("per", event.person))
        elif isinstance(event, PlacesChanged) and event.moved:
            await timers.schedule(session, ORGANISATION_MOVED, event.place, clock.now())
    await post_lines(session, lines)


async def _lock_accounts(session: AsyncSession, events: Sequence[Event]) -> None:
    """All that will be changed, in the one order in which everybody locks accounts."""
    people = {event.person for event in events if isinstance(event, MembershipChanged | PersonStatusChanged)}
    keys = await queries.holder_keys(session, [parse_public_id("per", person) for person in people])
    await queries.lock_holders(session, list(keys.values()))


async def _follow_status(session: AsyncSession, person_id: UUID) -> None:
    """By what identity knows now: an older word never undoes a newer one."""
    person = (await person_summary(session, [person_id])).get(person_id)
    if person is not None and await queries.holder_keys(session, [person_id]):
        await holders.follow_status(session, person_id, person.status)


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
    await post_lines(session, await _note_membership(session, parse_public_id("per", person)))


async def _note_membership(session: AsyncSession, person_id: UUID) -> list[Line]:
    if not await queries.holder_keys(session, [person_id]):
        return []
    membership = await membership_of(session, person_id, today())
    if membership is None or membership.unit_id is None:
        await holders.end_membership(session, person_id)
        return []
    return await holders.change_membership(
        session,
        person_id,
        unit_id=membership.unit_id,
        region_id=membership.region_id,
        person_class=membership.person_class,
    )


async def follow_organisation(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work: an organisation was moved, and its people's money follows, some at a time; its units' own first."""
    organisation_id = parse_public_id("org", timer.ref)
    after = timer.payload.get("after")
    members = await members_below(session, organisation_id, today(), UUID(after) if after else None, _MOVED_AT_ONCE)
    keys = await queries.holder_keys(session, members)
    await queries.lock_holders(session, list(keys.values()))
    lines: list[Line] = []
    for person_id in members:
        lines += await _note_membership(session, person_id)
    if after is None:
        for unit_id, region_id in (await units_below(session, organisation_id)).items():
            lines += await move_unit(session, unit_id, region_id)
    if len(members) == _MOVED_AT_ONCE:
        await timers.schedule(session, ORGANISATION_MOVED, timer.ref, clock.now(), {"after": str(members[-1])})
    await post_lines(session, lines)
