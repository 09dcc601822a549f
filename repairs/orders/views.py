"""Work orders in their wire form, as their reader may see them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import person_summary
from kernel import clock
from kernel.files import StoredFile, files_of
from kernel.ids import parse_public_id, public_id
from repairs.assets.api import Asset, assets_by_id
from repairs.orders import queries, schemas
from repairs.orders.events import desk_id
from repairs.orders.models import (
    RepairCategory,
    RepairProblem,
    WorkOrder,
    WorkOrderNote,
    WorkOrderParty,
    WorkOrderRating,
)
from repairs.orders.parties import Actor, is_staff, sides_of
from repairs.orders.rating import rated_until
from repairs.orders.states import UNREPAIRED, allowed_to, problem_triggers
from repairs.sla.api import SlaView, sla_marks, sla_views

GUEST_NAME = "访客"


def at(moment: datetime | None) -> str | None:
    """An instant, where there is one."""
    return clock.rfc3339(moment) if moment is not None else None


def attached(file: StoredFile) -> schemas.AttachedFile:
    """A file, to be fetched by its id."""
    return schemas.AttachedFile(id=public_id("file", file.id), kind=file.kind, media_type=file.media_type)


def category_brief(category: RepairCategory) -> schemas.CategoryBrief:
    """A category on an order."""
    return schemas.CategoryBrief(
        id=public_id(queries.CATEGORY, category.id),
        name_zh=category.name_zh,
        name_en=category.name_en,
        icon=category.icon,
        skill=category.skill,
    )


def asset_brief(asset: Asset | None) -> schemas.AssetBrief | None:
    """An asset on an order."""
    if asset is None:
        return None
    return schemas.AssetBrief(
        id=public_id(queries.ASSET, asset.id), name_zh=asset.name_zh, name_en=asset.name_en, code=asset.code
    )


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a page of orders, read once for all of them."""

    parties: Mapping[UUID, Sequence[WorkOrderParty]]
    categories: Mapping[UUID, RepairCategory]
    assets: Mapping[UUID, Asset]
    files: Mapping[str, Sequence[StoredFile]]
    ratings: Mapping[UUID, Sequence[WorkOrderRating]]
    people: Mapping[UUID, str]
    guests: Mapping[UUID, str]
    handled: Collection[UUID]
    clocks: Mapping[UUID, SlaView]

    def somebody(self, person_id: UUID | None) -> schemas.SomebodyView | None:
        if person_id is None:
            return None
        return schemas.SomebodyView(id=public_id("per", person_id), name=self.people.get(person_id, ""))

    def party(self, party: WorkOrderParty) -> schemas.PartyView:
        return schemas.PartyView(id=party.party_key, name=self.name_of(party), is_guest=party.guest_id is not None)

    def name_of(self, party: WorkOrderParty) -> str:
        if party.guest_id is not None:
            return self.guests.get(party.guest_id) or GUEST_NAME
        return self.people.get(party.person_id, "") if party.person_id is not None else ""


async def read_around(session: AsyncSession, orders: Sequence[WorkOrder], reader: Actor) -> Around:
    """Everything that a page of orders shows, in a handful of questions."""
    ids = [order.id for order in orders]
    parties = await queries.parties_of(session, ids)
    everybody = [party for some in parties.values() for party in some]
    people = {party.person_id for party in everybody} | {order.assignee_id for order in orders}
    guests = {party.guest_id for party in everybody if party.guest_id is not None}
    handled = await queries.handled_by(session, ids, reader.person_id) if reader.person_id is not None else set()
    assets = {order.asset_id for order in orders if order.asset_id is not None}
    return Around(
        parties=parties,
        categories=await queries.categories_by_id(session, {order.category_id for order in orders}),
        assets=await assets_by_id(session, assets) if assets else {},
        files=await files_of(session, [public_id(queries.PREFIX, identifier) for identifier in ids]),
        ratings=await queries.ratings_of(session, ids),
        people=await names_of(session, {person for person in people if person is not None}),
        guests=await queries.guests_named(session, guests) if guests else {},
        handled=handled,
        clocks=await sla_views(session, ids),
    )


async def names_of(session: AsyncSession, people: Collection[UUID]) -> dict[UUID, str]:
    """Names by person."""
    if not people:
        return {}
    return {person: summary.name for person, summary in (await person_summary(session, list(people))).items()}


async def views_of(session: AsyncSession, orders: Sequence[WorkOrder], reader: Actor) -> list[schemas.WorkOrderView]:
    """Several at once, without what belongs to one alone."""
    around = await read_around(session, orders, reader)
    return [schemas.WorkOrderView.model_validate(_order(order, around, reader)) for order in orders]


@dataclass(frozen=True, slots=True)
class Fresh:
    """An order that was raised in this transaction, with what whoever raised it knows of it already."""

    order: WorkOrder
    raiser: Actor
    category: RepairCategory
    asset: Asset | None
    parties: Sequence[WorkOrderParty]
    has_files: bool


async def views_of_fresh(session: AsyncSession, fresh: Sequence[Fresh]) -> list[schemas.WorkOrderView]:
    """Each as its raiser sees it. What is known is not asked: nobody has worked on any of them yet, or rated it."""
    people = {one.raiser.person_id: one.raiser.name for one in fresh if one.raiser.person_id is not None}
    concerned = {party.person_id for one in fresh for party in one.parties} | {one.order.assignee_id for one in fresh}
    unknown = {person for person in concerned if person is not None and person not in people}
    with_files = [public_id(queries.PREFIX, one.order.id) for one in fresh if one.has_files]
    around = Around(
        parties={one.order.id: one.parties for one in fresh},
        categories={one.category.id: one.category for one in fresh},
        assets={one.asset.id: one.asset for one in fresh if one.asset is not None},
        files=await files_of(session, with_files) if with_files else {},
        ratings={},
        people=people | await names_of(session, unknown),
        guests={},
        handled=(),
        clocks=await sla_views(session, [one.order.id for one in fresh]),
    )
    return [schemas.WorkOrderView.model_validate(_order(one.order, around, one.raiser)) for one in fresh]


async def view_of(session: AsyncSession, order: WorkOrder, reader: Actor) -> schemas.WorkOrderView:
    """One, without its history."""
    return (await views_of(session, [order], reader))[0]


def _sides(order: WorkOrder, around: Around, reader: Actor) -> frozenset[str]:
    return sides_of(order, around.parties.get(order.id, []), reader, is_handler=order.id in around.handled)


def _allowed(order: WorkOrder, around: Around, reader: Actor) -> list[str]:
    """As the table says; rating only as long as it is open to this reader."""
    allowed = allowed_to(order.state, _sides(order, around, reader))
    mine = [rating for rating in around.ratings.get(order.id, []) if rating.party_key == reader.key]
    if "rate" in allowed and clock.now() > rated_until(order, mine):
        allowed.remove("rate")
    return allowed


def _order(order: WorkOrder, around: Around, reader: Actor) -> dict[str, Any]:
    parties = around.parties.get(order.id, [])
    own = next((party for party in parties if party.party_key == reader.key), None)
    region = public_id("reg", order.region_id)
    return {
        "id": public_id(queries.PREFIX, order.id),
        "client_id": str(order.client_id),
        "state": order.state,
        "version": order.version,
        "allowed": _allowed(order, around, reader),
        "region": region,
        "desk": desk_id(region),
        "category": category_brief(around.categories[order.category_id]),
        "place": public_id("pla", order.place_id) if order.place_id else None,
        "place_text": order.place_text,
        "asset": asset_brief(around.assets.get(order.asset_id)) if order.asset_id else None,
        "words": order.words,
        "urgency": order.urgency,
        "preferred_from": at(order.preferred_from),
        "preferred_until": at(order.preferred_until),
        "raisers": [around.party(party) for party in parties if party.is_raiser],
        "served": [around.party(party) for party in parties if party.is_served],
        "is_mine": own is not None and own.is_raiser,
        "is_served": own is not None and own.is_served,
        "assignee": around.somebody(order.assignee_id),
        "round": order.round,
        "declines": order.declines,
        "hold": hold_view(order),
        "files": [attached(file) for file in around.files.get(public_id(queries.PREFIX, order.id), [])],
        "merged_into": public_id(queries.PREFIX, order.merged_into) if order.merged_into else None,
        "problem": public_id(queries.PROBLEM, order.problem_id) if order.problem_id else None,
        "call": public_id("call", order.call_id) if order.call_id else None,
        "sla": around.clocks.get(order.id),
        "raised_at": clock.rfc3339(order.raised_at),
        "changed_at": clock.rfc3339(order.changed_at),
        "accepted_at": at(order.accepted_at),
        "started_at": at(order.started_at),
        "finished_at": at(order.finished_at),
        "confirmed_at": at(order.confirmed_at),
        "confirmed_by": order.confirmed_by,
        "confirm_due_at": at(order.confirm_due_at),
        "ended_at": at(order.ended_at),
        "ratings": rating_views(order, around, reader),
    }


def hold_view(order: WorkOrder) -> schemas.HoldView | None:
    """Why nothing happens."""
    if order.hold_cause is None or order.held_at is None:
        return None
    return schemas.HoldView.model_validate(
        {"cause": order.hold_cause, "since": clock.rfc3339(order.held_at), "until": at(order.hold_until)}
    )


def rating_views(order: WorkOrder, around: Around, reader: Actor) -> list[schemas.RatingView]:
    """What those who were served thought of it."""
    names = {party.party_key: around.name_of(party) for party in around.parties.get(order.id, [])}
    return [
        schemas.RatingView(
            who=names.get(rating.party_key, ""),
            is_mine=rating.party_key == reader.key,
            is_second=rating.is_second,
            score=rating.score,
            words=rating.words,
            rated_at=clock.rfc3339(rating.rated_at),
            edited_at=at(rating.edited_at),
            answer=rating.answer,
            answered_at=at(rating.answered_at),
        )
        for rating in around.ratings.get(order.id, [])
    ]


# ---- one order with all that belongs to it


async def whole_view_of(session: AsyncSession, order: WorkOrder, reader: Actor) -> schemas.WorkOrderView:
    """One, with its history, notes, checklist, time and what was merged into it."""
    around = await read_around(session, [order], reader)
    staff = is_staff(_sides(order, around, reader))
    own = {party.party_key for party in around.parties.get(order.id, [])}
    whole = {
        **_order(order, around, reader),
        "phone": order.phone if staff or reader.key in own else None,
        "history": await history_of(session, order),
        "notes": await note_views_of(session, order, only_public=not staff),
        "checklist": await _checklist(session, order),
        "labour": await _labour(session, order),
        "merged": await _merged(session, order),
        "duplicates": await _duplicates(session, order) if staff and order.state in UNREPAIRED else None,
    }
    return schemas.WorkOrderView.model_validate(whole)


async def history_of(session: AsyncSession, order: WorkOrder) -> list[schemas.OrderStepView]:
    """Its steps, with the names of who took them."""
    steps = await queries.steps_of(session, order.id)
    people = {parse_public_id("per", step.actor) for step in steps if step.actor.startswith("per_")}
    names = {public_id("per", person): name for person, name in (await names_of(session, people)).items()}
    return [
        schemas.OrderStepView(
            ordinal=step.ordinal,
            trigger=step.trigger,
            state=step.state,
            round=step.round,
            actor=step.actor,
            actor_name=names.get(step.actor),
            words=step.words,
            data=step.data,
            happened_at=clock.rfc3339(step.happened_at),
            at=clock.rfc3339(step.recorded_at),
        )
        for step in steps
    ]


async def note_views_of(session: AsyncSession, order: WorkOrder, *, only_public: bool) -> list[schemas.NoteView]:
    """Words and pictures."""
    return await note_views(session, await queries.notes_of(session, order.id, only_public=only_public))


async def note_views(session: AsyncSession, notes: Sequence[WorkOrderNote]) -> list[schemas.NoteView]:
    """With names and files."""
    names = await names_of(session, {note.author_id for note in notes if note.author_id is not None})
    files = await files_of(session, [public_id(queries.NOTE, note.id) for note in notes]) if notes else {}
    return [
        schemas.NoteView.model_validate(
            {
                "id": public_id(queries.NOTE, note.id),
                "kind": note.kind,
                "words": note.words,
                "author": note.author_key,
                "author_name": names.get(note.author_id, "") if note.author_id is not None else GUEST_NAME,
                "files": [attached(file) for file in files.get(public_id(queries.NOTE, note.id), [])],
                "is_public": note.is_public,
                "at": clock.rfc3339(note.happened_at),
            }
        )
        for note in notes
    ]


async def _checklist(session: AsyncSession, order: WorkOrder) -> list[schemas.CheckView]:
    checks = await queries.checks_of(session, order.id)
    names = await names_of(session, {check.ticked_by for check in checks if check.ticked_by is not None})
    return [
        schemas.CheckView(
            ordinal=check.ordinal,
            zh=check.words_zh,
            en=check.words_en,
            is_required=check.is_required,
            ticked_by=_somebody(names, check.ticked_by),
            ticked_at=at(check.ticked_at),
        )
        for check in checks
    ]


def _somebody(names: Mapping[UUID, str], person_id: UUID | None) -> schemas.SomebodyView | None:
    if person_id is None:
        return None
    return schemas.SomebodyView(id=public_id("per", person_id), name=names.get(person_id, ""))


async def _labour(session: AsyncSession, order: WorkOrder) -> list[schemas.LabourView]:
    entries = await queries.labour_of(session, order.id)
    names = await names_of(session, {entry.person_id for entry in entries})
    return [
        schemas.LabourView.model_validate(
            {
                "id": public_id(queries.LABOUR, entry.id),
                "person": _somebody(names, entry.person_id),
                "started_at": clock.rfc3339(entry.started_at),
                "minutes": entry.minutes,
                "words": entry.words,
            }
        )
        for entry in entries
    ]


async def _merged(session: AsyncSession, order: WorkOrder) -> list[schemas.MergedView]:
    merged = await queries.merged_into(session, order.id)
    if not merged:
        return []
    names = await names_of(session, {other.raiser_id for other in merged if other.raiser_id is not None})
    files = await files_of(session, [public_id(queries.PREFIX, other.id) for other in merged])
    return [
        schemas.MergedView(
            id=public_id(queries.PREFIX, other.id),
            raiser_name=names.get(other.raiser_id, "") if other.raiser_id is not None else GUEST_NAME,
            words=other.words,
            files=[attached(file) for file in files.get(public_id(queries.PREFIX, other.id), [])],
            raised_at=clock.rfc3339(other.raised_at),
        )
        for other in merged
    ]


async def _duplicates(session: AsyncSession, order: WorkOrder) -> list[schemas.OrderBrief]:
    twins = await queries.twins_of(
        session,
        place_id=order.place_id,
        asset_id=order.asset_id,
        category_id=order.category_id,
        at=clock.now(),
        besides=order.id,
    )
    return await briefs_of(session, twins)


async def briefs_of(session: AsyncSession, orders: Sequence[WorkOrder]) -> list[schemas.OrderBrief]:
    """For who need not see all of it: no names."""
    if not orders:
        return []
    categories = await queries.categories_by_id(session, {order.category_id for order in orders})
    parties = await queries.parties_of(session, [order.id for order in orders])
    return [
        schemas.OrderBrief.model_validate(
            {
                "id": public_id(queries.PREFIX, order.id),
                "category": category_brief(categories[order.category_id]),
                "state": order.state,
                "place_text": order.place_text,
                "words": order.words[:200],
                "raised_at": clock.rfc3339(order.raised_at),
                "raisers": sum(party.is_raiser for party in parties.get(order.id, [])),
            }
        )
        for order in orders
    ]


async def guest_view_of(session: AsyncSession, order: WorkOrder, guest: Actor, *, is_merged: bool) -> dict[str, Any]:
    """What a guest sees: their order, or the one that it has become part of."""
    around = await read_around(session, [order], guest)
    whole = _order(order, around, guest)
    shown = {name: whole[name] for name in schemas.GuestOrderView.model_fields if name in whole}
    history = [step.model_copy(update={"actor_name": None, "data": {}}) for step in await history_of(session, order)]
    return {
        **shown,
        "assignee_name": around.people.get(order.assignee_id) if order.assignee_id is not None else None,
        # Pictures of those who have raised the other one are theirs.
        "files": [] if is_merged else shown["files"],
        "notes": await note_views_of(session, order, only_public=True),
        "history": history,
        "is_merged": is_merged,
    }


# ---- the board


async def cards_at(session: AsyncSession, region_id: UUID) -> list[dict[str, Any]]:
    """All open orders of a region, compact: what a board of ten thousand is painted from."""
    rows = await queries.open_at(session, region_id)
    names = await names_of(session, {row.assignee_id for row in rows if row.assignee_id is not None})
    clocks = await sla_marks(session, [row.id for row in rows]) if rows else {}
    people = {person: public_id("per", person) for person in names}
    categories = {each: public_id(queries.CATEGORY, each) for each in {row.category_id for row in rows}}
    cards = []
    # Taken apart at once: to ask a row for each of its columns costs more than all the rest.
    for row in rows:
        identifier, hexadecimal, state, version, urgency, category, place_text, words, assignee, *rest = row
        round_, declines, hold_cause, problem, raised_at, changed_at = rest
        sla, due_at = clocks.get(identifier, _NO_CLOCK)
        cards.append(
            {
                "id": f"wo_{hexadecimal}",
                "state": state,
                "version": version,
                "urgency": urgency,
                "category": categories[category],
                "place_text": place_text,
                "words": words,
                "assignee": people.get(assignee),
                "assignee_name": names.get(assignee),
                "round": round_,
                "declines": declines,
                "hold_cause": hold_cause,
                "problem": public_id(queries.PROBLEM, problem) if problem else None,
                "raised_at": raised_at,
                "changed_at": changed_at,
                "sla": sla,
                "due_at": due_at,
            }
        )
    return cards


_NO_CLOCK: Final = (None, None)


# ---- problems


async def problem_views(
    session: AsyncSession, problems: Sequence[RepairProblem], reader: Actor
) -> list[schemas.ProblemView]:
    """With how many orders each links."""
    categories = await queries.categories_by_id(session, {problem.category_id for problem in problems})
    counts = await queries.counts_of_problems(session, [problem.id for problem in problems])
    return [
        schemas.ProblemView.model_validate(
            {
                "id": public_id(queries.PROBLEM, problem.id),
                "region": public_id("reg", problem.region_id),
                "category": category_brief(categories[problem.category_id]),
                "place_text": problem.place_text,
                "state": problem.state,
                "allowed": problem_triggers(problem.state) if _leads(reader, problem) else [],
                "orders": counts.get(problem.id, 0),
                "cause": problem.cause,
                "words": problem.words,
                "opened_at": clock.rfc3339(problem.opened_at),
                "changed_at": clock.rfc3339(problem.changed_at),
                "closed_at": at(problem.closed_at),
            }
        )
        for problem in problems
    ]


def _leads(reader: Actor, problem: RepairProblem) -> bool:
    return reader.person is not None and reader.person.may(*queries.LEAD_ROLES, region_id=problem.region_id)
