"""The pure core of posting: what becomes of one request, given everything that was read under the holder's lock.

No I/O, no clock, no randomness: the same arguments give the same outcome, and the arguments are changed only in the
holder's working copy (`HolderState`), so that several payments of one person in one batch see each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from payments.credentials.presented import Presented
from payments.lines import Booking, Leg, Line, sale_lines
from payments.posting_rule import NO_USAGE, DeductionStep, DenyCode, Payer, PostingRule, Quote, Refusal, Sale, Usage
from payments.settlement.periods import NONE_CLOSED, ClosedPeriods, period_for_posting

REPEAT_WINDOW: Final = timedelta(seconds=8)


class LotState(msgspec.Struct):
    """A subsidy lot, as far as a payment may spend from it."""

    id: UUID
    balance_fen: int
    held_fen: int
    expires_on: date
    scope: Mapping[str, list[str]]
    version: int

    @property
    def available_fen(self) -> int:
        return self.balance_fen - self.held_fen


class PurseState(msgspec.Struct):
    """A purse with one balance."""

    kind: str
    balance_fen: int
    held_fen: int
    version: int

    @property
    def available_fen(self) -> int:
        return self.balance_fen - self.held_fen


class RecentPayment(NamedTuple):
    """A payment of the last seconds, to ask about a double tap."""

    id: UUID
    terminal_id: UUID | None
    amount_fen: int
    at: datetime


class HolderState(msgspec.Struct):
    """The working copy of one locked holder."""

    bucket: int
    id: UUID
    person_id: UUID
    label: str
    state: str
    payer: Payer
    purses: dict[str, PurseState] = msgspec.field(default_factory=dict)
    lots: dict[UUID, LotState] = msgspec.field(default_factory=dict)
    usage: dict[str, Usage] = msgspec.field(default_factory=dict)
    recent: list[RecentPayment] = msgspec.field(default_factory=list)

    def sums(self, on: date) -> dict[str, int]:
        """What is left in each purse on a business date: the `purses` of an answer."""
        cash, official = self.purses.get("cash"), self.purses.get("official")
        return {
            "cash_fen": 0 if cash is None else cash.balance_fen,
            "subsidy_fen": sum([lot.balance_fen for lot in self.lots.values() if lot.expires_on >= on]),
            "official_fen": 0 if official is None else official.balance_fen,
        }


class CodeState(msgspec.Struct):
    """A pay code's row."""

    id: UUID
    holder_id: UUID
    expires_at: datetime
    block_expires_at: datetime
    used_by: UUID | None


@dataclass(frozen=True, slots=True)
class Tapped:
    """Something other than a pay code, with what the card's row says under the lock."""

    presented: Presented
    card_state: str | None


class Request(NamedTuple):
    """One request, as far as the decision reads it."""

    payment_id: UUID
    sale: Sale
    happened_at: datetime
    confirm_repeat: bool
    by_block: bool


class Accepted(NamedTuple):
    """A payment that will be written."""

    quote: Quote
    legs: tuple[Leg, ...]
    lines: tuple[Line, ...]
    trace: tuple[dict[str, Any], ...]
    purses: dict[str, int]


class Repeat(NamedTuple):
    """A double tap: ask, and consume nothing."""

    payment_id: UUID


def decide(
    request: Request,
    code: CodeState | Tapped | None,
    holder: HolderState | None,
    rule: PostingRule,
    closed: ClosedPeriods = NONE_CLOSED,
) -> Accepted | Refusal | Repeat:
    """Order of refusals: code, holder, repeat, limits (the rule's), funds. Terminal, key and seq come before.

    A sale whose month is closed in either book keeps its business date and is booked in the next month open in both.
    """
    at, tapped = request.sale.at, code if isinstance(code, Tapped) else None
    refusal = _refuse_tapped(tapped) if tapped is not None else None
    if refusal is None and (code is None or holder is None):
        refusal = Refusal(DenyCode.CODE_UNKNOWN)
    if refusal is not None:
        return refusal
    assert code is not None, "refused above"
    assert holder is not None, "refused above"
    refusal = (None if isinstance(code, Tapped) else _refuse_code(request, code, at)) or _refuse_holder(holder)
    if refusal is not None:
        return refusal
    quote = rule.quote(request.sale, holder.payer, holder.usage)
    if not request.confirm_repeat:
        # A refusal by the rule has no amount; then the keyed one tells a double tap.
        amount_fen = quote.amount_fen if isinstance(quote, Quote) else request.sale.amount_fen
        repeated = _find_repeat(request, holder, amount_fen, at, tapped)
        if repeated is not None:
            return Repeat(repeated)
    if tapped is not None and isinstance(quote, Quote):
        quote = _note_tapped(quote, tapped.presented, holder)
    if isinstance(quote, Refusal):
        return quote
    if closed:
        regions = holder.payer.region_id, quote.host_region_id
        period = period_for_posting(closed, quote.accounting_period, *regions)
        quote = msgspec.structs.replace(quote, accounting_period=period)
    legs = deduct(quote, holder)
    if legs is None:
        return Refusal(DenyCode.NO_FUNDS, {"amount_fen": quote.amount_fen, **holder.sums(quote.business_date)})
    return _accept(request, code, holder, quote, legs, at)


def _refuse_tapped(tapped: Tapped) -> Refusal | None:
    if tapped.card_state is not None and tapped.card_state != "active":
        return Refusal(DenyCode.LOST, {"credential": "card", "state": tapped.card_state})
    return tapped.presented.refusal


def card_counter(meal_counter: str) -> str:
    """What a card has paid in a meal, beside what its holder has."""
    return f"card:{meal_counter}"


def _note_tapped(quote: Quote, presented: Presented, holder: HolderState) -> Quote | Refusal:
    """The quote with what was presented in its context and reasons; a bare card pays no more than its part of a meal."""
    counters, limit_fen = quote.counters, presented.meal_max_fen
    if limit_fen is not None:
        counter = card_counter(quote.counters[0])
        used_fen = holder.usage.get(counter, NO_USAGE).amount_fen
        if used_fen + quote.amount_fen > limit_fen:
            data = {"window": "card", "limit_fen": limit_fen, "used_fen": used_fen, "amount_fen": quote.amount_fen}
            return Refusal(DenyCode.AMOUNT_LIMIT, {"credential": presented.kind, **data})
        counters = (*counters, counter)
    return msgspec.structs.replace(
        quote,
        counters=counters,
        context={**quote.context, **presented.stored_context},
        trace=(*quote.trace, presented.sentence()),
    )


def _refuse_code(request: Request, code: CodeState, at: datetime) -> Refusal | None:
    if code.used_by is not None:
        return Refusal(DenyCode.CODE_USED)
    # A till that sends all 220 digits shows P2 as well: it may outlive P1.
    if at > (code.block_expires_at if request.by_block else code.expires_at):
        return Refusal(DenyCode.CODE_EXPIRED)
    return None


def _refuse_holder(holder: HolderState) -> Refusal | None:
    if holder.state == "lost":
        return Refusal(DenyCode.LOST)
    if holder.state != "active":
        return Refusal(DenyCode.FROZEN)
    return None


def _find_repeat(
    request: Request, holder: HolderState, amount_fen: int | None, at: datetime, tapped: Tapped | None
) -> UUID | None:
    is_card = tapped is not None and tapped.presented.card_id is not None
    for recent in holder.recent:
        same = recent.terminal_id == request.sale.terminal_id and recent.amount_fen == amount_fen
        # One card cannot be at two tills within seconds: the other one is a copy, or somebody should be asked.
        same = same or (is_card and recent.terminal_id != request.sale.terminal_id)
        # In either direction: this one may have waited in another lane's queue while that one was recorded.
        if same and abs(at - recent.at) <= REPEAT_WINDOW:
            return recent.id
    return None


def in_scope(lot: LotState, tags: frozenset[str], on: date) -> bool:
    """Whether a lot may pay here, now: each dimension of its scope must hold one of the sale's tags."""
    return lot.expires_on >= on and all(not tags.isdisjoint(values) for values in lot.scope.values())


def deduct(quote: Quote, holder: HolderState) -> tuple[Leg, ...] | None:
    """Legs in the quote's deduction order; None where the purses do not hold enough. Nothing is changed here.

    Subsidy lots pay at most the quote's unit share; a purse with one balance pays what is left, as far as it goes.
    """
    legs: list[Leg] = []
    rest = quote.amount_fen
    for step in quote.deduction:
        if step.purse == "subsidy":
            share = _lot_legs(step, quote, holder, min(quote.unit_share_fen, rest))
            rest -= sum([leg.amount_fen for leg in share])
            legs += share
        elif rest:
            purse = holder.purses.get(step.purse)
            taken = min(rest, purse.available_fen) if purse is not None else 0
            if taken:
                legs.append(Leg(step.purse, None, taken))
                rest -= taken
    return tuple(legs) if rest == 0 else None


def _lot_legs(step: DeductionStep, quote: Quote, holder: HolderState, share_fen: int) -> list[Leg]:
    """Up to the unit's share out of the lots that may pay here and now."""
    if share_fen <= 0:
        return []
    fitting = [
        lot
        for lot in holder.lots.values()
        if lot.balance_fen > lot.held_fen and in_scope(lot, quote.lot_tags, quote.business_date)
    ]
    if len(fitting) > 1:
        fitting.sort(key=attrgetter(*step.lots_by))
    legs: list[Leg] = []
    for lot in fitting:
        taken = min(share_fen, lot.available_fen)
        legs.append(Leg("subsidy", lot.id, taken))
        share_fen -= taken
        if share_fen == 0:
            break
    return legs


def _accept(
    request: Request, code: CodeState | Tapped, holder: HolderState, quote: Quote, legs: tuple[Leg, ...], at: datetime
) -> Accepted:
    """Apply the payment to the working copy and say what is to be written."""
    for leg in legs:
        pocket = holder.lots[leg.lot_id] if leg.lot_id is not None else holder.purses[leg.purse]
        pocket.balance_fen -= leg.amount_fen
        pocket.version += 1
        # Money invariants are asserted twice: here before the write, and by a CHECK in SQL.
        assert pocket.balance_fen >= pocket.held_fen >= 0, "a purse would be overdrawn"
    for key in quote.counters:
        before = holder.usage.get(key, NO_USAGE)
        holder.usage[key] = Usage(before.count + 1, before.amount_fen + quote.amount_fen)
    if not isinstance(code, Tapped):
        code.used_by = request.payment_id
    holder.recent.append(RecentPayment(request.payment_id, request.sale.terminal_id, quote.amount_fen, at))
    booking = Booking(holder.bucket, request.payment_id, "payment", quote.business_date, quote.accounting_period)
    lines = sale_lines(booking, holder.id, legs, holder.payer.region_id, quote.host_region_id, quote.site_id)
    assert sum([leg.amount_fen for leg in legs]) == quote.amount_fen, "legs must sum to the price"
    return Accepted(quote, legs, tuple(lines), quote.trace + leg_trace(legs), holder.sums(quote.business_date))


_PURSE_NAMES: Final = {"cash": ("现金", "cash"), "subsidy": ("补贴", "subsidy"), "official": ("公务", "official")}


def leg_trace(legs: tuple[Leg, ...]) -> tuple[dict[str, Any], ...]:
    """Sentences on what each purse paid, for the diner."""
    trace = []
    for leg in legs:
        zh, en = _PURSE_NAMES[leg.purse]
        yuan = f"{leg.amount_fen // 100}.{leg.amount_fen % 100:02d}"
        trace.append(
            {
                "code": f"leg.{leg.purse}",
                "zh": f"{zh}钱包支付 {yuan} 元",
                "en": f"{yuan} yuan from the {en} purse",
                "amount_fen": leg.amount_fen,
            }
        )
    return tuple(trace)
