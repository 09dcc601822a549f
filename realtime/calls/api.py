"""The front door of calls: what other trades and the wiring may call.

A trade that goes on with calls implements `HandOverTarget` and is registered in app/wiring.py; it gets a `HandedCall`, and
says when its work is over by `end_handed_over`. Who may talk in a call, for voices: `who_may_talk`. How the clocks are, for
`/readyz`: `look_at_clocks`.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Terminal
from kernel import clock
from kernel.errors import NotFound
from kernel.ids import parse_public_id
from realtime.calls import queries, service
from realtime.calls.channels import CALL_CHANNEL, DESK_OF_CALLS
from realtime.calls.desk import DeskQueues
from realtime.calls.events import desk_channel
from realtime.calls.hand_over import HandedCall, HandedMessage, HandOverTarget, register_hand_over_target
from realtime.calls.states import TAKEN
from realtime.calls.watchdog import look as look_at_clocks

__all__ = [
    "CALL_CHANNEL",
    "DESK_OF_CALLS",
    "DeskQueues",
    "HandOverTarget",
    "HandedCall",
    "HandedMessage",
    "desk_channel",
    "end_handed_over",
    "look_at_clocks",
    "may_read_files",
    "register_hand_over_target",
    "who_may_talk",
]


async def who_may_talk(session: AsyncSession, call: str) -> frozenset[UUID]:
    """Its caller and those who have it, while somebody has it; nobody otherwise."""
    try:
        found = await queries.get_call(session, parse_public_id(queries.PREFIX, call))
    except NotFound:
        return frozenset()
    if found.state not in TAKEN:
        return frozenset()
    return frozenset(person for person in (found.caller_id, found.acker_id, *found.joined) if person is not None)


async def may_read_files(session: AsyncSession, reader: Principal | Terminal, owner: str) -> bool:
    """Whoever may see a call may see its pictures and hear its voice notes, and those of its messages."""
    if not isinstance(reader, Principal):
        return False
    call_id = await queries.call_of_files(session, owner)
    if call_id is None:
        return False
    call = await queries.get_call(session, call_id)
    return service.may_see(call, reader, is_rung=await queries.is_rung(session, call.id, reader.person_id))


async def end_handed_over(session: AsyncSession, call_id: UUID, *, actor: str, words: str) -> None:
    """The trade that went on with a call is done with it; the caller may rate. Nothing happens to a call that has ended."""
    call = await queries.lock_call(session, call_id)
    if call.state == "handed_over":
        call.ended_at = clock.now()
        await service.move(session, call, "resolve", actor, words)
