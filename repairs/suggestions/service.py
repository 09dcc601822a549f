"""The loop of a suggestion: put into the box, taken up, answered in public, rated by whose it is."""

from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role, place_names
from kernel import audit_log, clock
from kernel.errors import Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from repairs.suggestions import queries
from repairs.suggestions.errors import OwnSuggestion, SuggestionNeedsWords
from repairs.suggestions.models import Suggestion, SuggestionStep
from repairs.suggestions.schemas import SuggestionBody, SuggestionRatingBody, SuggestionStepBody
from repairs.suggestions.states import PUBLIC, allowed_to, next_state

OFFICE_ROLES: Final = (Role.DISPATCHER, Role.SYSTEM_ADMIN)
# Whoever is not content says why.
_LOW: Final = 2
_NEEDS_WORDS: Final = frozenset({"answer", "decline"})


async def raise_suggestion(session: AsyncSession, person: Principal, body: SuggestionBody) -> Suggestion:
    """Into the box of a region; sent twice, it is one."""
    known = await queries.find_request(session, person.person_id, body.client_id)
    if known is not None:
        return known
    region_id = parse_public_id("reg", body.region) if body.region is not None else person.region_id
    if region_id is None:
        raise Malformed(reason="a box belongs to a region", field="region")
    if not await place_names(session, [region_id]):
        raise NotFound(what="reg", id=public_id("reg", region_id))
    now = clock.now()
    suggestion = Suggestion(
        id=uuid7(),
        region_id=region_id,
        raiser_id=person.person_id,
        client_id=body.client_id,
        title=body.title,
        words=body.words,
        state="raised",
        version=1,
        answer=None,
        answered_at=None,
        score=None,
        score_words="",
        raised_at=now,
        changed_at=now,
    )
    session.add(suggestion)
    await session.flush()
    await _note(session, suggestion, "raise", "raiser", "")
    return suggestion


async def handle(
    session: AsyncSession, person: Principal, suggestion_id: UUID, trigger: str, body: SuggestionStepBody
) -> Suggestion:
    """The office takes it up, answers or declines it; answers and refusals have words, for everybody to read."""
    suggestion = await queries.lock_suggestion(session, suggestion_id)
    person.require(*OFFICE_ROLES, region_id=suggestion.region_id)
    if suggestion.raiser_id == person.person_id:
        raise OwnSuggestion
    _advance(suggestion, trigger, "office", body.version)
    if trigger in _NEEDS_WORDS:
        if not body.words:
            raise SuggestionNeedsWords(trigger=trigger)
        suggestion.answer, suggestion.answered_at = body.words, clock.now()
    await session.flush()
    await _note(session, suggestion, trigger, person.actor, body.words)
    subject = public_id(queries.PREFIX, suggestion.id)
    data = {"state": suggestion.state, "words": body.words}
    await audit_log.record(session, actor=person.actor, action=f"suggestion.{trigger}", subject=subject, data=data)
    return suggestion


async def rate(session: AsyncSession, person: Principal, suggestion_id: UUID, body: SuggestionRatingBody) -> Suggestion:
    """What its raiser thinks of the answer, once."""
    suggestion = await _own(session, person, suggestion_id)
    _advance(suggestion, "rate", "raiser", body.version)
    if body.score <= _LOW and not body.words:
        raise SuggestionNeedsWords(trigger="rate")
    suggestion.score, suggestion.score_words = body.score, body.words
    await session.flush()
    await _note(session, suggestion, "rate", "raiser", body.words)
    return suggestion


async def withdraw(
    session: AsyncSession, person: Principal, suggestion_id: UUID, body: SuggestionStepBody
) -> Suggestion:
    """Its raiser takes it back before it is answered."""
    suggestion = await _own(session, person, suggestion_id)
    _advance(suggestion, "withdraw", "raiser", body.version)
    await session.flush()
    await _note(session, suggestion, "withdraw", "raiser", body.words)
    return suggestion


def side_of(suggestion: Suggestion, person: Principal) -> str | None:
    """Raiser, office, or neither."""
    if suggestion.raiser_id == person.person_id:
        return "raiser"
    return "office" if person.may(*OFFICE_ROLES, region_id=suggestion.region_id) else None


async def read(session: AsyncSession, person: Principal, suggestion_id: UUID) -> Suggestion:
    """One that somebody may read: their own, their region's box, or what is public."""
    suggestion = await queries.get_suggestion(session, suggestion_id)
    if suggestion.state not in PUBLIC and side_of(suggestion, person) is None:
        raise NotFound(what=queries.PREFIX, id=public_id(queries.PREFIX, suggestion_id))
    return suggestion


async def _own(session: AsyncSession, person: Principal, suggestion_id: UUID) -> Suggestion:
    suggestion = await queries.lock_suggestion(session, suggestion_id)
    if suggestion.raiser_id != person.person_id:
        raise NotFound(what=queries.PREFIX, id=public_id(queries.PREFIX, suggestion_id))
    return suggestion


def _advance(suggestion: Suggestion, trigger: str, side: str, version: int | None) -> None:
    if version is not None and version != suggestion.version:
        allowed = allowed_to(suggestion.state, side)
        raise StateConflict(state=suggestion.state, trigger=trigger, allowed=allowed, version=suggestion.version)
    suggestion.state = next_state(suggestion.state, trigger, side)
    suggestion.version += 1
    suggestion.changed_at = clock.now()


async def _note(session: AsyncSession, suggestion: Suggestion, trigger: str, actor: str, words: str) -> None:
    last = await session.scalar(
        select(func.max(SuggestionStep.ordinal)).where(SuggestionStep.suggestion_id == suggestion.id)
    )
    session.add(
        SuggestionStep(
            suggestion_id=suggestion.id,
            ordinal=(last or 0) + 1,
            trigger=trigger,
            state=suggestion.state,
            actor=actor,
            words=words,
            recorded_at=clock.now(),
        )
    )
    await session.flush()
