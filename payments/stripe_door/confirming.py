"""The way of a confirmation: it is paid, and everything that follows from that is written, in one commit.

The payment goes through the very posting queue of `POST /v1/payments`, and the door is its companion there
(`payments/batch.py`): in the batch's own transaction the intents are locked first, without waiting for anybody, and what the
payments have come to is written last: intents, kept answers, events.

What cannot simply be paid is left out of the batch and *looked at* instead: a key that has kept an answer, an intent that
does not exist, is paid already, or is somebody else's at this moment. So are those whose pay code or sum is not known before
they are read. What a look finds right is paid as it was seen, and not otherwise.

So there is nothing half done. A process that is killed leaves either all of it or nothing; where nobody knows which, a look
tells.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from identity.api import Terminal
from kernel import clock
from kernel.db import CommittingConnection, Database
from kernel.errors import GuanjiaError, TryAgain
from kernel.idempotency import Answer
from kernel.ids import uuid7
from kernel.money import AMOUNT_FEN_MAX
from payments.batch import Item
from payments.posting_queue import Posting
from payments.schemas import PaymentRequest
from payments.service import queue_item
from payments.stripe_door import outcomes, queries
from payments.stripe_door.answering import error_answer, stored_answer
from payments.stripe_door.errors import (
    KeyInUse,
    KeyReused,
    ResourceMissing,
    StripeError,
    Unavailable,
    UnexpectedState,
    of_native,
)
from payments.stripe_door.grouping import Group
from payments.stripe_door.intents import Intent
from payments.stripe_door.queries import Kept
from payments.stripe_door.telling import Told, data_of, tell
from payments.stripe_door.views import intent_view

log = structlog.get_logger()

BATCH_MAX: Final = 200
WAITING_MAX: Final = 4000
# How long before each try: it has to be looked at, the intent was somebody else's for a moment, or nobody knows what became
# of the commit.
TRY_AFTER_S: Final = (0.0, 0.0, 0.02, 0.1, 0.5, 1.0)
ATTEMPTS_A_BLOCK: Final = 1000

_NO_METHOD: Final = (
    "You cannot confirm this PaymentIntent because it's missing a payment method. Send payment_method_data with "
    "type one_card and a pay code."
)
# In the place of an outcome, of an item whose intent was not to be had: its order looks again.
_ELSEWHERE: Final = Answer(409, b"", replayed=False)


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
    # The number under which it is posted, each time that it is tried; and whether it has been.
    seq: int | None = None
    tried: bool = False
    # What was seen: the row as it stands, and the answer that its key has kept.
    intent: Intent | None = None
    kept: Answer | None = None
    kept_fingerprint: bytes = b""
    answer: Answer | None = None

    @property
    def site_id(self) -> UUID:
        """The merchant."""
        return self.terminal.site_id


@dataclass(slots=True, eq=False)
class _Errand:
    """An order in the posting queue, with its intent on the way: what a try has changed dies with the try."""

    companion: "Confirmations"
    order: Order
    # None until it is locked, where nobody has looked.
    intent: Intent | None
    was_seen: bool
    # The event of an intent that is created in the same act.
    created: str | None = None


@dataclass(slots=True)
class _Ends:
    """What a batch writes of its confirmations."""

    intents: list[Intent] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)


class Confirmations:
    """One process's confirmations. `start` it, `confirm` through it, `stop` it before its posting queue."""

    def __init__(self, database: Database, posting: Posting) -> None:
        self._database = database
        self._looking = CommittingConnection(database)
        self._posting = posting
        self._under_way = 0
        self._looks = Group(
            "door looks",
            self._look,
            batch_max=BATCH_MAX,
            waiting_max=WAITING_MAX,
            under_way=lambda: self._under_way,
        )
        self._numbers: list[int] = []
        # The keys that are under way here, each with what was asked under it.
        self._keys: dict[tuple[UUID, str], bytes] = {}

    def start(self) -> None:
        """Begin to work."""
        self._looks.start()

    async def stop(self) -> None:
        """End what is under way."""
        await self._looks.stop()
        await self._looking.close()

    async def confirm(self, order: Order) -> Answer:
        """The answer, once it is durable."""
        with self._holding_key(order):
            for wait_s in TRY_AFTER_S:
                if wait_s:
                    await asyncio.sleep(wait_s)
                try:
                    answer = await self._try(order)
                except TryAgain:
                    continue
                except GuanjiaError as error:
                    raise of_native(error) from error
                if answer is not None:
                    return answer
        raise Unavailable("The outcome of this payment is not known yet. Send the same request again.")

    @contextmanager
    def _holding_key(self, order: Order) -> Iterator[None]:
        """Between processes the key's row and the intent's lock decide; within one, nobody even asks."""
        key = (order.site_id, order.idempotency_key or f"\0{order.request_id}")
        asked = self._keys.get(key)
        if asked is not None:
            raise KeyInUse if asked == order.fingerprint else KeyReused
        self._keys[key] = order.fingerprint
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            del self._keys[key]

    async def _try(self, order: Order) -> Answer | None:
        """The answer; None where the intent has to be looked at, or was somebody else's just now."""
        order.answer = None
        if order.pay_code is not None and order.fresh is None and not order.tried and self._numbers:
            order.seq = self._numbers.pop()
            item = self._queued(order, f"pi_{order.intent_id.hex}", order.pay_code, AMOUNT_FEN_MAX)
            item.errand = _Errand(self, order, None, was_seen=False)
        else:
            await self._looks.join(order)
            if order.kept is not None:
                return stored_answer(order.kept.status, order.kept.body, order.kept_fingerprint, order.fingerprint)
            if (told := _told_before(order)) is not None:
                return told
            try:
                item = self._item_of(order)
            except StripeError as error:
                if not error.kept:
                    raise
                return await self._keep_refusal(order, error_answer(error))
        order.tried = True
        await self._posting.submit(item)
        return order.answer

    async def _keep_refusal(self, order: Order, answer: Answer) -> Answer:
        if order.idempotency_key is not None:
            async with self._database.session() as session:
                await queries.keep_answers(session, [_kept_of(order, answer)])
        return answer

    def _item_of(self, order: Order) -> Item:
        """The payment of what was seen. Raises where the intent cannot be confirmed as it stands."""
        seen = order.intent or order.fresh
        if seen is None:
            raise ResourceMissing("payment_intent", f"pi_{order.intent_id.hex}", param="intent")
        intent: Intent = msgspec.structs.replace(seen)
        created = data_of(intent_view(intent)) if order.intent is None else None
        _begin(order, intent)
        item = self._queued(order, intent.attempt_key, intent.pay_code, intent.amount_fen)
        item.errand = _Errand(self, order, intent, was_seen=True, created=created)
        return item

    def _queued(self, order: Order, key: str, code: str | None, amount_fen: int) -> Item:
        assert order.seq is not None, "a number was taken before"
        body = PaymentRequest(seq=order.seq, code=code, amount_fen=amount_fen, confirm_repeat=True)
        return queue_item(order.terminal, key, body, request_id=order.request_id, language="en")

    # ---- look

    async def _look(self, orders: list[Order]) -> None:
        async with self._looking.transaction() as on:
            await self._number(on, [order for order in orders if order.seq is None])
            keyed = [order for order in orders if order.idempotency_key is not None]
            intents = await queries.look_at_intents(on, [(order.site_id, order.intent_id) for order in orders])
            # After the intents: whoever has moved one meanwhile has kept the answer with it.
            kept = await queries.kept_answers(on, [(order.site_id, order.idempotency_key) for order in keyed])
        for order in orders:
            order.intent = intents.get((order.site_id, order.intent_id))
            found = kept.get((order.site_id, order.idempotency_key))
            order.kept, order.kept_fingerprint = found or (None, b"")

    async def _number(self, on: "asyncpg.Connection[asyncpg.Record]", orders: list[Order]) -> None:
        # Some more than are wanted now: whoever finds one here need not look.
        while len(self._numbers) < len(orders) + ATTEMPTS_A_BLOCK // 2:
            first = await queries.next_attempts(on)
            self._numbers += range(first, first + ATTEMPTS_A_BLOCK)
        taken, self._numbers = self._numbers[: len(orders)], self._numbers[len(orders) :]
        for order, number in zip(orders, taken, strict=True):
            order.seq = number

    # ---- within the posting batch

    async def enter(self, connection: "asyncpg.Connection[asyncpg.Record]", items: Sequence[Item]) -> Sequence[Item]:
        """Lock the intents, without waiting for anybody: no payment waits for one. What is locked elsewhere, or is not as it
        has to be, is left out."""
        errands = [item.errand for item in items if isinstance(item.errand, _Errand)]
        seen = [errand.intent for errand in errands if errand.was_seen and errand.intent and errand.created is None]
        locked = await queries.lock_seen(connection, seen) if seen else set()
        unseen = [errand.order for errand in errands if not errand.was_seen]
        found = await queries.lock_unseen(connection, [_named(order) for order in unseen]) if unseen else {}
        going = []
        for item in items:
            errand = item.errand
            if isinstance(errand, _Errand) and errand.created is None:
                # Two of one batch may want the same: the first has it.
                name = (errand.order.site_id, errand.order.intent_id)
                if errand.was_seen:
                    may_go = name[1] in locked
                    locked.discard(name[1])
                else:
                    may_go = _fill_in(item, errand, found.pop(name, None))
                if not may_go:
                    item.outcome = _ELSEWHERE
                    continue
            going.append(item)
        return going

    async def leave(self, connection: "asyncpg.Connection[asyncpg.Record]", items: Sequence[Item]) -> None:
        """Write what the payments have come to."""
        ends, at = _Ends(), clock.now()
        for item in items:
            # Without an answer nothing was done: it waits, or was given back.
            if isinstance(item.errand, _Errand) and isinstance(item.outcome, Answer):
                _end(item.errand, item.outcome, item.request.payment_id, at, ends)
        await queries.write_confirmed(connection, ends.intents)
        if ends.kept and await queries.keep_answers(connection, ends.kept) < len(ends.kept):
            # The same request came to another process as well, which was faster: its answer is found by looking again.
            raise TryAgain(reason="an idempotency key was taken meanwhile")
        await tell(connection, ends.events)


def _begin(order: Order, intent: Intent) -> None:
    """An attempt at this intent. Raises where it cannot be confirmed as it stands."""
    assert order.seq is not None, "a number was taken before"
    at = clock.now()
    if order.pay_code is not None:
        intent.attach(uuid7(at=at), order.pay_code)
    if intent.pay_code is None and intent.state.startswith("requires"):
        raise UnexpectedState(_NO_METHOD, code="payment_intent_unexpected_state")
    intent.begin(order.seq, order.terminal.id, at)


def _named(order: Order) -> tuple[UUID, UUID, str | None]:
    return order.site_id, order.intent_id, order.idempotency_key


def _fill_in(item: Item, errand: _Errand, intent: Intent | None) -> bool:
    """What was not known of a payment before its intent was locked. False: it has to be looked at."""
    if intent is None:
        return False
    try:
        _begin(errand.order, intent)
    except StripeError:
        return False
    errand.intent, item.key = intent, intent.attempt_key
    item.request = item.request._replace(sale=msgspec.structs.replace(item.request.sale, amount_fen=intent.amount_fen))
    return True


def _end(errand: _Errand, answered: Answer, charge_id: UUID, at: datetime, ends: _Ends) -> None:
    assert errand.intent is not None, "it was locked"
    order, intent = errand.order, msgspec.structs.replace(errand.intent)
    outcome = outcomes.outcome_of(answered, charge_id, at)
    outcomes.apply(intent, outcome)
    if errand.created is not None:
        ends.events.append(_told(order, "payment_intent.created", errand.created))
    ended = outcomes.ending_of(
        intent,
        outcome,
        expand_charge=order.expand_charge,
        request_id=order.request_id,
        key=order.idempotency_key,
    )
    order.answer = ended.answer
    ends.intents.append(intent)
    ends.events += ended.events
    if order.idempotency_key is not None:
        ends.kept.append(_kept_of(order, ended.answer))


def _told(order: Order, kind: str, data: str) -> Told:
    return Told(order.site_id, order.intent_id, kind, data, order.request_id, order.idempotency_key)


def _kept_of(order: Order, answer: Answer) -> Kept:
    assert order.idempotency_key is not None, "only what has a key is kept"
    return Kept(order.site_id, order.idempotency_key, order.fingerprint, answer.status, answer.body, order.intent_id)


def _told_before(order: Order) -> Answer | None:
    """The answer of an earlier try of this very order, whose commit went through although nobody could say so."""
    intent = order.intent
    if intent is None or not order.tried or (intent.attempt_by, intent.attempt_seq) != (order.terminal.id, order.seq):
        return None
    error: Any = msgspec.json.decode(intent.last_error_json) if intent.last_error_json else None
    outcome = outcomes.Outcome(clock.now(), intent.payment_id, error=error)
    ended = outcomes.ending_of(intent, outcome, expand_charge=order.expand_charge, request_id=None, key=None)
    return ended.answer
