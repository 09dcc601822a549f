"""Reads of work orders."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, bindparam, false, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id
from repairs.orders.errors import TicketUnknown
from repairs.orders.models import (
    RepairCategory,
    RepairGuest,
    RepairProblem,
    Technician,
    WorkOrder,
    WorkOrderChange,
    WorkOrderCheck,
    WorkOrderLabour,
    WorkOrderNote,
    WorkOrderOffer,
    WorkOrderParty,
    WorkOrderRating,
    WorkOrderStep,
)
from repairs.orders.states import OPEN, TAKEN, UNREPAIRED

PREFIX: Final = "wo"
CATEGORY: Final = "rcat"
NOTE: Final = "won"
LABOUR: Final = "wlab"
PROBLEM: Final = "prb"
GUEST: Final = "gst"
ASSET: Final = "ast"

# Whoever works at a desk of repairs, and who answers for it.
STAFF_ROLES: Final = (Role.TECHNICIAN, Role.DISPATCHER)
LEAD_ROLES: Final = (Role.DISPATCHER,)
# Whoever looks at the board: at the desk of calls somebody is asked how far it is.
BOARD_ROLES: Final = (*STAFF_ROLES, Role.DUTY_STAFF)

# A report of the same thing at the same place is likely to mean the same for so long.
TWIN_WITHIN: Final = timedelta(days=14)
_TWINS_MAX: Final = 5
_AUTHOR_CLASS: Final = 4_204_271


# ---- orders


async def get_order(session: AsyncSession, order_id: UUID) -> WorkOrder:
    """As it is now, unlocked; NotFound."""
    order = await session.get(WorkOrder, order_id, populate_existing=True)
    if order is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, order_id))
    return order


async def lock_order(session: AsyncSession, order_id: UUID) -> WorkOrder:
    """The row, locked: its timers come after it. NotFound."""
    order = await session.get(WorkOrder, order_id, populate_existing=True, with_for_update=True)
    if order is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, order_id))
    return order


async def orders_by_id(session: AsyncSession, ids: Collection[UUID]) -> list[WorkOrder]:
    """Some orders; unknown ids are absent."""
    return list(await session.scalars(select(WorkOrder).where(WorkOrder.id.in_(ids))))


async def find_by_client_id(session: AsyncSession, raiser_key: str, client_id: UUID) -> WorkOrder | None:
    """The order that this very report has made."""
    return await session.scalar(
        select(WorkOrder).where(WorkOrder.raiser_key == raiser_key, WorkOrder.client_id == client_id)
    )


# Reports that came in together, in one statement; of those that were made into an order before nothing is written. Columns that
# are not named are empty.
_RAISE: Final = text("""
    WITH made AS (
        INSERT INTO work_orders (id, region_id, site_id, raiser_key, raiser_id, guest_id, client_id, unit_id, category_id, place_id,
                                 place_path, place_text, asset_id, words, phone, urgency, preferred_from, preferred_until,
                                 state, version, round, declines, call_id, raised_at, changed_at)
        SELECT id, region_id, site_id, raiser_key, raiser_id, guest_id, client_id, unit_id, category_id, place_id,
               place_path, place_text, asset_id, words, phone, urgency, preferred_from, preferred_until,
               state, version, round, declines, call_id, raised_at, changed_at
          FROM json_populate_recordset(CAST(NULL AS work_orders), CAST(:orders AS json))
        ON CONFLICT ON CONSTRAINT work_orders_client_id_key DO NOTHING
        RETURNING *
    ), parties AS (
        INSERT INTO work_order_parties (order_id, party_key, person_id, guest_id, is_raiser, is_served)
        SELECT p.order_id, p.party_key, p.person_id, p.guest_id, p.is_raiser, p.is_served
          FROM json_populate_recordset(CAST(NULL AS work_order_parties), CAST(:parties AS json)) AS p
          JOIN made ON made.id = p.order_id
    ), checks AS (
        INSERT INTO work_order_checks (order_id, ordinal, words_zh, words_en, is_required)
        SELECT c.order_id, c.ordinal, c.words_zh, c.words_en, c.is_required
          FROM json_populate_recordset(CAST(NULL AS work_order_checks), CAST(:checks AS json)) AS c
          JOIN made ON made.id = c.order_id
    ), steps AS (
        INSERT INTO work_order_steps (order_id, ordinal, trigger, state, round, actor, words, data, happened_at, recorded_at)
        SELECT s.order_id, s.ordinal, s.trigger, s.state, s.round, s.actor, s.words, s.data, s.happened_at, s.recorded_at
          FROM json_populate_recordset(CAST(NULL AS work_order_steps), CAST(:steps AS json)) AS s
          JOIN made ON made.id = s.order_id
    )
    SELECT * FROM made
""")
Rows = Sequence[Mapping[str, Any]]


async def insert_orders(
    session: AsyncSession, orders: Rows, parties: Rows, checks: Rows, steps: Rows
) -> dict[UUID, WorkOrder]:
    """Orders with all that they begin with, by column; those whose report was known already are absent."""
    given = {"orders": orders, "parties": parties, "checks": checks, "steps": steps}
    rows = await session.scalars(
        select(WorkOrder).from_statement(_RAISE),
        {name: msgspec.json.encode(some).decode() for name, some in given.items()},
    )
    return {row.id: row for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which orders of a list."""

    states: Collection[str] = ()
    mine: str | None = None
    place_id: UUID | None = None
    asset_id: UUID | None = None
    category_id: UUID | None = None
    assignee_id: UUID | None = None
    problem_id: UUID | None = None
    region_id: UUID | None = None
    urgency: str | None = None
    words: str | None = None


async def list_orders(
    session: AsyncSession, reader: Principal, chosen: Chosen, limit: int, before: UUID | None
) -> list[WorkOrder]:
    """Newest first, one more than the limit."""
    query = select(WorkOrder).where(*_chosen(reader, chosen)).order_by(WorkOrder.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(WorkOrder.id < before)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


def _chosen(reader: Principal, chosen: Chosen) -> list[ColumnElement[bool]]:
    where = [_whose(reader, chosen.mine)]
    if chosen.states:
        where.append(WorkOrder.state.in_(chosen.states))
    if chosen.place_id is not None:
        where.append(WorkOrder.place_path.contains([chosen.place_id]))
    if chosen.category_id is not None:
        below = select(RepairCategory.id).where(RepairCategory.parent_id == chosen.category_id)
        where.append(or_(WorkOrder.category_id == chosen.category_id, WorkOrder.category_id.in_(below)))
    if chosen.words:
        where.append(
            or_(
                WorkOrder.words.contains(chosen.words, autoescape=True),
                WorkOrder.place_text.contains(chosen.words, autoescape=True),
            )
        )
    equal = {
        WorkOrder.asset_id: chosen.asset_id,
        WorkOrder.assignee_id: chosen.assignee_id,
        WorkOrder.problem_id: chosen.problem_id,
        WorkOrder.region_id: chosen.region_id,
        WorkOrder.urgency: chosen.urgency,
    }
    return [*where, *(column == value for column, value in equal.items() if value is not None)]


def _whose(reader: Principal, mine: str | None) -> ColumnElement[bool]:
    party = WorkOrder.id.in_(select(WorkOrderParty.order_id).where(WorkOrderParty.person_id == reader.person_id))
    if mine == "raised":
        return party
    if mine == "assigned":
        return WorkOrder.assignee_id == reader.person_id
    own = or_(party, WorkOrder.assignee_id == reader.person_id)
    return own if mine == "any" else or_(own, at_desks_of(reader))


def at_desks_of(reader: Principal) -> ColumnElement[bool]:
    """Orders of the regions in which one's role as staff counts."""
    cover = reader.cover_of(*STAFF_ROLES)
    if cover is None:
        return WorkOrder.id.is_not(None)
    return WorkOrder.region_id.in_(cover.regions) if cover.regions else false()


# Times are written where they are read: there may be ten thousand of each.
_OPEN_AT: Final = text("""
    SELECT id, replace(CAST(id AS text), '-', '') AS hex, state, version, urgency, category_id, place_text,
           left(words, 80) AS words, assignee_id, round, declines, hold_cause, problem_id,
           to_char(raised_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS raised_at,
           to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS changed_at
      FROM work_orders
     WHERE region_id = :region AND state IN :open
     ORDER BY id DESC
""").bindparams(bindparam("open", OPEN, expanding=True, literal_execute=True))


async def open_at(session: AsyncSession, region_id: UUID) -> Sequence[Any]:
    """What the cards of a region's board show, newest first: plain rows, for there may be ten thousand."""
    return (await session.execute(_OPEN_AT, {"region": region_id})).all()


async def twins_of(
    session: AsyncSession,
    *,
    place_id: UUID | None,
    asset_id: UUID | None,
    category_id: UUID | None,
    at: datetime,
    besides: UUID | None = None,
) -> list[WorkOrder]:
    """Orders that are likely to mean the same: not repaired yet, lately raised, of the same asset, or of the same place and kind."""
    same: list[ColumnElement[bool]] = []
    if asset_id is not None:
        same.append(WorkOrder.asset_id == asset_id)
    if place_id is not None:
        there = WorkOrder.place_id == place_id
        same.append(there if category_id is None else there & (WorkOrder.category_id == category_id))
    if not same:
        return []
    query = select(WorkOrder).where(or_(*same), WorkOrder.state.in_(UNREPAIRED), WorkOrder.raised_at > at - TWIN_WITHIN)
    if besides is not None:
        query = query.where(WorkOrder.id != besides)
    return list(await session.scalars(query.order_by(WorkOrder.id.desc()).limit(_TWINS_MAX)))


async def merged_into(session: AsyncSession, order_id: UUID) -> list[WorkOrder]:
    """What became part of an order, the first one first."""
    query = select(WorkOrder).where(WorkOrder.merged_into == order_id).order_by(WorkOrder.id)
    return list(await session.scalars(query))


# ---- whose it is


async def parties_of(session: AsyncSession, orders: Collection[UUID]) -> dict[UUID, list[WorkOrderParty]]:
    """Who raised these orders and is served by them."""
    query = select(WorkOrderParty).where(WorkOrderParty.order_id.in_(orders))
    rows = await session.scalars(query.order_by(WorkOrderParty.order_id, WorkOrderParty.party_key))
    found: dict[UUID, list[WorkOrderParty]] = {}
    for row in rows:
        found.setdefault(row.order_id, []).append(row)
    return found


async def handled_by(session: AsyncSession, orders: Collection[UUID], person_id: UUID) -> set[UUID]:
    """Those of these orders that were somebody's work: taken and not declined, or with time of theirs."""
    offered = select(WorkOrderOffer.order_id).where(
        WorkOrderOffer.order_id.in_(orders),
        WorkOrderOffer.person_id == person_id,
        or_(WorkOrderOffer.outcome.is_(None), WorkOrderOffer.outcome != "declined"),
    )
    worked = select(WorkOrderLabour.order_id).where(
        WorkOrderLabour.order_id.in_(orders), WorkOrderLabour.person_id == person_id
    )
    return set(await session.scalars(offered.union(worked)))


async def guests_named(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """The names that some guests gave, which may be empty."""
    rows = await session.execute(select(RepairGuest.id, RepairGuest.name).where(RepairGuest.id.in_(ids)))
    return {row.id: row.name for row in rows}


async def guest_by_ticket(session: AsyncSession, ticket_hash: bytes) -> tuple[RepairGuest, WorkOrder]:
    """A guest and their order as it was raised; TicketUnknown."""
    row = (
        await session.execute(
            select(RepairGuest, WorkOrder)
            .join(WorkOrder, WorkOrder.guest_id == RepairGuest.id)
            .where(RepairGuest.ticket_hash == ticket_hash)
        )
    ).one_or_none()
    if row is None:
        raise TicketUnknown
    return row[0], row[1]


# ---- what belongs to it


async def steps_of(session: AsyncSession, order_id: UUID) -> list[WorkOrderStep]:
    """The history of an order."""
    query = select(WorkOrderStep).where(WorkOrderStep.order_id == order_id)
    return list(await session.scalars(query.order_by(WorkOrderStep.ordinal)))


async def notes_of(session: AsyncSession, order_id: UUID, *, only_public: bool) -> list[WorkOrderNote]:
    """Words and pictures, the first one first."""
    query = select(WorkOrderNote).where(WorkOrderNote.order_id == order_id)
    if only_public:
        query = query.where(WorkOrderNote.is_public)
    return list(await session.scalars(query.order_by(WorkOrderNote.happened_at, WorkOrderNote.id)))


async def find_note(session: AsyncSession, order_id: UUID, author_key: str, client_id: UUID) -> WorkOrderNote | None:
    """The note that was sent under this name before."""
    return await session.scalar(
        select(WorkOrderNote).where(
            WorkOrderNote.order_id == order_id,
            WorkOrderNote.author_key == author_key,
            WorkOrderNote.client_id == client_id,
        )
    )


async def checks_of(session: AsyncSession, order_id: UUID) -> list[WorkOrderCheck]:
    """The checklist of an order."""
    query = select(WorkOrderCheck).where(WorkOrderCheck.order_id == order_id).order_by(WorkOrderCheck.ordinal)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def labour_of(session: AsyncSession, order_id: UUID) -> list[WorkOrderLabour]:
    """Time that was spent on an order."""
    query = select(WorkOrderLabour).where(WorkOrderLabour.order_id == order_id)
    return list(await session.scalars(query.order_by(WorkOrderLabour.started_at, WorkOrderLabour.id)))


async def lock_author(session: AsyncSession, order_id: UUID, author_key: str) -> None:
    """What one author notes at one order goes one after the other."""
    key = f"{order_id}{author_key}"
    await session.execute(
        text("SELECT pg_advisory_xact_lock(:class, hashtext(:key))"), {"class": _AUTHOR_CLASS, "key": key}
    )


async def find_labour(
    session: AsyncSession, order_id: UUID, person_id: UUID, client_id: UUID
) -> WorkOrderLabour | None:
    """The entry that was sent under this name before."""
    return await session.scalar(
        select(WorkOrderLabour).where(
            WorkOrderLabour.order_id == order_id,
            WorkOrderLabour.person_id == person_id,
            WorkOrderLabour.client_id == client_id,
        )
    )


async def ratings_of(session: AsyncSession, orders: Collection[UUID]) -> dict[UUID, list[WorkOrderRating]]:
    """What was thought of these orders."""
    query = select(WorkOrderRating).where(WorkOrderRating.order_id.in_(orders))
    rows = await session.scalars(
        query.order_by(WorkOrderRating.rated_at, WorkOrderRating.is_second).execution_options(populate_existing=True)
    )
    found: dict[UUID, list[WorkOrderRating]] = {}
    for row in rows:
        found.setdefault(row.order_id, []).append(row)
    return found


async def find_change(session: AsyncSession, order_id: UUID, actor: str, client_id: UUID) -> WorkOrderChange | None:
    """What became of a change that was sent under this name before."""
    return await session.get(WorkOrderChange, (order_id, actor, client_id))


async def order_of_files(session: AsyncSession, owner: str) -> UUID | None:
    """The order that a file belongs to, by the order's public id."""
    return await session.scalar(select(WorkOrder.id).where(WorkOrder.id == parse_public_id(PREFIX, owner)))


async def note_of_files(session: AsyncSession, owner: str) -> WorkOrderNote | None:
    """The note that a file belongs to, by its public id."""
    return await session.get(WorkOrderNote, parse_public_id(NOTE, owner))


# ---- who does it


async def open_offer(session: AsyncSession, order_id: UUID) -> WorkOrderOffer | None:
    """Whose it is now."""
    return await session.scalar(
        select(WorkOrderOffer).where(WorkOrderOffer.order_id == order_id, WorkOrderOffer.ended_at.is_(None))
    )


async def declined_since(session: AsyncSession, order_id: UUID, since: datetime) -> set[UUID]:
    """Who has lately said no to an order."""
    query = select(WorkOrderOffer.person_id).where(
        WorkOrderOffer.order_id == order_id, WorkOrderOffer.outcome == "declined", WorkOrderOffer.ended_at > since
    )
    return set(await session.scalars(query))


async def technicians_in(session: AsyncSession, regions: Collection[UUID] | None) -> list[Technician]:
    """The profiles of some regions (None: of all)."""
    query = select(Technician).order_by(Technician.person_id)
    if regions is not None:
        query = query.where(Technician.region_id.in_(regions))
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def loads_of(session: AsyncSession, people: Collection[UUID]) -> dict[UUID, int]:
    """How many orders each of them has under way; what is on hold does not count."""
    counted = [state for state in TAKEN if state != "on_hold"]
    rows = await session.execute(
        select(WorkOrder.assignee_id, func.count())
        .where(WorkOrder.assignee_id.in_(people), WorkOrder.state.in_(counted))
        .group_by(WorkOrder.assignee_id)
    )
    return {person: count for person, count in rows if person is not None}


async def last_offers_of(session: AsyncSession, people: Collection[UUID]) -> dict[UUID, datetime]:
    """When each of them was last given something."""
    rows = await session.execute(
        select(WorkOrderOffer.person_id, func.max(WorkOrderOffer.offered_at))
        .where(WorkOrderOffer.person_id.in_(people))
        .group_by(WorkOrderOffer.person_id)
    )
    return {row[0]: row[1] for row in rows}


async def declines_of(session: AsyncSession, people: Collection[UUID], since: datetime) -> dict[UUID, int]:
    """How often each of them has said no since then."""
    rows = await session.execute(
        select(WorkOrderOffer.person_id, func.count())
        .where(
            WorkOrderOffer.person_id.in_(people),
            WorkOrderOffer.outcome == "declined",
            WorkOrderOffer.offered_at > since,
        )
        .group_by(WorkOrderOffer.person_id)
    )
    return {row[0]: row[1] for row in rows}


# ---- categories and problems


async def list_categories(session: AsyncSession, *, also_retired: bool) -> list[RepairCategory]:
    """All kinds of repair, in their order."""
    query = select(RepairCategory).order_by(RepairCategory.ordinal, RepairCategory.code)
    if not also_retired:
        query = query.where(RepairCategory.retired_at.is_(None))
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def get_category(session: AsyncSession, category_id: UUID) -> RepairCategory:
    """The category; NotFound."""
    category = await session.get(RepairCategory, category_id)
    if category is None:
        raise NotFound(what=CATEGORY, id=public_id(CATEGORY, category_id))
    return category


async def categories_by_id(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, RepairCategory]:
    """Some categories."""
    rows = await session.scalars(select(RepairCategory).where(RepairCategory.id.in_(ids)))
    return {row.id: row for row in rows}


async def category_by_code(session: AsyncSession, code: str) -> RepairCategory | None:
    """The category of a code that is in use."""
    return await session.scalar(
        select(RepairCategory).where(RepairCategory.code == code, RepairCategory.retired_at.is_(None))
    )


async def regions_in_use(session: AsyncSession) -> set[UUID]:
    """Regions with orders that are not over."""
    return set(await session.scalars(select(WorkOrder.region_id).where(WorkOrder.state.in_(OPEN)).distinct()))


async def get_problem(session: AsyncSession, problem_id: UUID) -> RepairProblem:
    """The problem; NotFound."""
    problem = await session.get(RepairProblem, problem_id, populate_existing=True)
    if problem is None:
        raise NotFound(what=PROBLEM, id=public_id(PROBLEM, problem_id))
    return problem


async def lock_problem(session: AsyncSession, problem_id: UUID) -> RepairProblem:
    """The problem, locked; NotFound."""
    problem = await session.get(RepairProblem, problem_id, populate_existing=True, with_for_update=True)
    if problem is None:
        raise NotFound(what=PROBLEM, id=public_id(PROBLEM, problem_id))
    return problem


async def open_problem_of(session: AsyncSession, category_id: UUID, scope_id: UUID) -> RepairProblem | None:
    """The problem of a kind in a house that is not closed."""
    return await session.scalar(
        select(RepairProblem).where(
            RepairProblem.category_id == category_id,
            RepairProblem.scope_id == scope_id,
            RepairProblem.closed_at.is_(None),
        )
    )


async def alike_since(
    session: AsyncSession, category_id: UUID, scope: ColumnElement[bool], since: datetime
) -> list[WorkOrder]:
    """Orders of a kind in a house since then that belong to no problem, refused and withdrawn ones left out."""
    left_out = ("rejected", "merged", "withdrawn", "cancelled")
    query = select(WorkOrder).where(
        WorkOrder.category_id == category_id,
        WorkOrder.raised_at > since,
        WorkOrder.problem_id.is_(None),
        WorkOrder.state.not_in(left_out),
        scope,
    )
    return list(await session.scalars(query.order_by(WorkOrder.id)))


async def counts_of_problems(session: AsyncSession, problems: Collection[UUID]) -> dict[UUID, int]:
    """How many orders each problem links."""
    rows = await session.execute(
        select(WorkOrder.problem_id, func.count())
        .where(WorkOrder.problem_id.in_(problems))
        .group_by(WorkOrder.problem_id)
    )
    return {problem: count for problem, count in rows if problem is not None}


async def linked_to(session: AsyncSession, problem_id: UUID, limit: int) -> list[WorkOrder]:
    """The orders of a problem, newest first."""
    query = select(WorkOrder).where(WorkOrder.problem_id == problem_id).order_by(WorkOrder.id.desc()).limit(limit)
    return list(await session.scalars(query))


async def list_problems(
    session: AsyncSession, where: Sequence[ColumnElement[bool]], limit: int, before: UUID | None
) -> list[RepairProblem]:
    """Newest first, one more than the limit."""
    query = select(RepairProblem).where(*where).order_by(RepairProblem.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(RepairProblem.id < before)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


# ---- guests whose matter is over

_FORGET_PHONES: Final = text("""
    WITH over AS (
        SELECT g.id FROM repair_guests g
         WHERE g.created_at < :before
           AND (g.phone <> '' OR EXISTS (SELECT FROM work_orders o WHERE o.guest_id = g.id AND o.phone <> ''))
           AND NOT EXISTS (
               SELECT FROM work_order_parties p JOIN work_orders o ON o.id = p.order_id
                WHERE p.guest_id = g.id AND (o.state = ANY(CAST(:open AS text[])) OR o.changed_at >= :before)
           )
         ORDER BY g.id LIMIT :limit
    ), numbers AS (
        UPDATE work_orders SET phone = '' WHERE guest_id IN (SELECT id FROM over) AND phone <> ''
    )
    UPDATE repair_guests SET phone = '' WHERE id IN (SELECT id FROM over) RETURNING id
""")


async def forget_phones(session: AsyncSession, before: datetime, limit: int) -> int:
    """Of guests none of whose orders is under way, or was touched since; returns how many guests."""
    forgotten = await session.scalars(_FORGET_PHONES, {"before": before, "open": list(OPEN), "limit": limit})
    return len(forgotten.all())
