"""The way of a confirmation: begin, post, end.

1. *Begin*: one transaction for all that wait takes the idempotency keys, locks the intents, moves them to `processing`, and
   writes down under which number each will be posted.
2. *Post*: the payment goes through the very posting queue of `POST /v1/payments`, under that number and a name of its own,
   so that it is posted at most once however often it is sent.
3. *End*: one transaction for all that wait moves the intents on, keeps the answers, and writes the events.

A process that is killed in between leaves intents that are `processing`; `jobs.py` in the worker looks up what became of
them in the books and ends them by the same functions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from identity.api import Terminal
from kernel import clock
from kernel.db import CommittingConnection, Database
from kernel.errors import GuanjiaError, TooManyRequests, TryAgain
from kernel.idempotency import Answer
from kernel.ids import uuid7
from payments.errors import QueueFull
from payments.posting_queue import Posting
from payments.schemas import PaymentRequest
from payments.service import queue_item
from payments.stripe_door import outcomes, queries
from payments.stripe_door.answering import OPEN, error_answer, stored_answer
from payments.stripe_door.errors import ResourceMissing, StripeError, Unavailable, UnexpectedState, of_native
from payments.stripe_door.grouping import Group
from payments.stripe_door.intents import Intent
from payments.stripe_door.statements import Place, Statement
from payments.stripe_door.telling import Told, data_of, tell
from payments.stripe_door.views import intent_view

log = structlog.get_logger()

BATCH_MAX: Final = 200
WAITING_MAX: Final = 4000
# How often a payment is sent again whose outcome is not known, and how long before each time.
POST_AGAIN_AFTER_S: Final = (0.1, 0.5)
END_AGAIN_AFTER_S: Final = (0.2, 1.0, 3.0)
ATTEMPTS_A_BLOCK: Final = 1000

_NO_METHOD: Final = (
    "You cannot confirm this PaymentIntent because it's missing a payment method. Send payment_method_data with "
    "type one_card and a pay code."
)


@dataclass(slots=True, eq=False)
class Order:
    """One confirmation on its way. `fresh` is an intent that is created in the same act."""

    terminal: Terminal
    intent_id: UUID
    idempotency_key: str | None
    fingerprint: bytes
    pay_code: str | None
    expand_charge: bool
    request_id: str
    fresh: Intent | None = None
    intent: Intent | None = None
    outcome: outcomes.Outcome | None = None
    answer: Answer | None = None
    error: StripeError | None = None

    @property
    def site_id(self) -> UUID:
        """The merchant."""
        return self.terminal.site_id


@dataclass(slots=True)
class _Begun:
    """What a transaction of the first step will write."""

    intents: list[Intent] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    kept: list[Order] = field(default_factory=list)
    given_back: list[Order] = field(default_factory=list)


class Confirmations:
    """One process's confirmations. `start` it, `confirm` through it, `stop` it before its posting queue."""

    def __init__(self, database: Database, posting: Posting) -> None:
        self._beginning = CommittingConnection(database)
        self._ending = CommittingConnection(database)
        self._posting = posting
        self._under_way = 0
        self._begins, self._ends = self._group("begins", self._begin), self._group("ends", self._end)
        self._attempts: list[int] = []

    def _group(self, name: str, work: Callable[[list[Order]], Awaitable[None]]) -> Group[Order]:
        return Group(
            f"door {name}", work, batch_max=BATCH_MAX, waiting_max=WAITING_MAX, under_way=lambda: self._under_way
        )

    def start(self) -> None:
        """Begin to work."""
        self._begins.start()
        self._ends.start()

    async def stop(self) -> None:
        """End what is under way."""
        await self._begins.stop()
        await self._ends.stop()
        await self._beginning.close()
        await self._ending.close()

    async def confirm(self, order: Order) -> Answer:
        """The answer, once it is durable."""
        self._under_way += 1
        try:
            await self._take_through(order)
        except GuanjiaError as error:
            raise of_native(error) from error
        finally:
            self._under_way -= 1
        if order.error is not None:
            raise order.error
        assert order.answer is not None, "an order ends with an answer or an error"
        return order.answer

    async def _take_through(self, order: Order) -> None:
        await self._begins.join(order)
        if order.intent is not None:
            order.outcome = await self._post(order, order.intent)
            await self._join_end(order)

    # ---- begin

    async def _begin(self, orders: list[Order]) -> None:
        async with self._beginning.transaction() as on:
            claimed = await _claim(on, orders)
            at = clock.now()
            numbers = await self._next_numbers(on, len(claimed))
            existing = {(order.site_id, order.intent_id) for order in claimed if order.fresh is None}
            intents = await queries.lock_intents(on, existing) if existing else {}
            begun = _Begun()
            for order, number in zip(claimed, numbers, strict=True):
                intent = order.fresh or intents.get((order.site_id, order.intent_id))
                _begin_one(order, intent, number, at, begun)
            if begun.intents:
                await _write_begun(on, begun.intents, at)
            await tell(on, begun.events)
            await keep_answers(on, [(o.site_id, o.idempotency_key, o.answer) for o in begun.kept])
            await _give_back(on, begun.given_back)

    async def _next_numbers(self, on: Place, count: int) -> list[int]:
        while len(self._attempts) < count:
            first = await queries.next_attempts(on)
            self._attempts += range(first, first + ATTEMPTS_A_BLOCK)
        taken, self._attempts = self._attempts[:count], self._attempts[count:]
        return taken

    # ---- post

    async def _post(self, order: Order, intent: Intent) -> outcomes.Outcome | None:
        """What the books say; None where that is not known now."""
        assert intent.attempt_seq is not None, "a begun attempt has a number"
        body = PaymentRequest(
            seq=intent.attempt_seq, code=intent.pay_code, amount_fen=intent.amount_fen, confirm_repeat=True
        )
        for wait_s in (*POST_AGAIN_AFTER_S, None):
            # The same number and name each time: what was posted the first time is only told again.
            item = queue_item(order.terminal, intent.attempt_key, body, request_id=order.request_id, language="en")
            try:
                answer = await self._posting.submit(item)
            except (QueueFull, TooManyRequests) as error:
                return outcomes.Outcome(clock.now(), not_posted=of_native(error))
            except TryAgain:
                if wait_s is not None:
                    await asyncio.sleep(wait_s)
            except GuanjiaError as error:
                log.warning("door.post_unclear", intent=intent.public, error=repr(error))
                return None
            else:
                return outcomes.outcome_of(answer, item.request.payment_id, clock.now())
        return None

    # ---- end

    async def _join_end(self, order: Order) -> None:
        assert order.intent is not None, "only a begun order ends"
        if order.outcome is not None:
            outcomes.apply(order.intent, order.outcome)
            for wait_s in (0.0, *END_AGAIN_AFTER_S):
                await asyncio.sleep(wait_s)
                try:
                    await self._ends.join(order, late=True)
                except Exception as error:  # noqa: BLE001  once more; in the end the worker does it
                    log.warning("door.end_failed", intent=order.intent.public, error=repr(error))
                else:
                    return
        # Posted or not: the worker finds out. Until then the key is in use, and a repetition is told so.
        order.error = Unavailable("The outcome of this payment is not known yet. Send the same request again.")

    async def _end(self, orders: list[Order]) -> None:
        before = [order.intent.version for order in orders if order.intent is not None]
        try:
            async with self._ending.transaction() as on:
                await _write_ends(on, orders)
        except BaseException:
            for order, version in zip(orders, before, strict=True):
                assert order.intent is not None, "only a begun order ends"
                order.intent.version = version
            raise


def _begin_one(order: Order, intent: Intent | None, number: int, at: datetime, begun: _Begun) -> None:
    try:
        if intent is None:
            raise ResourceMissing("payment_intent", f"pi_{order.intent_id.hex}", param="intent")
        created = data_of(intent_view(intent)) if order.fresh is not None else None
        if order.pay_code is not None:
            intent.attach(uuid7(at=at), order.pay_code)
        if intent.pay_code is None and intent.state.startswith("requires"):
            raise UnexpectedState(_NO_METHOD, code="payment_intent_unexpected_state")
        intent.begin(number, order.terminal.id, at)
    except StripeError as error:
        order.error = error
        if error.kept:
            order.answer = error_answer(error)
            begun.kept.append(order)
        else:
            begun.given_back.append(order)
        return
    order.intent = intent
    begun.intents.append(intent)
    if created is not None:
        begun.events.append(
            Told(intent.site_id, intent.id, "payment_intent.created", created, order.request_id, order.idempotency_key)
        )


async def _write_begun(on: Place, intents: Sequence[Intent], at: datetime) -> None:
    fresh = [intent for intent in intents if intent.version == 0]
    written = await queries.update_attempts(on, [intent for intent in intents if intent.version > 0])
    if fresh:
        written |= await queries.write_intents(on, fresh)
    assert len(written) == len(intents), "a locked intent was written by somebody else"
    await queries.note_begun(on, intents, at)


async def _write_ends(on: Place, orders: Sequence[Order]) -> None:
    intents = [order.intent for order in orders if order.intent is not None]
    written = await queries.update_attempts(on, intents)
    events: list[Told] = []
    kept: list[Order] = []
    given_back: list[Order] = []
    for order, intent in zip(orders, intents, strict=True):
        assert order.outcome is not None, "an order without an outcome is left to the worker"
        if intent.id not in written:
            # The worker took us for dead and has ended it; its answer is kept under the key.
            order.error = Unavailable("This payment was ended elsewhere. Send the same request again.")
            continue
        ended = outcomes.ending_of(
            intent,
            order.outcome,
            expand_charge=order.expand_charge,
            request_id=order.request_id,
            key=order.idempotency_key,
        )
        order.answer = ended.answer
        order.error = order.outcome.not_posted
        events += ended.events
        (given_back if ended.answer is None else kept).append(order)
    await tell(on, events)
    await keep_answers(on, [(order.site_id, order.idempotency_key, order.answer) for order in kept])
    await _give_back(on, given_back)


# ---- keys, set by set

_CLAIM: Final = Statement("""
    INSERT INTO door_requests (site_id, key, fingerprint, status, body, intent_id, recorded_at)
    SELECT k.site_id, k.key, k.fingerprint, 0, '', k.intent_id, CAST(:at AS timestamptz)
      FROM unnest(CAST(:sites AS uuid[]), CAST(:keys AS text[]), CAST(:fingerprints AS bytea[]), CAST(:intents AS uuid[]))
           AS k(site_id, key, fingerprint, intent_id)
    ON CONFLICT DO NOTHING
    RETURNING site_id, key, intent_id
""")
_FIND: Final = Statement("""
    SELECT r.site_id, r.key, r.status, r.body, r.fingerprint
      FROM unnest(CAST(:sites AS uuid[]), CAST(:keys AS text[])) AS k(site_id, key)
      JOIN door_requests r ON r.site_id = k.site_id AND r.key = k.key
""")
_KEEP: Final = Statement(f"""
    UPDATE door_requests r SET status = k.status, body = k.body
      FROM unnest(CAST(:sites AS uuid[]), CAST(:keys AS text[]), CAST(:statuses AS smallint[]), CAST(:bodies AS bytea[]))
           AS k(site_id, key, status, body)
     WHERE r.site_id = k.site_id AND r.key = k.key AND r.status = {OPEN}
""")  # noqa: S608  a constant of our own
_GIVE_BACK: Final = Statement(f"""
    DELETE FROM door_requests r USING unnest(CAST(:sites AS uuid[]), CAST(:keys AS text[])) AS k(site_id, key)
     WHERE r.site_id = k.site_id AND r.key = k.key AND r.status = {OPEN}
""")  # noqa: S608  a constant of our own


async def _claim(on: Place, orders: Sequence[Order]) -> list[Order]:
    """Take each order's key; the others get the kept answer, or why there is none."""
    keyed = [order for order in orders if order.idempotency_key is not None]
    # In one order everywhere, so that two processes never wait for each other.
    keyed.sort(key=lambda order: (order.site_id.int, order.idempotency_key or ""))
    owners: dict[tuple[UUID, str], Order] = {}
    for order in keyed:
        owners.setdefault((order.site_id, order.idempotency_key or ""), order)
    if not owners:
        return list(orders)
    rows = await _CLAIM.run(
        on,
        sites=[site for site, _ in owners],
        keys=[key for _, key in owners],
        fingerprints=[order.fingerprint for order in owners.values()],
        intents=[order.intent_id for order in owners.values()],
        at=clock.now(),
    )
    won = {owners[row[0], row[1]] for row in rows}
    losers = [order for order in keyed if order not in won]
    if losers:
        await _answer_losers(on, losers)
    return [order for order in orders if order.idempotency_key is None or order in won]


async def _answer_losers(on: Place, losers: Sequence[Order]) -> None:
    rows = await _FIND.run(
        on, sites=[order.site_id for order in losers], keys=[order.idempotency_key for order in losers]
    )
    found = {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}
    for order in losers:
        # Not there: its rival undid itself between our two statements; as good as still under way.
        unknown = (OPEN, b"", order.fingerprint)
        status, body, fingerprint = found.get((order.site_id, order.idempotency_key), unknown)
        try:
            order.answer = stored_answer(status, body, fingerprint, order.fingerprint)
        except StripeError as error:
            order.error = error


async def keep_answers(on: Place, kept: Sequence[tuple[UUID, str | None, Answer | None]]) -> None:
    """Keep the answers of those requests that had a key."""
    rows = [(site, key, answer) for site, key, answer in kept if key is not None and answer is not None]
    if rows:
        await _KEEP.run(
            on,
            sites=[site for site, _, _ in rows],
            keys=[key for _, key, _ in rows],
            statuses=[answer.status for _, _, answer in rows],
            bodies=[answer.body for _, _, answer in rows],
        )


async def _give_back(on: Place, orders: Sequence[Order]) -> None:
    keyed = [order for order in orders if order.idempotency_key is not None]
    if keyed:
        await _GIVE_BACK.run(
            on, sites=[order.site_id for order in keyed], keys=[order.idempotency_key for order in keyed]
        )
