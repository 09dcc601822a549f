"""SELECTs of the suggestions box."""

from typing import Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import NotFound
from kernel.ids import public_id
from repairs.suggestions.models import Suggestion
from repairs.suggestions.states import PUBLIC

PREFIX: Final = "sug"


async def find_request(session: AsyncSession, raiser_id: UUID, client_id: UUID) -> Suggestion | None:
    """The suggestion that was sent under this name before."""
    query = select(Suggestion).where(Suggestion.raiser_id == raiser_id, Suggestion.client_id == client_id)
    return await session.scalar(query)


async def get_suggestion(session: AsyncSession, suggestion_id: UUID) -> Suggestion:
    """The row; NotFound where there is none."""
    row = await session.get(Suggestion, suggestion_id)
    if row is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, suggestion_id))
    return row


async def lock_suggestion(session: AsyncSession, suggestion_id: UUID) -> Suggestion:
    """The same, locked."""
    row = await session.get(Suggestion, suggestion_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, suggestion_id))
    return row


def list_public() -> Select[Suggestion]:
    """What everybody may read, newest first."""
    return select(Suggestion).where(Suggestion.state.in_(PUBLIC)).order_by(Suggestion.id.desc())


def list_of_raiser(raiser_id: UUID) -> Select[Suggestion]:
    """Somebody's own, newest first."""
    return select(Suggestion).where(Suggestion.raiser_id == raiser_id).order_by(Suggestion.id.desc())


def list_all() -> Select[Suggestion]:
    """For the office, newest first; what was withdrawn is gone."""
    return select(Suggestion).where(Suggestion.state != "withdrawn").order_by(Suggestion.id.desc())
