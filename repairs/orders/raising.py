"""From the report to the order: one row that keeps every word, picture and wish, and those whose it is.

The same report twice is one order. A category that the rule serves is accepted and sent to somebody at once; one of the pool is
accepted for whoever claims it; of all others the office decides. "Me too" makes a report that becomes part of the other one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import find_place_by_code, memberships_of, person_summary, place_summary, today
from identity.errors import PlaceLabelUnknown
from kernel import audit_log, clock
from kernel.errors import NotFound
from kernel.files import use_files
from kernel.ids import parse_public_id, public_id, uuid7
from repairs.assets.api import Asset, find_asset_by_code, get_asset
from repairs.orders import merging, queries
from repairs.orders.dispatching import dispatch
from repairs.orders.errors import CategoryUnfit, NowhereToRepair
from repairs.orders.models import RepairCategory, WorkOrder, WorkOrderParty
from repairs.orders.parties import SYSTEM, Actor
from repairs.orders.schemas import WorkOrderRequest
from repairs.orders.steps import move, publish_card, ref_of
from repairs.sla.api import Start, start_slas

# For what nobody has found a better word for.
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something is broken, and which thing, where that is known."""

    region_id: UUID
    site_id: UUID | None = None
    place_id: UUID | None = None
    path: tuple[UUID, ...] = ()
    text: str = ""
    asset: Asset | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is needed to make an order, wherever it comes from."""

    spot: Spot
    words: str
    client_id: UUID
    category_id: UUID | None = None
    urgency: str | None = None
    preferred_from: datetime | None = None
    preferred_until: datetime | None = None
    # None: whoever raises it.
    served_id: UUID | None = None
    phone: str = ""
    files: tuple[str, ...] = ()
    file_owner: str | None = None
    call_id: UUID | None = None
    raised_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A report with all that its order needs: nothing is written yet."""

    actor: Actor
    report: Report
    category: RepairCategory
    unit_id: UUID | None


@dataclass(frozen=True, slots=True)
class Raised:
    """The order, and whether this report has made it; then also whose it is."""

    order: WorkOrder
    is_new: bool
    parties: Sequence[WorkOrderParty] = ()


async def raise_by_request(session: AsyncSession, actor: Actor, wanted: WorkOrderRequest) -> Raised:
    """Somebody's report as it was sent."""
    raised = (await raise_orders(session, [await draft_request(session, actor, wanted)]))[0]
    if wanted.same_as is not None:
        await join(session, raised, wanted.same_as)
    return raised


async def draft_request(session: AsyncSession, actor: Actor, wanted: WorkOrderRequest) -> Draft:
    """The same as far as it only reads."""
    spot = await spot_of(session, actor, place=wanted.place, place_code=wanted.place_code, asset=wanted.asset)
    return await draft_order(session, actor, report_of(wanted, spot))


def report_of(wanted: WorkOrderRequest, spot: Spot) -> Report:
    """What somebody sent, with the place that it names."""
    return Report(
        spot=spot,
        words=wanted.words,
        client_id=wanted.client_id or uuid4(),
        category_id=parse_public_id(queries.CATEGORY, wanted.category) if wanted.category else None,
        urgency=wanted.urgency,
        preferred_from=wanted.preferred_from,
        preferred_until=wanted.preferred_until,
        served_id=parse_public_id("per", wanted.served) if wanted.served else None,
        phone=wanted.phone,
        files=tuple(wanted.files),
    )


async def join(session: AsyncSession, raised: Raised, same_as: str) -> None:
    """ "Me too": what cannot be joined any more stays an order of its own."""
    if not raised.is_new or raised.order.state not in ("submitted", "accepted"):
        return
    target = await queries.lock_order(session, parse_public_id(queries.PREFIX, same_as))
    if merging.may_absorb(target, raised.order):
        await merging.merge(session, SYSTEM, raised.order, target)


async def draft_order(session: AsyncSession, actor: Actor, report: Report) -> Draft:
    """What can be refused is refused here; CategoryUnfit, NotFound."""
    category = await category_for(session, report.category_id, report.spot.asset)
    return Draft(actor, report, category, await _unit_of(session, actor, report.served_id))


async def raise_order(session: AsyncSession, actor: Actor, report: Report) -> Raised:
    """The order, its parties, its checklist and its clock, in one transaction; then whoever goes."""
    return (await raise_orders(session, [await draft_order(session, actor, report)]))[0]


async def raise_orders(session: AsyncSession, drafts: Sequence[Draft]) -> list[Raised]:
    """The same for several at once, set by set: a report costs its rows, not its statements. In the order given."""
    now = clock.now()
    rows = {uuid7(): draft for draft in drafts}
    parties = {order_id: _party_rows(order_id, draft) for order_id, draft in rows.items()}
    made = await queries.insert_orders(
        session,
        # Two processes that are sent the same reports wait for each other in one order.
        sorted((_order_row(*row, now) for row in rows.items()), key=lambda row: (row["raiser_key"], row["client_id"])),
        [party for some in parties.values() for party in some],
        [check for order_id, draft in rows.items() for check in _check_rows(order_id, draft.category)],
        [_step_row(order_id, draft, now) for order_id, draft in rows.items()],
    )
    await _follow_up(session, [(made[order_id], draft) for order_id, draft in rows.items() if order_id in made])
    return [
        Raised(made[order_id], is_new=True, parties=[WorkOrderParty(**party) for party in parties[order_id]])
        if order_id in made
        else Raised(await _known(session, draft), is_new=False)
        for order_id, draft in rows.items()
    ]


async def _follow_up(session: AsyncSession, new: Sequence[tuple[WorkOrder, Draft]]) -> None:
    """What comes with a new order: its pictures, its clock, the news, the log; then whoever goes."""
    for order, draft in new:
        if draft.report.files:
            owner = draft.report.file_owner or draft.actor.key
            await use_files(session, draft.report.files, owner=owner, used_by=ref_of(order))
        publish_card(session, order, "raise", assignee_name=None, people=_people_of(draft))
    await start_slas(session, [_start_of(order) for order, _ in new])
    await audit_log.record_many(session, [_act_of(order, draft.actor) for order, draft in new])
    for order, draft in new:
        await _send_on(session, order, draft.category)


async def _known(session: AsyncSession, draft: Draft) -> WorkOrder:
    known = await queries.find_by_client_id(session, draft.actor.key, draft.report.client_id)
    assert known is not None, "a report that is no new one is an old one"
    return known


def _people_of(draft: Draft) -> list[str]:
    concerned = {draft.actor.person_id, draft.report.served_id} - {None}
    return sorted(public_id("per", person) for person in concerned if person is not None)


def _start_of(order: WorkOrder) -> Start:
    return Start(
        order_id=order.id,
        category_id=order.category_id,
        urgency=order.urgency,
        place_id=order.place_id,
        at=order.raised_at,
        region_id=order.region_id,
    )


def _act_of(order: WorkOrder, actor: Actor) -> audit_log.Act:
    data = {"state": order.state, "version": order.version}
    return audit_log.Act(actor.key, "work_order.raise", ref_of(order), data)


async def _send_on(session: AsyncSession, order: WorkOrder, category: RepairCategory) -> None:
    if category.dispatch == "manual":
        return
    order.accepted_at = clock.now()
    await move(session, order, "accept", SYSTEM)
    if category.dispatch == "automatic":
        await dispatch(session, order, category)


# ---- rows, by column


def _order_row(order_id: UUID, draft: Draft, now: datetime) -> dict[str, Any]:
    report, actor, spot = draft.report, draft.actor, draft.report.spot
    return {
        "id": order_id,
        "region_id": spot.region_id,
        "site_id": spot.site_id,
        "raiser_key": actor.key,
        "raiser_id": actor.person_id,
        "guest_id": actor.guest_id,
        "client_id": report.client_id,
        "unit_id": draft.unit_id,
        "category_id": draft.category.id,
        "place_id": spot.place_id,
        "place_path": list(spot.path),
        "place_text": spot.text,
        "asset_id": spot.asset.id if spot.asset is not None else None,
        "words": report.words,
        "phone": report.phone,
        "urgency": report.urgency or draft.category.urgency,
        "preferred_from": report.preferred_from,
        "preferred_until": report.preferred_until,
        "state": "submitted",
        "version": 1,
        "round": 1,
        "declines": 0,
        "call_id": report.call_id,
        "raised_at": report.raised_at or now,
        "changed_at": now,
    }


def _party_rows(order_id: UUID, draft: Draft) -> list[dict[str, Any]]:
    actor, served_id = draft.actor, draft.report.served_id
    is_other = served_id is not None and served_id != actor.person_id
    raiser = {
        "order_id": order_id,
        "party_key": actor.key,
        "person_id": actor.person_id,
        "guest_id": actor.guest_id,
        "is_raiser": True,
        "is_served": not is_other,
    }
    if not is_other:
        return [raiser]
    assert served_id is not None, "somebody else is somebody"
    served = {"order_id": order_id, "party_key": public_id("per", served_id), "person_id": served_id}
    return [raiser, {**served, "is_raiser": False, "is_served": True}]


def _check_rows(order_id: UUID, category: RepairCategory) -> list[dict[str, Any]]:
    return [
        {
            "order_id": order_id,
            "ordinal": ordinal,
            "words_zh": line["zh"],
            "words_en": line.get("en", ""),
            "is_required": line.get("is_required", True),
        }
        for ordinal, line in enumerate(category.checklist, start=1)
    ]


def _step_row(order_id: UUID, draft: Draft, now: datetime) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "ordinal": 1,
        "trigger": "raise",
        "state": "submitted",
        "round": 1,
        "actor": draft.actor.key,
        "words": draft.report.words,
        "data": {},
        "happened_at": draft.report.raised_at or now,
        "recorded_at": now,
    }


# ---- what it is, and for whom


async def category_for(session: AsyncSession, category_id: UUID | None, asset: Asset | None) -> RepairCategory:
    """The one that is named, the asset's own, or `other`; CategoryUnfit for one that is out of use."""
    wanted = category_id or (asset.category_id if asset is not None else None)
    if wanted is None:
        found = await queries.category_by_code(session, OTHER)
        if found is None:
            raise CategoryUnfit(reason="choose a category")
        return found
    category = await queries.get_category(session, wanted)
    if category.retired_at is not None:
        raise CategoryUnfit(reason="it is out of use")
    return category


async def _unit_of(session: AsyncSession, actor: Actor, served_id: UUID | None) -> UUID | None:
    """Of the person served: it bears the cost."""
    if served_id is None or served_id == actor.person_id:
        return actor.person.unit_id if actor.person is not None else None
    if served_id not in await person_summary(session, [served_id]):
        raise NotFound(what="per", id=public_id("per", served_id))
    membership = (await memberships_of(session, [served_id], today())).get(served_id)
    return membership.unit_id if membership is not None else None


# ---- where


async def spot_of(
    session: AsyncSession, actor: Actor, *, place: str | None, place_code: str | None, asset: str | None
) -> Spot:
    """By a scanned label, an asset, a place, or else the home region of whoever asks."""
    if place_code is not None:
        return await spot_of_code(session, letters_of(place_code))
    if asset is not None:
        return await spot_of_asset(session, await get_asset(session, parse_public_id(queries.ASSET, asset)))
    if place is not None:
        return await spot_of_place(session, parse_public_id("pla", place))
    if actor.person is None or actor.person.region_id is None:
        raise NowhereToRepair
    return Spot(actor.person.region_id)


def letters_of(scanned: str) -> str:
    """A label's symbol holds an address that ends with its letters."""
    return scanned.rstrip("/").rpartition("/")[2]


async def spot_of_code(session: AsyncSession, letters: str) -> Spot:
    """The label of an asset or of a place; PlaceLabelUnknown, PlaceLabelEnded."""
    try:
        asset = await find_asset_by_code(session, letters)
    except PlaceLabelUnknown:
        return await spot_of_place(session, (await find_place_by_code(session, letters)).id)
    return await spot_of_asset(session, asset)


async def spot_of_asset(session: AsyncSession, asset: Asset) -> Spot:
    """Where it stands."""
    return await spot_of_place(session, asset.place_id, asset)


async def spot_of_place(session: AsyncSession, place_id: UUID, asset: Asset | None = None) -> Spot:
    """A place of the tree; NotFound."""
    place = (await place_summary(session, [place_id])).get(place_id)
    if place is None:
        raise NotFound(what="pla", id=public_id("pla", place_id))
    return Spot(place.region_id, place.site_id, place.id, place.path, place.full_name_zh, asset)
