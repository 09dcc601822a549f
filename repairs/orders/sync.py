"""A phone that was without network brings along what its person has done: each change once, an answer for each.

Every change carries the phone's own name for it and the version of the order that it was made upon. Notes and pictures are kept
whatever has happened in the meantime, ticks and time unless the order was called off; a trigger counts only where the order still has that version, so that the
state follows the table and whoever comes second is told why. One refused change does not undo the others.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.errors import GuanjiaError, Malformed
from kernel.outbox import savepoint
from repairs.orders import notes, queries, service
from repairs.orders.models import WorkOrder
from repairs.orders.parties import Actor, standing_of
from repairs.orders.schemas import CheckBody, LabourBody, NoteBody, OrderTriggerBody, SyncResult, SyncStep
from repairs.orders.states import allowed_to

# What a phone says of its own clock is believed for so long back.
_BELIEVED_FOR: Final = timedelta(days=3)
Body = TypeVar("Body", bound=BaseModel)
_SHOWN: Final = ("allowed", "taken_by", "missing", "reason", "reasons", "field")


async def synchronise(
    session: AsyncSession, actor: Actor, order: WorkOrder, steps: list[SyncStep], language: str
) -> list[SyncResult]:
    """In the order in which they happened, under the order's lock."""
    order = await queries.lock_order(session, order.id)
    await standing_of(session, order, actor)
    return [await _one(session, actor, order, step, language) for step in steps]


async def _one(session: AsyncSession, actor: Actor, order: WorkOrder, step: SyncStep, language: str) -> SyncResult:
    known = await queries.find_change(session, order.id, actor.key, step.client_id)
    if known is not None:
        was = known.outcome
        status = "repeated" if was.get("status") == "done" else "refused"
        return await _answer(session, actor, order, step, {**was, "status": status})
    outcome: dict[str, Any] = {"status": "done"}
    try:
        async with savepoint(session):
            await _do(session, actor, order, step)
    except GuanjiaError as refusal:
        await session.refresh(order)
        data = {name: refusal.data[name] for name in _SHOWN if name in refusal.data}
        outcome = {"status": "refused", "code": refusal.code, "message": refusal.message(language), "data": data}
    if step.kind != "trigger" or outcome["status"] == "refused":
        service.note_change(session, order, actor, step.client_id, outcome)
    await session.flush()
    return await _answer(session, actor, order, step, outcome)


async def _do(session: AsyncSession, actor: Actor, order: WorkOrder, step: SyncStep) -> None:
    happened_at = _believed(step.happened_at, order)
    body: Mapping[str, Any] = {**step.body, "client_id": str(step.client_id)}
    if step.kind == "note":
        await notes.write_note(session, actor, order, _read(NoteBody, body), happened_at=happened_at, is_late=True)
    elif step.kind == "labour":
        await notes.enter_labour(session, actor, order, _read(LabourBody, body))
    elif step.kind == "check":
        if step.ordinal is None:
            raise Malformed(reason="which line of the checklist", field="ordinal")
        await notes.tick(session, actor, order, step.ordinal, _read(CheckBody, body), happened_at=happened_at)
    else:
        if step.trigger is None:
            raise Malformed(reason="which trigger", field="trigger")
        wanted = _read(OrderTriggerBody, {**body, "version": step.base_version})
        await service.pull(session, actor, order.id, step.trigger, wanted, happened_at=happened_at)


def _read(model: type[Body], values: Mapping[str, Any]) -> Body:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Malformed(reason=f"{field}: {first['msg']}", field=field) from error


def _believed(said: datetime | None, order: WorkOrder) -> datetime:
    """When it happened, as far as that can be true: not before the order, not long ago, not later than now."""
    now = clock.now()
    if said is None:
        return now
    return min(max(said, order.raised_at, now - _BELIEVED_FOR), now)


async def _answer(
    session: AsyncSession, actor: Actor, order: WorkOrder, step: SyncStep, outcome: Mapping[str, Any]
) -> SyncResult:
    standing = await standing_of(session, order, actor)
    return SyncResult.model_validate(
        {
            **outcome,
            "client_id": step.client_id,
            "state": order.state,
            "version": order.version,
            "allowed": allowed_to(order.state, standing.sides),
        }
    )
