"""Calls in their wire form, as their reader may see them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, contacts_of, person_summary, today
from kernel import clock
from kernel.files import StoredFile, files_of
from kernel.ids import parse_public_id, public_id
from realtime.calls import queries, schemas, service
from realtime.calls.events import desk_id
from realtime.calls.models import Call, CallMessage, CallReceipt, CallRing, CallStep
from realtime.calls.policies import Frozen, acks_needed
from realtime.calls.states import allowed_to


async def views_of(session: AsyncSession, calls: Sequence[Call], reader: Principal | None) -> list[schemas.CallView]:
    """Several at once. Without a reader (a button on a wall) nothing is allowed and no names are told."""
    ids = [call.id for call in calls]
    names = await _Names.of(session, calls)
    progress = await queries.progress_of(session, ids)
    ahead = await queries.ahead_of(session, ids)
    files = await files_of(session, [public_id(queries.PREFIX, identifier) for identifier in ids])
    rung = await queries.rung_calls_of(session, ids, reader.person_id) if reader is not None else set()
    return [
        _view(
            call,
            names,
            progress.get(call.id, queries.Progress()),
            ahead.get(call.id),
            files.get(public_id(queries.PREFIX, call.id), []),
            reader,
            service.sides_of(call, reader, is_rung=call.id in rung) if reader is not None else frozenset(),
        )
        for call in calls
    ]


async def view_of(session: AsyncSession, call: Call, reader: Principal | None) -> schemas.CallView:
    """One, without its history."""
    return (await views_of(session, [call], reader))[0]


async def whole_view_of(session: AsyncSession, call: Call, reader: Principal) -> schemas.CallView:
    """One, with its history, and with the caller's telephone for those who come."""
    view = await view_of(session, call, reader)
    steps = await queries.steps_of(session, call.id)
    view.history = await _history(session, steps)
    if call.caller_id is not None and reader.person_id != call.caller_id:
        contact = (await contacts_of(session, [call.caller_id], today())).get(call.caller_id)
        view.caller.phone = contact.phone if contact is not None else None
    return view


class _Names:
    """Of people and buttons, read once for a page of calls."""

    def __init__(self, people: dict[UUID, str], buttons: dict[UUID, str]) -> None:
        self.people = people
        self.buttons = buttons

    @classmethod
    async def of(cls, session: AsyncSession, calls: Sequence[Call]) -> "_Names":
        wanted = {
            person for call in calls for person in (call.caller_id, call.acker_id, *call.joined) if person is not None
        }
        buttons = {call.button_id for call in calls if call.button_id is not None}
        return cls(await names_of(session, wanted), await queries.buttons_named(session, buttons) if buttons else {})

    def somebody(self, person_id: UUID | None) -> schemas.SomebodyView | None:
        return somebody(self.people, person_id) if person_id is not None else None

    def caller(self, call: Call) -> schemas.CallerView:
        is_button = call.button_id is not None
        name = self.buttons.get(call.button_id, "") if call.button_id else self.people.get(call.caller_id, "")  # type: ignore[arg-type]  # one of the two
        return schemas.CallerView(id=call.caller_key, name=name, is_button=is_button)


async def names_of(session: AsyncSession, people: Collection[UUID]) -> dict[UUID, str]:
    """Names by person."""
    if not people:
        return {}
    return {person: summary.name for person, summary in (await person_summary(session, list(people))).items()}


def somebody(names: dict[UUID, str], person_id: UUID) -> schemas.SomebodyView:
    """A person, by name."""
    return schemas.SomebodyView(id=public_id("per", person_id), name=names.get(person_id, ""))


def _at(moment: datetime | None) -> str | None:
    return clock.rfc3339(moment) if moment is not None else None


def _view(
    call: Call,
    names: _Names,
    progress: queries.Progress,
    ahead: int | None,
    files: Sequence[StoredFile],
    reader: Principal | None,
    sides: frozenset[str],
) -> schemas.CallView:
    frozen = Frozen.from_json(call.policy)
    region = public_id("reg", call.region_id)
    joined = [names.somebody(person) for person in call.joined]
    return schemas.CallView.model_validate(
        {
            "id": public_id(queries.PREFIX, call.id),
            "client_id": str(call.client_id),
            "kind": call.kind,
            "state": call.state,
            "version": call.version,
            "allowed": allowed_to(call.state, sides),
            "region": region,
            "desk": desk_id(region),
            "place": public_id("pla", call.place_id) if call.place_id else None,
            "place_text": call.place_text,
            "words": call.words,
            "files": [attached(file) for file in files],
            "urgency": call.urgency,
            "step": call.step,
            "steps": len(frozen.steps),
            "loop": call.loop,
            "ring_round": call.ring_round,
            "acks_needed": acks_needed(frozen, call.state, call.step),
            "is_flagged": call.is_flagged,
            "caller": names.caller(call),
            "is_mine": reader is not None and reader.person_id == call.caller_id,
            "acker": names.somebody(call.acker_id),
            "joined": [one for one in joined if one is not None],
            "way": call.way,
            "eta_minutes": call.eta_minutes,
            "asked_at": _at(call.asked_at),
            "handed_to": call.handed_to
            or (public_id(queries.TEAM, call.handed_team_id) if call.handed_team_id else None),
            "cause": call.cause,
            "rating": call.rating,
            "rating_words": call.rating_words,
            "progress": schemas.ProgressView(
                people=progress.people, sent=progress.sent, shown=progress.shown, reached=progress.reached
            ),
            "ahead": ahead,
            "due_at": _at(call.due_at),
            "placed_at": clock.rfc3339(call.placed_at),
            "changed_at": clock.rfc3339(call.changed_at),
            "acknowledged_at": _at(call.acknowledged_at),
            "missed_at": _at(call.missed_at),
            "ended_at": _at(call.ended_at),
        }
    )


def attached(file: StoredFile) -> schemas.AttachedFile:
    """A picture or a voice note of a call."""
    return schemas.AttachedFile(id=public_id("file", file.id), kind=file.kind, media_type=file.media_type)


async def _history(session: AsyncSession, steps: Sequence[CallStep]) -> list[schemas.CallStepView]:
    actors = {step.actor for step in steps if step.actor.startswith("per_")}
    names = await names_of(session, {parse_public_id("per", actor) for actor in actors})
    return [
        schemas.CallStepView(
            ordinal=step.ordinal,
            trigger=step.trigger,
            state=step.state,
            step=step.step,
            loop=step.loop,
            actor=step.actor,
            actor_name=names.get(parse_public_id("per", step.actor)) if step.actor in actors else None,
            words=step.words,
            at=clock.rfc3339(step.recorded_at),
        )
        for step in steps
    ]


async def receipts_view(session: AsyncSession, call: Call) -> list[schemas.ReceiptView]:
    """Whom each round rang, on which devices, and how far each got; the newest round first."""
    rings, receipts = await queries.rings_of(session, call.id), await queries.receipts_of(session, call.id)
    rung, shown = {ring.person_id for ring in rings}, {receipt.person_id for receipt in receipts}
    names = await names_of(session, rung | shown)
    steps = {ring.ring_round: ring.step for ring in rings}
    by_device = [_receipt(receipt, steps.get(receipt.ring_round, 0), names) for receipt in receipts]
    known = {(receipt.ring_round, receipt.person_id) for receipt in receipts}
    without = [_rung(ring, names) for ring in rings if (ring.ring_round, ring.person_id) not in known]
    return sorted((*by_device, *without), key=lambda view: (-view.ring_round, view.person.id, view.device or ""))


def _receipt(receipt: CallReceipt, step: int, names: dict[UUID, str]) -> schemas.ReceiptView:
    at = receipt.acked_at or receipt.shown_at or receipt.sent_at
    return schemas.ReceiptView(
        ring_round=receipt.ring_round,
        step=step,
        person=somebody(names, receipt.person_id),
        device=receipt.device,
        status="acked" if receipt.acked_at else "shown" if receipt.shown_at else "sent",
        ways=0,
        at=clock.rfc3339(at),
    )


def _rung(ring: CallRing, names: dict[UUID, str]) -> schemas.ReceiptView:
    return schemas.ReceiptView(
        ring_round=ring.ring_round,
        step=ring.step,
        person=somebody(names, ring.person_id),
        device=None,
        status="rung",
        ways=ring.ways,
        at=clock.rfc3339(ring.rung_at),
    )


async def message_views(session: AsyncSession, messages: Sequence[CallMessage]) -> list[schemas.MessageView]:
    """Words of both sides, with what came with them."""
    names = await names_of(session, {message.author_id for message in messages})
    files = await files_of(session, [public_id(queries.MESSAGE, message.id) for message in messages])
    return [
        schemas.MessageView(
            id=public_id(queries.MESSAGE, message.id),
            call=public_id(queries.PREFIX, message.call_id),
            author=somebody(names, message.author_id),
            side="caller" if message.side == "caller" else "staff",
            words=message.words,
            files=[attached(file) for file in files.get(public_id(queries.MESSAGE, message.id), [])],
            at=clock.rfc3339(message.written_at),
        )
        for message in messages
    ]


async def present_views(session: AsyncSession, region_id: UUID) -> list[schemas.PresentView]:
    """Who is at a region's desk, and on how many pages."""
    leases = await queries.present_at(session, region_id, clock.now())
    by_person: dict[UUID, list[datetime]] = {}
    for lease in leases:
        by_person.setdefault(lease.person_id, []).append(lease.since)
    names = await names_of(session, by_person.keys())
    return [
        schemas.PresentView(person=somebody(names, person), devices=len(since), since=clock.rfc3339(min(since)))
        for person, since in by_person.items()
    ]
