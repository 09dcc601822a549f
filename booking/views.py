"""Wire forms of bookables and bookings, as their reader may see them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking import queries, schemas
from booking.catalogue import OFFICE_ROLES
from booking.codes import door_code, invitation_code
from booking.delegates import acts_for
from booking.drivers import drivers_of
from booking.invitations import invitees_of
from booking.models import Bookable, Booking, BookingAddress, BookingInvitee, BookingQuota, BookingSeries, BookingStep
from booking.over_time import at_door, now_and_next
from booking.pricing import free_cancel_until, refund_of
from booking.queries import span_of
from booking.quotas import Left
from booking.rules import sides_of
from booking.spans import Span
from booking.states import allowed_to
from identity.api import (
    PersonSummary,
    PlaceName,
    PlaceSummary,
    Principal,
    person_summary,
    place_names,
    place_summary,
)
from kernel import clock, mail
from kernel.audit_log import AuditRow
from kernel.ids import parse_public_id, public_id
from kernel.qr import qr_svg


@dataclass(frozen=True, slots=True)
class _Around:
    """What else a view of bookables tells."""

    places: Mapping[UUID, PlaceSummary]
    drivers: Mapping[UUID, list[schemas.BookingPersonView]]
    # (kind, bookable)
    addresses: frozenset[tuple[str, UUID]]

    def place_of(self, row: Bookable) -> PlaceSummary | None:
        return self.places.get(row.place_id) if row.place_id is not None else None


async def bookable_views(
    session: AsyncSession, rows: Sequence[Bookable], reader: Principal | None = None
) -> list[schemas.BookableView]:
    places = await place_summary(session, [row.place_id for row in rows if row.place_id is not None])
    pools = await drivers_of(session, [row.id for row in rows if row.with_driver])
    people = await person_summary(session, list({person for pool in pools.values() for person in pool}))
    drivers = {
        bookable: [schemas.BookingPersonView(id=public_id("per", each), name=people[each].name) for each in pool]
        for bookable, pool in pools.items()
    }
    chosen = select(BookingAddress.kind, BookingAddress.owner_id)
    found = await session.execute(chosen.where(BookingAddress.owner_id.in_([row.id for row in rows])))
    around = _Around(places, drivers, frozenset((kind, owner) for kind, owner in found))
    return [_bookable(row, around, reader) for row in rows]


def _bookable(row: Bookable, around: _Around, reader: Principal | None) -> schemas.BookableView:
    place = around.place_of(row)
    is_office = reader is not None and reader.may(*OFFICE_ROLES, region_id=row.region_id)
    return schemas.BookableView(
        id=public_id("bkb", row.id),
        kind=row.kind,
        name_zh=row.name_zh,
        name_en=row.name_en,
        region=public_id("reg", row.region_id),
        place=public_id("pla", place.id) if place else None,
        place_name_zh=place.full_name_zh if place else None,
        place_name_en=place.full_name_en if place else None,
        unit=public_id("org", row.unit_id) if row.unit_id else None,
        unit_only=row.unit_only,
        capacity=row.capacity,
        features=row.features,
        zone=row.zone,
        opens_at=row.opens_at.isoformat("minutes") if row.opens_at is not None else None,
        closes_at=row.closes_at.isoformat("minutes") if row.closes_at is not None else None,
        weekdays=row.weekdays,
        setup_minutes=row.setup_minutes,
        cleanup_minutes=row.cleanup_minutes,
        needs_approval=row.needs_approval,
        pending_blocks=row.pending_blocks,
        window_days=row.window_days,
        minutes_max=row.minutes_max,
        open_max=row.open_max,
        layouts=row.layouts,
        room_type=row.room_type,
        arrive_at=row.arrive_at.isoformat("minutes") if row.arrive_at is not None else None,
        leave_at=row.leave_at.isoformat("minutes") if row.leave_at is not None else None,
        plate=row.plate,
        with_driver=row.with_driver,
        drivers=around.drivers.get(row.id, []),
        unit_books=row.unit_books,
        no_show_minutes=row.no_show_minutes,
        rate_fen=row.rate_fen,
        rate_per=row.rate_per,
        free_cancel_hours=row.free_cancel_hours,
        late_refund_percent=row.late_refund_percent,
        version=row.version,
        has_door=("door", row.id) in around.addresses if is_office else None,
        has_feed=("bookable", row.id) in around.addresses if is_office else None,
        active=row.retired_at is None,
    )


async def booking_views(session: AsyncSession, rows: Sequence[Booking], reader: Principal) -> list[schemas.BookingView]:
    """Several at once, with their bookables, people and steps."""
    bookables = await queries.bookables_of(session, {row.bookable_id for row in rows})
    ids = [row.id for row in rows]
    people = {person for row in rows for person in (row.organiser_id, row.served_id, row.driver_id) if person}
    invited = await invitees_of(session, ids)
    told = _Told(
        reader=reader,
        acts_for=await acts_for(session, reader.person_id),
        places=await place_summary(session, [row.place_id for row in bookables.values() if row.place_id is not None]),
        people=await person_summary(session, list(people)),
        steps=await queries.steps_of(session, ids),
        invitees=invited,
        letters=await mail.states_of(
            session, [row.mail_id for each in invited.values() for row in each if row.mail_id]
        ),
    )
    return [_booking(row, bookables[row.bookable_id], told) for row in rows]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a view of bookings tells beside the rows."""

    reader: Principal
    acts_for: frozenset[UUID]
    places: Mapping[UUID, PlaceSummary]
    people: Mapping[UUID, PersonSummary]
    steps: Mapping[UUID, Sequence[BookingStep]]
    invitees: Mapping[UUID, Sequence[BookingInvitee]]
    letters: Mapping[UUID, mail.MailState]

    def name_of(self, person_id: UUID | None) -> str | None:
        person = self.people.get(person_id) if person_id is not None else None
        return person.name if person is not None else None


def _optional(prefix: str, identifier: UUID | None) -> str | None:
    return public_id(prefix, identifier) if identifier is not None else None


def _booking(row: Booking, bookable: Bookable, told: _Told) -> schemas.BookingView:
    during = span_of(row.during)
    place = told.places.get(bookable.place_id) if bookable.place_id is not None else None
    return schemas.BookingView(
        id=public_id("bkg", row.id),
        bookable=public_id("bkb", bookable.id),
        bookable_name_zh=bookable.name_zh,
        bookable_name_en=bookable.name_en,
        kind=bookable.kind,
        place=public_id("pla", place.id) if place else None,
        place_name_zh=place.full_name_zh if place else None,
        place_name_en=place.full_name_en if place else None,
        series=_optional("bks", row.series_id),
        organiser=public_id("per", row.organiser_id),
        organiser_name=told.name_of(row.organiser_id) or "",
        served=_optional("per", row.served_id),
        served_name=told.name_of(row.served_id),
        title=row.title,
        attendees=row.attendees,
        layout=row.layout,
        driver=_optional("per", row.driver_id),
        driver_name=told.name_of(row.driver_id),
        plate=bookable.plate,
        unit=_optional("org", row.unit_id),
        meeting=_optional("mtg", row.meeting_id),
        cost_fen=row.cost_fen,
        charged_fen=row.charged_fen,
        refunded_fen=row.refunded_fen,
        refund_if_cancelled_fen=refund_of(bookable, during, row.charged_fen, clock.now()),
        invitees=[_invitee(each, told.letters) for each in told.invitees[row.id]],
        starts_at=clock.rfc3339(during.start),
        ends_at=clock.rfc3339(during.end),
        state=row.state,
        version=row.version,
        due_at=clock.rfc3339(row.due_at) if row.due_at else None,
        # What a meeting holds is changed with the meeting.
        allowed=[] if row.meeting_id else allowed_to(row.state, sides_of(row, bookable, told.reader, told.acts_for)),
        steps=[
            schemas.BookingStepView(
                trigger=step.trigger, state=step.state, words=step.words, at=clock.rfc3339(step.recorded_at)
            )
            for step in told.steps[row.id]
        ],
        created_at=clock.rfc3339(row.created_at),
    )


def _invitee(row: BookingInvitee, letters: Mapping[UUID, mail.MailState]) -> schemas.InviteeView:
    name, _, host = row.address.rpartition("@")
    return schemas.InviteeView(
        id=public_id("bki", row.id),
        name=row.name,
        person=_optional("per", row.person_id),
        address=f"{name[:2]}***@{host}" if name else "",
        answer=_answer(row.answer),
        answered_at=clock.rfc3339(row.answered_at) if row.answered_at else None,
        # A letter is forgotten after its month; then it has long been sent.
        letter="none" if row.mail_id is None else letters.get(row.mail_id, "sent"),
    )


_ANSWERS: TypeAdapter[schemas.InvitationAnswer | None] = TypeAdapter(schemas.InvitationAnswer | None)


def _answer(said: str | None) -> schemas.InvitationAnswer | None:
    return _ANSWERS.validate_python(said)


async def invitation_views(session: AsyncSession, rows: Sequence[BookingInvitee]) -> list[schemas.InvitationView]:
    """As the invited see them: what, where, when and by whom."""
    bookings = await queries.bookings_by_id(session, {row.booking_id for row in rows})
    bookables = await queries.bookables_of(session, {row.bookable_id for row in bookings.values()})
    people = await person_summary(session, list({row.organiser_id for row in bookings.values()}))
    places = await place_summary(session, [row.place_id for row in bookables.values() if row.place_id is not None])
    found = []
    for row in rows:
        booking = bookings[row.booking_id]
        bookable = bookables[booking.bookable_id]
        place = places.get(bookable.place_id) if bookable.place_id is not None else None
        during = span_of(booking.during)
        found.append(
            schemas.InvitationView(
                code=invitation_code(row.id),
                name=row.name,
                title=booking.title,
                organiser_name=people[booking.organiser_id].name,
                bookable_name_zh=bookable.name_zh,
                bookable_name_en=bookable.name_en,
                place_name_zh=place.full_name_zh if place else None,
                place_name_en=place.full_name_en if place else None,
                starts_at=clock.rfc3339(during.start),
                ends_at=clock.rfc3339(during.end),
                zone=bookable.zone,
                state=booking.state,
                answer=_answer(row.answer),
                answered_at=clock.rfc3339(row.answered_at) if row.answered_at else None,
            )
        )
    return found


async def quota_views(session: AsyncSession, rows: Sequence[BookingQuota]) -> list[schemas.QuotaView]:
    names = await place_names(session, [row.unit_id for row in rows if row.unit_id is not None])
    return [schemas.QuotaView.model_validate(_quota(row, names)) for row in rows]


async def left_views(session: AsyncSession, found: Sequence[Left]) -> list[schemas.QuotaLeftView]:
    names = await place_names(session, [each.quota.unit_id for each in found if each.quota.unit_id is not None])
    minute = timedelta(minutes=1)
    return [
        schemas.QuotaLeftView.model_validate(
            _quota(each.quota, names)
            | {"used_minutes": each.used // minute, "left_minutes": each.left // minute}
            | {"starts_at": clock.rfc3339(each.period.start), "ends_at": clock.rfc3339(each.period.end)}
        )
        for each in found
    ]


def _quota(row: BookingQuota, names: Mapping[UUID, PlaceName]) -> dict[str, object]:
    unit = names.get(row.unit_id) if row.unit_id is not None else None
    return {
        "id": public_id("bkq", row.id),
        "region": public_id("reg", row.region_id),
        "kind": row.kind,
        "unit": _optional("org", row.unit_id),
        "unit_name_zh": unit.name_zh if unit else None,
        "unit_name_en": unit.name_en if unit else None,
        "per": row.per,
        "period": row.period,
        "hours_max": row.hours_max,
        "version": row.version,
        "active": row.ended_at is None,
        "created_at": clock.rfc3339(row.created_at),
    }


async def calendar_view(session: AsyncSession, rows: Sequence[Booking], reader: Principal) -> schemas.CalendarView:
    """Whole what is the reader's own or their office's; of others only that it is taken."""
    bookables = await queries.bookables_of(session, {row.bookable_id for row in rows})
    people = await person_summary(session, list({row.organiser_id for row in rows}))
    acting = await acts_for(session, reader.person_id)
    found = []
    for row in rows:
        bookable, during = bookables[row.bookable_id], span_of(row.during)
        sides = sides_of(row, bookable, reader, acting)
        found.append(
            schemas.CalendarEntry(
                booking=public_id("bkg", row.id) if sides else None,
                bookable=public_id("bkb", bookable.id),
                bookable_name_zh=bookable.name_zh,
                bookable_name_en=bookable.name_en,
                starts_at=clock.rfc3339(during.start),
                ends_at=clock.rfc3339(during.end),
                state=row.state,
                # Why the office has closed something is for everybody.
                title=row.title if sides or row.state == "closed" else None,
                organiser_name=people[row.organiser_id].name if sides else None,
                is_mine=bool(sides - {"office"}),
            )
        )
    return schemas.CalendarView(data=found)


async def door_view(session: AsyncSession, bookable: Bookable, address: str) -> schemas.DoorView:
    """What a door shows at this instant. Its code leads to the page that checks in."""
    now, rows = clock.now(), await at_door(session, bookable)
    people = await person_summary(session, list({row.organiser_id for row in rows}))
    places = await place_summary(session, [bookable.place_id] if bookable.place_id is not None else [])
    place = next(iter(places.values()), None)
    present, later = now_and_next(rows, now)
    code = door_code(bookable.id, now)

    def entry(row: Booking) -> schemas.DoorEntry:
        during = span_of(row.during)
        return schemas.DoorEntry(
            title=row.title,
            organiser_name="" if row.state == "closed" else people[row.organiser_id].name,
            starts_at=clock.rfc3339(during.start),
            ends_at=clock.rfc3339(during.end),
            state=row.state,
        )

    return schemas.DoorView(
        id=public_id("bkb", bookable.id),
        name_zh=bookable.name_zh,
        name_en=bookable.name_en,
        place_name_zh=place.full_name_zh if place else None,
        place_name_en=place.full_name_en if place else None,
        capacity=bookable.capacity,
        zone=bookable.zone,
        now=entry(present) if present else None,
        next=entry(later) if later else None,
        free_until=clock.rfc3339(span_of(later.during).start) if later and not present else None,
        today=[entry(row) for row in rows],
        code=code,
        code_svg=qr_svg(f"{address}/booking/check_in/{code}"),
        server_time=clock.rfc3339(now),
    )


def span_view(span: Span) -> schemas.SpanView:
    return schemas.SpanView(starts_at=clock.rfc3339(span.start), ends_at=clock.rfc3339(span.end))


def quote_view(bookable: Bookable, wanted: Booking, *, needs_approval: bool) -> schemas.BookingQuoteView:
    during = span_of(wanted.during)
    return schemas.BookingQuoteView(
        starts_at=clock.rfc3339(during.start),
        ends_at=clock.rfc3339(during.end),
        cost_fen=wanted.cost_fen,
        rate_fen=bookable.rate_fen,
        rate_per=bookable.rate_per,
        needs_approval=needs_approval,
        free_cancel_until=clock.rfc3339(free_cancel_until(bookable, during)),
    )


async def series_view(
    session: AsyncSession,
    series: BookingSeries,
    bookings: Sequence[Booking],
    reader: Principal,
    skipped: Sequence[Mapping[str, object]] = (),
) -> schemas.SeriesView:
    return schemas.SeriesView(
        id=public_id("bks", series.id),
        rule=series.rule,
        zone=series.zone,
        is_cut=series.is_cut,
        bookings=await booking_views(session, bookings, reader),
        skipped=[schemas.SkippedView.model_validate(each) for each in skipped],
    )


async def history_view(session: AsyncSession, rows: Sequence[AuditRow]) -> schemas.HistoryView:
    """Who changed what, by name where it was a person."""
    ids = {row.actor: parse_public_id("per", row.actor) for row in rows if row.actor.startswith("per_")}
    people = await person_summary(session, list(ids.values()))
    return schemas.HistoryView(
        data=[
            schemas.HistoryEntry(
                at=clock.rfc3339(row.recorded_at),
                actor=row.actor,
                actor_name=people[ids[row.actor]].name if ids.get(row.actor) in people else None,
                action=row.action,
                data=json.loads(row.data),
            )
            for row in rows
        ]
    )
