"""What is noted at an order beside its steps: words, pictures, ticks, time. None of it raises the version, all of it is kept.

A note or an entry that is sent twice under one `client_id` is one: what one author notes at one order goes one after the other.
The order's row is not locked, so that many may note at the same time.
"""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit_log, clock
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict
from kernel.files import use_files
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from repairs.orders import queries
from repairs.orders.events import WorkOrderNoted
from repairs.orders.models import WorkOrder, WorkOrderCheck, WorkOrderLabour, WorkOrderNote
from repairs.orders.parties import Actor, Standing, is_staff, standing_of
from repairs.orders.schemas import CheckBody, LabourBody, NoteBody
from repairs.orders.states import allowed_to
from repairs.orders.steps import people_of, ref_of

# Refused, taken back, another's: nothing is written there any more.
_CLOSED = ("rejected", "merged", "withdrawn", "cancelled")


async def write_note(
    session: AsyncSession,
    actor: Actor,
    order: WorkOrder,
    body: NoteBody,
    *,
    happened_at: datetime | None = None,
    is_late: bool = False,
) -> WorkOrderNote:
    """Words or pictures, by whose order it is or who works on it. What a phone of the staff brings along late is kept also where
    the order was called off in the meantime: it was seen and done."""
    standing = await standing_of(session, order, actor)
    if not body.words and not body.files:
        raise Malformed(reason="words or files are needed", field="words")
    if body.kind != "note" and not is_staff(standing.sides):
        raise Forbidden
    await _wait_for_twin(session, order, actor)
    client_id = body.client_id or uuid4()
    known = await queries.find_note(session, order.id, actor.key, client_id)
    if known is not None:
        return known
    if not (is_late and is_staff(standing.sides)):
        _require_open(order, "note", standing)
    return await add_note(
        session,
        actor,
        order,
        kind=body.kind,
        words=body.words,
        files=body.files,
        client_id=client_id,
        # What those whose order it is write is for those who come.
        is_public=body.is_public or not is_staff(standing.sides),
        happened_at=happened_at,
    )


async def add_note(
    session: AsyncSession,
    actor: Actor,
    order: WorkOrder,
    *,
    kind: str,
    words: str,
    files: list[str],
    client_id: UUID | None = None,
    is_public: bool = True,
    happened_at: datetime | None = None,
    author_id: UUID | None = None,
) -> WorkOrderNote:
    """The note itself, and its files bound to it."""
    now = clock.now()
    note = WorkOrderNote(
        id=uuid7(),
        order_id=order.id,
        author_key=actor.key,
        author_id=author_id or actor.person_id,
        client_id=client_id or uuid4(),
        kind=kind,
        words=words,
        is_public=is_public,
        happened_at=happened_at or now,
        recorded_at=now,
    )
    session.add(note)
    await session.flush()
    if files:
        used_by = public_id(queries.NOTE, note.id)
        await use_files(session, files, owner=actor.key, used_by=used_by)
    await _tell(session, actor, order, kind, words if is_public else "")
    return note


async def enter_labour(session: AsyncSession, actor: Actor, order: WorkOrder, body: LabourBody) -> WorkOrderLabour:
    """Time that somebody of the staff has spent."""
    standing = await standing_of(session, order, actor)
    if actor.person_id is None or not is_staff(standing.sides):
        raise Forbidden
    await _wait_for_twin(session, order, actor)
    client_id = body.client_id or uuid4()
    known = await queries.find_labour(session, order.id, actor.person_id, client_id)
    if known is not None:
        return known
    _require_open(order, "labour", standing)
    now = clock.now()
    if body.started_at > now:
        raise Malformed(reason="time that is still to come", field="started_at")
    entry = WorkOrderLabour(
        id=uuid7(),
        order_id=order.id,
        person_id=actor.person_id,
        client_id=client_id,
        started_at=body.started_at,
        minutes=body.minutes,
        words=body.words,
        recorded_at=now,
    )
    session.add(entry)
    await session.flush()
    data = {"minutes": body.minutes, "started_at": clock.rfc3339(body.started_at)}
    await audit_log.record(session, actor=actor.key, action="work_order.labour", subject=ref_of(order), data=data)
    await _tell(session, actor, order, "labour", "")
    return entry


async def tick(
    session: AsyncSession,
    actor: Actor,
    order: WorkOrder,
    ordinal: int,
    body: CheckBody,
    *,
    happened_at: datetime | None = None,
) -> WorkOrderCheck:
    """A line of the checklist, by who works on it; ticking what is ticked changes nothing."""
    standing = await standing_of(session, order, actor)
    if not standing.sides & {"assignee", "lead"}:
        raise Forbidden
    check = await session.scalar(
        select(WorkOrderCheck)
        .where(WorkOrderCheck.order_id == order.id, WorkOrderCheck.ordinal == ordinal)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if check is None:
        raise NotFound(what="check", id=str(ordinal))
    if (check.ticked_at is not None) == body.ticked:
        return check
    _require_open(order, "check", standing)
    check.ticked_by = actor.person_id if body.ticked else None
    check.ticked_at = (happened_at or clock.now()) if body.ticked else None
    await session.flush()
    await _tell(session, actor, order, "check", "")
    return check


def _require_open(order: WorkOrder, verb: str, standing: Standing) -> None:
    if order.state in _CLOSED:
        allowed = allowed_to(order.state, standing.sides)
        raise StateConflict(state=order.state, trigger=verb, allowed=allowed, version=order.version)


async def _wait_for_twin(session: AsyncSession, order: WorkOrder, actor: Actor) -> None:
    """The same note twice at once: the second waits, and finds the first."""
    await queries.lock_author(session, order.id, actor.key)


async def _tell(session: AsyncSession, actor: Actor, order: WorkOrder, kind: str, words: str) -> None:
    publish(
        session,
        WorkOrderNoted(
            happened_at=clock.rfc3339(clock.now()),
            order=ref_of(order),
            region=public_id("reg", order.region_id),
            kind=kind,
            author=actor.key,
            author_name=actor.name,
            words=words[:200],
            people=await people_of(session, order),
        ),
    )
