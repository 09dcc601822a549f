"""Reads of calls."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, and_, exists, false, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id
from realtime.calls.models import (
    Call,
    CallButton,
    CallMessage,
    CallPolicy,
    CallReceipt,
    CallRing,
    CallStep,
    DeskPresence,
)
from realtime.calls.states import OPEN, TIMED, WAITING
from realtime.duty.api import stands_in

PREFIX: Final = "call"
BUTTON: Final = "btn"
POLICY: Final = "cpo"
MESSAGE: Final = "cmsg"
# Of realtime/duty.
TEAM: Final = "dty"

# Whoever answers at a desk, and who answers for it.
STAFF_ROLES: Final = (Role.DUTY_STAFF, Role.DISPATCHER)
LEAD_ROLES: Final = (Role.DISPATCHER,)

# For how long a page at a desk is believed to be open after it last said so.
LEASE: Final = timedelta(seconds=30)

_CALLER_CLASS: Final = 4_204_261
# A minute's head start for each press beyond the first: what comes first at the desk.
_RANK: Final = "placed_at - (urgency - 1) * interval '1 minute'"


async def lock_caller(session: AsyncSession, caller_key: str) -> None:
    """Two presses of one caller go one after the other."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(:class, hashtext(:key))"), {"class": _CALLER_CLASS, "key": caller_key}
    )


_PRESSED: Final = text(f"""
    SELECT (SELECT id FROM calls WHERE caller_key = :key AND client_id = CAST(:client_id AS uuid)) AS placed,
           (SELECT id FROM calls WHERE caller_key = :key AND state IN ({", ".join(f"'{state}'" for state in OPEN)})
               AND handed_to IS NULL) AS open
""")  # noqa: S608  (constants only)


class Pressed(NamedTuple):
    """The call that this very press has placed before, and the caller's one open call."""

    placed: UUID | None
    open: UUID | None


async def find_pressed(session: AsyncSession, caller_key: str, client_id: UUID | None) -> Pressed:
    """Under the caller's lock."""
    row = (await session.execute(_PRESSED, {"key": caller_key, "client_id": client_id})).one()
    return Pressed(row.placed, row.open)


async def presses_since(session: AsyncSession, caller_key: str, since: datetime) -> int:
    """How often a caller has pressed of late."""
    found = await session.scalar(
        select(func.count()).where(CallStep.is_press, CallStep.actor == caller_key, CallStep.recorded_at > since)
    )
    return int(found or 0)


async def get_call(session: AsyncSession, call_id: UUID) -> Call:
    """As it is now, unlocked; NotFound."""
    call = await session.get(Call, call_id, populate_existing=True)
    if call is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, call_id))
    return call


async def lock_call(session: AsyncSession, call_id: UUID) -> Call:
    """The row, locked: its timer comes after it. NotFound."""
    call = await session.get(Call, call_id, populate_existing=True, with_for_update=True)
    if call is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, call_id))
    return call


# ---- who was rung


def _counts() -> ColumnElement[bool]:
    """Of a ring: that it still is its person's business. Whoever was rung as one of a team sees the call as long as they belong to
    it; whom the policy names, while the call is under way. Who has said that they come, or has written in it, sees it for good."""
    took_part = or_(
        exists().where(
            CallStep.call_id == CallRing.call_id,
            CallStep.actor == _public_person(),
            CallStep.trigger.in_(("acknowledge", "join")),
        ),
        exists().where(CallMessage.call_id == CallRing.call_id, CallMessage.author_id == CallRing.person_id),
    )
    return or_(stands_in(CallRing.team_id, CallRing.person_id), _is_named(), took_part)


def _is_named() -> ColumnElement[bool]:
    under_way = exists().where(Call.id == CallRing.call_id, Call.state.in_(TIMED)).correlate(CallRing)
    return and_(CallRing.team_id.is_(None), under_way)


def _public_person() -> ColumnElement[str]:
    return literal("per_").concat(func.replace(CallRing.person_id.cast(Text), "-", ""))


async def is_rung(session: AsyncSession, call_id: UUID, person_id: UUID) -> bool:
    """Whether a round of the call rang for somebody whose business it still is."""
    return call_id in await rung_calls_of(session, [call_id], person_id)


async def rung_calls_of(session: AsyncSession, calls: Collection[UUID], person_id: UUID) -> set[UUID]:
    """Those of these calls that rang for somebody, and still are their business."""
    rows = await session.scalars(_rung_for(person_id).where(CallRing.call_id.in_(calls)))
    return set(rows)


def _rung_for(person_id: UUID) -> Select[UUID]:
    return select(CallRing.call_id).where(CallRing.person_id == person_id, _counts()).distinct()


async def people_of_round(session: AsyncSession, call: Call) -> list[UUID]:
    """Whom the present round rings, those left out whose business it is no more."""
    if not call.ring_round:
        return []
    rows = await session.scalars(
        select(CallRing.person_id)
        .where(CallRing.call_id == call.id, CallRing.ring_round == call.ring_round, _counts())
        .order_by(CallRing.person_id)
    )
    return list(rows)


async def rings_of(session: AsyncSession, call_id: UUID) -> list[CallRing]:
    """All rings of a call, in order."""
    query = select(CallRing).where(CallRing.call_id == call_id).order_by(CallRing.ring_round, CallRing.person_id)
    return list(await session.scalars(query))


async def receipts_of(session: AsyncSession, call_id: UUID) -> list[CallReceipt]:
    """All receipts of a call, in order."""
    query = (
        select(CallReceipt)
        .where(CallReceipt.call_id == call_id)
        .order_by(CallReceipt.ring_round, CallReceipt.person_id, CallReceipt.device)
    )
    return list(await session.scalars(query.execution_options(populate_existing=True)))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a round has come."""

    people: int = 0
    sent: int = 0
    shown: int = 0
    reached: int = 0


_PROGRESS: Final = text("""
    SELECT c.id, count(DISTINCT r.person_id) AS people,
           count(DISTINCT r.person_id) FILTER (WHERE r.ways > 0) AS reached,
           (SELECT count(*) FROM call_receipts t WHERE t.call_id = c.id AND t.ring_round = c.ring_round) AS sent,
           (SELECT count(shown_at) FROM call_receipts t WHERE t.call_id = c.id AND t.ring_round = c.ring_round) AS shown
      FROM calls c LEFT JOIN call_rings r ON r.call_id = c.id AND r.ring_round = c.ring_round
     WHERE c.id = ANY(:ids) GROUP BY c.id
""")


async def progress_of(session: AsyncSession, calls: Collection[UUID]) -> dict[UUID, Progress]:
    """How far the present round of each call has come."""
    rows = await session.execute(_PROGRESS, {"ids": list(calls)})
    return {row.id: Progress(row.people, row.sent, row.shown, row.reached) for row in rows}


# ---- lists


async def list_calls(
    session: AsyncSession, where: Sequence[ColumnElement[bool]], limit: int, before: UUID | None
) -> list[Call]:
    """Newest first, one more than the limit."""
    query = select(Call).where(*where).order_by(Call.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Call.id < before)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


def visible_to(reader: Principal) -> ColumnElement[bool]:
    """One's own, those one was rung for, and those of the regions whose desk one sits at."""
    rung = _rung_for(reader.person_id)
    mine = or_(Call.caller_id == reader.person_id, Call.acker_id == reader.person_id, Call.id.in_(rung))
    return or_(mine, at_desks_of(reader))


def at_desks_of(reader: Principal) -> ColumnElement[bool]:
    """Calls of the regions in which one's role as staff counts."""
    cover = reader.cover_of(*STAFF_ROLES)
    if cover is None:
        return Call.id.is_not(None)
    return Call.region_id.in_(cover.regions) if cover.regions else false()


async def steps_of(session: AsyncSession, call_id: UUID) -> list[CallStep]:
    """The history of a call."""
    return list(await session.scalars(select(CallStep).where(CallStep.call_id == call_id).order_by(CallStep.ordinal)))


async def last_ordinal(session: AsyncSession, call_id: UUID) -> int:
    """Of its steps; 0 before the first."""
    return int(await session.scalar(select(func.max(CallStep.ordinal)).where(CallStep.call_id == call_id)) or 0)


async def list_messages(session: AsyncSession, call_id: UUID, limit: int, before: UUID | None) -> list[CallMessage]:
    """Newest first, one more than the limit."""
    query = select(CallMessage).where(CallMessage.call_id == call_id).order_by(CallMessage.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(CallMessage.id < before)
    return list(await session.scalars(query))


async def find_message(session: AsyncSession, call_id: UUID, author_id: UUID, client_id: UUID) -> CallMessage | None:
    """The message that was sent under this name before."""
    return await session.scalar(
        select(CallMessage).where(
            CallMessage.call_id == call_id, CallMessage.author_id == author_id, CallMessage.client_id == client_id
        )
    )


async def call_of_files(session: AsyncSession, owner: str) -> UUID | None:
    """The call that a file belongs to, by the public id of the call or of one of its messages."""
    prefix, _, _ = owner.partition("_")
    if prefix == PREFIX:
        return parse_public_id(PREFIX, owner)
    return await session.scalar(select(CallMessage.call_id).where(CallMessage.id == parse_public_id(MESSAGE, owner)))


# ---- policies and buttons


async def get_policy(session: AsyncSession, policy_id: UUID, *, locked: bool = False) -> CallPolicy:
    """The policy; NotFound."""
    policy = await session.get(CallPolicy, policy_id, populate_existing=True, with_for_update=locked)
    if policy is None:
        raise NotFound(what=POLICY, id=public_id(POLICY, policy_id))
    return policy


async def policies_for(
    session: AsyncSession, regions: Sequence[UUID], places: Sequence[UUID], kind: str
) -> list[CallPolicy]:
    """Those in force that may speak of a kind of help at a place."""
    query = select(CallPolicy).where(
        CallPolicy.retired_at.is_(None),
        CallPolicy.region_id.in_(regions),
        or_(CallPolicy.place_id.is_(None), CallPolicy.place_id.in_(places)),
        or_(CallPolicy.kind.is_(None), CallPolicy.kind == kind),
    )
    return list(await session.scalars(query.order_by(CallPolicy.id)))


def policies_at(regions: Collection[UUID] | None, *, also_retired: bool) -> Select[CallPolicy]:
    """Those of these regions (None: of all), newest first."""
    query = select(CallPolicy).order_by(CallPolicy.id.desc())
    if regions is not None:
        query = query.where(CallPolicy.region_id.in_(regions))
    return query if also_retired else query.where(CallPolicy.retired_at.is_(None))


def buttons_at(regions: Collection[UUID] | None) -> Select[CallButton]:
    """Those of these regions (None: of all), newest first."""
    query = select(CallButton).order_by(CallButton.id.desc())
    return query if regions is None else query.where(CallButton.region_id.in_(regions))


async def find_button(session: AsyncSession, token_hash: bytes) -> CallButton | None:
    """The button with this token, unless it was revoked."""
    return await session.scalar(
        select(CallButton).where(CallButton.token_hash == token_hash, CallButton.revoked_at.is_(None))
    )


async def buttons_named(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of some buttons."""
    rows = await session.execute(select(CallButton.id, CallButton.name).where(CallButton.id.in_(ids)))
    return {row.id: row.name for row in rows}


# ---- the desk


def is_live(at: datetime) -> ColumnElement[bool]:
    """A page's lease that holds. One that ends later than any lease given now was given by a clock that has been stepped back
    since: it proves nothing, and the page says again within ten seconds that it is there."""
    return and_(DeskPresence.until > at, DeskPresence.until <= at + LEASE)


async def live_devices(session: AsyncSession, people: Collection[UUID], at: datetime) -> list[DeskPresence]:
    """Pages of these people that are open at any desk."""
    query = select(DeskPresence).where(DeskPresence.person_id.in_(people), is_live(at))
    return list(await session.scalars(query.order_by(DeskPresence.person_id, DeskPresence.device)))


async def present_at(session: AsyncSession, region_id: UUID, at: datetime) -> list[DeskPresence]:
    """Pages that are open at a region's desk."""
    query = select(DeskPresence).where(DeskPresence.region_id == region_id, is_live(at))
    return list(await session.scalars(query.order_by(DeskPresence.since, DeskPresence.person_id, DeskPresence.device)))


async def waiting_at(session: AsyncSession, region_id: UUID) -> list[Call]:
    """Calls that nobody has, in the order in which the desk should take them."""
    query = (
        select(Call)
        .where(Call.region_id == region_id, Call.state.in_(WAITING), Call.handed_to.is_(None))
        .order_by(text(_RANK), Call.id)
    )
    return list(await session.scalars(query.execution_options(populate_existing=True)))


def rank_of(call: Call) -> float:
    """The same order as a number: milliseconds, a minute less for each press beyond the first."""
    return call.placed_at.timestamp() * 1000 - (call.urgency - 1) * 60_000


_AHEAD: Final = text("""
    SELECT c.id, (SELECT count(*) FROM calls o WHERE o.region_id = c.region_id AND o.state = ANY(:waiting) AND o.handed_to IS NULL
                     AND (o.placed_at - (o.urgency - 1) * interval '1 minute', o.id)
                       < (c.placed_at - (c.urgency - 1) * interval '1 minute', c.id)) AS ahead
      FROM calls c WHERE c.id = ANY(:ids) AND c.state = ANY(:waiting) AND c.handed_to IS NULL
""")


async def ahead_of(session: AsyncSession, calls: Collection[UUID]) -> dict[UUID, int]:
    """For each waiting call of these, how many the desk would take first."""
    rows = await session.execute(_AHEAD, {"ids": list(calls), "waiting": list(WAITING)})
    return {row.id: row.ahead for row in rows}


_COUNTS: Final = text("""
    SELECT count(*) FILTER (WHERE state = ANY(:waiting) AND handed_to IS NULL) AS waiting,
           count(*) FILTER (WHERE state IN ('acknowledged', 'connected', 'on_site')) AS taken,
           count(*) FILTER (WHERE state = 'missed') AS missed,
           min(placed_at) FILTER (WHERE state = ANY(:waiting) AND handed_to IS NULL) AS oldest
      FROM calls WHERE region_id = :region AND due_at IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class DeskCounts:
    """A desk's figures."""

    waiting: int
    taken: int
    missed: int
    oldest_waiting_at: datetime | None


async def counts_at(session: AsyncSession, region_id: UUID) -> DeskCounts:
    """The figures of a region's desk."""
    row = (await session.execute(_COUNTS, {"region": region_id, "waiting": list(WAITING)})).one()
    return DeskCounts(row.waiting, row.taken, row.missed, row.oldest)


async def regions_in_use(session: AsyncSession, at: datetime) -> set[UUID]:
    """Regions with calls under way, or with somebody at their desk."""
    called = await session.scalars(select(Call.region_id).where(Call.due_at.is_not(None)).distinct())
    manned = await session.scalars(select(DeskPresence.region_id).where(is_live(at)).distinct())
    return set(called) | set(manned)


async def recent_rings(
    session: AsyncSession, region_id: UUID, at: datetime, within: timedelta, limit: int
) -> list[CallRing]:
    """The last rings of a region, oldest first."""
    query = (
        select(CallRing)
        .join(Call, Call.id == CallRing.call_id)
        .where(Call.region_id == region_id, CallRing.rung_at > at - within)
        .order_by(
            CallRing.rung_at.desc(), CallRing.call_id.desc(), CallRing.ring_round.desc(), CallRing.person_id.desc()
        )
        .limit(limit)
    )
    return list(reversed(list(await session.scalars(query))))


async def recent_presses(session: AsyncSession, since: datetime) -> list[CallStep]:
    """Presses of everybody since then."""
    query = select(CallStep).where(CallStep.is_press, CallStep.recorded_at > since)
    return list(await session.scalars(query.order_by(CallStep.recorded_at)))
