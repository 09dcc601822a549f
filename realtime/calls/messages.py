"""What caller and helpers write to each other while a call is under way, and for an hour after."""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel import clock
from kernel.errors import Malformed, StateConflict
from kernel.files import use_files
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from realtime.calls import queries, service
from realtime.calls.events import CallMessageWritten
from realtime.calls.models import Call, CallMessage
from realtime.calls.schemas import MessageBody
from realtime.calls.states import allowed_to

OPEN_AFTERWARDS: Final = timedelta(hours=1)


async def write_message(session: AsyncSession, actor: Principal, call_id: UUID, body: MessageBody) -> CallMessage:
    """Words from one side to the other; the same `client_id` is the same message."""
    if not body.words and not body.files:
        raise Malformed(reason="words or files are needed", field="words")
    # Locked: of two messages at once each gets its place, and a repeated one waits for the first.
    call = await queries.lock_call(session, call_id)
    sides = await service.require_may_see(session, call, actor)
    if body.client_id is not None:
        known = await queries.find_message(session, call.id, actor.person_id, body.client_id)
        if known is not None:
            return known
    if call.ended_at is not None and clock.now() > call.ended_at + OPEN_AFTERWARDS:
        raise StateConflict(state=call.state, trigger="write", allowed=allowed_to(call.state, sides))
    message = CallMessage(
        id=uuid7(),
        call_id=call.id,
        author_id=actor.person_id,
        side="caller" if actor.person_id == call.caller_id else "staff",
        client_id=body.client_id or uuid4(),
        words=body.words,
        written_at=clock.now(),
    )
    session.add(message)
    await session.flush()
    if body.files:
        await use_files(session, body.files, owner=actor.actor, used_by=public_id(queries.MESSAGE, message.id))
    _tell(session, call, message, actor, body.files)
    return message


def _tell(session: AsyncSession, call: Call, message: CallMessage, actor: Principal, files: list[str]) -> None:
    others = {call.caller_id, call.acker_id, *call.joined} - {None, actor.person_id}
    publish(
        session,
        CallMessageWritten(
            happened_at=clock.rfc3339(message.written_at),
            call=public_id(queries.PREFIX, call.id),
            region=public_id("reg", call.region_id),
            message=public_id(queries.MESSAGE, message.id),
            author=actor.actor,
            author_name=actor.name,
            side=message.side,
            words=message.words,
            files=files,
            people=sorted(public_id("per", person) for person in others if person is not None),
        ),
    )
