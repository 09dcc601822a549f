"""HTTP of booking: the catalogue, free and busy, and bookings with their triggers."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response

from booking import catalogue, check_ins, codes, delegates, invitations, queries, rules, schemas, series, service, views
from booking.errors import (
    BookingClash,
    CodeUnknown,
    NotBookable,
    NothingHere,
    NotNow,
    OutsideOpening,
    QuotaExceeded,
    SeriesClash,
    TooManyBookings,
)
from booking.meetings import losses
from booking.queries import Chosen
from booking.spans import Span, merged
from identity.api import CurrentPerson, places_below
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from kernel.qr import qr_svg
from payments.charges.errors import NothingServes

router = APIRouter(prefix="/v1", tags=["booking"])

BookableId = Annotated[str, Path(max_length=80)]
BookingId = Annotated[str, Path(max_length=80)]
SeriesId = Annotated[str, Path(max_length=80)]
InvitationCode = Annotated[str, Path(max_length=120)]
_WINDOW_MAX = timedelta(days=62)


# ---- the catalogue


async def choose(
    session: SessionDep,
    kind: Annotated[schemas.Kind | None, Query()] = None,
    region: Annotated[str | None, Query(max_length=80)] = None,
    place: Annotated[str | None, Query(max_length=80, description="There, or anywhere below.")] = None,
    capacity: Annotated[int, Query(ge=1, le=100_000, description="For at least so many.")] = 1,
    layout: Annotated[schemas.LayoutName | None, Query(description="So many in this layout.")] = None,
    room_type: Annotated[schemas.RoomType | None, Query()] = None,
    feature: Annotated[list[str] | None, Query(max_length=30, description="With all of these.")] = None,
    *,
    with_driver: Annotated[bool | None, Query()] = None,
) -> Chosen:
    """Which bookables somebody looks for."""
    below = None
    if place is not None:
        place_id = parse_public_id("pla", place)
        below = [place_id, *(row.id for row in await places_below(session, place_id))]
    return Chosen(
        kind=kind,
        region_id=parse_public_id("reg", region) if region else None,
        places=below,
        capacity_min=capacity,
        features=feature or (),
        layout=layout,
        room_type=room_type,
        with_driver=with_driver,
    )


ChosenDep = Annotated[Chosen, Depends(choose, scope="function")]


@router.post("/bookables", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def post_bookable(body: schemas.NewBookable, person: CurrentPerson, session: SessionDep) -> schemas.BookableView:
    """A hall, a hotel room or a car is in the catalogue from now on."""
    return (await views.bookable_views(session, [await catalogue.open_bookable(session, person, body)], person))[0]


@router.get("/bookables", responses=raises(Unauthenticated, NotFound))
async def list_bookables(
    person: CurrentPerson,
    session: SessionDep,
    chosen: ChosenDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.BookableView]:
    """What can be booked, newest first."""
    after = parse_public_id("bkb", starting_after) if starting_after else None
    rows = await queries.list_bookables(session, chosen, limit, after)
    return page_of(await views.bookable_views(session, rows, person), limit)


@router.get("/bookables/{bookable_id}", responses=raises(Unauthenticated, NotFound))
async def show_bookable(bookable_id: BookableId, person: CurrentPerson, session: SessionDep) -> schemas.BookableView:
    """One, also a retired one."""
    bookable = await queries.get_bookable(session, parse_public_id("bkb", bookable_id))
    return (await views.bookable_views(session, [bookable], person))[0]


@router.patch("/bookables/{bookable_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def patch_bookable(
    bookable_id: BookableId, body: schemas.BookableChange, person: CurrentPerson, session: SessionDep
) -> schemas.BookableView:
    """New names, hours or rules; bookings that stand are not touched."""
    changed = await catalogue.change_bookable(session, person, parse_public_id("bkb", bookable_id), body)
    return (await views.bookable_views(session, [changed], person))[0]


@router.post("/bookables/{bookable_id}/retire", responses=raises(Unauthenticated, Forbidden, NotFound))
async def retire_bookable(bookable_id: BookableId, person: CurrentPerson, session: SessionDep) -> schemas.BookableView:
    """Nobody books it any more; what stands is held."""
    retired = await catalogue.retire_bookable(session, person, parse_public_id("bkb", bookable_id))
    return (await views.bookable_views(session, [retired], person))[0]


# ---- free and busy


@router.get("/bookables/{bookable_id}/busy", responses=raises(Unauthenticated, NotFound))
async def show_busy(
    bookable_id: BookableId,
    _: CurrentPerson,
    session: SessionDep,
    starts_at: Annotated[schemas.Instant, Query()],
    ends_at: Annotated[schemas.Instant, Query()],
) -> schemas.BusyView:
    """When it is taken, in a window of at most 62 days; not by whom."""
    window = window_of(starts_at, ends_at)
    bookable = await queries.get_bookable(session, parse_public_id("bkb", bookable_id))
    busy = await queries.busy_of(session, [bookable.id], window)
    return schemas.BusyView(
        bookable=public_id("bkb", bookable.id), busy=[views.span_view(span) for span in merged(busy[bookable.id])]
    )


def window_of(starts_at: schemas.Instant, ends_at: schemas.Instant) -> Span:
    """A window that is looked at; not longer than two months."""
    if not starts_at < ends_at <= starts_at + _WINDOW_MAX:
        raise Malformed(reason="a window of more than nothing and at most 62 days", field="ends_at")
    return Span(starts_at, ends_at)


@router.post(
    "/bookables/{bookable_id}/closures",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, BookingClash),
)
async def post_closure(
    bookable_id: BookableId, body: schemas.NewClosure, person: CurrentPerson, session: SessionDep
) -> schemas.BookingView:
    """The office closes it; with `override` what stands in the way is superseded, and its people, their meetings too, are told."""
    closure, _ = await losses.close(session, person, parse_public_id("bkb", bookable_id), body)
    return (await views.booking_views(session, [closure], person))[0]


# ---- bookings


@router.post(
    "/bookings",
    status_code=201,
    responses=raises(
        Unauthenticated,
        Forbidden,
        NotFound,
        BookingClash,
        OutsideOpening,
        NotBookable,
        TooManyBookings,
        QuotaExceeded,
    ),
)
async def post_booking(
    body: schemas.NewBooking, person: CurrentPerson, session: SessionDep, response: Response
) -> schemas.BookingView:
    """Hold a time for ten minutes, or wait for it. The same `request_id` again: 200 with the same booking."""
    booking, is_new = await service.hold(session, person, body)
    if not is_new:
        response.status_code = 200
    return (await views.booking_views(session, [booking], person))[0]


@router.post(
    "/bookings/quote",
    responses=raises(Unauthenticated, Forbidden, NotFound, OutsideOpening, NotBookable, TooManyBookings, QuotaExceeded),
)
async def quote_booking(
    body: schemas.NewBooking, person: CurrentPerson, session: SessionDep
) -> schemas.BookingQuoteView:
    """What it would cost, and whether the office decides; whether it is free is only known by holding it."""
    bookable, wanted = await service.wanted_booking(session, person, body)
    return views.quote_view(bookable, wanted, needs_approval=rules.needs_approval(bookable, wanted.unit_id))


@router.post(
    "/booking_series",
    status_code=201,
    responses=raises(Unauthenticated, NotFound, SeriesClash),
)
async def post_series(
    body: schemas.NewSeries, person: CurrentPerson, session: SessionDep, response: Response
) -> schemas.SeriesView:
    """The same again and again: each occurrence is a booking of its own, held for ten minutes. All or nothing, or with
    `on_clash: skip` those that can be had. The same `request_id` again: 200 with the same series."""
    held, is_new = await series.hold_series(session, person, body)
    if not is_new:
        response.status_code = 200
    return await views.series_view(session, held.series, held.bookings, person, [each.told() for each in held.skipped])


@router.get("/booking_series/{series_id}", responses=raises(Unauthenticated, NotFound))
async def show_series(series_id: SeriesId, person: CurrentPerson, session: SessionDep) -> schemas.SeriesView:
    """With all that was ever held of it."""
    found, bookings = await series.get_series(session, person, parse_public_id("bks", series_id))
    return await views.series_view(session, found, bookings, person)


@router.post("/booking_series/{series_id}/confirm", responses=raises(Unauthenticated, NotFound, StateConflict))
async def confirm_series(series_id: SeriesId, person: CurrentPerson, session: SessionDep) -> schemas.SeriesView:
    """All that is held of it; where the office decides, it is asked for each."""
    found, bookings = await series.confirm_series(session, person, parse_public_id("bks", series_id))
    return await views.series_view(session, found, bookings, person)


@router.post("/booking_series/{series_id}/cancel", responses=raises(Unauthenticated, NotFound, StateConflict))
async def cancel_series(
    series_id: SeriesId, person: CurrentPerson, session: SessionDep, body: schemas.SeriesEnd | None = None
) -> schemas.SeriesView:
    """What is still to come of it, from an instant on or all."""
    end = body or schemas.SeriesEnd()
    found, bookings = await series.cancel_series(session, person, parse_public_id("bks", series_id), end)
    return await views.series_view(session, found, bookings, person)


@router.get("/bookings", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_bookings(
    person: CurrentPerson,
    session: SessionDep,
    of: Annotated[Literal["me", "office"], Query(description="Mine, or those of my regions.")] = "me",
    state: Annotated[str | None, Query(max_length=40, description="For the office: only those in this state.")] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.BookingView]:
    """Newest first."""
    before = parse_public_id("bkg", starting_after) if starting_after else None
    if of == "me":
        people = {person.person_id, *await delegates.acts_for(session, person.person_id)}
        rows = await queries.list_own(session, people, limit, before)
    else:
        if not person.holds(*catalogue.OFFICE_ROLES):
            raise Forbidden(roles=[role.value for role in catalogue.OFFICE_ROLES])
        cover = person.cover_of(*catalogue.OFFICE_ROLES)
        states = [state] if state is not None else None
        rows = await queries.list_for_office(session, cover, limit, before, states=states)
    return page_of(await views.booking_views(session, rows, person), limit)


@router.get("/bookings/{booking_id}", responses=raises(Unauthenticated, NotFound))
async def show_booking(booking_id: BookingId, person: CurrentPerson, session: SessionDep) -> schemas.BookingView:
    """One, for its people and the office; to anybody else there is none."""
    booking, _ = await service.seen_booking(session, person, parse_public_id("bkg", booking_id))
    return (await views.booking_views(session, [booking], person))[0]


@router.get("/bookings/{booking_id}/code", responses=raises(Unauthenticated, NotFound))
async def show_code(booking_id: BookingId, person: CurrentPerson, session: SessionDep) -> schemas.DoorCodeView:
    """The booking's own code, for whoever stands at the desk or the car to scan."""
    booking, _ = await service.seen_booking(session, person, parse_public_id("bkg", booking_id))
    code = codes.booking_code(booking.id)
    return schemas.DoorCodeView(code=code, svg=qr_svg(code))


@router.post(
    "/booking_check_ins",
    responses=raises(Unauthenticated, Forbidden, StateConflict, NotNow, NothingHere, CodeUnknown),
)
async def post_check_in(body: schemas.ScannedCode, person: CurrentPerson, session: SessionDep) -> schemas.BookingView:
    """By the code that the door shows (somebody's own booking there), or by that of a booking. A second time changes nothing."""
    booking = await check_ins.check_in(session, person, body.code)
    return (await views.booking_views(session, [booking], person))[0]


@router.put("/bookings/{booking_id}/invitees", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def put_invitees(
    booking_id: BookingId, body: schemas.NewInvitees, person: CurrentPerson, session: SessionDep
) -> schemas.BookingView:
    """Who is invited: exactly these. Letters go out once it is confirmed, and with every change."""
    booking = await service.name_invitees(session, person, parse_public_id("bkg", booking_id), body)
    return (await views.booking_views(session, [booking], person))[0]


@router.post("/bookings/{booking_id}/invitees", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def post_invitee(
    booking_id: BookingId, body: schemas.OneInvitee, person: CurrentPerson, session: SessionDep
) -> schemas.BookingView:
    """One more is invited; who is already stays so."""
    booking = await service.invite_one(session, person, parse_public_id("bkg", booking_id), body)
    return (await views.booking_views(session, [booking], person))[0]


@router.delete(
    "/bookings/{booking_id}/invitees/{invitee}", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def delete_invitee(
    booking_id: BookingId, invitee: Annotated[str, Path(max_length=80)], person: CurrentPerson, session: SessionDep
) -> schemas.BookingView:
    """One less; they are told that it is off for them."""
    identifiers = parse_public_id("bkg", booking_id), parse_public_id("bki", invitee)
    booking = await service.uninvite(session, person, *identifiers)
    return (await views.booking_views(session, [booking], person))[0]


@router.get("/me/invitations", responses=raises(Unauthenticated))
async def list_my_invitations(person: CurrentPerson, session: SessionDep) -> schemas.InvitationsView:
    """To what colleagues have invited me, in order of time."""
    rows = await invitations.invitations_of(session, person.person_id)
    return schemas.InvitationsView(data=await views.invitation_views(session, rows))


@router.get("/invitations/{code}", responses=raises(NotFound))
async def show_invitation(code: InvitationCode, session: SessionDep) -> schemas.InvitationView:
    """For whoever holds the letter; nobody is signed in."""
    return (await views.invitation_views(session, [await invitations.find_invitation(session, code)]))[0]


@router.post("/invitations/{code}", responses=raises(NotFound, StateConflict))
async def answer_invitation(
    code: InvitationCode, body: schemas.NewInvitationAnswer, session: SessionDep
) -> schemas.InvitationView:
    """Whether they come; the last answer counts."""
    invited, _, _ = await service.answer_invitation(session, code, body.answer)
    return (await views.invitation_views(session, [invited]))[0]


@router.post(
    "/bookings/{booking_id}/{trigger}",
    responses=raises(
        Unauthenticated,
        Forbidden,
        NotFound,
        StateConflict,
        BookingClash,
        OutsideOpening,
        NotBookable,
        QuotaExceeded,
        NotNow,
        NothingServes,
    ),
)
async def pull_trigger(
    booking_id: BookingId,
    trigger: Literal[
        "confirm", "move", "cancel", "check_in", "finish", "accept", "decline", "approve", "reject", "reopen"
    ],
    person: CurrentPerson,
    session: SessionDep,
    body: schemas.BookingAnswer | None = None,
) -> schemas.BookingView:
    """approve, reject, reopen: the office. All others: the organiser, the person served, or the office for them."""
    identifier, answer = parse_public_id("bkg", booking_id), body or schemas.BookingAnswer()
    booking, _ = await service.pull(session, person, identifier, trigger, answer)
    return (await views.booking_views(session, [booking], person))[0]
