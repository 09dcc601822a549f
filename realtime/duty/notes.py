"""Hand-over notes: what the next one has to know, until somebody says that it is done."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel import clock
from kernel.errors import StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from realtime.duty import queries
from realtime.duty.models import DutyNote
from realtime.duty.rights import may_edit, require_member
from realtime.duty.schemas import DutyNoteRequest
from realtime.duty.telling import NOTE, TEAM, note, tell


async def write_note(session: AsyncSession, actor: Principal, wanted: DutyNoteRequest) -> DutyNote:
    """By one of the team."""
    team = await queries.get_team(session, parse_public_id(TEAM, wanted.team))
    await require_member(session, actor, team.id)
    written = DutyNote(
        id=uuid7(),
        team_id=team.id,
        author_id=actor.person_id,
        words=wanted.words,
        written_at=clock.now(),
        done_by=None,
        done_at=None,
    )
    session.add(written)
    await session.flush()
    tell(session, team, "note")
    await note(session, actor.actor, "write_note", public_id(NOTE, written.id), {"team": wanted.team})
    return written


async def finish_note(session: AsyncSession, actor: Principal, note_id: UUID) -> DutyNote:
    """It is done: nobody needs to be told any more."""
    written = await queries.lock_note(session, note_id)
    team = await queries.get_team(session, written.team_id)
    if not await may_edit(session, actor, team):
        await require_member(session, actor, team.id)
    if written.done_at is not None:
        raise StateConflict(state="done", trigger="finish", allowed=[])
    written.done_by, written.done_at = actor.person_id, clock.now()
    await session.flush()
    tell(session, team, "note")
    await note(session, actor.actor, "finish_note", public_id(NOTE, written.id), {"team": public_id(TEAM, team.id)})
    return written
