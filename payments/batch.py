"""One posting batch inside its transaction: lock, claim, load, decide. It writes nothing but the claims.

The steps and their order are the promise of `hot_statements.py`; deciding is `decide.py`. What stands here is the
carrying of rows between the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from identity.api import Terminal
from kernel.errors import GuanjiaError, IdempotencyKeyReused, TooManyRequests, TryAgain
from kernel.idempotency import Answer
from kernel.ids import first_id_at, public_id
from payments import answers
from payments.decide import (
    Accepted,
    CodeState,
    HolderState,
    LotState,
    PurseState,
    RecentPayment,
    Repeat,
    Request,
    decide,
)
from payments.errors import ConfirmRepeat, SeqReused
from payments.events import PaymentSucceeded
from payments.lines import Line
from payments.posting_rule import DenyCode, Payer, PostingRule, Refusal, Usage

# A code lives 60 s; a voucher until the end of its business day. Older rows need not be looked at.
_CODE_LOOK_BACK: Final = timedelta(days=2)
_REPEAT_LOOK_BACK: Final = timedelta(seconds=9)
GUESS_WINDOW: Final = timedelta(seconds=60)
GUESSES_A_MINUTE: Final = 10

Prepared = dict[str, Any]
# Of terminals that send codes nobody was given: how many in the last minute, and when the first came.
Guesses = dict[UUID, tuple[int, datetime]]


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
    outcome: Answer | GuanjiaError | None = None


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
    code: CodeState
    holder: HolderState


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

    def __init__(self, prepared: Prepared, rule: PostingRule, terminals: Terminals, items: Sequence[Item]) -> None:
        self.prepared = prepared
        self.rule = rule
        self.terminals = terminals
        self.items = items
        self.holders: dict[UUID, HolderState] = {}
        self.codes: dict[tuple[int, int], CodeState] = {}
        self.spend_keys: dict[tuple[int, int], int] = {}
        self.deferred: list[Item] = []
        self.counted: set[tuple[int, UUID, str]] = set()
        self.guesses: Guesses = {}

    async def lock_holders(self, at: datetime) -> int | None:
        """Lock the holders of the batch's codes; returns the configuration version that this snapshot sees."""
        buckets, secrets = self._code_keys()
        if not buckets:
            return None
        rows = await self.prepared["LOCK_HOLDERS"].fetch(buckets, secrets, first_id_at(at - _CODE_LOOK_BACK))
        for row in rows:
            bucket, identifier, person_id, unit_id, region_id, person_class, label, state, _ = row
            payer = Payer(identifier, person_class, unit_id, region_id)
            self.holders[identifier] = HolderState(bucket, identifier, person_id, label, state, payer)
        return rows[0]["configuration_version"] if rows else None

    def _code_keys(self) -> tuple[list[int], list[int]]:
        keys = sorted({(item.bucket, item.secret) for item in self.items if item.bucket >= 0})
        return [bucket for bucket, _ in keys], [secret for _, secret in keys]

    async def claim(self, at: datetime) -> list[Item]:
        """Take each request's number and key; the losers get their stored answer or their conflict."""
        ordered = sorted(self.items, key=lambda item: (item.terminal.id.int, item.seq, item.key))
        won = await self.prepared["CLAIM_REQUESTS"].fetch(
            [item.terminal.id for item in ordered],
            [item.terminal.epoch for item in ordered],
            [item.seq for item in ordered],
            [item.key for item in ordered],
            [item.body_hash for item in ordered],
            [item.request.payment_id for item in ordered],
            at,
        )
        if len(won) == len(ordered):
            return list(self.items)
        winners = {row["payment_id"] for row in won}
        losers = [item for item in self.items if item.request.payment_id not in winners]
        await self._answer_losers(losers, winners)
        return [item for item in self.items if item.request.payment_id in winners]

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
                item.outcome = _outcome_of_loser(item, taken)

    async def load(self, winners: list[Item], at: datetime) -> None:
        """Read codes, purses, lots, usage and recent payments, under the lock."""
        buckets, secrets = self._code_keys()
        if buckets:
            for row in await self.prepared["LOAD_CODES"].fetch(buckets, secrets, first_id_at(at - _CODE_LOOK_BACK)):
                key = (row["bucket"], row["secret"])
                self.codes[key] = CodeState(
                    row["id"], row["holder_id"], row["expires_at"], row["block_expires_at"], row["used_by"]
                )
                self.spend_keys[key] = row["spend_key"]
        await self._load_guesses(winners, at)
        if not self.holders:
            return
        holder_buckets = [holder.bucket for holder in self.holders.values()]
        holder_ids = list(self.holders)
        await self._load_purses_and_lots(holder_buckets, holder_ids, at)
        await self._load_usage(winners)
        recent = await self.prepared["LOAD_RECENT"].fetch(
            holder_buckets, holder_ids, first_id_at(at - _REPEAT_LOOK_BACK)
        )
        for holder_id, payment_id, terminal_id, amount_fen, recorded_at in recent:
            self.holders[holder_id].recent.append(RecentPayment(payment_id, terminal_id, amount_fen, recorded_at))

    async def _load_guesses(self, winners: list[Item], at: datetime) -> None:
        """How often those have guessed who seem to guess now: a whole batch of guesses may come at once."""
        guessing = {item.terminal.id for item in winners if self.code_of(item) is None}
        if guessing:
            self.guesses = dict.fromkeys(guessing, (0, at))
            for row in await self.prepared["COUNT_GUESSES"].fetch(sorted(guessing), at - GUESS_WINDOW):
                self.guesses[row["terminal_id"]] = (row["count"], row["first_at"])

    async def _load_purses_and_lots(self, buckets: list[int], ids: list[UUID], at: datetime) -> None:
        holders = self.holders
        for holder_id, kind, balance_fen, held_fen, version in await self.prepared["LOAD_PURSES"].fetch(buckets, ids):
            holders[holder_id].purses[kind] = PurseState(kind, balance_fen, held_fen, version)
        # No zone is further behind UTC than 12 hours, and a business day ends 2 hours late.
        earliest = (at - timedelta(hours=14)).date()
        for row in await self.prepared["LOAD_LOTS"].fetch(buckets, ids, earliest):
            holder_id, lot_id, balance_fen, held_fen, expires_on, scope, version = row
            lot = LotState(lot_id, balance_fen, held_fen, expires_on, _read_scope(scope), version)
            holders[holder_id].lots[lot_id] = lot

    async def _load_usage(self, winners: list[Item]) -> None:
        wanted = self.counted
        for item in winners:
            holder = self.holder_of(item)
            if holder is not None:
                keys = self.rule.counter_keys(item.request.sale, holder.payer)
                wanted.update([(holder.bucket, holder.id, key) for key in keys])
        rows = await self.prepared["LOAD_USAGE"].fetch(
            [bucket for bucket, _, _ in wanted], [holder for _, holder, _ in wanted], [key for _, _, key in wanted]
        )
        for holder_id, key, count, amount_fen in rows:
            self.holders[holder_id].usage[key] = Usage(count, amount_fen)

    def code_of(self, item: Item) -> CodeState | None:
        """The code's row, if the item's P2 (where it sent one) belongs to its P1."""
        key = (item.bucket, item.secret)
        if item.spend_key is not None and self.spend_keys.get(key) != item.spend_key:
            return None
        return self.codes.get(key)

    def holder_of(self, item: Item) -> HolderState | None:
        code = self.codes.get((item.bucket, item.secret))
        return self.holders.get(code.holder_id) if code else None

    def decide(self, winners: list[Item]) -> Written:
        """What becomes of each request, in the order of arrival."""
        written = Written()
        for item in winners:
            code, holder = self.code_of(item), self.holder_of(item)
            try:
                self._slow_down_guesser(item)
                outcome = self._refuse_terminal(item) or decide(item.request, code, holder, self.rule)
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
                self._accept(item, outcome, code, holder, written)
        return written

    def _slow_down_guesser(self, item: Item) -> None:
        count, first_at = self.guesses.get(item.terminal.id, (0, item.request.sale.at))
        if count >= GUESSES_A_MINUTE:
            left_s = int((first_at + GUESS_WINDOW - item.request.sale.at).total_seconds())
            raise TooManyRequests(retry_after_s=max(1, min(left_s + 1, 60)))

    def _refuse_terminal(self, item: Item) -> Refusal | None:
        terminal = self.terminals.by_id(item.terminal.id)
        if terminal is None or terminal.status != "active" or terminal.epoch != item.terminal.epoch:
            return Refusal(DenyCode.TERMINAL)
        return None

    def _refuse(self, item: Item, refusal: Refusal, written: Written) -> None:
        if refusal.code is DenyCode.CODE_UNKNOWN:
            written.guesses.append(item)
            count, first_at = self.guesses.get(item.terminal.id, (0, item.request.sale.at))
            self.guesses[item.terminal.id] = (count + 1, first_at)
        body = answers.refusal_body(refusal, item.language, item.request_id)
        written.answers.append((item.request.payment_id, 402, body))
        item.outcome = Answer(402, body, replayed=False)

    def _accept(self, item: Item, accepted: Accepted, code: CodeState, holder: HolderState, written: Written) -> None:
        for key in accepted.quote.counters:
            # Another lane may have reloaded the prices since the counters were read. What was not read is not raised.
            if (holder.bucket, holder.id, key) not in self.counted:
                raise TryAgain(reason="the configuration has moved")
        legs = answers.wire_legs(accepted.legs)
        body = answers.payment_body(item.request, accepted, legs, item.request_id)
        person = public_id("per", holder.person_id)
        site_label = self.rule.site_label(accepted.quote.site_id)
        written.events.append(answers.succeeded_event(item.request, accepted, legs, person, holder.label, site_label))
        written.accepted.append(Decided(item, accepted, code, holder))
        written.answers.append((item.request.payment_id, 201, body))
        written.lines.extend(accepted.lines)
        item.outcome = Answer(201, body, replayed=False)


def _outcome_of_loser(item: Item, taken: list[Any]) -> Answer | GuanjiaError:
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
