"""Wire forms of meetings, as their reader may see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import costs, queries, schemas, service
from booking.meetings.codes import guest_code, guide_code
from booking.meetings.lines import Place
from booking.meetings.models import Meeting, MeetingGuest, MeetingLineRow, MeetingScan, MeetingStep
from booking.meetings.queries import GUEST, LINE, PREFIX, Rules
from booking.meetings.states import allowed_to
from booking.schemas import BookingPersonView
from identity.api import (
    Contact,
    PersonSummary,
    PlaceName,
    PlaceSummary,
    Principal,
    contacts_of,
    person_summary,
    place_names,
    place_summary,
    today,
)
from kernel import clock
from kernel.ids import parse_public_id, public_id


@dataclass(frozen=True, slots=True)
class _Around:
    """All that several views need, read at once."""

    lines: Mapping[UUID, Sequence[MeetingLineRow]]
    places: Mapping[UUID, Sequence[Place]]
    named: Mapping[UUID, PlaceSummary]
    drivers: Mapping[UUID, Contact]
    steps: Mapping[UUID, Sequence[MeetingStep]]
    people: Mapping[UUID, PersonSummary]
    units: Mapping[UUID, PlaceName]
    scans: Mapping[UUID, int]


async def meeting_views(session: AsyncSession, rows: Sequence[Meeting], reader: Principal) -> list[schemas.MeetingView]:
    """Several at once."""
    ids = [row.id for row in rows]
    around = await _around(session, rows)
    guests, needs = await queries.count_guests(session, ids), await queries.needs_of(session, ids)
    waiting, charges = await queries.notices_waiting(session, ids), await queries.charges_of(session, ids)
    views = []
    for row in rows:
        rules = await queries.policy_of(session, row.region_id)
        counted = {"guests": guests.get(row.id, 0), "needs": needs[row.id], "changes_waiting": len(waiting[row.id])}
        money = {
            "charged_fen": sum(charge.amount_fen for charge in charges[row.id]),
            "refunded_fen": sum(charge.refunded_fen for charge in charges[row.id]),
        }
        views.append(_meeting(row, around, rules, reader, {**counted, **money}))
    return views


async def _around(session: AsyncSession, rows: Sequence[Meeting]) -> _Around:
    lines = await queries.lines_of(session, [row.id for row in rows])
    every = [line for each in lines.values() for line in each]
    places = await costs.places_of_lines(session, every)
    named, drivers = await _named(session, places)
    steps = await queries.steps_of(session, [row.id for row in rows])
    people = {person for row in rows for person in (row.organiser_id, *row.helper_ids)} | {
        person for each in steps.values() for step in each if (person := _person_of(step.actor)) is not None
    }
    units = [row.unit_id for row in rows if row.unit_id is not None]
    return _Around(
        lines,
        places,
        named,
        drivers,
        steps,
        await person_summary(session, list(people)),
        await place_names(session, units),
        await queries.counted_by_line(session, [line.id for line in every]),
    )


async def _named(
    session: AsyncSession, places: Mapping[UUID, Sequence[Place]]
) -> tuple[Mapping[UUID, PlaceSummary], Mapping[UUID, Contact]]:
    every = [place for each in places.values() for place in each]
    named = await place_summary(session, {place.place_id for place in every if place.place_id is not None})
    drivers = {place.driver_id for place in every if place.driver_id is not None}
    return named, await contacts_of(session, drivers, today()) if drivers else {}


def _person_of(actor: str) -> UUID | None:
    return parse_public_id("per", actor) if actor.startswith("per_") else None


def _meeting(
    row: Meeting, around: _Around, rules: Rules, reader: Principal, counted: dict[str, Any]
) -> schemas.MeetingView:
    unit = around.units.get(row.unit_id) if row.unit_id else None
    return schemas.MeetingView(
        id=public_id(PREFIX, row.id),
        title=row.title,
        state=row.state,
        version=row.version,
        region=public_id("reg", row.region_id),
        organiser=public_id("per", row.organiser_id),
        organiser_name=around.people[row.organiser_id].name,
        unit=public_id("org", row.unit_id) if row.unit_id else None,
        unit_name_zh=unit.name_zh if unit else None,
        unit_name_en=unit.name_en if unit else None,
        attendees=row.attendees,
        words=row.words,
        zone=row.zone,
        starts_at=clock.rfc3339(row.starts_at),
        ends_at=clock.rfc3339(row.ends_at),
        due_at=clock.rfc3339(row.due_at) if row.due_at else None,
        needs_approval=row.needs_approval,
        allowed=allowed_to(row.state, service.sides_of(row, reader)),
        lines=[_line(line, around) for line in around.lines[row.id]],
        agenda=agenda_views(row),
        contacts=[schemas.Contact.model_validate(contact) for contact in row.contacts],
        helpers=[public_id("per", helper) for helper in row.helper_ids],
        helper_people=[
            BookingPersonView(id=public_id("per", helper), name=around.people[helper].name)
            for helper in row.helper_ids
            if helper in around.people
        ],
        estimate_fen=row.estimate_fen,
        fee_fen=row.fee_fen,
        cancel_fee_fen=costs.cancel_fee_fen(row, rules),
        guide_code=guide_code(row.id),
        copied_from=public_id(PREFIX, row.copied_from_id) if row.copied_from_id else None,
        steps=[_step(step, around) for step in around.steps[row.id]],
        created_at=clock.rfc3339(row.created_at),
        **counted,
    )


def agenda_views(row: Meeting) -> list[schemas.AgendaView]:
    return [schemas.AgendaView.model_validate(item) for item in row.agenda]


def _line(row: MeetingLineRow, around: _Around) -> schemas.MeetingLineView:
    places = around.places.get(row.id, ())
    is_lost = row.state != "released" and any(place.is_lost for place in places)
    return schemas.MeetingLineView(
        id=public_id(LINE, row.id),
        ordinal=row.ordinal,
        kind=row.kind,
        title=row.title,
        wanted=row.wanted,
        state="lost" if is_lost else _state(row.state),
        starts_at=clock.rfc3339(row.starts_at) if row.starts_at else None,
        ends_at=clock.rfc3339(row.ends_at) if row.ends_at else None,
        places=[place_view(place, around.named, around.drivers) for place in places],
        quantity=row.quantity,
        estimate_fen=row.estimate_fen,
        had_quantity=row.had_quantity,
        had_fen=row.had_fen,
        scan_rule=row.scan_rule,
        scans=around.scans.get(row.id, 0),
    )


def _state(state: str) -> Any:
    """The CHECK of the table holds that it is one of the three."""
    return state


def place_view(
    place: Place, named: Mapping[UUID, PlaceSummary], drivers: Mapping[UUID, Contact]
) -> schemas.LinePlaceView:
    """Where it is, from the campus down to the room, and who drives it."""
    where = named.get(place.place_id) if place.place_id else None
    driver = drivers.get(place.driver_id) if place.driver_id else None
    return schemas.LinePlaceView(
        id=place.id,
        name_zh=place.name_zh,
        name_en=place.name_en,
        place=public_id("pla", where.id) if where else None,
        place_name_zh=where.full_name_zh if where else None,
        place_name_en=where.full_name_en if where else None,
        plate=place.plate,
        driver_name=driver.name if driver else None,
        driver_phone=driver.phone if driver else None,
    )


def _step(step: MeetingStep, around: _Around) -> schemas.MeetingStepView:
    person = _person_of(step.actor)
    named = around.people.get(person) if person else None
    return schemas.MeetingStepView(
        trigger=step.trigger,
        state=step.state,
        actor_name=named.name if named else None,
        words=step.words,
        at=clock.rfc3339(step.recorded_at),
    )


def quote_view(
    lines: Sequence[schemas.LineRequest],
    held: Mapping[int, MeetingLineRow],
    clashes: Mapping[int, dict[str, Any]],
    *,
    needs_approval: bool,
) -> schemas.MeetingQuoteView:
    """What was tried and undone."""
    views = []
    for at, line in enumerate(lines):
        row = held.get(at)
        views.append(
            schemas.QuotedLine(
                line=at,
                kind=line.kind,
                quantity=row.quantity if row else None,
                estimate_fen=row.estimate_fen if row else None,
                clash=clashes.get(at),
            )
        )
    estimate_fen = sum(row.estimate_fen for row in held.values())
    return schemas.MeetingQuoteView(lines=views, estimate_fen=estimate_fen, needs_approval=needs_approval)


async def cost_sheet(session: AsyncSession, meeting: Meeting) -> schemas.CostSheet:
    """The estimate, what was had, and who was paid."""
    rows = (await queries.lines_of(session, [meeting.id]))[meeting.id]
    charges = (await queries.charges_of(session, [meeting.id]))[meeting.id]
    payees = await place_names(session, [charge.payee_id for charge in charges])
    had = [row.had_fen for row in rows if row.had_fen is not None]
    return schemas.CostSheet(
        lines=[
            schemas.CostLine(
                line=public_id(LINE, row.id),
                kind=row.kind,
                title=row.title,
                quantity=row.quantity,
                estimate_fen=row.estimate_fen,
                had_quantity=row.had_quantity,
                had_fen=row.had_fen,
            )
            for row in rows
            if row.state != "released" or meeting.state in ("cancelled", "refunded")
        ],
        estimate_fen=meeting.estimate_fen,
        had_fen=sum(had) if had else None,
        fee_fen=meeting.fee_fen,
        charges=[
            schemas.MeetingChargeView(
                payee=charge.payee_id.hex,
                payee_name_zh=payees[charge.payee_id].name_zh if charge.payee_id in payees else None,
                payee_name_en=payees[charge.payee_id].name_en if charge.payee_id in payees else None,
                amount_fen=charge.amount_fen,
                refunded_fen=charge.refunded_fen,
            )
            for charge in charges
        ],
        charged_fen=sum(charge.amount_fen for charge in charges),
        refunded_fen=sum(charge.refunded_fen for charge in charges),
    )


# ---- guests


async def guest_views(session: AsyncSession, meeting_id: UUID, rows: Sequence[MeetingGuest]) -> list[schemas.GuestView]:
    """Each with the code to show and where they have arrived."""
    scans = await queries.scans_of(session, meeting_id)
    return [_guest(row, scans.get(row.id, ())) for row in rows]


def _guest(row: MeetingGuest, scans: Sequence[MeetingScan]) -> schemas.GuestView:
    return schemas.GuestView(
        id=public_id(GUEST, row.id),
        ordinal=row.ordinal,
        name=row.name,
        unit_name=row.unit_name,
        phone=row.phone,
        email=row.email,
        language=row.language,
        diet=row.diet,
        diet_words=row.diet_words,
        code=guest_code(row.id, row.code_issue),
        arrived=[
            schemas.ArrivalView(line=public_id(LINE, scan.line_id), at=clock.rfc3339(scan.happened_at))
            for scan in scans
        ],
        told_at=clock.rfc3339(row.told_at) if row.told_at else None,
    )


async def arrivals_view(session: AsyncSession, meeting: Meeting, position: int) -> schemas.Arrivals:
    """Who has come so far. `position` was read before."""
    rows = [row for row in (await queries.lines_of(session, [meeting.id]))[meeting.id] if row.state != "released"]
    counted = await queries.counted_by_line(session, [row.id for row in rows])
    guests = {guest.id: guest for guest in await queries.guests_of(session, meeting.id, also_removed=True)}
    expected = sum(guest.removed_at is None for guest in guests.values())
    last = await queries.last_scans(session, meeting.id, 50)
    return schemas.Arrivals(
        position=position,
        lines=[
            schemas.ArrivalsOfLine(
                line=public_id(LINE, row.id),
                kind=row.kind,
                title=row.title,
                expected=expected,
                counted=counted.get(row.id, 0),
            )
            for row in rows
            if row.kind != "badges"
        ],
        last=[
            schemas.LastArrival(
                guest=public_id(GUEST, scan.guest_id),
                guest_name=guests[scan.guest_id].name,
                line=public_id(LINE, scan.line_id),
                at=clock.rfc3339(scan.happened_at),
            )
            for scan in last
        ],
    )
