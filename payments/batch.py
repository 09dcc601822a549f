"""One posting batch inside its transaction: lock, claim, load, decide. It writes nothing but the claims.

The steps and their order are the promise of `hot_statements.py`; deciding is `decide.py`. What stands here is the
carrying of rows between the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import asyncpg
import msgspec

from identity.api import Terminal
from kernel.errors import GuanjiaError, IdempotencyKeyReused, TryAgain
from kernel.idempotency import Answer
from kernel.ids import first_id_at, public_id
from payments import answers
from payments.credentials.presented import Presented
from payments.decide import (
    Accepted,
    CodeState,
    HolderState,
    LotState,
    PurseState,
    RecentPayment,
    Repeat,
    Request,
    Tapped,
    card_counter,
    decide,
)
from payments.errors import ConfirmRepeat, SeqReused
from payments.events import PaymentSucceeded
from payments.guesses import GUESS_WINDOW, GuessWatch
from payments.lines import Line
from payments.modes import check_mode
from payments.posting_rule import DenyCode, Payer, PostingRule, Refusal, Sale, Usage
from payments.settlement.periods import ClosedPeriods

# A code lives 60 s; a voucher until the end of its business day. Older rows need not be looked at.
CODE_LOOK_BACK: Final = timedelta(days=2)
# Ids are made before they are looked up; this much later by the clock of another machine. It keeps the partitions of
# the coming months out of every look-up.
LOOK_AHEAD: Final = timedelta(hours=1)
_REPEAT_LOOK_BACK: Final = timedelta(seconds=9)

NOBODY: Final = UUID(int=0)

Prepared = dict[str, Any]
PayerKey = tuple[int, int, UUID]


# Which table a row of `load_batch` comes from.
_CLAIMED, _HOLDER, _WINNER, _CODE, _PURSE, _LOT, _USAGE, _RECENT = range(8)
# One order for all lanes, so that two that want the same numbers wait for each other in one direction only.
_CLAIM_ORDER: Final = attrgetter("seq", "key")


class Companion(Protocol):
    """Writes rows of its own in the transaction of a batch: one commit holds them and the payments they belong to.

    `enter` comes before anything else and returns those items that may go on; of the others it has set the outcome.
    `leave` comes when the batch is written and every outcome is known.
    """

    async def enter(
        self, connection: "asyncpg.Connection[asyncpg.Record]", items: "Sequence[Item]"
    ) -> "Sequence[Item]": ...

    async def leave(self, connection: "asyncpg.Connection[asyncpg.Record]", items: "Sequence[Item]") -> None: ...


class Errand(Protocol):
    """What a payment is made for, where that is more than the payment."""

    @property
    def companion(self) -> Companion:
        """Who writes it down."""
        ...


@dataclass(slots=True, eq=False)
class Item:
    """One request on its way through a batch."""

    request: Request
    terminal: Terminal
    key: str
    seq: int
    body_hash: bytes
    bucket: int
    secret: int
    spend_key: int | None
    request_id: str
    language: str
    # What was presented instead of a pay code; then `secret` is -1, which no code has.
    presented: Presented | None = None
    errand: Errand | None = None
    outcome: Answer | GuanjiaError | None = None

    @property
    def is_from_phone(self) -> bool:
        """Whether the payer's own phone sent it, having read a wall code."""
        return self.presented is not None and self.presented.kind == "wall_code"

    @property
    def payer_key(self) -> tuple[int, int, UUID]:
        """What the payer is found by: the bucket, and the code's secret or the holder's own id."""
        presented = self.presented
        if presented is not None and presented.holder_id is not None:
            return self.bucket, self.secret, presented.holder_id
        return self.bucket, self.secret, NOBODY


class Terminals(Protocol):
    """Where the batch re-reads a terminal after a change of configuration."""

    def by_id(self, terminal_id: UUID) -> Terminal | None: ...


@dataclass(slots=True)
class LaneHead:
    """Where this process's lane stands: the last rows that were committed."""

    lane: int
    n: int
    hash: bytes
    outbox_n: int


class Decided(NamedTuple):
    """A payment that will be written, with the rows that it spends from."""

    item: Item
    accepted: Accepted
    code: CodeState | None
    holder: HolderState
    # The reasons as JSON: they stand in the answer and with the payment.
    trace: bytes


@dataclass(slots=True)
class Written:
    """What a batch decided and will write."""

    accepted: list[Decided] = field(default_factory=list)
    answers: list[tuple[UUID, int, bytes]] = field(default_factory=list)
    given_back: list[Item] = field(default_factory=list)
    guesses: list[Item] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    events: list[PaymentSucceeded] = field(default_factory=list)


class Batch:
    """The steps of one transaction over prepared statements."""

    def __init__(
        self, prepared: Prepared, rule: PostingRule, terminals: Terminals, watch: GuessWatch, items: Sequence[Item]
    ) -> None:
        self.prepared = prepared
        self.rule = rule
        self.terminals = terminals
        self.watch = watch
        self.items = items
        self.winners = items
        self.holders: dict[UUID, HolderState] = {}
        self.codes: dict[tuple[int, int], CodeState] = {}
        self.card_states: dict[UUID, str] = {}
        self.spend_keys: dict[tuple[int, int], int] = {}
        self.counters: dict[PayerKey, tuple[str, ...]] = {}
        self.deferred: list[Item] = []
        # Of terminals that send codes nobody was given: how many in the last minute, and when the first came.
        self.guesses: dict[UUID, tuple[int, datetime]] = {}
        self.noted: list[tuple[UUID, datetime]] = []
        # What people call a site, in both languages: a batch sells at one or two.
        self.labels: dict[UUID, tuple[str, str]] = {}

    async def load(self, at: datetime) -> int:
        """Lock the payers, take the terminals' numbers and keys, read what is needed to decide: one round trip.

        Returns the configuration version that holds under the lock.
        """
        tills = self._tills()
        rows = await self.prepared["LOAD_BATCH"].fetch(
            [(*payer, till) for payer, till in tills.items()],
            [
                (item.terminal.id, item.terminal.epoch, item.seq, item.key, item.body_hash, item.request.payment_id)
                for item in sorted(self.items, key=_CLAIM_ORDER)
            ],
            self._counters(list(tills)),
            at,
            first_id_at(at - CODE_LOOK_BACK),
            first_id_at(at - _REPEAT_LOOK_BACK),
            first_id_at(at + LOOK_AHEAD),
            # No zone is further behind UTC than 12 hours, and a business day ends 2 hours late.
            (at - timedelta(hours=14)).date(),
        )
        return self._read(rows)

    def _tills(self) -> dict[PayerKey, UUID | None]:
        """Who pays, in order, and at which till: its last sales to them are read, or every till's where that is None."""
        tills: dict[PayerKey, UUID | None] = {}
        for item in self.items:
            if item.bucket >= 0:
                # Of a card every till is asked, for it cannot be at two of them.
                till = item.request.sale.terminal_id if item.presented is None else None
                key = item.payer_key
                tills[key] = till if tills.get(key, till) == till else None
        return dict(sorted(tills.items()))

    def _counters(self, payers: list[PayerKey]) -> list[tuple[int, str]]:
        """The counters to be read, each with the ordinal (from 1) of its payer."""
        wanted = self.counters = dict.fromkeys(payers, ())
        for item in self.items:
            if item.bucket >= 0:
                keys = self.rule.counter_keys(item.request.sale)
                if keys and item.presented is not None and item.presented.meal_max_fen is not None:
                    keys = (*keys, card_counter(keys[0]))
                known = wanted[item.payer_key]
                wanted[item.payer_key] = keys if not known else tuple({*known, *keys})
        return [(ordinal, key) for ordinal, payer in enumerate(payers, 1) for key in wanted[payer]]

    def _read(self, rows: list[Any]) -> int:
        """Sort the rows of `load_batch` into the states that decisions are made from."""
        holders, winners, version = self.holders, set(), 0
        won = len(self.items)
        for part, holder_id, identifier, other, region_id, name, label, state, a, b, c, day, begins, ends in rows:
            if part == _PURSE:
                holders[holder_id].purses[name] = PurseState(name, a, b, c)
            elif part == _CODE:
                self.codes[a, b] = CodeState(identifier, holder_id, begins, ends, other)
                self.spend_keys[a, b] = c
            elif part == _HOLDER:
                payer = Payer(holder_id, name, other, region_id)
                holders[holder_id] = HolderState(a, holder_id, identifier, label, state, payer)
            elif part == _USAGE:
                holders[holder_id].usage[name] = Usage(a, b)
            elif part == _LOT:
                holders[holder_id].lots[identifier] = LotState(identifier, a, b, day, _read_scope(name), c)
            elif part == _RECENT:
                _note_recent(holders[holder_id], RecentPayment(identifier, other, a, begins))
            elif part == _CLAIMED:
                version, won = a, b
            else:
                winners.add(identifier)
        if won < len(self.items):
            self.winners = [item for item in self.items if item.request.payment_id in winners]
        return version

    async def prepare(self, at: datetime) -> None:
        """What only some batches need: the losers' answers, cards, how often those have guessed who seem to guess now."""
        if len(self.winners) < len(self.items):
            winners = {item.request.payment_id for item in self.winners}
            losers = [item for item in self.items if item.request.payment_id not in winners]
            await self._answer_losers(losers, winners)
        await self._load_cards(self.winners)
        await self._load_guesses(self.winners, at)

    async def _answer_losers(self, losers: list[Item], winners: set[UUID]) -> None:
        rows = await self.prepared["FIND_CLAIMED"].fetch(
            list(range(len(losers))),
            [item.terminal.id for item in losers],
            [item.terminal.epoch for item in losers],
            [item.seq for item in losers],
            [item.key for item in losers],
        )
        found: dict[int, list[Any]] = {}
        for row in rows:
            found.setdefault(row["ordinal"], []).append(row)
        for ordinal, item in enumerate(losers):
            taken = found.get(ordinal, [])
            if any(row["payment_id"] in winners for row in taken):
                # The first of its kind is in this very batch: wait for what becomes of it.
                self.deferred.append(item)
            else:
                item.outcome = self._outcome_of_loser(item, taken)

    def _outcome_of_loser(self, item: Item, taken: list[Any]) -> Answer | GuanjiaError:
        """A stored answer stays what it was; of two refusals the terminal's comes before the key's and the number's."""
        outcome = _outcome_of_stored(item, taken)
        # A payer's phone at a wall code is no till: there is nothing to be in service.
        if isinstance(outcome, Answer) or item.is_from_phone or self._is_in_service(item.terminal):
            return outcome
        # Key and number were taken before: there is nothing to store this refusal under.
        refusal = Refusal(DenyCode.TERMINAL)
        return Answer(402, answers.refusal_body(refusal, item.language, item.request_id), replayed=False)

    async def _load_cards(self, winners: Sequence[Item]) -> None:
        named = [item.presented for item in winners if item.presented is not None]
        keys = {(each.bucket, each.card_id) for each in named if each.card_id is not None}
        if keys:
            rows = await self.prepared["LOAD_CARDS"].fetch([bucket for bucket, _ in keys], [card for _, card in keys])
            self.card_states = dict(rows)

    async def _load_guesses(self, winners: Sequence[Item], at: datetime) -> None:
        """How often those have guessed who seem to guess now: a whole batch of guesses may come at once."""
        guessing = {item.terminal.id for item in winners if self._is_unknown(item)}
        if guessing:
            self.guesses = dict.fromkeys(guessing, (0, at))
            for row in await self.prepared["COUNT_GUESSES"].fetch(sorted(guessing), at - GUESS_WINDOW):
                self.guesses[row["terminal_id"]] = (row["count"], row["first_at"])

    def _is_unknown(self, item: Item) -> bool:
        """Whether it looks like a guess."""
        presented = item.presented
        if presented is None:
            return self.code_of(item) is None
        return presented.refusal is not None and presented.refusal.code is DenyCode.CODE_UNKNOWN

    def code_of(self, item: Item) -> CodeState | Tapped | None:
        """The code's row, if the item's P2 (where it sent one) belongs to its P1; or what was presented instead."""
        presented = item.presented
        if presented is not None:
            return Tapped(presented, self.card_states.get(presented.card_id) if presented.card_id is not None else None)
        key = (item.bucket, item.secret)
        if item.spend_key is not None and self.spend_keys.get(key) != item.spend_key:
            return None
        return self.codes.get(key)

    def holder_of(self, item: Item) -> HolderState | None:
        presented = item.presented
        if presented is not None:
            return self.holders.get(presented.holder_id) if presented.holder_id is not None else None
        code = self.codes.get((item.bucket, item.secret))
        return self.holders.get(code.holder_id) if code else None

    def decide(self, closed: ClosedPeriods) -> Written:
        """What becomes of each request, in the order of arrival."""
        written = Written()
        for item in self.winners:
            code, holder = self.code_of(item), self.holder_of(item)
            try:
                self._slow_down_guesser(item)
                outcome = self._refuse_terminal(item) or decide(item.request, code, holder, self.rule, closed)
            except GuanjiaError as error:
                # It has to wait, or cannot be priced (a dish that is not on the menu): nothing is consumed.
                item.outcome = error
                written.given_back.append(item)
                continue
            if isinstance(outcome, Repeat):
                item.outcome = ConfirmRepeat(payment=public_id("pay", outcome.payment_id))
                written.given_back.append(item)
            elif isinstance(outcome, Refusal):
                self._refuse(item, outcome, written)
            else:
                assert code is not None, "accepted without a code"
                assert holder is not None, "accepted without a holder"
                self._accept(item, outcome, None if isinstance(code, Tapped) else code, holder, written)
        return written

    def _slow_down_guesser(self, item: Item) -> None:
        if item.terminal.id in self.guesses:
            self.watch.refuse_another(item.terminal.id, *self.guesses[item.terminal.id])

    def _is_in_service(self, sent: Terminal) -> bool:
        """Whether the till may sell now, as far as this process knows, in the epoch that it sent."""
        terminal = self.terminals.by_id(sent.id)
        return terminal is not None and terminal.status == "active" and terminal.epoch == sent.epoch

    def _refuse_terminal(self, item: Item) -> Refusal | None:
        if item.is_from_phone:
            return self._refuse_till_of_code(item.request.sale)
        terminal = self.terminals.by_id(item.terminal.id)
        if terminal is None or not self._is_in_service(item.terminal):
            return Refusal(DenyCode.TERMINAL)
        # Only now: a sale that was paid before a mode was taken away is still answered as it was.
        check_mode(terminal.modes, item.request.sale)
        return None

    def _refuse_till_of_code(self, sale: Sale) -> Refusal | None:
        """The payer's phone is no till; a code that hangs at one pays only while, and as, that takes payments."""
        if sale.terminal_id is None:
            return None
        till = self.terminals.by_id(sale.terminal_id)
        if till is None or till.status != "active":
            return Refusal(DenyCode.TERMINAL)
        check_mode(till.modes, sale)
        return None

    def _refuse(self, item: Item, refusal: Refusal, written: Written) -> None:
        if refusal.code is DenyCode.CODE_UNKNOWN:
            written.guesses.append(item)
            count, first_at = self.guesses.get(item.terminal.id, (0, item.request.sale.at))
            self.guesses[item.terminal.id] = (count + 1, first_at)
            self.watch.note(item.terminal.id, item.request.sale.at, count, first_at)
            self.noted.append((item.terminal.id, item.request.sale.at))
        body = answers.refusal_body(refusal, item.language, item.request_id)
        written.answers.append((item.request.payment_id, 402, body))
        item.outcome = Answer(402, body, replayed=False)

    def _accept(
        self, item: Item, accepted: Accepted, code: CodeState | None, holder: HolderState, written: Written
    ) -> None:
        read = self.counters[item.payer_key]
        for key in accepted.quote.counters:
            # The prices may have been reloaded since the counters were read. What was not read is not raised.
            if key not in read:
                raise TryAgain(reason="the configuration has moved")
        person = public_id("per", holder.person_id)
        labels = self._labels_of(accepted.quote.site_id)
        paid = answers.succeeded_event(item.request, accepted, person, holder.label, *labels)
        trace = answers.encode_trace(accepted.trace)
        body = answers.payment_body(paid, trace, item.request_id)
        written.events.append(paid)
        written.accepted.append(Decided(item, accepted, code, holder, trace))
        written.answers.append((item.request.payment_id, 201, body))
        written.lines.extend(accepted.lines)
        item.outcome = Answer(201, body, replayed=False)

    def _labels_of(self, site_id: UUID) -> tuple[str, str]:
        labels = self.labels.get(site_id)
        if labels is None:
            labels = self.labels[site_id] = self.rule.site_label(site_id), self.rule.site_label_en(site_id)
        return labels


def _note_recent(holder: HolderState, payment: RecentPayment) -> None:
    """Once, also where two codes of one person ask for it."""
    if payment not in holder.recent:
        holder.recent.append(payment)


def _outcome_of_stored(item: Item, taken: list[Any]) -> Answer | GuanjiaError:
    for row in taken:
        if row["key"] == item.key:
            if row["body_hash"] != item.body_hash:
                return IdempotencyKeyReused()
            if row["body"] is None:
                # Older than stored answers are kept: what is known is that it must not be done again.
                return IdempotencyKeyReused(payment=public_id("pay", row["payment_id"]))
            return Answer(row["status"], row["body"], replayed=True)
    for row in taken:
        paid = row["status"] is None or row["status"] == 201
        return SeqReused(payment=public_id("pay", row["payment_id"]) if paid else None)
    # Its rival undid itself between our two statements.
    return TryAgain()


def _read_scope(column: str) -> dict[str, list[str]]:
    if column == "{}":
        return {}
    scope: dict[str, list[str]] = msgspec.json.decode(column)
    return scope
