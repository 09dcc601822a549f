"""Reports that come in at the same time are raised together: one transaction for all that wait, instead of one for each.

Whoever comes while nothing is under way begins at once; what comes meanwhile waits for the next transaction. So an order of a
quiet minute waits for nobody, and in a busy one the statements, the office's place in the outbox and the disk's write are
shared. Answers leave after the commit. What one report alone is refused for is refused before anything is written; where the
transaction fails all the same, each report gets its own, so that only the guilty one is refused.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, authenticate_many
from kernel.db import Database
from kernel.errors import GuanjiaError, TryAgain, Unauthenticated
from kernel.http import error_for_database
from kernel.idempotency import Answer
from repairs.orders import raising, views
from repairs.orders.parties import actor_of
from repairs.orders.raising import Draft, Raised
from repairs.orders.schemas import WorkOrderRequest

TOGETHER_MAX: Final = 100
WAITING_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A report, whose it is, and who waits for its answer."""

    token: str
    wanted: WorkOrderRequest
    answer: "asyncio.Future[Answer]"


Outcome = Answer | GuanjiaError


class RaisingDesk:
    """One process's reports that wait, and the transaction that is under way."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: deque[Waiting] = deque()
        self._raising: asyncio.Task[None] | None = None

    async def raise_order(self, token: str, wanted: WorkOrderRequest) -> Answer:
        """The order of a report, once it is durable; Unauthenticated, or what the report is refused for."""
        if len(self._waiting) >= WAITING_MAX:
            raise TryAgain
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(token, wanted, answer))
        if self._raising is None or self._raising.done():
            # In no request's name: it works for many.
            self._raising = asyncio.create_task(self._raise_all(), context=Context())
        return await answer

    async def _raise_all(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(TOGETHER_MAX, len(self._waiting)))]
            try:
                await self._raise(taken)
            finally:
                # Whatever happens here, no caller may be left waiting.
                _tell(taken, [TryAgain()] * len(taken))

    async def _raise(self, taken: Sequence[Waiting]) -> None:
        try:
            async with self._db.session() as session:
                outcomes = await _raise_in(session, taken)
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait are told
            if len(taken) == 1 or error_for_database(error) is not None:
                for one in taken:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                return
            for one in taken:
                await self._raise([one])
            return
        _tell(taken, outcomes)


def _tell(taken: Sequence[Waiting], outcomes: Sequence[Outcome]) -> None:
    for one, outcome in zip(taken, outcomes, strict=True):
        if one.answer.done():
            # Told already, or gone away: what was raised stays raised, and its client_id finds it again.
            continue
        if isinstance(outcome, Answer):
            one.answer.set_result(outcome)
        else:
            one.answer.set_exception(outcome)


async def _raise_in(session: AsyncSession, taken: Sequence[Waiting]) -> list[Outcome]:
    people = await authenticate_many(session, {one.token for one in taken})
    drafted = [await _draft(session, people.get(one.token), one.wanted) for one in taken]
    drafts = [draft for draft in drafted if isinstance(draft, Draft)]
    raised = await raising.raise_orders(session, drafts) if drafts else []
    wanted = [one.wanted for one, draft in zip(taken, drafted, strict=True) if isinstance(draft, Draft)]
    await _join(session, raised, wanted)
    answers = iter(await _answers(session, raised, drafts))
    return [next(answers) if isinstance(draft, Draft) else draft for draft in drafted]


async def _draft(session: AsyncSession, person: Principal | None, wanted: WorkOrderRequest) -> Draft | GuanjiaError:
    """Only reads, so that a refusal harms nobody else."""
    if person is None:
        return Unauthenticated()
    try:
        return await raising.draft_request(session, actor_of(person), wanted)
    except GuanjiaError as refusal:
        return refusal


async def _join(session: AsyncSession, raised: Sequence[Raised], wanted: Sequence[WorkOrderRequest]) -> None:
    """ "Me too", of several in the order of what they join: it is locked."""
    joining = [(one.same_as, order) for one, order in zip(wanted, raised, strict=True) if one.same_as is not None]
    for same_as, order in sorted(joining, key=lambda pair: pair[0]):
        await raising.join(session, order, same_as)


async def _answers(session: AsyncSession, raised: Sequence[Raised], drafts: Sequence[Draft]) -> list[Answer]:
    both = list(zip(raised, drafts, strict=True))
    shown = iter(await views.views_of_fresh(session, [_fresh(one, draft) for one, draft in both if one.is_new]))
    return [
        Answer(201, next(shown).model_dump_json().encode(), replayed=False)
        if one.is_new
        else Answer(
            200, (await views.view_of(session, one.order, draft.actor)).model_dump_json().encode(), replayed=True
        )
        for one, draft in both
    ]


def _fresh(raised: Raised, draft: Draft) -> views.Fresh:
    return views.Fresh(
        raised.order,
        draft.actor,
        draft.category,
        draft.report.spot.asset,
        raised.parties,
        has_files=bool(draft.report.files),
    )


# By database: a process may have several open, as tests do.
_desks: Final[WeakKeyDictionary[Database, RaisingDesk]] = WeakKeyDictionary()


def raising_desk_of(db: Database) -> RaisingDesk:
    """The desk of this process."""
    return _desks.get(db) or _desks.setdefault(db, RaisingDesk(db))
