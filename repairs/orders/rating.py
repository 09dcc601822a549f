"""What those who were served thought of it; and the lead's answer to a low score, which earns a second rating."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.errors import Malformed
from repairs.orders import queries
from repairs.orders.errors import RatedTooLate, WordsRequired
from repairs.orders.models import WorkOrder, WorkOrderRating
from repairs.orders.parties import SYSTEM, Actor
from repairs.orders.schemas import OrderTriggerBody
from repairs.orders.steps import move

RATED_WITHIN: Final = timedelta(days=7)
EDITED_WITHIN: Final = timedelta(hours=12)
LOW: Final = 2


async def rate(session: AsyncSession, order: WorkOrder, actor: Actor, body: OrderTriggerBody) -> None:
    """The first rating within a week, changed within hours as long as nobody has answered; after the answer one second rating,
    within a week of it. A low score waits for an answer."""
    if body.score is None:
        raise Malformed(reason="a score of 1 to 5 is needed", field="score")
    if body.score <= LOW and not body.words:
        raise WordsRequired(reason="a score of 1 or 2 says why", field="words")
    everybodys = (await queries.ratings_of(session, [order.id])).get(order.id, [])
    mine = [rating for rating in everybodys if rating.party_key == actor.key]
    _write(session, order, actor, body.score, body.words, mine)
    await session.flush()
    await move(session, order, "rate", actor, body.words, data={"score": body.score})
    if await _waits_for_answer(session, order):
        await move(session, order, "follow_up", SYSTEM)


def _write(
    session: AsyncSession, order: WorkOrder, actor: Actor, score: int, words: str, mine: Sequence[WorkOrderRating]
) -> None:
    now, until = clock.now(), rated_until(order, mine)
    if now > until:
        raise RatedTooLate(until=clock.rfc3339(until))
    last = mine[-1] if mine else None
    if last is not None and last.answered_at is None:
        last.score, last.words, last.edited_at = score, words, now
        return
    session.add(
        WorkOrderRating(
            order_id=order.id,
            party_key=actor.key,
            is_second=last is not None,
            score=score,
            words=words,
            rated_at=now,
            answer="",
        )
    )


def rated_until(order: WorkOrder, mine: Sequence[WorkOrderRating]) -> datetime:
    """Until when somebody with these ratings may rate, or change what they have said."""
    assert order.confirmed_at is not None, "what can be rated was confirmed"
    if not mine:
        return order.confirmed_at + RATED_WITHIN
    last = mine[-1]
    return last.rated_at + EDITED_WITHIN if last.answered_at is None else last.answered_at + RATED_WITHIN


async def _waits_for_answer(session: AsyncSession, order: WorkOrder) -> bool:
    ratings = (await queries.ratings_of(session, [order.id])).get(order.id, [])
    return any(waits_for_answer(rating) for rating in ratings)


def waits_for_answer(rating: WorkOrderRating) -> bool:
    """A low first score that nobody has answered."""
    return rating.score <= LOW and rating.answered_at is None and not rating.is_second


async def answer(session: AsyncSession, order: WorkOrder, actor: Actor, body: OrderTriggerBody) -> None:
    """The lead's words to whoever gave a low score: shown to them, and they may rate once more."""
    now = clock.now()
    for rating in (await queries.ratings_of(session, [order.id])).get(order.id, []):
        if waits_for_answer(rating):
            rating.answer, rating.answered_by, rating.answered_at = body.words, actor.person_id, now
    await move(session, order, "answer", actor, body.words)
